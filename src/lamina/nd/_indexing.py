"""Indexing and assignment: ``x[key]`` and ``x[key] = value``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Array, view
from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.core.tape import is_recorded
from lamina.errors import ShapeError
from lamina.nd._advanced_index import address, get_advanced, is_advanced, numpy_key
from lamina.nd._basic_index import BasicIndex, parse_basic
from lamina.nd.conversion import array
from lamina.nd.creation import full, ones
from lamina.primitives.elementwise import cast, where
from lamina.primitives.indexing import scatter_nd_set
from lamina.primitives.movement import slice_, slice_assign
from lamina.primitives.reduce import broadcast_to
from lamina.primitives.reshape import reshape
from lamina.primitives.views import view_of

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray


def get(x: NDArray, key: Any) -> NDArray:
    """``x[key]``: a view if the part is contiguous in memory, otherwise a copy (as for every array key)."""
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
    """``x[key]`` by NumPy's own slicing, when neither tape nor trace records it."""
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
    """``x[key] = value``, broadcast and converted to the dtype of `x`."""
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
        index = tuple([numpy_key(part) for part in parts])
    else:
        index = parts if x.shape else (Ellipsis,)
        if parts != _WHOLE:
            parse_basic(x.shape, parts)  # for its error messages
            if Ellipsis not in parts:
                index = (*parts, Ellipsis)  # a single element is an array too: it takes a value of shape (1,)
    x._note_write()
    try:
        with np.errstate(all="ignore"):
            buffer[index] = source
    except (ValueError, IndexError) as error:
        shape = np.shape(source)
        raise ShapeError(f"x[…] = value: a value of shape {shape} does not fit: {error}") from None


_WHOLE = (slice(None),)


# --- while tracing, when an assignment is a new value, and on devices ---------------------------------------------


def _read(base: Any, basic: BasicIndex) -> Any:
    return bind(reshape, bind(slice_, base, **basic.where), shape=basic.shape)


def _place(base: Any, basic: BasicIndex, value: Any) -> Any:
    return bind(slice_assign, base, bind(reshape, value, shape=basic.sliced), **basic.where)


def _scatter(x: NDArray, parts: tuple[Any, ...], value: Any) -> Any:
    """`x` with `value` written at an array key, by a mask of the addressed elements."""
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
