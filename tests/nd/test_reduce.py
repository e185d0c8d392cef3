"""Reductions against NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina as mx
from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError

X = np.random.default_rng(0).normal(size=(2, 3, 4))
ORACLES: dict[str, Any] = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean}


def as_mxnet(expected: Any) -> np.ndarray:
    """NumPy's result with MXNet's shape of a full reduction."""
    return np.asarray(expected) if np.ndim(expected) else np.reshape(expected, (1,))


@st.composite
def axes(draw: Any) -> Any:
    chosen = draw(st.lists(st.integers(-3, 2), min_size=1, max_size=3, unique_by=lambda a: a % 3))
    return draw(st.sampled_from([None, chosen[0], tuple(chosen)]))


@pytest.mark.parametrize("name", ORACLES)
@given(axis=axes(), keepdims=st.booleans(), exclude=st.booleans())
def test_matches_numpy(name: str, axis: Any, keepdims: bool, exclude: bool) -> None:
    out = getattr(nd, name)(nd.array(X, dtype="float64"), axis=axis, keepdims=keepdims, exclude=exclude)
    if exclude and axis is not None:
        named = {a % 3 for a in ((axis,) if isinstance(axis, int) else axis)}
        axis = tuple(a for a in range(3) if a not in named)
    expected = as_mxnet(ORACLES[name](X, axis=axis, keepdims=keepdims))
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.asnumpy(), expected, rtol=1e-12)


def test_fluent_and_aliases() -> None:
    x = nd.array(X)
    assert x.sum(axis=0).shape == (3, 4)
    assert x.mean().shape == (1,)
    assert nd.sum_axis is nd.sum
    assert nd.max_axis is nd.max
    assert nd.min_axis is nd.min


@pytest.mark.parametrize("axes", [0, -1, [0, 1], (1,)])
def test_moments_over_one_axis_or_several(axes: Any) -> None:
    """The axes may be a number, as in MXNet 1.9.1."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    axis = tuple(axes) if isinstance(axes, list) else axes
    for result, expected in zip(nd.moments(nd.array(x), axes=axes), (x.mean(axis), x.var(axis)), strict=True):
        np.testing.assert_allclose(result.asnumpy(), np.reshape(expected, result.shape), rtol=1e-6)


def test_nan_counts_as_nothing_in_nansum_and_nanprod() -> None:
    x = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 2.0]])
    given = nd.array(x)
    np.testing.assert_allclose(nd.nansum(given, axis=1).asnumpy(), np.nansum(x, axis=1))
    np.testing.assert_allclose(nd.nanprod(given, axis=0).asnumpy(), np.nanprod(x, axis=0))
    np.testing.assert_allclose(nd.nansum(given, axis=0, exclude=True).asnumpy(), np.nansum(x, axis=1))
    given.attach_grad()
    with autograd.record():
        total = given.nansum()
    total.backward()
    assert given.grad.asnumpy().tolist() == [[1, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)])
def test_norm(order: int, axis: Any) -> None:
    out = nd.norm(nd.array(X, dtype="float64"), ord=order, axis=axis).asnumpy()
    expected = np.abs(X).sum(axis) if order == 1 else np.sqrt(np.square(X).sum(axis))
    np.testing.assert_allclose(out, as_mxnet(expected))


def test_norm_of_another_order() -> None:
    with pytest.raises(ParameterError, match="ord=3 is unknown; known: 1, 2"):
        nd.norm(nd.ones(2), ord=3)  # pyright: ignore


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_positions_are_float32(name: str, axis: int | None) -> None:
    out = getattr(nd, name)(nd.array(X, dtype="float64"), axis=axis)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.asnumpy(), as_mxnet(getattr(np, name)(X, axis=axis)))
    kept = getattr(nd, name)(nd.array(X), axis=axis, keepdims=True)
    assert kept.shape == getattr(np, name)(X, axis=axis, keepdims=True).shape


def test_argmax_channel_is_argmax_over_axis_1() -> None:
    assert nd.argmax_channel(nd.array([[1, 5], [7, 2]])).asnumpy().tolist() == [1, 0]


def test_the_gradient_of_max_goes_to_every_maximal_element() -> None:
    x = nd.array([1.0, 3.0, 3.0])
    x.attach_grad()
    with autograd.record():
        y = x.max()
    y.backward()
    assert x.grad.asnumpy().tolist() == [0, 1, 1]


def test_sum_of_integers_stays_integer() -> None:
    assert nd.array([1, 2], dtype="int32").sum().dtype == np.int32


def test_empty_arrays() -> None:
    assert nd.zeros((0, 3)).sum().asscalar() == 0
    assert nd.zeros((0, 3)).sum(axis=0).asnumpy().tolist() == [0, 0, 0]
    with pytest.raises(ShapeError, match=r"max: axis \(0,\) of shape \(0, 3\) is empty"):
        nd.zeros((0, 3)).max(axis=0)
    with pytest.raises(ShapeError, match="argmax"):
        nd.zeros((0, 3)).argmax(axis=0)


def test_an_axis_that_does_not_exist() -> None:
    with pytest.raises(ShapeError, match="sum: axis 3 does not exist in an array of 3 axes"):
        nd.array(X).sum(axis=3)
    with pytest.raises(ShapeError, match="twice"):
        nd.array(X).sum(axis=(0, -3))


def test_an_axis_may_be_an_argument_of_a_compiled_function() -> None:
    compiled = mx.compile(lambda x, axis: nd.sum(x, axis=axis))
    for axis in (0, 1, 0):
        np.testing.assert_allclose(compiled(nd.array(X), axis).asnumpy(), X.sum(axis), rtol=1e-5, atol=1e-6)


# --- the gradient of a product ---------------------------------------------------------------------------------------

WITH_ZEROS = np.array(
    [
        [2.0, 3.0, -1.5, 0.5, 4.0],
        [2.0, 0.0, 3.0, -5.0, 7.0],
        [0.0, 0.0, 3.0, 1.0, 1.0],
        [0.0, 2.0, 0.0, 0.0, 1.0],
    ]
)


def gradient_of_product(x: Any, axis: Any = None, function: Any = nd.prod) -> Any:
    with autograd.record():
        (slope,) = autograd.grad(function(x, axis=axis), x)
    return slope


def second_derivative_of_product(x: Any, weight: Any, axis: Any = None) -> Any:
    with autograd.record():
        (slope,) = autograd.grad(nd.prod(x, axis=axis), x, create_graph=True)
        total = (slope * weight).sum()
    return autograd.grad(total, x)[0]


def others(a: np.ndarray) -> np.ndarray:
    """The gradient of the product along the last axis, by its definition."""
    return np.stack([np.delete(a, i, -1).prod(-1) for i in range(a.shape[-1])], -1)


def differences(function: Any, a: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Central differences of a function that gives a number."""
    slopes = np.empty_like(a)
    for i in np.ndindex(*a.shape):
        up, down = a.copy(), a.copy()
        up[i] += step
        down[i] -= step
        slopes[i] = (function(up) - function(down)) / (2 * step)
    return slopes


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_gradient_of_a_product_with_zeros(size: int, compiled: bool) -> None:
    x = nd.array(WITH_ZEROS[:, :size], dtype="float64")
    x.attach_grad()
    gradient = mx.compile(gradient_of_product) if compiled else gradient_of_product
    np.testing.assert_allclose(gradient(x, 1).asnumpy(), others(x.asnumpy()), rtol=1e-14)


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (1, 2), (0, 1), 2])
def test_the_gradient_of_a_product_over_any_axes(axis: Any) -> None:
    a = X.copy()
    a[0, 1, 2] = a[1, 1, 0] = a[1, 2, 3] = 0
    x = nd.array(a, dtype="float64")
    x.attach_grad()
    expected = differences(lambda b: np.prod(b, axis=axis).sum(), a)
    np.testing.assert_allclose(gradient_of_product(x, axis).asnumpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_second_derivative_of_a_product_with_zeros(compiled: bool) -> None:
    x = nd.array(WITH_ZEROS, dtype="float64")
    x.attach_grad()
    weight = np.random.default_rng(1).normal(size=WITH_ZEROS.shape)
    second = mx.compile(second_derivative_of_product) if compiled else second_derivative_of_product
    found = second(x, nd.array(weight, dtype="float64"), 1).asnumpy()
    expected = differences(lambda a: (others(a) * weight).sum(), WITH_ZEROS)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_the_gradient_of_a_product_does_not_overflow_with_it_and_of_nothing_is_nothing() -> None:
    x = nd.array([[1e30, 1e30, 1e-30], [np.inf, 2, 3]])
    x.attach_grad()
    expected = np.array([[1, 1, np.inf], [6, np.inf, np.inf]])
    np.testing.assert_allclose(gradient_of_product(x, 1).asnumpy(), expected, rtol=1e-6)
    for shape in ((2, 0), (0, 2)):
        empty = nd.zeros(shape)
        empty.attach_grad()
        assert gradient_of_product(empty, 1).shape == shape


def test_the_gradient_of_nanprod_ignores_what_is_missing() -> None:
    a = np.array([[2.0, np.nan, 0.0, 5.0], [np.nan, 3.0, 4.0, np.nan]])
    x = nd.array(a, dtype="float64")
    x.attach_grad()
    expected = np.where(np.isnan(a), 0, others(np.where(np.isnan(a), 1, a)))
    np.testing.assert_allclose(gradient_of_product(x, 1, nd.nanprod).asnumpy(), expected)


def test_the_gradient_of_a_long_product() -> None:
    x = nd.array(np.random.default_rng(0).uniform(0.9, 1.1, 1001), dtype="float64")
    x.attach_grad()
    expected = x.asnumpy().prod() / x.asnumpy()
    np.testing.assert_allclose(gradient_of_product(x).asnumpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(mx.compile(gradient_of_product)(x).asnumpy(), expected, rtol=1e-12)
