"""Whole training steps: the chapter's own functions, compiled against eager, gradients, optimizers in place."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.compiler.cpu import _outline
from lamina.compiler.cpu._binding import threads_for
from lamina.errors import StaleGradientError

CLASSES = 5


class Chapter:
    """The chapter's program, smaller: parameters, network, loss and SGD as closures over one list."""

    def __init__(self, inputs: int = 20, hidden: int = 17, dtype: Any = np.float32, seed: int = 1) -> None:
        random = np.random.default_rng(seed)
        shapes = [(inputs, hidden), (hidden,), (hidden, hidden), (hidden,), (hidden, CLASSES), (CLASSES,)]
        self.params = [nd.array(random.normal(scale=0.3, size=s), dtype=dtype) for s in shapes]
        for p in self.params:
            p.attach_grad()

    def net(self, x: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = self.params
        h1 = nd.maximum(nd.dot(x, w1) + b1, 0)
        h2 = nd.maximum(nd.dot(h1, w2) + b2, 0)
        return nd.dot(h2, w3) + b3

    def step(self, data: Any, label: Any, lr: Any) -> Any:
        one_hot = nd.one_hot(label, CLASSES, dtype=data.dtype)
        with autograd.record():
            loss = -nd.nansum(one_hot * nd.log_softmax(self.net(data)), axis=0, exclude=True)
        loss.backward()
        for p in self.params:
            p[:] = p - lr * p.grad
        return nd.mean(loss)


def batches(count: int, size: int, inputs: int = 20, dtype: Any = np.float32) -> Any:
    random = np.random.default_rng(7)
    for _ in range(count):
        x = random.normal(size=(size, inputs))
        y = (x[:, :CLASSES]).argmax(1)
        yield nd.array(x, dtype=dtype), nd.array(y, dtype=dtype)


def run(chapter: Chapter, step: Any, data: Any, lr: float = 0.05) -> list[float]:
    return [float(step(x, y, lr).asscalar()) for x, y in data]


@pytest.mark.few(1)
@pytest.mark.parametrize("size", [1, 7, 16, 33])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_agrees_with_eager(dtype: Any, size: int) -> None:
    """Over 50 steps. Both paths round each step's sums anew, with a relative error of about sqrt(n)·eps each; SGD at
    this learning rate is no chaotic map, so the errors add up over the steps instead of multiplying. So after 50 steps
    of sums over at most 33 terms parameters of order 1 differ by less than 50 · sqrt(33) · eps; twice that for two
    paths. An element that a ReLU switches differently would be visible as an error of 1e-3 and more.
    """
    eager, compiled = Chapter(dtype=dtype), Chapter(dtype=dtype)
    step = lamina.compile(compiled.step)
    expected = run(eager, eager.step, batches(50, size, dtype=dtype))
    actual = run(compiled, step, batches(50, size, dtype=dtype))
    bound = 2 * 50 * 33**0.5 * np.finfo(dtype).eps
    np.testing.assert_allclose(actual, expected, rtol=bound, atol=bound)
    for p, q in zip(compiled.params, eager.params, strict=True):
        np.testing.assert_allclose(p.asnumpy(), q.asnumpy(), rtol=bound, atol=bound)
    assert len(step._entries) == 1


def test_a_smaller_last_batch_and_a_changing_rate() -> None:
    eager, compiled = Chapter(), Chapter()
    step = lamina.compile(compiled.step)
    data = [*batches(3, 16), *batches(1, 5), *batches(2, 16)]
    for i, (x, y) in enumerate(data):
        lr = 0.1 / (1 + i)
        np.testing.assert_allclose(
            step(x, y, lr).asnumpy(), eager.step(x, y, lr).asnumpy(), rtol=1e-4, atol=1e-6
        )
    assert len(step._entries) == 2


@pytest.mark.slow
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_the_same_bits_for_any_number_of_threads(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_outline, "_BARRIER", 0)  # though so few operations are done sooner by one

    def trained(count: int) -> list[np.ndarray]:
        lamina.set_num_threads(count)
        chapter = Chapter(inputs=70, hidden=150)
        step = lamina.compile(chapter.step)
        losses = run(chapter, step, batches(100, 33, inputs=70), lr=0.005)
        entry = next(iter(step._entries.values()))
        assert threads_for(entry.program) == count
        return [np.array(losses), *(p.asnumpy() for p in chapter.params)]

    for one, many in zip(trained(1), trained(threads), strict=True):
        np.testing.assert_array_equal(one, many)


# --- gradients -----------------------------------------------------------------------------------------------------


def test_a_gradient_used_inside_is_not_stored_and_says_so() -> None:
    chapter = Chapter()
    step = lamina.compile(chapter.step)
    ((x, y),) = batches(1, 8)
    step(x, y, 0.1)
    with pytest.raises(StaleGradientError, match="keep_gradients=True"):
        chapter.params[0].grad.asnumpy()
    with pytest.raises(StaleGradientError, match="keep_gradients=True"):
        chapter.params[0].grad + 1
    with autograd.record():
        loss = (chapter.params[0] * 2).sum()
    loss.backward()
    assert chapter.params[0].grad.asnumpy()[0, 0] == 2
    step(x, y, 0.1)


def test_a_step_that_reads_a_stale_gradient_says_so_and_changes_nothing() -> None:
    w, v = nd.ones((2, 3)), nd.ones((2, 3))
    for parameter in (w, v):
        parameter.attach_grad()

    @lamina.compile
    def step() -> None:
        with autograd.record():
            loss = nd.sum(w * w + v)
        loss.backward()
        for parameter in (w, v):
            parameter[:] = parameter - 0.1 * parameter.grad

    @lamina.compile
    def scale() -> None:
        v.grad[:] = 1
        w.grad[:] = w.grad * 0.5

    w.grad[:] = 2
    scale()
    assert w.grad.asnumpy()[0, 0] == 1
    step()
    with pytest.raises(StaleGradientError):
        scale()
    for parameter in (w, v):  # neither has memory with old numbers now
        with pytest.raises(StaleGradientError):
            parameter.grad.asnumpy()


def test_a_part_of_a_stale_gradient_can_not_be_written() -> None:
    w, v = nd.ones((2, 3)), nd.ones((2, 3))
    for parameter in (w, v):
        parameter.attach_grad()

    @lamina.compile
    def step() -> None:
        with autograd.record():
            loss = nd.sum(w * w + v)
        loss.backward()
        for parameter in (w, v):
            parameter[:] = parameter - 0.1 * parameter.grad

    step()
    for key in (0, (slice(None), 1), nd.array([1])):
        with pytest.raises(StaleGradientError):
            w.grad[key] = 5
    with pytest.raises(StaleGradientError):
        w.grad[:] = v.grad
    with pytest.raises(StaleGradientError):
        w.grad.asnumpy()
    w.grad[None] = nd.ones((1, 2, 3))
    assert w.grad.asnumpy().all()
    step()
    w.grad[...] = 5
    np.testing.assert_array_equal(w.grad.asnumpy(), np.full((2, 3), 5.0))


def test_only_a_run_counts_as_a_write() -> None:
    """By the count, a trainer and `backward` know whether something was written since."""
    w = nd.ones((2, 3))

    @lamina.compile
    def fails(x: Any) -> None:
        w[:] = w + x
        raise KeyError

    @lamina.compile
    def step(x: Any) -> None:
        w[:] = w + x

    with pytest.raises(KeyError):
        fails(nd.ones((2, 3)))
    assert w._version == 0
    step(nd.ones((2, 3)))
    step(nd.ones((2, 3)))
    assert w._version == 2


def test_a_stale_gradient_can_be_overwritten() -> None:
    chapter = Chapter()
    step = lamina.compile(chapter.step)
    ((x, y),) = batches(1, 8)
    step(x, y, 0.1)
    chapter.params[0].grad[:] = 3
    assert chapter.params[0].grad.asnumpy()[0, 0] == 3


def test_keep_gradients() -> None:
    chapter, eager = Chapter(), Chapter()
    step = lamina.compile(chapter.step, keep_gradients=True)
    for x, y in batches(2, 8):
        step(x, y, 0.1)
        eager.step(x, y, 0.1)
    for p, q in zip(chapter.params, eager.params, strict=True):
        np.testing.assert_allclose(p.grad.asnumpy(), q.grad.asnumpy(), rtol=1e-4, atol=1e-6)


def test_gradients_that_are_only_computed_are_stored() -> None:
    w = nd.array([1.0, 2.0])
    w.attach_grad()

    @lamina.compile
    def gradients(x: Any) -> None:
        with autograd.record():
            loss = (w * w * x).sum()
        loss.backward()

    gradients(nd.array([3.0, 4.0]))
    np.testing.assert_array_equal(w.grad.asnumpy(), [6, 16])


def test_added_gradients_stay_between_steps() -> None:
    w = nd.array([1.0, 2.0])
    w.attach_grad("add")

    @lamina.compile
    def accumulate(x: Any) -> Any:
        with autograd.record():
            loss = (w * x).sum()
        loss.backward()
        return loss

    for _ in range(3):
        accumulate(nd.array([3.0, 4.0]))
    np.testing.assert_array_equal(w.grad.asnumpy(), [9, 12])

    @lamina.compile
    def update() -> None:
        w[:] = w - w.grad
        w.grad[:] = 0

    update()
    np.testing.assert_array_equal(w.asnumpy(), [-8, -10])
    np.testing.assert_array_equal(w.grad.asnumpy(), [0, 0])


def test_autograd_grad_and_higher_derivatives_inside() -> None:
    def second(x: Any) -> Any:
        x = x * 1.0
        x.attach_grad()
        with autograd.record():
            y = nd.exp(x) * x
            (first,) = autograd.grad(y, x, create_graph=True)
            total = first.sum()
        total.backward()
        return first, x.grad

    x = nd.array([0.0, 0.5, -1.0])
    first, grad = lamina.compile(second)(x)
    v = x.asnumpy()
    np.testing.assert_allclose(first.asnumpy(), np.exp(v) * (1 + v), rtol=1e-6)
    np.testing.assert_allclose(grad.asnumpy(), np.exp(v) * (2 + v), rtol=1e-6)


def test_momentum_and_other_state() -> None:
    def make() -> tuple[Any, Any, Any, Any]:
        w, v = nd.array([1.0, -2.0]), nd.zeros((2,))
        w.attach_grad()

        def step(x: Any, lr: Any) -> Any:
            with autograd.record():
                loss = ((w * x) ** 2).sum()
            loss.backward()
            v[:] = 0.9 * v - lr * w.grad
            w[:] += v
            return loss

        return w, v, step, lamina.compile(step)

    w, v, step, _ = make()
    w2, v2, _, compiled = make()
    for i in range(5):
        x = nd.array([1.0, 0.5 + i])
        np.testing.assert_allclose(compiled(x, 0.01).asnumpy(), step(x, 0.01).asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(w2.asnumpy(), w.asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(v2.asnumpy(), v.asnumpy(), rtol=1e-5)


# --- in place ------------------------------------------------------------------------------------------------------


def check_in_place(body: Any, *shapes: tuple[int, ...], steps: int = 3, rtol: float = 2e-5) -> None:
    """After some steps of `body(*arrays)`, which writes into them, they and its result are as eagerly."""
    for threads in (1, 3):
        lamina.set_num_threads(threads)
        random = np.random.default_rng(3)
        start = [random.normal(size=s) for s in shapes]
        eager, compiled = ([nd.array(x) for x in start] for _ in range(2))
        function = lamina.compile(body)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(steps):
                want, got = body(*eager), function(*compiled)
        if want is not None:
            np.testing.assert_allclose(got.asnumpy(), want.asnumpy(), rtol=rtol, atol=1e-6)
        for x, y in zip(compiled, eager, strict=True):
            np.testing.assert_allclose(x.asnumpy(), y.asnumpy(), rtol=rtol, atol=1e-6)


def swap(a: Any, b: Any) -> None:
    old = a.copy()
    a[:] = b
    b[:] = old


def rotate(a: Any, b: Any, c: Any) -> None:
    x, y, z = a + 0, b + 0, c + 0
    a[:], b[:], c[:] = y, z, x


def product_into_its_own_operand(w: Any, a: Any) -> Any:
    w[:] = nd.dot(w, a) * 0.1
    return nd.sum(w)


def softmax_in_place(x: Any) -> None:
    x[:] = nd.softmax(x, axis=1)


def transposed_in_place(x: Any) -> Any:
    x[:] = x.T
    return x + 1


def read_after_update(w: Any, x: Any) -> Any:
    before = nd.dot(x, w)
    w[:] = w * 0.5 + 1
    return before + nd.dot(x, w)


def cumulative(a: Any, b: Any) -> Any:
    a[:] = a + b
    b[:] = b + a
    a[:] = a * b * 0.1
    return a - b


def part_of_a_matrix(x: Any, v: Any) -> Any:
    x[1:3] = v
    x[0][:] = x[0] * 2
    row = x[3]
    row += 1
    row[0:2] *= 3
    return x + row


def strided_part(x: Any) -> Any:
    x[:, 1::2] = x[:, 0::2] + 1
    x[::2] = -x[::2]
    return nd.sum(x, axis=0)


def reversed_in_place(x: Any) -> None:
    x[:] = x[::-1]


def row_values_in_place(x: Any, b: Any) -> Any:
    s = nd.sum(x, axis=1, keepdims=True)
    other = s * 0.1 + b
    b[:] = s * 0.2 + b
    return other + nd.max(x, axis=1, keepdims=True)


def column_sums_in_place(x: Any, b: Any) -> Any:
    s = nd.sum(x, axis=0)
    other = s - b
    b[:] = s + b
    return other


def normalized_by_itself(x: Any) -> Any:
    x[:] = (x - nd.mean(x, axis=0)) / (nd.max(x) - nd.min(x) + 1)
    return nd.sum(x)


def scattered(x: Any, y: Any) -> None:
    x[:] = nd.one_hot(nd.argmax(x, axis=1), 6) * 0.5 + x
    y[:] = y + nd.sum(x, axis=0)


def written_twice_from_one_value(a: Any, b: Any) -> Any:
    value = a * 2 + b
    a[:] = value
    b[:] = value
    return value


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("body", "shapes"),
    [
        (swap, [(300, 7), (300, 7)]),
        (rotate, [(5,), (5,), (5,)]),
        (product_into_its_own_operand, [(70, 70), (70, 70)]),
        (softmax_in_place, [(33, 17)]),
        (transposed_in_place, [(40, 40)]),
        (read_after_update, [(30, 20), (10, 30)]),
        (cumulative, [(100,), (100,)]),
        (part_of_a_matrix, [(4, 5), (2, 5)]),
        (strided_part, [(7, 6)]),
        (reversed_in_place, [(100, 3)]),
        (row_values_in_place, [(40, 9), (40, 1)]),
        (column_sums_in_place, [(9, 400), (400,)]),
        (normalized_by_itself, [(20, 10)]),
        (scattered, [(12, 6), (6,)]),
        (written_twice_from_one_value, [(64, 3), (64, 3)]),
    ],
)
def test_in_place_updates(body: Any, shapes: list[tuple[int, ...]]) -> None:
    check_in_place(body, *shapes)


@pytest.mark.filterwarnings("ignore::lamina.errors.NonFiniteWarning")  # rightly so
@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("where", ["weight", "gradient"])
def test_pixels_that_are_zero_in_the_whole_batch_hide_no_infinity(value: float, where: str) -> None:
    """The first layer skips columns of zeros; 0·inf is NaN all the same."""
    random = np.random.default_rng(2)
    pixels = random.normal(size=(16, 40)).astype(np.float32)
    pixels[:, ::3] = 0
    weight = random.normal(size=(40, 70)).astype(np.float32)
    scale = np.ones((16, 70), np.float32)
    (weight if where == "weight" else scale)[3, 5] = value

    def trained(compiles: bool) -> tuple[np.ndarray, np.ndarray]:
        w = nd.array(weight)
        w.attach_grad()

        def step(x: Any, s: Any) -> Any:
            with autograd.record():
                y = nd.dot(x, w)
                loss = y * s
            loss.backward()
            w[:] = w - 0.1 * w.grad
            return y

        y = (lamina.compile(step) if compiles else step)(nd.array(pixels), nd.array(scale))
        return y.asnumpy(), w.asnumpy()

    with np.errstate(invalid="ignore"):
        for eager, compiled in zip(trained(False), trained(True), strict=True):
            np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-5)  # NaN where NaN is
