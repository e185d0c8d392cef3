"""Smaller functions of ``nd.contrib``: masks, index arrays, tests for NaN and infinity, and custom gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.device.context import Context
from lamina.errors import ShapeError
from lamina.nd._distributions import uniform
from lamina.nd.conversion import array
from lamina.nd.creation import arange
from lamina.nd.elementwise import abs, exp, floor, log, round, sign
from lamina.nd.operators import NDArray, operator
from lamina.nd.reduce import min
from lamina.primitives.elementwise import where
from lamina.primitives.indexing import take, take_add
from lamina.primitives.movement import reshape
from lamina.primitives.surrogate import straight_through
from lamina.primitives.typing import normalize_axis

__all__ = [
    "allclose", "arange_like", "boolean_mask", "gradientmultiplier", "index_array", "index_copy", "isfinite",
    "isinf", "isnan", "quadratic", "rand_zipfian", "round_ste", "sign_ste",
]  # fmt: skip


# --- parts and positions ------------------------------------------------------------------------------------------


@operator
def boolean_mask(data: NDArray, index: NDArray, axis: int = 0) -> NDArray:
    """The entries along `axis` where `index` is nonzero.

    The function can't be compiled, since the result's shape depends on values. Raises `ShapeError` if `index` does not
    have one element for each index along `axis`.

    >>> from lamina import nd
    >>> nd.contrib.boolean_mask(nd.array([[1, 2], [3, 4], [5, 6]]), nd.array([0, 1, 1])).asnumpy()
    array([[3., 4.],
           [5., 6.]], dtype=float32)
    """
    place = normalize_axis("boolean_mask", axis, data.ndim)
    if index.shape != (data.shape[place],):
        raise ShapeError(
            f"boolean_mask: axis {place} of data {data.shape} needs an index of shape "
            f"({data.shape[place]},), got {index.shape}"
        )
    chosen = array(np.flatnonzero(index._numbers()), ctx=data.context, dtype=np.int64)
    return bind(take, data, chosen, axis=place, mode="clip")


@operator
def index_copy(old_tensor: NDArray, index_vector: NDArray, new_tensor: NDArray) -> NDArray:
    """A copy of `old_tensor` whose rows at `index_vector` are replaced by the rows of `new_tensor`.

    Raises `ShapeError` if the replaced and the new rows differ in shape or number.

    >>> from lamina import nd
    >>> nd.contrib.index_copy(nd.zeros((3, 1)), nd.array([2, 0]), nd.array([[5], [6]])).asnumpy().tolist()
    [[6.0], [0.0], [5.0]]
    """
    rows = index_vector.shape[0]
    if new_tensor.shape != (rows, *old_tensor.shape[1:]) or index_vector.ndim != 1:
        raise ShapeError(
            f"index_copy: needs a vector of indices, got shape {index_vector.shape}, and new rows of shape "
            f"{(rows, *old_tensor.shape[1:])}, got {new_tensor.shape}"
        )
    size = old_tensor.shape[0]
    placed = bind(take_add, new_tensor, index_vector, size=size, axis=0, mode="clip")
    ones = index_vector * 0 + 1
    hit = bind(take_add, ones, index_vector, size=size, axis=0, mode="clip")
    return bind(where, bind(reshape, hit, shape=(size, *(1,) * (old_tensor.ndim - 1))), placed, old_tensor)


@operator
def index_array(data: NDArray, axes: Sequence[int] | None = None) -> NDArray:
    """The index of each element as int64, along a new last axis, for all axes of `data` or only for `axes`."""
    chosen = range(data.ndim) if axes is None else [normalize_axis("index_array", a, data.ndim) for a in axes]
    positions = np.indices(data.shape)[list(chosen)]
    return array(np.moveaxis(positions, 0, -1), ctx=data.context, dtype=np.int64)


@operator
def arange_like(
    data: NDArray,
    start: float = 0.0,
    step: float = 1.0,
    repeat: int = 1,
    ctx: Context | None = None,
    axis: int | None = None,
) -> NDArray:
    """``start, start + step, …``, each value `repeat` times, in the shape of `data`.

    With `axis` the result is a vector with the size of that axis.
    """
    size = data.size if axis is None else data.shape[normalize_axis("arange_like", axis, data.ndim)]
    count = -(-size // repeat)
    numbers = arange(
        start, start + step * (count - 0.5), step, repeat=repeat, ctx=ctx or data.context, dtype=data.dtype
    )
    numbers = numbers[:size]
    return numbers if axis is not None else bind(reshape, numbers, shape=data.shape)


# --- tests of numbers ---------------------------------------------------------------------------------------------


@operator
def isnan(data: NDArray) -> NDArray:
    """1 where the element is NaN, else 0."""
    return data != data  # noqa: PLR0124 - which only NaN is


@operator
def isinf(data: NDArray) -> NDArray:
    """1 where the element is infinite, else 0."""
    return abs(data) == float("inf")


@operator
def isfinite(data: NDArray) -> NDArray:
    """1 where the element is neither infinite nor NaN, else 0."""
    return abs(data) < float("inf")


@operator
def allclose(
    a: NDArray, b: NDArray, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = True
) -> NDArray:
    """1 if |a - b| ≤ atol + rtol · |b| for all elements, else 0, as a uint8 array of shape (1,)."""
    close = (abs(a - b) <= atol + rtol * abs(b)) + (a == b)
    if equal_nan:
        close = close + isnan(a) * isnan(b)
    return min((close > 0).astype(np.uint8))


# --- formulas -----------------------------------------------------------------------------------------------------


@operator
def quadratic(data: NDArray, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> NDArray:
    """The polynomial a·x² + b·x + c."""
    return a * data * data + b * data + c


@operator
def gradientmultiplier(data: NDArray, scalar: float = 1.0) -> NDArray:
    """`data` unchanged, with its gradient multiplied by `scalar`.

    A negative `scalar` reverses the gradient (Ganin & Lempitsky, 2015).
    """
    return bind(straight_through, data, data * scalar)


@operator
def round_ste(data: NDArray) -> NDArray:
    """`round(data)` with the gradient of the identity (a straight-through estimator)."""
    return bind(straight_through, round(data), data)


@operator
def sign_ste(data: NDArray) -> NDArray:
    """`sign(data)` with the gradient of the identity (a straight-through estimator)."""
    return bind(straight_through, sign(data), data)


def rand_zipfian(
    true_classes: NDArray, num_sampled: int, range_max: int, ctx: Context | None = None
) -> tuple[NDArray, NDArray, NDArray]:
    """Random classes with P(k) = log((k + 2) / (k + 1)) / log(range_max + 1), for a sampled softmax.

    Returns:
        The drawn classes (int64), the expected counts of `true_classes`, and the expected counts of the drawn classes.
    """
    scale = math.log(range_max + 1)
    unit: Any = uniform(0, scale, shape=(num_sampled,), dtype="float64", ctx=ctx)
    drawn = floor(exp(unit) - 1.0) % range_max

    def expected(classes: NDArray) -> NDArray:
        k = classes.astype("float64")
        return log((k + 2.0) / (k + 1.0)) / scale * num_sampled

    return drawn.astype("int64"), expected(true_classes), expected(drawn)
