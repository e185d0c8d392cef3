"""`run_stacks`: many steps in one call, each with its own items, are the loop of single calls, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.errors import AutogradError, ShapeError

STEPS = 5


def step(x: Any, rate: Any, w: Any) -> Any:
    """One of gradient descent on |x · w|²."""
    out = nd.dot(x, w)
    w[:] = w - rate * nd.dot(x, out, transpose_a=True)
    return nd.sum(out * out), out


def operands() -> tuple[Any, list[tuple[float]], Any]:
    random = np.random.default_rng(0)
    stack = nd.array(random.normal(size=(STEPS + 2, 8, 4)))  # longer than what is used of it
    return stack, [(0.01 * (i + 1),) for i in range(STEPS)], nd.array(random.normal(size=(4, 3)))


@pytest.mark.parametrize("threads", [1, 2])
def test_it_is_the_loop_of_single_calls_bit_for_bit(threads: int) -> None:
    lamina.set_num_threads(threads)
    stack, numbers, w = operands()
    single = lamina.compile(step)
    expected = [single(nd.array(stack.asnumpy()[i]), *numbers[i], w) for i in range(STEPS)]
    other_w = operands()[2]
    losses, outputs = lamina.compile(step).run_stacks([stack], numbers, other_w)
    np.testing.assert_array_equal(losses.asnumpy(), np.stack([x.asnumpy() for x, _ in expected]))
    np.testing.assert_array_equal(outputs.asnumpy(), np.stack([x.asnumpy() for _, x in expected]))
    np.testing.assert_array_equal(other_w.asnumpy(), w.asnumpy())


def test_stacks_may_be_written() -> None:
    source, target = nd.array(np.arange(12.0).reshape(3, 4)), nd.zeros((3, 4))

    def double(x: Any, y: Any) -> None:
        y[:] = 2 * x

    lamina.compile(double).run_stacks([source, target], [()] * 2)
    np.testing.assert_array_equal(target.asnumpy(), [[0, 2, 4, 6], [8, 10, 12, 14], [0, 0, 0, 0]])


def test_a_number_that_python_needs_to_know_and_a_function_that_stays_eager() -> None:
    stack = nd.array(np.arange(6.0).reshape(3, 2))
    power = lamina.compile(lambda x, n: x ** len(range(n)))
    found = power.run_stacks([stack], [(1,), (2,), (3,)]).asnumpy()
    np.testing.assert_array_equal(found, [[0, 1], [4, 9], [64, 125]])
    with pytest.warns(UserWarning, match="runs eagerly"):
        sizes = lamina.compile(lambda x: nd.sort(x * 1)).run_stacks([stack], [()] * 3)
    np.testing.assert_array_equal(sizes.asnumpy(), stack.asnumpy())


def test_wrong_calls_are_told() -> None:
    stack, numbers, w = operands()
    compiled = lamina.compile(step)
    for stacks, count in (([stack], STEPS + 3), ([stack], 0), ([], 1)):
        with pytest.raises(ShapeError, match=r"run_stacks: .* got \d+ steps, and \d stacks"):
            compiled.run_stacks(stacks, [(0.1,)] * count, w)
    with autograd.record(), pytest.raises(AutogradError, match="run_stacks"):
        compiled.run_stacks([stack], numbers, w)


def test_numbers_of_other_types_are_not_cut_off() -> None:
    stack = nd.array(np.arange(6.0).reshape(3, 2))
    found = lamina.compile(lambda x, k: x * k).run_stacks([stack], [(1,), (2.5,), (0.5,)])
    np.testing.assert_array_equal(found.asnumpy(), [[0, 1], [5, 7.5], [2, 2.5]])
    with pytest.raises(ShapeError, match="step 1 has 2 numbers, but step 0 has 1"):
        lamina.compile(lambda x, k: x * k).run_stacks([stack], [(1.0,), (2.0, 3.0)])


def test_items_of_one_axis_and_what_is_no_stack() -> None:
    doubled = lamina.compile(lambda x: x * 2)
    assert doubled.run_stacks([nd.array([1, 2, 3])], [()] * 3).asnumpy().tolist() == [[2], [4], [6]]
    with pytest.raises(TypeError, match=r"run_stacks: stack 0 is a ndarray; wrap it in nd.array"):
        doubled.run_stacks([np.zeros((2, 2))], [()])  # pyright: ignore[reportArgumentType]


def test_inside_another_compiled_function() -> None:
    stack = nd.array(np.arange(6.0).reshape(3, 2))
    summed = lamina.compile(lambda x, k: k * nd.sum(x))
    outer = lamina.compile(lambda x: summed.run_stacks([x], [(1.0,), (10.0,)]) + 1)
    assert outer(stack).asnumpy().ravel().tolist() == [2, 51]


def descent(w: Any, x: Any) -> Any:
    """A step that reads its parameter transposed, as `gluon.nn.Dense` does."""
    out = nd.dot(x, w, transpose_b=True)
    w[:] = w - 0.1 * nd.dot(out, x, transpose_a=True)
    return nd.sum(out * out)


def test_stacked_parameters_of_which_each_step_trains_its_own() -> None:
    random = np.random.default_rng(0)
    ws, xs = nd.array(random.normal(size=(4, 6, 5))), nd.array(random.normal(size=(4, 7, 5)))
    single = [nd.array(w) for w in ws.asnumpy()]
    losses = [descent(w, nd.array(x)).asnumpy() for w, x in zip(single, xs.asnumpy(), strict=True)]
    found = lamina.compile(descent).run_stacks([ws, xs], [()] * 4)
    np.testing.assert_allclose(found.asnumpy(), losses, rtol=1e-5)
    np.testing.assert_allclose(ws.asnumpy(), [w.asnumpy() for w in single], rtol=1e-5, atol=1e-6)


def test_a_written_array_may_be_the_item_of_a_later_step() -> None:
    random = np.random.default_rng(0)
    memory = random.normal(size=(4, 6, 5)).astype(np.float32)
    expected = memory.copy()
    for x in expected:
        expected[2] -= np.float32(0.1) * (x @ expected[2].T).T @ x
    compiled = lamina.compile(lambda x, w: descent(w, x))
    with pytest.warns(UserWarning, match="shares memory"):
        compiled.run_stacks([nd.from_numpy(memory)], [()] * 4, nd.from_numpy(memory[2]))
    np.testing.assert_allclose(memory, expected, rtol=1e-5, atol=1e-6)


def test_a_function_that_stays_eager_may_return_what_it_changes() -> None:
    def add(x: Any, w: Any) -> Any:
        w[:] = w + nd.sort(x)
        return w

    with pytest.warns(UserWarning, match="runs eagerly"):
        found = lamina.compile(add).run_stacks([nd.ones((3, 2))], [()] * 3, nd.zeros(2))
    assert found.asnumpy().tolist() == [[1, 1], [2, 2], [3, 3]]


def test_what_was_written_is_not_differentiated_as_it_was() -> None:
    stack = nd.ones((3, 2))
    before = stack._version
    lamina.compile(lambda x: x.__setitem__(slice(None), x * 2)).run_stacks([stack], [()] * 3)
    assert stack._version > before
    assert stack.asnumpy().tolist() == [[2, 2]] * 3
