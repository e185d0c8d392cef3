"""`run_batches`: many steps in one call are the loop of single calls, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.core.state import state
from lamina.errors import AutogradError, ShapeError

ROWS, BATCH = 50, 8


class Regression:
    """A linear model trained on uint8 inputs, scaled inside the step."""

    def __init__(self) -> None:
        self.w = nd.array(np.linspace(-1, 1, 12).reshape(4, 3))
        self.w.attach_grad()

    def step(self, x: Any, label: Any, lr: Any) -> Any:
        with autograd.record():
            out = nd.dot(x.astype(np.float32) / 255, self.w)
            loss = -nd.pick(nd.log_softmax(out), label)
        loss.backward()
        self.w[:] = self.w - lr * self.w.grad
        return nd.mean(loss), nd.argmax(out, axis=1), lr * 2


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    pixels = nd.array(random.integers(0, 256, (ROWS, 4)), dtype=np.uint8)
    return pixels, nd.array(random.integers(0, 3, ROWS), dtype=np.int32)


def indices(steps: int = 12, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, ROWS, (steps, BATCH))


def loop(model: Regression, step: Any, rows: np.ndarray, lr: float = 0.1) -> list[Any]:
    x, label = data()
    found = []
    for row in rows:
        index = nd.array(row, dtype=np.int32)
        found.append(step(nd.take(x, index), nd.take(label, index), lr))
    return found


def test_it_is_the_loop_of_single_calls_bit_for_bit() -> None:
    one, many = Regression(), Regression()
    expected = loop(one, lamina.compile(one.step), indices())
    losses, classes, rates = lamina.compile(many.step).run_batches(indices(), *data(), 0.1)
    np.testing.assert_array_equal(losses.asnumpy(), np.stack([r[0].asnumpy() for r in expected]))
    np.testing.assert_array_equal(classes.asnumpy(), np.stack([r[1].asnumpy() for r in expected]))
    np.testing.assert_array_equal(many.w.asnumpy(), one.w.asnumpy())
    np.testing.assert_array_equal(np.asarray(rates), 0.2)
    assert losses.shape == (12, 1)
    assert classes.shape == (12, BATCH)


@pytest.mark.parametrize("threads", [1, 3])
def test_evaluation_of_a_data_set(threads: int) -> None:
    lamina.set_num_threads(threads)
    w = nd.array(np.random.default_rng(2).normal(size=(4, 400)))
    net = lamina.compile(lambda x: nd.relu(nd.dot(x.astype(np.float32), w)))
    x, _ = data()
    rows = np.arange(48).reshape(3, 16)
    result = net.run_batches(rows, x)
    expected = net.original(x[:48]).asnumpy()
    terms = np.abs(x[:48].asnumpy().astype(np.float32)) @ np.abs(w.asnumpy())
    bound = 5 * np.finfo(np.float32).eps * terms  # of sums of 4 terms in any order
    assert np.all(np.abs(result.asnumpy().reshape(48, 400) - expected) <= bound)


def test_numbers_and_indices_of_several_kinds() -> None:
    step = lamina.compile(lambda x, scale: nd.sum(x) * scale)
    x = nd.array(np.arange(10.0))
    for rows in (np.array([[0, 1], [2, 9]]), nd.array([[0, 1], [2, 9]]), [[0, 1], [2, 9]]):
        np.testing.assert_array_equal(step.run_batches(rows, x, 2.0).asnumpy().ravel(), [2, 22])
        np.testing.assert_array_equal(step.run_batches(rows, x, scale=3.0).asnumpy().ravel(), [3, 33])
    assert len(step._entries) == 2  # by position and by name


def test_no_steps_and_empty_batches() -> None:
    step = lamina.compile(lambda x: (nd.sum(x), x * 2))
    x = nd.array(np.arange(10.0))
    total, doubled = step.run_batches(np.zeros((0, 3), int), x)
    assert (total.shape, doubled.shape) == ((0, 1), (0, 3))
    total, doubled = step.run_batches(np.zeros((2, 0), int), x)
    np.testing.assert_array_equal(total.asnumpy(), [[0], [0]])
    assert doubled.shape == (2, 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 50]], "at least 0 and below 50, the number of rows of the shortest array, but go from 0 to 50"),
        ([[-1, 0]], "below 50, .* but go from -1 to 0"),
        ([0, 1], r"needs an integer matrix \(steps, batch\), got int64 of shape \(2,\)"),
        ([["a"]], "needs an integer matrix"),
        ([[0.5, 1.0]], "whole numbers"),
    ],
)
def test_wrong_indices_change_nothing(rows: Any, message: str) -> None:
    model = Regression()
    before = model.w.asnumpy()
    with pytest.raises(ShapeError, match=message):
        lamina.compile(model.step).run_batches(rows, *data(), 0.1)
    np.testing.assert_array_equal(model.w.asnumpy(), before)


def test_it_needs_arrays() -> None:
    with pytest.raises(ShapeError, match="at least one array"):
        lamina.compile(lambda n: n * 2).run_batches([[0]], 3)


def test_progress_counts_up_to_all_steps() -> None:
    model = Regression()
    seen: list[tuple[int, int]] = []
    rows = indices(40)
    lamina.compile(model.step).run_batches(
        rows, *data(), 0.1, progress=lambda done, steps: seen.append((done, steps))
    )
    assert seen[-1] == (40, 40)
    assert all(steps == 40 for _, steps in seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_an_interruption_keeps_the_steps_before_it() -> None:
    model, expected = Regression(), Regression()
    step = lamina.compile(model.step)
    rows = indices(40)
    stopped: list[int] = []

    def progress(done: int, _steps: int) -> None:
        if done >= 5:
            stopped.append(done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        step.run_batches(rows, *data(), 0.1, progress=progress)
    loop(expected, lamina.compile(expected.step), rows[: stopped[0]])
    np.testing.assert_array_equal(model.w.asnumpy(), expected.w.asnumpy())
    assert state.trace is None
    rest = step.run_batches(rows[stopped[0] :], *data(), 0.1)
    loop(expected, lamina.compile(expected.step), rows[stopped[0] :])
    np.testing.assert_array_equal(model.w.asnumpy(), expected.w.asnumpy())
    assert rest[0].shape == (40 - stopped[0], 1)


def test_what_does_not_compile_runs_step_by_step() -> None:
    def ranked(x: Any) -> Any:
        return nd.sort(x), {"first": [nd.max(x)]}

    x = nd.array([3.0, 1.0, 2.0])
    seen: list[int] = []
    with pytest.warns(UserWarning, match="'sort'"):
        both = lamina.compile(ranked).run_batches(
            [[0, 1], [2, 1]], x, progress=lambda done, _: seen.append(done)
        )
    np.testing.assert_array_equal(both[0].asnumpy(), [[1, 3], [1, 2]])
    np.testing.assert_array_equal(both[1]["first"][0].asnumpy().ravel(), [3, 2])
    assert seen == [1, 2]


def test_switched_off_it_runs_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_COMPILE", "0")
    step = lamina.compile(lambda x: float(nd.sum(x).asscalar()) * x)
    result = step.run_batches([[0, 1], [1, 1]], nd.array([1.0, 2.0]))
    np.testing.assert_array_equal(result.asnumpy(), [[3, 6], [8, 8]])


def test_a_number_that_python_computes_for_each_step() -> None:
    from lamina.core.state import call_each_step

    class Counter:
        """Stands for an optimizer of lamina's own, into which guards do not look."""

        __module__ = "lamina.optimizer"
        count = 0

        def next(self) -> int:
            self.count += 1
            return self.count

    counter = Counter()

    def step(x: Any) -> Any:
        return nd.sum(x) + call_each_step(counter.next, integer=True)

    compiled = lamina.compile(step)
    result = compiled.run_batches([[0], [0], [0]], nd.zeros((1,))).asnumpy().ravel()
    np.testing.assert_array_equal(result, [1, 2, 3])
    assert compiled(nd.zeros((1,))).asscalar() == 4


def test_progress_may_replace_what_the_function_finds_outside() -> None:
    weights = [nd.zeros((2,))]
    seen: list[int] = []

    def replace(done: int, _steps: int) -> None:
        if not seen:
            seen.append(done)
            weights[0] = nd.array([100, 100])

    @lamina.compile
    def step(x: Any) -> Any:
        weights[0][:] = weights[0] + nd.sum(x, axis=0)
        return nd.max(weights[0])

    result = step.run_batches(np.zeros((50, 1), int), nd.ones((4, 2)), progress=replace)
    np.testing.assert_array_equal(weights[0].asnumpy(), [100 + 50 - seen[0]] * 2)
    expected = [*range(1, seen[0] + 1), *range(101, 101 + 50 - seen[0])]
    np.testing.assert_array_equal(result.asnumpy().ravel(), expected)


def test_a_returned_parameter_is_stacked_as_it_was_after_each_step() -> None:
    for compiles in ("1", "0"):
        weight = nd.zeros((2,))

        def step(x: Any, n: Any, weight: Any = weight) -> Any:
            weight[:] = weight + nd.sum(x, axis=0)
            return weight, n * 2

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAMINA_COMPILE", compiles)
            weights, numbers = lamina.compile(step).run_batches([[0], [1]], nd.ones((4, 2)), 3)
        np.testing.assert_array_equal(weights.asnumpy(), [[1, 1], [2, 2]])
        np.testing.assert_array_equal(numbers, [6, 6])


def test_inside_another_compiled_function_the_steps_are_part_of_it() -> None:
    total = lamina.compile(nd.sum)
    outer = lamina.compile(lambda x: total.run_batches([[0, 1], [2, 2]], x) * 2)
    for factor in (1.0, 3.0):
        x = nd.array([1, 2, 3]) * factor
        np.testing.assert_array_equal(outer(x).asnumpy().ravel(), [6 * factor, 12 * factor])


def test_under_record_it_is_an_error() -> None:
    step = lamina.compile(nd.sum)
    with autograd.record(), pytest.raises(AutogradError, match=r"can't be called inside autograd\.record"):
        step.run_batches([[0]], nd.ones((2,)))


def test_rows_of_a_later_call_take_the_place_of_those_before():
    total = lamina.compile(lambda x: nd.sum(2 * x))
    x = nd.array([1, 2, 4, 8])
    for rows in ([[0, 1]], [[2, 3]], [[0, 0], [1, 1], [3, 3]], [[1, 2]], [[0, 2], [3, 1]]):
        found = total.run_batches(np.array(rows), x).asnumpy().ravel()
        np.testing.assert_array_equal(found, [2 * x.asnumpy()[row].sum() for row in rows])


def test_numbers_of_any_kind_are_those_of_each_step():
    scaled = lamina.compile(lambda x, a, b, unused: nd.sum(x) * a + b)
    x, rows = nd.ones((2,)), np.array([[0, 1], [1, 0]])
    for a, b in [(2, 0.5), (np.int64(3), np.float32(0.25)), (1.5, 7), (1, 1e30)]:
        found = scaled.run_batches(rows, x, a, b, 10**400).asnumpy().ravel()
        np.testing.assert_array_equal(found, np.full(2, np.float32(2 * float(a) + float(b))))
