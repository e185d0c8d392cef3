"""Compiled equals eager: programs that once differed."""

from __future__ import annotations

import numbers
import statistics
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import autograd, nd
from lamina.core.denormals import flush_denormals, restore_denormals


def both(function: Any, *arrays: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What a function returns and what it leaves in its arguments: eagerly, and compiled."""
    found: list[list[np.ndarray]] = []
    for run in (function, lamina.compile(function)):
        inputs = [nd.array(x, dtype=x.dtype) for x in arrays]
        result = run(*inputs)
        results = list(result) if isinstance(result, tuple | list) else [result]
        found.append([x.asnumpy() for x in [*results, *inputs] if x is not None])
    return found[0], found[1]


def assert_equal(function: Any, *arrays: np.ndarray) -> None:
    for eager, compiled in zip(*both(function, *arrays), strict=True):
        assert (compiled.shape, compiled.dtype) == (eager.shape, eager.dtype)
        np.testing.assert_array_equal(compiled, eager)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_angle_of_denormals_is_that_of_zeros(dtype: Any) -> None:
    tiny = np.finfo(dtype).tiny / 8
    y = np.array([tiny, -tiny, tiny, -tiny, tiny, 1, 0, -0.0, np.nan], dtype)
    x = np.array([1, 1, -1, -1, 0, tiny, -tiny, -tiny, tiny], dtype)
    zero = np.finfo(dtype).tiny
    expected = np.arctan2(
        np.where(abs(y) < zero, np.copysign(0, y), y), np.where(abs(x) < zero, np.copysign(0, x), x)
    )
    compiled = lamina.compile(nd.arctan2)(nd.array(y, dtype=dtype), nd.array(x, dtype=dtype)).asnumpy()
    np.testing.assert_allclose(compiled, expected, rtol=1e-6)
    np.testing.assert_array_equal(np.signbit(compiled), np.signbit(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_functions_flush_denormals_outside_record(dtype: Any) -> None:
    """The guide says so; where the processor or the system can't, both keep them."""
    tiny = np.array([np.finfo(dtype).tiny / 8, 1], dtype)
    saved = flush_denormals()
    restore_denormals(saved)
    x = nd.array(tiny, dtype=dtype)
    assert (x * 0.5).asnumpy()[0] > 0
    compiled = lamina.compile(lambda x: (x * 0.5, x + 0.0, x - x * 2))(x)
    for result in compiled:
        assert (result.asnumpy()[0] == 0) == (saved is not None)
        assert abs(result.asnumpy()[0]) < np.finfo(dtype).tiny


VIEWS: dict[str, Any] = {
    "every second of an axis of size 1": lambda x: x.reshape((-1, 1))[:, ::2],
    "an axis of size 1 backwards": lambda x: x.reshape((-1, 1))[:, ::-1],
    "one row of a reshape": lambda x: x.reshape((2, -1))[1],
    "a reshape of rows": lambda x: x[2:4].reshape((-1, 1))[1:, ::3],
    "a new axis": lambda x: x[None, 1:5],
    "nothing": lambda x: x[3:3],
    "every second: a copy": lambda x: x[::2],
    "one element of a copy": lambda x: x[::2][:1],
    "one element, stepping": lambda x: x[4::7],
    "detached": lambda x: x.detach().reshape((3, 2))[2],
    "expanded and squeezed": lambda x: nd.squeeze(x.expand_dims(0)[:, 1:3]),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_what_is_written_through_a_view(view: Any) -> None:
    def write(x: Any) -> Any:
        v = view(x)
        v[:] = 7
        v += 1
        return v

    assert_equal(write, np.arange(6, dtype=np.float32))


def test_a_condition_with_one_axis_chooses_rows() -> None:
    condition, x, y = np.array([1, 0], np.float32), np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    assert_equal(nd.where, condition, x, y)
    assert_equal(lambda c, x: nd.where(c, x, 2.0), condition, x)
    assert_equal(nd.where, condition[:0], x[:0], y[:0])


def test_axes_of_size_one_in_front_are_left_out_by_broadcasting() -> None:
    assert_equal(nd.broadcast_like, np.ones((1, 1), np.float32), np.ones(5, np.float32))
    assert_equal(lambda x: nd.broadcast_to(x, (3,)), np.ones((1, 1, 1), np.float32))
    for run in (nd.broadcast_to, lamina.compile(nd.broadcast_to)):
        with pytest.raises(lamina.errors.ShapeError):
            run(nd.ones((2, 1)), shape=(3,))


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 3), (40, 1), (1,), (1, 1, 1), (2, 1, 3), (2, 40, 3)])
def test_constants_that_are_results_are_read_where_they_lie(shape: tuple[int, ...]) -> None:
    """A kernel that runs over its memory in one stretch took such a constant for one of its own shape."""

    def choose(w: Any) -> Any:
        constant = nd.zeros(shape)
        chosen = nd.where(constant, w, 2.0)
        return nd.where(chosen == w, chosen, 0), constant

    w = np.random.default_rng(0).integers(-3, 4, (2, 40, 3)).astype(np.float32)
    for _ in range(3):  # what lies behind the constant's memory is not always the same
        assert_equal(choose, w)


def test_nothing_is_taken_from_an_empty_axis() -> None:
    none, empty = np.zeros((0,), np.int32), np.ones((0, 0), np.float32)
    assert_equal(lambda i, x: nd.pick(x, i, axis=1), none, empty)
    assert_equal(lambda i, x: nd.take(x, i, axis=1), none, np.ones((2, 0), np.float32))
    for run in (nd.take, lamina.compile(nd.take)):
        with pytest.raises(lamina.errors.ShapeError, match="is empty"):
            run(nd.ones((0, 2)), nd.zeros((1,)))


# --- numbers ---------------------------------------------------------------------------------------------------------


def outcome(function: Any, *args: Any) -> Any:
    try:
        return function(*args).asnumpy().tolist()
    except Exception as error:
        return type(error)


def _matched(x: Any, n: Any) -> Any:
    match n:
        case int():
            return x
        case float():
            return x * 2


NUMBERS: dict[str, tuple[Any, list[Any]]] = {
    "divided by zero": (lambda x, n: x * (1.0 / n), [2.0, 0.0]),
    "zero to a negative power": (lambda x, n: x * n**-1, [2.0, 0.0]),
    "beyond float64": (lambda x, n: x * n**2000.0, [1.0, 3.0]),
    "complex": (lambda x, n: x * n**0.5, [4.0, -4.0]),
    "large on the way": (lambda x, n: x * (n * n * n / 2**80), [3, 2**40]),
    "of NumPy's small types": (lambda x, n: x * (n + n), [np.int8(3), np.float16(40000), np.float32(0.1)]),
    "negated": (lambda x, n: 1 / (x * -n), [0.0, -0.0]),
    "its type": (lambda x, n: x * (2 if type(n) is int else 3), [2, 2.0]),
    "its class": (lambda x, n: x * (2 if isinstance(n, float) else 3), [2, 2.0, np.float64(2)]),
    "its abstract class": (lambda x, n: x * (2 if isinstance(n, numbers.Integral) else 3), [2, 2.0]),
    "its pattern": (_matched, [2, 2.0, np.float64(2)]),
    "its mean": (lambda x, n: x * statistics.mean([n, 1]), [2, 2.0]),
    "its methods": (lambda x, n: x * (2 if n.is_integer() else n.real), [2.0, 2.5]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_among_the_arguments_are_pythons(name: str) -> None:
    function, given = NUMBERS[name]
    compiled, x = lamina.compile(function), nd.array([1.0, 2.0])
    for number in given:
        assert outcome(compiled, x, number) == outcome(function, x, number)


@pytest.mark.parametrize("number", [2, 2.0, 2.5, -1, 300, 2**40])
@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_numbers_that_meet_integers_are_converted_or_refused(number: Any, dtype: str) -> None:
    x = nd.array([1, 2], dtype=dtype)
    compiled = lamina.compile(lambda x, n: x + n)
    compiled(x, type(number)(1))
    assert outcome(compiled, x, number) == outcome(compiled.original, x, number)


# --- memory that is shared -------------------------------------------------------------------------------------------


def test_overlapping_arrays_under_record_are_written_as_they_are() -> None:
    def write(x: Any, y: Any) -> Any:
        y[:] = x * 2
        return x * y

    compiled = lamina.compile(write)
    with autograd.record():
        compiled(nd.ones((4,)), nd.ones((4,)))
    expected, found = nd.ones((6,)), nd.ones((6,))
    with autograd.record():
        want = write(expected[1:5], expected[2:6])
        got = compiled(found[1:5], found[2:6])
    np.testing.assert_array_equal(got.asnumpy(), want.asnumpy())
    np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())


def test_arrays_outside_that_share_memory_run_eagerly_in_batches_too() -> None:
    w = nd.zeros((4,))
    matrix = w.reshape((2, 2))

    @lamina.compile
    def step(x: Any) -> Any:
        w[:] = w + 1
        return nd.sum(nd.dot(x, matrix))

    x = nd.ones((3, 2))
    with pytest.warns(UserWarning, match="runs eagerly: an array that is written shares memory"):
        found = step.run_batches(np.array([[0, 1], [1, 2], [0, 0]]), x)
    assert found.asnumpy().ravel().tolist() == [8, 16, 24]
    assert w.asnumpy().tolist() == [3, 3, 3, 3]


def test_an_array_that_is_returned_twice_has_one_memory() -> None:
    def twice(x: Any) -> Any:
        y = x * 2
        return y, {"again": y}

    first, second = lamina.compile(twice)(nd.ones((2,)))
    first += 1
    np.testing.assert_array_equal(second["again"].asnumpy(), [3, 3])


# --- nothing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 40])
def test_products_without_terms_are_zero_however_wide(rows: int) -> None:
    """Looking for zero columns of the left operand, of which there are none, asked for memory that was not there."""
    x, y = np.ones((rows, 0), np.float32), np.ones((0, 80), np.float32)
    assert_equal(nd.dot, x, y)
    assert_equal(lambda x, y: nd.dot(x, y, transpose_b=True), x, np.ones((2, 40, 0), np.float32))
    assert_equal(lambda x, y: nd.dot(x, y, transpose_a=True), np.ones((0, rows), np.float32), y)


def test_arrays_without_elements_are_joined_and_their_gradients_are_empty() -> None:
    empty = np.ones((0, 2), np.float32)
    assert_equal(lambda x, y: nd.concat(x, y, dim=0) + nd.sum(y), empty, empty)

    def slope(x: Any) -> Any:
        x.attach_grad()
        with autograd.record():
            y = nd.take(x, nd.array([0, 0]), axis=0)
        y.backward()
        return x.grad

    assert_equal(slope, np.ones((3, 0), np.float32))
