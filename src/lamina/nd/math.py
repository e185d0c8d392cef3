"""Elementwise functions, comparisons, reductions and products of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.array import Array
from lamina.core.primitive import Primitive, bind
from lamina.nd.ndarray import NDArray, operand
from lamina.primitives import reduce
from lamina.primitives.contract import matmul
from lamina.primitives.elementwise import BINARY, COMPARISON, UNARY
from lamina.primitives.elementwise import where as where_primitive
from lamina.primitives.typing import normalize_axes, normalize_axis

__all__ = [
    "argmax", "argmin", "dot", "exp", "log", "max", "maximum", "mean", "min", "minimum", "nansum", "prod", "relu",
    "sigmoid", "sqrt", "sum", "tanh", "where",
]  # fmt: skip

Axis = int | tuple[int, ...] | None


def _unary(name: str, doc: str) -> Any:
    primitive = UNARY[name]

    def function(data: NDArray) -> NDArray:
        return bind(primitive, data)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


exp = _unary("exp", "e to the power of each element.")
log = _unary("log", "The natural logarithm of each element.")
sqrt = _unary("sqrt", "The square root of each element.")
tanh = _unary("tanh", "The hyperbolic tangent of each element.")
sigmoid = _unary("sigmoid", "1 / (1 + exp(-x)) of each element.")
relu = _unary("relu", "max(x, 0) of each element; the gradient at 0 is 0.")


def _combine(primitive: Primitive, lhs: Any, rhs: Any) -> NDArray:
    """Two operands, at least one of them an array."""
    if isinstance(lhs, Array):
        return bind(primitive, lhs, operand(lhs, rhs))
    return bind(primitive, operand(rhs, lhs), rhs)


def maximum(lhs: Any, rhs: Any) -> NDArray:
    """The larger of each pair; at a tie the gradient goes to the first operand."""
    return _combine(BINARY["maximum"], lhs, rhs)


def minimum(lhs: Any, rhs: Any) -> NDArray:
    """The smaller of each pair; at a tie the gradient goes to the first operand."""
    return _combine(BINARY["minimum"], lhs, rhs)


def where(condition: NDArray, x: Any, y: Any) -> NDArray:
    """`x` where the condition is not 0, else `y`."""
    return bind(where_primitive, condition, x, y)


def _axes(name: str, data: NDArray, axis: Axis, exclude: bool) -> tuple[int, ...]:
    axes = normalize_axes(name, None if axis == () else axis, data.ndim)
    return tuple(a for a in range(data.ndim) if a not in axes) if exclude else axes


def sum(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The sum over `axis` (all axes if None; all others with `exclude`)."""
    return bind(reduce.reduce_sum, data, axis=_axes("sum", data, axis, exclude), keepdims=keepdims)


def prod(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The product over `axis`."""
    return bind(reduce.reduce_prod, data, axis=_axes("prod", data, axis, exclude), keepdims=keepdims)


def max(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The maximum over `axis`."""
    return bind(reduce.reduce_max, data, axis=_axes("max", data, axis, exclude), keepdims=keepdims)


def min(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The minimum over `axis`."""
    return bind(reduce.reduce_min, data, axis=_axes("min", data, axis, exclude), keepdims=keepdims)


def nansum(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The sum over `axis`, NaN counted as 0."""
    known = bind(where_primitive, bind(COMPARISON["equal"], data, data), data, 0.0)
    return sum(known, axis, keepdims, exclude)


def mean(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The mean over `axis`."""
    axes = _axes("mean", data, axis, exclude)
    count = int(np.prod([data.shape[a] for a in axes]))
    return bind(reduce.reduce_sum, data, axis=axes, keepdims=keepdims) / count


def _arg(name: str, primitive: Primitive, data: NDArray, axis: int | None, keepdims: bool) -> NDArray:
    flat, place = (data.reshape((-1,)), 0) if axis is None else (data, normalize_axis(name, axis, data.ndim))
    return bind(primitive, flat, axis=place, keepdims=keepdims)


def argmax(data: NDArray, axis: int | None = None, keepdims: bool = False) -> NDArray:
    """The position of the maximum along `axis`, as float32."""
    return _arg("argmax", reduce.argmax, data, axis, keepdims)


def argmin(data: NDArray, axis: int | None = None, keepdims: bool = False) -> NDArray:
    """The position of the minimum along `axis`, as float32."""
    return _arg("argmin", reduce.argmin, data, axis, keepdims)


def dot(lhs: NDArray, rhs: NDArray, transpose_a: bool = False, transpose_b: bool = False) -> NDArray:
    """The product over the last axis of `lhs` and the first of `rhs`.

    >>> from lamina import nd
    >>> nd.dot(nd.ones((2, 3)), nd.ones((3, 4))).shape
    (2, 4)
    """
    if lhs.ndim == 2 and rhs.ndim == 2:
        return bind(matmul, lhs, rhs, transpose_a=transpose_a, transpose_b=transpose_b)
    if lhs.ndim == 1 and rhs.ndim == 1:
        return sum(lhs * rhs)
    left = lhs.reshape((lhs.shape[0], -1)) if transpose_a else lhs.reshape((-1, lhs.shape[-1]))
    right = rhs.reshape((-1, rhs.shape[-1])) if transpose_b else rhs.reshape((rhs.shape[0], -1))
    product = bind(matmul, left, right, transpose_a=transpose_a, transpose_b=transpose_b)
    rows = lhs.shape[1:] if transpose_a else lhs.shape[:-1]
    columns = rhs.shape[:-1] if transpose_b else rhs.shape[1:]
    return product.reshape(rows + columns or (1,))
