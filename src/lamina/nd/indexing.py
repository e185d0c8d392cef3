"""Indexing and assignment: ``x[key]`` and ``x[key] = value`` with integers, slices, ellipsis, None, and arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lamina.core.array import Array, View
from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.errors import ShapeError
from lamina.primitives.elementwise import cast
from lamina.primitives.indexing import gather_nd, scatter_nd_add
from lamina.primitives.movement import broadcast_to, reshape, slice_, slice_assign

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = ["get", "set", "view"]


class _Basic(NamedTuple):
    """A key of integers, slices, ellipsis and None: a slice of every axis, then a reshape."""

    begin: tuple[int, ...]
    end: tuple[int, ...]
    step: tuple[int, ...]
    sliced: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def where(self) -> dict[str, tuple[int, ...]]:
        return {"begin": self.begin, "end": self.end, "step": self.step}


def get(x: NDArray, key: Any) -> NDArray:
    """``x[key]``. Parts that are contiguous in memory share it; others, and all advanced keys, are copies."""
    parts = _as_tuple(key)
    if _is_advanced(parts):
        return _get_advanced(x, parts)
    basic = _parse_basic(x.shape, parts)
    result = x if basic.sliced == x.shape and set_of(basic.step) <= {1} else bind(slice_, x, **basic.where)
    if result.shape != basic.shape or result is x:
        result = bind(reshape, result, shape=basic.shape)
    if _is_contiguous(x.shape, basic):
        view(result, x, lambda base: _read(base, basic), lambda base, value: _place(base, basic, value))
    return result


def set(x: NDArray, key: Any, value: Any) -> None:
    """``x[key] = value``, broadcast and converted to the dtype of `x`."""
    parts = _as_tuple(key)
    if state.trace is None:
        _set_now(x, parts, value)
        return
    new = _as_array(x, value)
    if _is_advanced(parts):
        x._write(_scatter(x, parts, new))
        return
    basic = _parse_basic(x.shape, parts)
    x._write(_place(x, basic, _broadcast(new, basic.shape)))


def view(
    result: NDArray, base: Array, read: Callable[[Any], Any], write: Callable[[Any, Any], Any]
) -> NDArray:
    """Note, while tracing, that `result` shares memory with `base`; eagerly NumPy sees to that by itself."""
    if state.trace is not None:
        result._view = View(base, state.trace.value(base), read, write)
    return result


def _set_now(x: NDArray, parts: tuple[Any, ...], value: Any) -> None:
    buffer = x._concrete() if isinstance(x._data, np.ndarray) else _renewed(x)
    source = value._concrete() if isinstance(value, Array) else value
    index = tuple(_numpy_key(part) for part in parts)
    if not _is_advanced(parts):
        _parse_basic(x.shape, parts)  # for its error messages
    x._version += 1
    try:
        target = buffer[index]
        if isinstance(target, np.ndarray) and not _is_advanced(parts):
            np.copyto(target, source, casting="unsafe")
        else:
            buffer[index] = source
    except (ValueError, IndexError) as error:
        shape = np.shape(source)
        raise ShapeError(f"x[…] = value: a value of shape {shape} does not fit: {error}") from None


def _renewed(x: NDArray) -> np.ndarray:
    """A fresh buffer for a stale gradient that is about to be overwritten."""
    x._data = np.zeros(x.shape, x.dtype)
    return x._data


# --- basic keys --------------------------------------------------------------------------------------------------


def _as_tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def set_of(values: tuple[int, ...]) -> frozenset[int]:
    """The distinct values."""
    return frozenset(values)


def _is_advanced(parts: tuple[Any, ...]) -> bool:
    return any(isinstance(p, Array | np.ndarray | list) for p in parts)


def _parse_basic(shape: tuple[int, ...], parts: tuple[Any, ...]) -> _Basic:
    parts = _without_ellipsis(shape, parts)
    begin: list[int] = []
    end: list[int] = []
    step: list[int] = []
    kept: list[int] = []
    for part in parts:
        if part is None:
            kept.append(1)
            continue
        axis = len(begin)
        size = shape[axis]
        if isinstance(part, slice):
            start, stop, stride = _normal_slice(part, size)
            kept.append(len(range(start, stop, stride)))
        else:
            start = _normal_integer(part, size, axis, shape)
            stop, stride = start + 1, 1
        begin.append(start)
        end.append(stop)
        step.append(stride)
    sliced = tuple(len(range(b, e, s)) for b, e, s in zip(begin, end, step, strict=True))
    return _Basic(tuple(begin), tuple(end), tuple(step), sliced, tuple(kept) or (1,))


def _normal_slice(part: slice, size: int) -> tuple[int, int, int]:
    start, stop, stride = part.indices(size)
    if len(range(start, stop, stride)) == 0:
        return 0, 0, 1
    return start, stop, stride


def _without_ellipsis(shape: tuple[int, ...], parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Write out ``...`` and the missing trailing axes as full slices."""
    used = sum(p is not None and p is not Ellipsis for p in parts)
    if used > len(shape):
        raise IndexError(f"{used} indices for an array of shape {shape}")
    missing = (slice(None),) * (len(shape) - used)
    for i, part in enumerate(parts):
        if part is Ellipsis:
            return _without_ellipsis(shape, (*parts[:i], *missing, *parts[i + 1 :]))
    return (*parts, *missing)


def _normal_integer(part: Any, size: int, axis: int, shape: tuple[int, ...]) -> int:
    try:
        i = part.__index__()
    except AttributeError:
        raise IndexError(
            f"an index of type {type(part).__name__} is not possible; use integers, slices, ..., None or arrays"
        ) from None
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for axis {axis} of shape {shape}")
    return i % size


def _is_contiguous(shape: tuple[int, ...], basic: _Basic) -> bool:
    """Whether the part is one stretch of memory: any leading single elements, one range, then whole axes."""
    first = next((a for a, n in enumerate(basic.sliced) if n != 1), len(shape))
    if any(n != shape[a] or basic.step[a] != 1 for a, n in enumerate(basic.sliced) if a > first):
        return False
    return first == len(shape) or basic.step[first] == 1


def _read(base: Any, basic: _Basic) -> Any:
    return bind(reshape, bind(slice_, base, **basic.where), shape=basic.shape)


def _place(base: Any, basic: _Basic, value: Any) -> Any:
    return bind(slice_assign, base, bind(reshape, value, shape=basic.sliced), **basic.where)


# --- values ------------------------------------------------------------------------------------------------------


def _as_array(x: NDArray, value: Any) -> Any:
    from lamina.nd.creation import full
    from lamina.nd.ndarray import array

    if isinstance(value, Array):
        same = value._data.dtype == x._data.dtype
        return value if same else bind(cast, value, dtype=np.dtype(x.dtype))
    if np.ndim(value) == 0:
        return full((1,), value, ctx=x.context, dtype=x.dtype)
    return array(value, ctx=x.context, dtype=x.dtype)


def _broadcast(value: Any, shape: tuple[int, ...]) -> Any:
    if value.shape == shape:
        return value
    if value.shape == (1,) and math.prod(shape) == 1:
        return bind(reshape, value, shape=shape)
    extra = len(value.shape) - len(shape)
    if extra > 0 and all(n == 1 for n in value.shape[:extra]):
        value = bind(reshape, value, shape=value.shape[extra:])
    return bind(broadcast_to, value, shape=shape)


# --- advanced keys -----------------------------------------------------------------------------------------------


def _numpy_key(part: Any) -> Any:
    """An array key in NumPy's terms: booleans select, numbers are positions whatever their dtype."""
    if isinstance(part, Array):
        part = part._concrete()
    if isinstance(part, list):
        part = np.asarray(part)
    if isinstance(part, np.ndarray) and part.dtype.kind not in "b":
        return part.astype(np.int64)
    return part


def _get_advanced(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    positions = _address(x, parts)
    return bind(gather_nd, x, positions)


def _address(x: NDArray, parts: tuple[Any, ...]) -> Any:
    """The element positions that the key selects, as the indices of `gather_nd`: shape (ndim, *result)."""
    from lamina.nd.ndarray import array

    if state.trace is not None and any(isinstance(p, Array) for p in parts):
        return _traced_address(x, parts)
    index = tuple(_numpy_key(part) for part in parts)
    grid = np.arange(math.prod(x.shape)).reshape(x.shape)
    try:
        chosen = grid[index]
    except IndexError as error:
        raise IndexError(f"x[…] with x of shape {x.shape}: {error}") from None
    positions = np.stack(np.unravel_index(np.atleast_1d(chosen), x.shape))
    return array(positions, ctx=x.context, dtype=np.int64)


def _traced_address(x: NDArray, parts: tuple[Any, ...]) -> Any:
    """Array keys whose values are not known yet: one array for each of the leading axes."""
    from lamina.nd import broadcast_arrays, stack
    from lamina.nd.ndarray import array

    keys = [p if isinstance(p, Array) else array(p, ctx=x.context, dtype=np.int64) for p in parts]
    whole = [bind(cast, k, dtype=np.dtype(np.int64)) for k in keys]
    return stack(*broadcast_arrays(*whole), axis=0)


def _scatter(x: NDArray, parts: tuple[Any, ...], value: Any) -> Any:
    """`x` with `value` at an advanced key: by a mask of the addressed elements (later duplicates add up)."""
    from lamina.nd import ones, where

    positions = _address(x, parts)
    new = _broadcast(value, (*positions.shape[1:], *x.shape[positions.shape[0] :]))
    count = bind(scatter_nd_add, ones(new.shape, ctx=x.context, dtype=x.dtype), positions, shape=x.shape)
    total = bind(scatter_nd_add, new, positions, shape=x.shape)
    return where(count > 0, total, x)
