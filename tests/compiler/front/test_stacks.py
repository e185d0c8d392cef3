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
        with pytest.raises(ShapeError, match=r"run_stacks: \d+ steps, but the shortest of \d stacks"):
            compiled.run_stacks(stacks, [(0.1,)] * count, w)
    with autograd.record(), pytest.raises(AutogradError, match="run_stacks"):
        compiled.run_stacks([stack], numbers, w)
