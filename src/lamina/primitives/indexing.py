"""Primitives with data-dependent addresses (take, scatter, gather_nd), iota, and sorting, which is never compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.core.lowering import Decompose, Pull, Scatter
from lamina.core.primitive import bind, bind_on, primitive
from lamina.errors import ShapeError
from lamina.primitives.elementwise import BINARY, COMPARISON, cast, where
from lamina.primitives.reduce import reshape
from lamina.primitives.typing import Type, like_first

Ints = tuple[int, ...]


# --- take along an axis ------------------------------------------------------------------------------------------


def _positions(indices: np.ndarray, size: int, mode: str) -> np.ndarray:
    """Integer positions in [0, size), clipped (MXNet's default) or wrapped around."""
    whole = indices.astype(np.int64)
    return whole % size if mode == "wrap" else np.clip(whole, 0, size - 1)


def _take(x: np.ndarray, indices: np.ndarray, axis: int, mode: str) -> np.ndarray:
    return np.ascontiguousarray(np.take(x, _positions(indices, x.shape[axis], mode), axis=axis))


def _take_type(x: Any, indices: Any, axis: int, mode: str) -> Type:
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    if x.shape[axis] == 0 and math.prod(shape):
        raise ShapeError(f"take: axis {axis} of shape {tuple(x.shape)} is empty")
    return shape, np.dtype(x.dtype)


def _take_element(b: Any, index: list[Any], inputs: Any, axis: int, mode: str) -> Any:
    x, indices = inputs
    rank = len(indices.shape)
    position = b.table_position(indices(index[axis : axis + rank]), x.shape[axis], mode)
    return x([*index[:axis], position, *index[axis + rank :]])


take = primitive(
    "take",
    eval=_take,
    infer=_take_type,
    vjp=(lambda g, out, x, i, axis, **how: bind(take_add, g, i, size=x.shape[axis], axis=axis, **how), None),
    lowering=Pull(_take_element, expensive=True),
)
"""``take(x, indices, axis=, mode=)``: slices of `x` at `indices` (any numeric dtype), whose shape replaces the axis."""


def _take_add(g: np.ndarray, indices: np.ndarray, size: int, axis: int, mode: str) -> np.ndarray:
    rank = indices.ndim
    shape = (*g.shape[:axis], size, *g.shape[axis + rank :])
    out = np.zeros(shape, g.dtype)
    rows = np.moveaxis(out, axis, 0)
    flat = g.reshape(*g.shape[:axis], indices.size, *g.shape[axis + rank :])
    np.add.at(rows, _positions(indices, size, mode).ravel(), np.moveaxis(flat, axis, 0))
    return out


def _take_add_type(g: Any, indices: Any, size: int, axis: int, mode: str) -> Type:
    return (*g.shape[:axis], size, *g.shape[axis + len(indices.shape) :]), np.dtype(g.dtype)


def _take_add_index(b: Any, index: list[Any], inputs: Any, size: int, axis: int, mode: str) -> list[Any]:
    rank = len(inputs[1].shape)
    position = b.table_position(inputs[1](index[axis : axis + rank]), size, mode)
    return [*index[:axis], position, *index[axis + rank :]]


take_add = primitive(
    "take_add",
    eval=_take_add,
    infer=_take_add_type,
    vjp=(lambda d, out, g, i, size, axis, mode: bind(take, d, i, axis=axis, mode=mode), None),
    lowering=Scatter(_take_add_index),
)
"""``take_add(g, indices, size=, axis=, mode=)``: zeros with `g` added at `indices`: the vjp of `take`."""


# --- one element along an axis -----------------------------------------------------------------------------------


def _take_along_type(x: Any, indices: Any, axis: int, mode: str) -> Type:
    own, wanted = tuple(x.shape), tuple(indices.shape)
    is_empty = own[axis] == 0 and math.prod(wanted)
    if own[:axis] != wanted[:axis] or own[axis + 1 :] != wanted[axis + 1 :] or is_empty:
        raise ShapeError(
            f"take_along: indices of shape {wanted} do not fit data of shape {own} along axis {axis}"
        )
    return wanted, np.dtype(x.dtype)


def _take_along_element(b: Any, index: list[Any], inputs: Any, axis: int, mode: str) -> Any:
    x, indices = inputs
    position = b.table_position(indices(index), x.shape[axis], mode)
    return x([*index[:axis], position, *index[axis + 1 :]])


def _take_along_vjp(g: Any, out: Any, x: Any, indices: Any, axis: int, mode: str) -> Any:
    """The gradient of `x`: `g` where elements were read, else 0; elementwise, and fused, for one index per row."""
    size = x.shape[axis]
    if indices.shape[axis] != 1:
        return bind(take_along_add, g, indices, size=size, axis=axis, mode=mode)
    position = bind(cast, indices, dtype=np.dtype(np.int32))
    if mode == "wrap":
        position = bind(BINARY["mod"], position, size)
    else:
        position = bind(BINARY["minimum"], bind(BINARY["maximum"], position, 0), size - 1)
    line = bind_on(indices._context, iota, size=size, start=0, step=1, dtype=np.dtype(np.int32))
    line = bind(reshape, line, shape=(size,) + (1,) * (len(x.shape) - 1 - axis))
    return bind(where, bind(COMPARISON["equal"], position, line), g, 0.0)


take_along = primitive(
    "take_along",
    eval=lambda x, i, axis, mode: np.take_along_axis(x, _positions(i, x.shape[axis], mode), axis),
    infer=_take_along_type,
    vjp=(_take_along_vjp, None),
    lowering=Pull(_take_along_element),
)
"""``take_along(x, indices, axis=, mode=)``: like `take`, with separate indices for each row along the axis."""


def _take_along_add(g: np.ndarray, indices: np.ndarray, size: int, axis: int, mode: str) -> np.ndarray:
    out = np.zeros((*g.shape[:axis], size, *g.shape[axis + 1 :]), g.dtype)
    key = list(np.ogrid[tuple(slice(n) for n in g.shape)])
    key[axis] = _positions(indices, size, mode)
    np.add.at(out, tuple(key), g)
    return out


def _take_along_add_type(g: Any, indices: Any, size: int, axis: int, mode: str) -> Type:
    return (*g.shape[:axis], size, *g.shape[axis + 1 :]), np.dtype(g.dtype)


def _take_along_add_index(b: Any, at: list[Any], inputs: Any, size: int, axis: int, mode: str) -> list[Any]:
    return [*at[:axis], b.table_position(inputs[1](at), size, mode), *at[axis + 1 :]]


take_along_add = primitive(
    "take_along_add",
    eval=_take_along_add,
    infer=_take_along_add_type,
    vjp=(lambda d, out, g, i, size, axis, mode: bind(take_along, d, i, axis=axis, mode=mode), None),
    lowering=Scatter(_take_along_add_index),
)
"""``take_along_add(g, indices, size=, axis=, mode=)``: zeros with `g` added at `indices`: the vjp of `take_along`."""


# --- gather by tuples of indices ---------------------------------------------------------------------------------


def _nd_key(indices: np.ndarray, shape: Ints) -> tuple[np.ndarray, ...]:
    if len(indices) > len(shape):
        raise IndexError(f"indices for {len(indices)} axes, but the array has {len(shape)}")
    return tuple(np.clip(i, 0, n - 1) for i, n in zip(indices.astype(np.int64), shape, strict=False))


def _gather_nd_type(x: Any, indices: Any) -> Type:
    depth = indices.shape[0]
    if depth > len(x.shape):
        raise ShapeError(
            f"gather_nd: indices of shape {tuple(indices.shape)} address {depth} axes, "
            f"but the data has shape {tuple(x.shape)}"
        )
    return (*indices.shape[1:], *x.shape[depth:]), np.dtype(x.dtype)


def _nd_position(b: Any, inner: list[Any], indices: Any, shape: Ints) -> list[Any]:
    depth = indices.shape[0]
    return [b.table_position(indices([b.axis(d), *inner]), shape[d], "clip") for d in range(depth)]


def _gather_nd_element(b: Any, index: list[Any], inputs: Any) -> Any:
    x, indices = inputs
    rank = len(indices.shape) - 1
    return x([*_nd_position(b, index[:rank], indices, x.shape), *index[rank:]])


gather_nd = primitive(
    "gather_nd",
    eval=lambda x, indices: np.ascontiguousarray(x[_nd_key(indices, x.shape)]),
    infer=_gather_nd_type,
    vjp=(lambda g, out, x, i: bind(scatter_nd_add, g, i, shape=x.shape), None),
    lowering=Pull(_gather_nd_element, expensive=True),
)
"""``gather_nd(x, indices)``: elements at ``indices[:, j…]``, which address the leading axes of `x`."""


def _scatter_nd_type(g: Any, indices: Any, shape: Ints) -> Type:
    depth = indices.shape[0]
    expected = (*indices.shape[1:], *shape[depth:])
    if depth > len(shape) or tuple(g.shape) != expected:
        raise ShapeError(
            f"scatter_nd: indices of shape {tuple(indices.shape)} and a result of shape {tuple(shape)} need data of "
            f"shape {expected}, got {tuple(g.shape)}"
        )
    return tuple(shape), np.dtype(g.dtype)


def _scatter_nd_add(g: np.ndarray, indices: np.ndarray, shape: Ints) -> np.ndarray:
    out = np.zeros(shape, g.dtype)
    key = _nd_key(indices, shape)
    if g.shape != (*indices.shape[1:], *shape[len(indices) :]):
        # np.add.at would broadcast the data.
        raise ValueError("the shape of the data does not fit the shape of the indices")
    np.add.at(out, key, g)
    return out


def _scatter_nd_index(b: Any, index: list[Any], inputs: Any, shape: Ints) -> list[Any]:
    rank = len(inputs[1].shape) - 1
    return [*_nd_position(b, index[:rank], inputs[1], shape), *index[rank:]]


scatter_nd_add = primitive(
    "scatter_nd_add",
    eval=_scatter_nd_add,
    infer=_scatter_nd_type,
    vjp=(lambda d, out, g, i, shape: bind(gather_nd, d, i), None),
    lowering=Scatter(_scatter_nd_index),
)
"""``scatter_nd_add(g, indices, shape=)``: zeros with `g` added where `gather_nd` would read."""


def _scatter_nd_set(g: np.ndarray, indices: np.ndarray, shape: Ints) -> np.ndarray:
    out = np.zeros(shape, g.dtype)
    out[_nd_key(indices, shape)] = g
    return out


scatter_nd_set = primitive(
    "scatter_nd_set",
    eval=_scatter_nd_set,
    infer=_scatter_nd_type,
    lowering=Scatter(_scatter_nd_index, adds=False),
)
"""``scatter_nd_set(g, indices, shape=)``: zeros with `g` written at `indices`; for repeated indices, the last one
wins."""


# --- constants -----------------------------------------------------------------------------------------------------

iota = primitive(
    "iota",
    eval=lambda size, start, step, dtype: (np.arange(size) * step + start).astype(dtype),
    infer=lambda size, start, step, dtype: ((size,), np.dtype(dtype)),
    lowering=Pull(
        lambda b, index, inputs, size, start, step, dtype: b.cast(b.affine(index[0], step, start), dtype)
    ),
)
"""``iota(size=, start=, step=, dtype=)``: start + i·step for i < size."""


def _full(value: float, shape: Ints, dtype: Any) -> np.ndarray:
    out = np.empty(shape, dtype)
    out.fill(value)  # like np.full, in half the time
    return out


full = primitive(
    "full",
    eval=_full,
    infer=lambda value, shape, dtype: (tuple(shape), np.dtype(dtype)),
    lowering=Pull(lambda b, index, inputs, shape, dtype: b.cast(inputs[0]([]), dtype)),
)
"""``full(value, shape=, dtype=)``: an array filled with one number."""


# --- sorting -----------------------------------------------------------------------------------------------------


def _stable_order(x: np.ndarray, axis: int, ascending: bool) -> np.ndarray:
    """The indices that sort `x` along an axis, stable for equal elements and with NaN last."""
    return np.argsort(x if ascending else _descending_key(x), axis=axis, kind="stable")


def _descending_key(x: np.ndarray) -> np.ndarray:
    return -x if x.dtype.kind == "f" else ~x if x.dtype.kind in "iu" else ~x.astype(bool)


def _sort(x: np.ndarray, axis: int, ascending: bool) -> np.ndarray:
    return np.take_along_axis(x, _stable_order(x, axis, ascending), axis)


def _sort_vjp(g: Any, out: Any, x: Any, axis: int, ascending: bool) -> Any:
    whole = np.dtype(np.int64)
    order = bind(argsort, x, axis=axis, ascending=ascending, dtype=whole)
    back = bind(argsort, order, axis=axis, ascending=True, dtype=whole)
    return bind(take_along, g, back, axis=axis, mode="clip")


sort = primitive("sort", eval=_sort, infer=like_first, vjp=(_sort_vjp,))
argsort = primitive(
    "argsort",
    eval=lambda x, axis, ascending, dtype: _stable_order(x, axis, ascending).astype(dtype),
    infer=lambda x, axis, ascending, dtype: (tuple(x.shape), np.dtype(dtype)),
)
"""``argsort(x, axis=, ascending=, dtype=)``: the positions of the elements in sorted order."""


# --- one-hot vectors: a composition when compiled, which simplifies it further; eagerly one comparison --------------


_INDEX = np.dtype(np.int32)


def _one_hot(indices: np.ndarray, depth: int, dtype: Any) -> np.ndarray:
    column = indices.astype(_INDEX)[..., None]
    return (column == np.arange(depth, dtype=_INDEX)).astype(dtype)


def _one_hot_type(indices: Any, depth: int, dtype: Any) -> Type:
    return (*indices.shape, depth), np.dtype(dtype)


def _one_hot_composed(indices: Any, depth: int, dtype: Any) -> Any:
    column = bind(reshape, bind(cast, indices, dtype=_INDEX), shape=(*indices.shape, 1))
    positions = bind_on(indices._context, iota, size=depth, start=0, step=1, dtype=_INDEX)
    return bind(cast, bind(COMPARISON["equal"], column, positions), dtype=dtype)


one_hot = primitive("one_hot", eval=_one_hot, infer=_one_hot_type, lowering=Decompose(_one_hot_composed))
"""``one_hot(indices, depth=, dtype=)``: one-hot vectors on a new last axis; indices are truncated to integers."""
