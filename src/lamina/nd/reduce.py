"""Reductions (sums, products, means, norms, extrema and their positions), cumulative sums, sorting and counting.

`axis` is one axis, several, or None for all; with ``exclude=True``, `axis` lists the axes to keep. A reduction over all
axes has shape (1,).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lamina.core.primitive import Primitive, bind
from lamina.errors import ParameterError, ShapeError
from lamina.nd.conversion import array
from lamina.nd.creation import full, ones_like
from lamina.nd.elementwise import abs, floor
from lamina.nd.join import stack
from lamina.nd.lookup import one_hot
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.slicing import slice_axis
from lamina.primitives import COMPARISON, UNARY, indexing, reduce, reduce_prod, reshape, where
from lamina.primitives.typing import element_type, normalize_axes, normalize_axis

__all__ = [
    "all_finite", "amp_cast", "amp_multicast", "argmax", "argmax_channel", "argmin", "argsort", "cumsum",
    "fill_element_0index", "histogram", "max", "max_axis", "mean", "min", "min_axis", "moments", "multi_all_finite",
    "multi_sum_sq", "nanprod", "nansum", "norm", "onehot_encode", "prod", "ravel_multi_index", "sort", "sum",
    "sum_axis", "topk", "unravel_index",
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
    known = bind(where, bind(COMPARISON["equal"], data, data), data, 1.0)
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


# --- cumulative sums, histograms, moments, index conversion, sorting --------------------------------------------------


@operator
def cumsum(a: NDArray, axis: int | None = None, dtype: Any = None) -> NDArray:
    """Cumulative sum along `axis`, or over the flattened array if `axis` is None.

    >>> from lamina import nd
    >>> nd.cumsum(nd.array([1, 2, 3])).asnumpy()
    array([1., 3., 6.], dtype=float32)
    """
    x = a if dtype is None else a.astype(dtype, copy=False)
    line, place = _line("cumsum", x, axis)
    return bind(reduce.cumsum, line, axis=place, reverse=False)


def histogram(
    a: NDArray, bins: int | NDArray = 10, range: tuple[float, float] | None = None
) -> list[NDArray]:
    """Count the elements in intervals and return [counts, edges].

    `bins` is the number of intervals of equal width over `range` (default: minimum to maximum of `a`), or an array
    of their edges.

    >>> from lamina import nd
    >>> counts, edges = nd.histogram(nd.array([1, 2, 2, 5]), bins=2)
    >>> counts.asnumpy(), edges.asnumpy()
    (array([3, 1]), array([1., 3., 5.], dtype=float32))
    """
    numbers = a._numbers()
    given = bins if isinstance(bins, int) else bins._numbers()
    counts, edges = np.histogram(numbers, given, range)
    kind = np.float32 if isinstance(bins, int) else bins.dtype
    return [array(counts, ctx=a.context, dtype=np.int64), array(edges, ctx=a.context, dtype=kind)]


def moments(data: NDArray, axes: Axis = None, keepdims: bool = False) -> list[NDArray]:
    """The list [mean, variance], computed over `axes`.

    >>> from lamina import nd
    >>> [x.asscalar().item() for x in nd.moments(nd.array([1, 3]), axes=(0,))]
    [2.0, 1.0]
    """
    off = data - mean(data, axis=axes, keepdims=True)
    return [mean(data, axis=axes, keepdims=keepdims), mean(off * off, axis=axes, keepdims=keepdims)]


# --- scaled training ----------------------------------------------------------------------------------------------


@operator
def all_finite(data: NDArray, init_output: bool = True) -> NDArray:
    """1 if every element is finite (no infinity, no NaN), else 0, as an array of shape (1,)."""
    return min((abs(data) < float("inf")).astype(np.float32)) if data.size else full(1, 1.0)


@operator
def multi_all_finite(*data: NDArray, num_arrays: int = 1, init_output: bool = True) -> NDArray:
    """1 if every element of every array is finite, else 0, as an array of shape (1,)."""
    return min(stack(*[all_finite(x) for x in data]))


@operator
def multi_sum_sq(*data: NDArray, num_arrays: int = 1) -> NDArray:
    """The sums of squares of the arrays, as a vector with an element for each array."""
    return bind(reshape, stack(*[sum(x * x) for x in data]), shape=(len(data),))


@operator
def amp_cast(data: NDArray, dtype: Any) -> NDArray:
    """Cast to another float type, like `cast`."""
    return data.astype(dtype)


def amp_multicast(*data: NDArray, num_outputs: int | None = None, cast_narrow: bool = False) -> list[NDArray]:
    """Cast all arrays to their widest dtype, or with `cast_narrow` to their narrowest."""
    types = sorted((np.dtype(x.dtype) for x in data), key=lambda t: t.itemsize)
    return [x.astype(types[0 if cast_narrow else -1]) for x in data]


# --- positions ----------------------------------------------------------------------------------------------------


def onehot_encode(indices: NDArray, out: NDArray) -> NDArray:
    """Write the one-hot row of each index into `out` and return `out`."""
    out[:] = one_hot(indices, out.shape[1], dtype=out.dtype)
    return out


@operator
def fill_element_0index(lhs: NDArray, mhs: NDArray, rhs: NDArray) -> NDArray:
    """A copy of the matrix `lhs` whose element ``[i, rhs[i]]`` is ``mhs[i]`` in each row i."""
    here = one_hot(rhs, lhs.shape[1], dtype=lhs.dtype)
    return bind(where, here, bind(reshape, mhs, shape=(lhs.shape[0], 1)), lhs)


def _sizes(name: str, shape: Sequence[int]) -> list[int]:
    sizes = [int(n) for n in shape]
    if any(n <= 0 for n in sizes[1:]):
        raise ShapeError(
            f"{name}: the sizes of shape {tuple(sizes)} must be positive; only the first may be unknown (-1)"
        )
    return sizes


@operator
def ravel_multi_index(data: NDArray, shape: Sequence[int] = ()) -> NDArray:
    """Convert multi-indices, for an array of shape `shape`, to flat indices; each column of `data` is a multi-index.

    Raises `ShapeError` if `data` does not have one row for each axis of `shape`.

    >>> from lamina import nd
    >>> nd.ravel_multi_index(nd.array([[1, 0], [2, 1]]), shape=(2, 3)).asnumpy()
    array([5., 1.], dtype=float32)
    """
    sizes = _sizes("ravel_multi_index", shape)
    if data.shape[0] != len(sizes):
        raise ShapeError(
            f"ravel_multi_index: data {data.shape} must have a row for each axis of {tuple(sizes)}"
        )
    flat = data[0]
    for i, n in enumerate(sizes[1:], 1):
        flat = flat * n + data[i]
    return flat


@operator
def unravel_index(data: NDArray, shape: Sequence[int] = ()) -> NDArray:
    """Convert flat indices, for an array of shape `shape`, to multi-indices along a new first axis."""
    rest, rows = data, list[Any]()
    for n in reversed(_sizes("unravel_index", shape)[1:]):
        rows.append(rest % n)
        rest = floor(rest / n)
    return stack(*[rest, *reversed(rows)], axis=0)


# --- order: equal elements keep theirs, and NaN comes last --------------------------------------------------------


def _line(name: str, data: NDArray, axis: int | None) -> tuple[NDArray, int]:
    """`data` and its axis as a non-negative integer; for axis None, the flattened data and 0."""
    if axis is None:
        return bind(reshape, data, shape=(data.size,)), 0
    return data, normalize_axis(name, axis, data.ndim)


@operator
def sort(data: NDArray, axis: int | None = -1, is_ascend: bool = True) -> NDArray:
    """The elements sorted along `axis`, or all elements if `axis` is None.

    >>> from lamina import nd
    >>> nd.sort(nd.array([3, 1, 2])).asnumpy()
    array([1., 2., 3.], dtype=float32)
    """
    x, place = _line("sort", data, axis)
    return bind(indexing.sort, x, axis=place, ascending=bool(is_ascend))


@operator
def argsort(data: NDArray, axis: int | None = -1, is_ascend: bool = True, dtype: Any = np.float32) -> NDArray:
    """The positions that would sort `data` along `axis`, or all elements if `axis` is None.

    The positions are float32 by default, as in MXNet.

    >>> from lamina import nd
    >>> nd.argsort(nd.array([3, 1, 2])).asnumpy()
    array([1., 2., 0.], dtype=float32)
    """
    x, place = _line("argsort", data, axis)
    return bind(indexing.argsort, x, axis=place, ascending=bool(is_ascend), dtype=element_type(dtype))


def topk(
    data: NDArray,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: str = "indices",
    is_ascend: bool = False,
    dtype: Any = np.float32,
) -> NDArray | list[NDArray]:
    """The k largest elements along `axis` (smallest with `is_ascend`), in sorted order.

    `ret_typ` selects the result: ``"indices"`` (of `dtype`), ``"value"``, ``"both"`` ([values, indices]), or ``"mask"``
    (1 for each of the k elements, else 0, in the shape of `data`). k < 1 selects all elements.

    Raises `ParameterError` if the axis has fewer than k elements, or if `ret_typ` is unknown.

    >>> from lamina import nd
    >>> nd.topk(nd.array([[1, 5, 3]]), k=2).asnumpy()
    array([[1., 2.]], dtype=float32)
    """
    known_name("topk", "ret_typ", ret_typ, ("indices", "value", "both", "mask"))
    x, place = _line("topk", data, axis)
    size = x.shape[place]
    if k > size:
        raise ParameterError(f"topk: k={k}, but axis {place} of shape {x.shape} has only {size} elements")
    ascending = bool(is_ascend)
    order = bind(indexing.argsort, x, axis=place, ascending=ascending, dtype=np.dtype(np.int64))
    order = slice_axis(order, place, 0, k if k > 0 else size)
    if ret_typ == "mask":
        ones = ones_like(order).astype(data.dtype)
        mask = bind(indexing.take_along_add, ones, order, size=size, axis=place, mode="clip")
        return bind(reshape, mask, shape=data.shape)
    if ret_typ == "indices":
        return order.astype(dtype)
    values = bind(indexing.take_along, x, order, axis=place, mode="clip")
    return values if ret_typ == "value" else [values, order.astype(dtype)]
