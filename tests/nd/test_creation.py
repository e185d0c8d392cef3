"""Arrays from nothing, against NumPy."""

from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import lamina as mx
from lamina import nd
from lamina.errors import ContextError, DTypeError, ParameterError, ShapeError, TraceError


def test_shapes_may_be_integers_and_the_default_is_float32() -> None:
    for x in (nd.zeros(3), nd.ones(3), nd.empty(3), nd.full(3, 7), nd.zeros((3,)), nd.zeros([3])):
        assert x.shape == (3,)
        assert x.dtype == np.float32
    assert nd.ones((2, 3), dtype="int32").dtype == np.int32
    assert nd.full((2,), 7).asnumpy().tolist() == [7, 7]
    assert nd.zeros((2, 0)).size == 0


def test_like() -> None:
    x = nd.array([[1, 2]], ctx=mx.cpu(1), dtype="float64")
    for y, value in ((nd.zeros_like(x), 0), (nd.ones_like(x), 1), (x.zeros_like(), 0), (x.ones_like(), 1)):
        assert (y.shape, y.dtype, y.context) == (x.shape, x.dtype, x.context)
        assert y.asnumpy().tolist() == [[value, value]]


def test_two_threads_inside_one_context_each_get_their_own_back() -> None:
    entered, left = Event(), Event()

    def other() -> None:
        with mx.cpu(2), mx.cpu(1):
            entered.set()
            left.wait(10)

    thread = Thread(target=other)
    with mx.cpu(1):
        thread.start()
        assert entered.wait(10)
    found = mx.current_context()
    left.set()
    thread.join()
    assert found is mx.cpu(0)


@example(5e-324, 0.0, -2, 1)
@given(st.floats(-5, 5), st.floats(-5, 5), st.sampled_from([-2, -0.75, 0.3, 1, 3]), st.integers(1, 3))
def test_arange(start: float, stop: float, step: float, repeat: int) -> None:
    expected = np.repeat(np.arange(start, stop, step), repeat).astype(np.float32)
    np.testing.assert_allclose(nd.arange(start, stop, step, repeat).asnumpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
@pytest.mark.parametrize("numbers", [(0, 2, 0.5), (-1.5, 2, 1), (1, 9, 2.5)])
def test_arange_of_integers_cuts_start_and_step(numbers: tuple[float, float, float], dtype: str) -> None:
    expected = np.arange(*numbers, dtype="int64").astype(dtype)
    np.testing.assert_array_equal(nd.arange(*numbers, dtype=dtype).asnumpy(), expected)


def test_a_shape_may_be_an_array() -> None:
    for make in (nd.zeros, nd.ones, nd.empty, lambda shape: nd.full(shape, 2)):
        assert make(np.array([2, 3])).shape == (2, 3)
    assert nd.random.uniform(shape=np.array([2, 3])).shape == (2, 3)


def test_arange_forms() -> None:
    assert nd.arange(4).asnumpy().tolist() == [0, 1, 2, 3]
    assert nd.arange(4).dtype == np.float32
    assert nd.arange(2, 4, dtype="int64").dtype == np.int64
    assert nd.arange(0).shape == (0,)
    with pytest.raises(ParameterError, match="the step from 0 to 5 must not be 0"):
        nd.arange(0, 5, 0)


@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("num", [1, 2, 7])
def test_linspace(num: int, endpoint: bool) -> None:
    expected = np.linspace(-1, 3, num, endpoint)
    np.testing.assert_allclose(nd.linspace(-1, 3, num, endpoint).asnumpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(("n", "m", "k"), [(3, 0, 0), (2, 4, 1), (4, 2, -1), (3, 3, 5)])
def test_eye(n: int, m: int, k: int) -> None:
    out = nd.eye(n, m, k)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.asnumpy(), np.eye(n, m or None, k))


def test_array_takes_anything_numpy_does() -> None:
    assert nd.array(3).shape == (1,)
    assert nd.array([[1, 2], [3, 4]]).dtype == np.float32
    assert nd.array(np.arange(3)).dtype == np.float32
    assert nd.array(np.arange(3.0)).dtype == np.float32
    assert nd.array(np.arange(3.0), dtype="float64").dtype == np.float64
    assert nd.array(nd.array([1], dtype="int32")).dtype == np.int32
    assert nd.array([True, False], dtype="bool").asnumpy().tolist() == [True, False]
    assert nd.array(range(3)).shape == (3,)


def test_array_copies() -> None:
    a = np.zeros(2, np.float32)
    x = nd.array(a)
    y = nd.array(x)
    a[:], x[0] = 5, 7
    assert x.asnumpy().tolist() == [7, 0]
    assert y.asnumpy().tolist() == [0, 0]


def test_contexts() -> None:
    assert nd.zeros(2).context == mx.cpu()
    with mx.cpu(2):
        assert nd.zeros(2).context == mx.cpu(2)
        assert nd.array([1]).context == mx.cpu(2)
    with pytest.raises(ContextError, match=r"gpu\(0\) is not available.*Use mx.cpu\(\) instead"):
        nd.zeros(2, ctx=mx.gpu())
    with pytest.raises(ContextError):
        nd.array([1], ctx=mx.gpu())
    for make in (nd.zeros, nd.array, nd.ones(2).as_in_context):
        with pytest.raises(ContextError, match=r"expected a context such as mx\.cpu\(\), not 'cpu'"):
            make([1], ctx="cpu") if make in (nd.zeros, nd.array) else make("cpu")
    with pytest.raises(ContextError):
        nd.ones(2).as_in_context(mx.gpu())


def test_what_is_no_number_no_shape_or_no_dtype() -> None:
    for source, message in (
        ([[1, 2], [3]], "list: .*inhomogeneous"),
        (None, "None is not a number"),
        ("a", "a str"),
    ):
        with pytest.raises(TypeError, match=message):
            nd.array(source)
    for shape in ("3", (2, 1.5), 2.0, None):
        with pytest.raises(ShapeError, match="an integer or a tuple of integers, not"):
            nd.zeros(shape)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ShapeError, match=r"no negative sizes, got \(2, -1\)"):
        nd.ones((2, -1))
    for make in (nd.zeros, nd.random_normal, nd.arange, nd.array):
        with pytest.raises(DTypeError, match="unknown dtype 'flaot32'"):
            make(3, dtype="flaot32")
        with pytest.raises(DTypeError, match="cannot have the dtype complex64"):
            make(3, dtype="complex64")
    with pytest.raises(DTypeError, match="cannot have the dtype object"):
        nd.ones(2).astype(object)
    assert nd.array([1], dtype=">f4").dtype == np.float32


@pytest.mark.compiles
@pytest.mark.parametrize("compiles", [False, True])
def test_full_takes_a_number(compiles: bool) -> None:
    def fill(value: Any) -> Any:
        return nd.full((2,), value)

    fill = mx.compile(fill) if compiles else fill
    assert fill(3).asnumpy().tolist() == [3, 3]
    with pytest.raises(TypeError, match="val must be a number, not 'a'"):
        fill("a")
    if compiles:
        with pytest.raises(TraceError, match=r"test_creation.py"):
            fill(nd.ones(1))
    else:
        assert fill(nd.ones(1)).asnumpy().tolist() == [1, 1]


def test_sizes_that_are_given_one_by_one_are_told_of_tuples():
    with pytest.raises(ContextError, match=r"not 3; a shape of several sizes is a tuple, like \(2, 3\)"):
        nd.zeros(2, 3)
