"""Array keys (advanced indexing), as index arrays for `take` or `gather_nd`.

An integer array stands for the positions along its axis, negative ones from the end; several of them go together, as
in NumPy. A boolean array stands for the positions where it is true. Positions of a float array are taken as integers,
since MXNet's are usually float32.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Array
from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.nd._shape import broadcast_arrays
from lamina.nd.conversion import array
from lamina.nd.join import stack
from lamina.primitives.elementwise import cast, where
from lamina.primitives.indexing import gather_nd, take

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

_INDEX = np.dtype(np.int64)


def is_advanced(parts: tuple[Any, ...]) -> bool:
    """Whether a key holds an array or a list."""
    return any(isinstance(p, Array | np.ndarray | list) for p in parts)


def get_advanced(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    """``x[key]``: a copy, through which gradients flow."""
    full = slice(None)
    places = [i for i, p in enumerate(parts) if not (isinstance(p, slice) and p == full)]
    if len(places) == 1 and not _is_boolean(parts[places[0]]) and len(parts) <= x.ndim:
        axis = places[0]
        return bind(take, x, _along_axis(x, parts[axis], axis), axis=axis, mode="wrap")
    return bind(gather_nd, x, address(x, parts))


def address(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    """Index arrays for `gather_nd` from a key: shape (k, *shape), for the k leading axes."""
    if not any(isinstance(p, slice) or p is None or p is Ellipsis or _is_boolean(p) for p in parts):
        if len(parts) > x.ndim:
            raise IndexError(f"{len(parts)} indices for an array of shape {x.shape}")
        return stack(*broadcast_arrays(*[_along_axis(x, p, a) for a, p in enumerate(parts)]), axis=0)
    return _address_by_numpy(x, parts)


def _address_by_numpy(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    """Index arrays for keys with booleans, or slices among arrays: NumPy applies the key to element numbers."""
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
    """One part of a key for NumPy: booleans as a mask, numbers as integer positions whatever their dtype."""
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
    """Positions along one axis, in [0, size). The range is checked, except while tracing, when values are unknown."""
    size = x.shape[axis]
    if isinstance(part, Array) and state.trace is not None:
        whole = bind(cast, part, dtype=_INDEX)
        return bind(where, whole < 0, whole + size, whole)
    positions = np.atleast_1d(numpy_key(part if not isinstance(part, int) else np.array(part)))
    outside = (positions < -size) | (positions >= size)
    if outside.any():
        raise IndexError(f"index {positions[outside][0]} is out of bounds for axis {axis} of shape {x.shape}")
    return array(np.where(positions < 0, positions + size, positions), ctx=x.context, dtype=_INDEX)
