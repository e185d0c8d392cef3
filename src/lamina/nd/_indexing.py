"""Indexing and assignment: ``x[key]`` and ``x[key] = value``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.core.array import Array, view
from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.core.tape import is_recorded
from lamina.errors import ShapeError
from lamina.nd._shape import broadcast_arrays
from lamina.nd.conversion import array
from lamina.nd.creation import full, ones
from lamina.nd.join import stack
from lamina.nd.operators import NDArray
from lamina.nd.slicing import BasicIndex, parse_basic
from lamina.primitives import broadcast_to, cast, reshape, slice_, slice_assign, view_of, where
from lamina.primitives.indexing import gather_nd, scatter_nd_set, take
from lamina.support.messages import warn


def get(x: NDArray, key: Any) -> NDArray:
    """``x[key]``, as a view if the selected elements are contiguous in memory, else as a copy."""
    parts = key if isinstance(key, tuple) else (key,)
    if is_advanced(parts):
        return get_advanced(x, parts)
    if state.trace is None and x._context.is_host and not (state.recording and is_recorded(x)):
        return _get_now(x, parts)
    basic = parse_basic(x.shape, parts)
    result = x if basic.is_whole(x.shape) else bind(slice_, x, **basic.where)
    if result.shape != basic.shape or result is x:
        result = bind(reshape, result, shape=basic.shape)
    if basic.is_contiguous(x.shape):
        view(result, x, lambda base: _read(base, basic), lambda base, value: _place(base, basic, value))
    return result


def _get_now(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    """``x[key]`` by NumPy's slicing, where neither the tape nor a trace has to record the operation."""
    try:
        part = x._numbers()[parts if Ellipsis in parts else (*parts, Ellipsis)]
    except (IndexError, TypeError):
        parse_basic(x.shape, parts)  # for its error messages
        raise
    result = type(x)(np.ascontiguousarray(part), x._context)
    if part.flags.c_contiguous:
        result._writes = x._writes
    return result


def set(x: NDArray, key: Any, value: Any) -> None:
    """Assign ``x[key] = value``, with `value` broadcast and converted to the dtype of `x`."""
    parts = key if isinstance(key, tuple) else (key,)
    if state.trace is None and x._context.is_host and not x._is_stale:
        _set_now(x, parts, value)
        return
    new = _as_array(x, value)
    if is_advanced(parts):
        x._write(_scatter(x, parts, new))
        return
    basic = parse_basic(x.shape, parts)
    new = _broadcast(new, basic.shape)
    if basic.is_whole(x.shape):
        if new is not x:
            x._write(new if new.shape == x.shape else bind(reshape, new, shape=x.shape))
    elif state.trace is None and basic.is_contiguous(x.shape) and not x._is_stale:
        numbers = new._data
        x._note_write()
        view_of(slice_, x._data, basic.where).write(numbers)
    else:
        x._write(_place(x, basic, new))


def _set_now(x: NDArray, parts: tuple[Any, ...], value: Any) -> None:
    buffer = x._numbers()
    source = np.asarray(value) if isinstance(value, list | tuple) else value
    source = source._numbers() if isinstance(source, Array) else source
    if is_advanced(parts):
        _warn_of_masks(x, parts)
        index = tuple([numpy_key(part) for part in parts])
    else:
        index = parts if x.shape else (Ellipsis,)
        if parts != _WHOLE:
            parse_basic(x.shape, parts)  # for its error messages
            if Ellipsis not in parts:
                # A single element is an array, too, to which a value of shape (1,) can be assigned.
                index = (*parts, Ellipsis)
    x._note_write()
    try:
        with np.errstate(all="ignore"):
            buffer[index] = source
    except (ValueError, IndexError) as error:
        shape = np.shape(source)
        raise ShapeError(f"x[…] = value: a value of shape {shape} does not fit: {error}") from None


_WHOLE = (slice(None),)


# --- assignment while tracing (as a new value), and on devices ----------------------------------------------------


def _read(base: Any, basic: BasicIndex) -> Any:
    return bind(reshape, bind(slice_, base, **basic.where), shape=basic.shape)


def _place(base: Any, basic: BasicIndex, value: Any) -> Any:
    return bind(slice_assign, base, bind(reshape, value, shape=basic.sliced), **basic.where)


def _scatter(x: NDArray, parts: tuple[Any, ...], value: Any) -> Any:
    """A copy of `x` with `value` written at the positions of an index with arrays.

    `value` and a mask of the selected elements are scattered to the shape of `x`; the mask then chooses between `value`
    and `x`.
    """
    positions = address(x, parts)
    new = _broadcast(value, (*positions.shape[1:], *x.shape[positions.shape[0] :]))
    mask = bind(scatter_nd_set, ones(new.shape, ctx=x.context, dtype=np.bool_), positions, shape=x.shape)
    return bind(where, mask, bind(scatter_nd_set, new, positions, shape=x.shape), x)


def _as_array(x: NDArray, value: Any) -> Any:
    if isinstance(value, Array):
        if value._context is not x._context and state.trace is None:
            value = value.as_in_context(x._context)  # pyright: ignore[reportAttributeAccessIssue]
        same = value._dtype == x._dtype
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


# --- Array keys (advanced indexing), as index arrays for `take` or `gather_nd` ---------------------------------------
#
# An integer array has positions along its axis, with negative ones counted from the end; several are broadcast, as
# in NumPy. A boolean array selects the positions where it is true. Positions in a float array are converted to
# integers, since MXNet's are usually float32.


_INDEX = np.dtype(np.int64)


def is_advanced(parts: tuple[Any, ...]) -> bool:
    """Whether an index contains an array or a list (NumPy's advanced indexing)."""
    return any(isinstance(p, Array | np.ndarray | list) for p in parts)


def get_advanced(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    """A copy of ``x[key]`` for an advanced index; gradients flow through it to `x`."""
    _warn_of_masks(x, parts)
    full = slice(None)
    places = [i for i, p in enumerate(parts) if not (isinstance(p, slice) and p == full)]
    if len(places) == 1 and not _is_boolean(parts[places[0]]) and len(parts) <= x.ndim:
        axis = places[0]
        return bind(take, x, _along_axis(x, parts[axis], axis), axis=axis, mode="wrap")
    return bind(gather_nd, x, address(x, parts))


def _warn_of_masks(x: NDArray, parts: tuple[Any, ...]) -> None:
    """Warn of an index that a comparison made: its zeros and ones are positions, as in MXNet, not a mask."""
    key = parts[0]
    if state.trace is not None or len(parts) > 1 or not isinstance(key, Array):
        return
    if key.shape != x.shape[: len(key.shape)]:
        return
    numbers = key._numbers()
    if numbers.dtype.kind != "f" or numbers.size < 3 or numbers.flat[0] not in (0, 1):
        return
    if np.isin(numbers, (0, 1)).all():
        warn(
            f"x[…]: the index of shape {key.shape} holds only 0 and 1, as a comparison does. As in MXNet these are "
            'positions, not a mask. For a mask, write x[mask.astype("bool")], or nd.where(mask, value, x).'
        )


def address(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    """The index as stacked index arrays for `gather_nd`, one for each of the k leading axes that `parts` index."""
    if not any(isinstance(p, slice) or p is None or p is Ellipsis or _is_boolean(p) for p in parts):
        if len(parts) > x.ndim:
            raise IndexError(f"{len(parts)} indices are too many for an array of shape {x.shape}")
        return stack(*broadcast_arrays(*[_along_axis(x, p, a) for a, p in enumerate(parts)]), axis=0)
    return _address_by_numpy(x, parts)


def _address_by_numpy(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    """`address` for an index with boolean arrays, or with slices among arrays.

    The positions are found by applying the index, with NumPy, to an array of all flat positions.
    """
    index = tuple([numpy_key(p) for p in parts])
    if len(index) == 1 and index[0].dtype.kind == "b" and index[0].shape == x.shape[: index[0].ndim]:
        return array(np.stack(np.nonzero(index[0])), ctx=x.context, dtype=_INDEX)
    grid = np.arange(math.prod(x.shape)).reshape(x.shape)
    try:
        chosen = np.atleast_1d(grid[index])
    except IndexError as error:
        raise IndexError(f"x[…] with x of shape {x.shape}: {error}") from None
    return array(np.stack(np.unravel_index(chosen, x.shape)), ctx=x.context, dtype=_INDEX)


def numpy_key(part: Any) -> Any:
    """Convert a component of an index for NumPy: a boolean array to a mask, other arrays to int64."""
    if isinstance(part, Array):
        part = part._numbers()
    elif isinstance(part, list):
        part = np.asarray(part)
    if isinstance(part, np.ndarray) and part.dtype.kind != "b":
        return part.astype(_INDEX)
    return part


def _is_boolean(part: Any) -> bool:
    if isinstance(part, list):
        part = np.asarray(part)
    return isinstance(part, Array | np.ndarray) and np.dtype(part.dtype).kind == "b"


def _along_axis(x: NDArray, part: Any, axis: int) -> NDArray:
    """The positions that `part` selects along one axis, with negative positions counted from the end.

    Raises `IndexError` for a position out of range, except while tracing, when the values are unknown.
    """
    size = x.shape[axis]
    if isinstance(part, Array) and state.trace is not None:
        whole = bind(cast, part, dtype=_INDEX)
        return bind(where, whole < 0, whole + size, whole)
    positions = np.atleast_1d(numpy_key(part if not isinstance(part, int) else np.array(part)))
    outside = (positions < -size) | (positions >= size)
    if outside.any():
        raise IndexError(f"index {positions[outside][0]} is out of bounds for axis {axis} of shape {x.shape}")
    return array(np.where(positions < 0, positions + size, positions), ctx=x.context, dtype=_INDEX)
