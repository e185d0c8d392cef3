"""Reductions: sums, products, means, norms, extrema and their positions.

`axis` is one axis, several, or None for all; with ``exclude=True``, `axis` lists the axes to keep. A reduction over all
axes has shape (1,).
"""

from __future__ import annotations

import math
from typing import Any, Literal

from lamina.core.primitive import Primitive, bind
from lamina.errors import ParameterError
from lamina.nd.operators import NDArray, operator
from lamina.primitives import COMPARISON, UNARY, normalize_axes, normalize_axis, reduce, reduce_prod, reshape
from lamina.primitives.elementwise import where as where_primitive

__all__ = [
    "argmax", "argmax_channel", "argmin", "max", "max_axis", "mean", "min", "min_axis", "nanprod", "nansum", "norm",
    "prod", "sum", "sum_axis",
]  # fmt: skip

Axis = int | tuple[int, ...] | list[int] | None


def _axes(name: str, data: NDArray, axis: Axis, exclude: bool) -> tuple[int, ...]:
    ndim = len(data.shape)
    whole = axis is None or (isinstance(axis, tuple | list) and len(axis) == 0)
    axes = normalize_axes(name, None if whole else axis, ndim)
    return tuple([a for a in range(ndim) if a not in axes]) if exclude and not whole else axes


@operator
def sum(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The sum over `axis`.

    >>> from lamina import nd
    >>> x = nd.array([[1, 2], [3, 4]])
    >>> nd.sum(x, axis=0).asnumpy(), nd.sum(x, axis=0, exclude=True).asnumpy(), nd.sum(x).shape
    (array([4., 6.], dtype=float32), array([3., 7.], dtype=float32), (1,))
    """
    return bind(reduce.reduce_sum, data, axis=_axes("sum", data, axis, exclude), keepdims=bool(keepdims))


@operator
def prod(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The product over `axis`."""
    return bind(reduce_prod, data, axis=_axes("prod", data, axis, exclude), keepdims=bool(keepdims))


@operator
def max(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The maximum over `axis`, or NaN if any element is NaN; every maximal element gets the gradient."""
    return bind(reduce.reduce_max, data, axis=_axes("max", data, axis, exclude), keepdims=bool(keepdims))


@operator
def min(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The minimum over `axis`, or NaN if any element is NaN; every minimal element gets the gradient."""
    return bind(reduce.reduce_min, data, axis=_axes("min", data, axis, exclude), keepdims=bool(keepdims))


@operator
def mean(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The mean over `axis`, truncated to an integer for an integer dtype.

    >>> from lamina import nd
    >>> nd.mean(nd.array([[1, 2], [3, 4]]), axis=1).asnumpy()
    array([1.5, 3.5], dtype=float32)
    """
    axes = _axes("mean", data, axis, exclude)
    shape = data.shape
    total = bind(reduce.reduce_sum, data, axis=axes, keepdims=bool(keepdims))
    return total / math.prod([shape[a] for a in axes])


@operator
def nansum(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The sum over `axis`, with NaN counted as 0."""
    known = bind(UNARY["nan_to_zero"], data)
    return bind(reduce.reduce_sum, known, axis=_axes("nansum", data, axis, exclude), keepdims=bool(keepdims))


@operator
def nanprod(data: NDArray, axis: Axis = None, keepdims: bool = False, exclude: bool = False) -> NDArray:
    """The product over `axis`, with NaN counted as 1."""
    known = bind(where_primitive, bind(COMPARISON["equal"], data, data), data, 1.0)
    return bind(reduce_prod, known, axis=_axes("nanprod", data, axis, exclude), keepdims=bool(keepdims))


@operator
def norm(
    data: NDArray, ord: Literal[1, 2] = 2, axis: Axis = None, out_dtype: Any = None, keepdims: bool = False
) -> NDArray:
    """The vector norm along `axis`, √Σx² (``ord=2``) or Σ|x| (``ord=1``), computed in `out_dtype`.

    Raises `ParameterError` for another `ord`.

    >>> from lamina import nd
    >>> nd.norm(nd.array([3, 4])).asscalar().item()
    5.0
    """
    axes = _axes("norm", data, axis, False)
    if out_dtype is not None:
        data = data.astype(out_dtype, copy=False)
    if ord == 1:
        return bind(reduce.reduce_sum, bind(UNARY["abs"], data), axis=axes, keepdims=bool(keepdims))
    if ord == 2:
        squares = bind(reduce.reduce_sum, data * data, axis=axes, keepdims=bool(keepdims))
        return bind(UNARY["sqrt"], squares)
    raise ParameterError(f"norm: ord={ord!r} is unknown; known: 1, 2")


def _arg(name: str, primitive: Primitive, data: NDArray, axis: int | None, keepdims: bool) -> NDArray:
    if axis is not None:
        place = normalize_axis(name, axis, len(data.shape))
        return bind(primitive, data, axis=place, keepdims=bool(keepdims))
    found = bind(primitive, bind(reshape, data, shape=(data.size,)), axis=0, keepdims=False)
    return bind(reshape, found, shape=(1,) * len(data.shape)) if keepdims else found


@operator
def argmax(data: NDArray, axis: int | None = None, keepdims: bool = False) -> NDArray:
    """The position of the first maximum along `axis`, or in the flattened array if None, as float32.

    >>> from lamina import nd
    >>> nd.argmax(nd.array([[1, 5, 2], [7, 0, 7]]), axis=1).asnumpy()
    array([1., 0.], dtype=float32)
    """
    return _arg("argmax", reduce.argmax, data, axis, keepdims)


@operator
def argmin(data: NDArray, axis: int | None = None, keepdims: bool = False) -> NDArray:
    """The position of the first minimum along `axis`, or in the flattened array if None, as float32."""
    return _arg("argmin", reduce.argmin, data, axis, keepdims)


@operator
def argmax_channel(data: NDArray) -> NDArray:
    """The position of the maximum along axis 1."""
    return _arg("argmax_channel", reduce.argmax, data, 1, False)


sum_axis, max_axis, min_axis = sum, max, min
