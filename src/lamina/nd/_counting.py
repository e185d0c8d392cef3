"""Cumulative sums, histograms, moments, index conversion, and sorting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ParameterError, ShapeError
from lamina.nd.conversion import array
from lamina.nd.creation import full, ones_like
from lamina.nd.elementwise import abs, floor
from lamina.nd.join import stack
from lamina.nd.lookup import one_hot
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.reduce import mean, min, sum
from lamina.nd.slicing import slice_axis
from lamina.primitives import element_type, indexing, normalize_axis, reshape, where
from lamina.primitives.reduce import cumsum as cumsum_primitive

__all__ = [
    "all_finite", "amp_cast", "amp_multicast", "argsort", "cumsum", "fill_element_0index", "histogram", "moments",
    "multi_all_finite", "multi_sum_sq", "onehot_encode", "ravel_multi_index", "sort", "topk", "unravel_index",
]  # fmt: skip


@operator
def cumsum(a: NDArray, axis: int | None = None, dtype: Any = None) -> NDArray:
    """Cumulative sum along `axis`, or over the flattened array if `axis` is None.

    >>> from lamina import nd
    >>> nd.cumsum(nd.array([1, 2, 3])).asnumpy()
    array([1., 3., 6.], dtype=float32)
    """
    x = a if dtype is None else a.astype(dtype, copy=False)
    if axis is None:
        return bind(cumsum_primitive, bind(reshape, x, shape=(a.size,)), axis=0, reverse=False)
    return bind(cumsum_primitive, x, axis=normalize_axis("cumsum", axis, a.ndim), reverse=False)


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


def moments(data: NDArray, axes: Sequence[int] | None = None, keepdims: bool = False) -> list[NDArray]:
    """The list [mean, variance], computed over `axes`.

    >>> from lamina import nd
    >>> [x.asscalar().item() for x in nd.moments(nd.array([1, 3]), axes=(0,))]
    [2.0, 1.0]
    """
    chosen = tuple(axes) if axes is not None else None
    center = mean(data, axis=chosen, keepdims=True)
    off = data - center
    return [mean(data, axis=chosen, keepdims=keepdims), mean(off * off, axis=chosen, keepdims=keepdims)]


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
