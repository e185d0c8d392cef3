"""Functions that change the shape or order of arrays, or that join, split or repeat arrays."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.array import Array
from lamina.core.primitive import bind
from lamina.errors import ParameterError, ShapeError
from lamina.mxnet.np.conversion import along, as_array, copied, function, of_array, with_shape
from lamina.mxnet.np.promotion import joined
from lamina.nd.shape_codes import NP_CODES, resolve_shape
from lamina.primitives import indexing, movement, normalize_axes, normalize_axis, reduce, reshape_copy

__all__ = [
    "append", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to",
    "column_stack", "concatenate", "dsplit", "dstack", "expand_dims", "flip", "fliplr", "flipud", "hsplit", "hstack",
    "moveaxis", "ndim", "pad", "ravel", "repeat", "reshape", "roll", "rollaxis", "rot90", "row_stack", "shape", "size",
    "split", "squeeze", "stack", "swapaxes", "tile", "transpose", "vsplit", "vstack",
]  # fmt: skip


@of_array
def reshape(a: Any, newshape: Any, order: str = "C") -> Any:
    """A copy in another shape, where a size of -1 is inferred.

    >>> from lamina import np
    >>> np.reshape(np.arange(6), (2, -1)).shape
    (2, 3)
    """
    if order != "C":
        raise ParameterError(f"reshape: order={order!r} is unknown; known: 'C'")
    sizes: Any = (newshape,) if isinstance(newshape, int | onp.integer) else newshape
    return bind(reshape_copy, a, shape=resolve_shape(a.shape, sizes, meanings=NP_CODES))


@of_array
def ravel(x: Any, order: str = "C") -> Any:
    """A flattened copy of the array."""
    return bind(reshape_copy, x, shape=(x.size,))


@of_array
def expand_dims(a: Any, axis: Any) -> Any:
    """Insert axes of size 1 at the positions `axis` of the result."""
    axes = normalize_axes("expand_dims", axis, a.ndim + (len(axis) if isinstance(axis, tuple | list) else 1))
    own = iter(a.shape)
    sizes = [1 if i in axes else next(own) for i in range(a.ndim + len(axes))]
    return bind(reshape_copy, a, shape=tuple(sizes))


@of_array
def squeeze(a: Any, axis: Any = None) -> Any:
    """Remove the axes `axis` of size 1, or all axes of size 1 if `axis` is None."""
    single = [i for i, n in enumerate(a.shape) if n == 1]
    gone = single if axis is None else normalize_axes("squeeze", axis, a.ndim)
    for i in gone:
        if a.shape[i] != 1:
            raise ShapeError(f"squeeze: axis {i} of shape {a.shape} has size {a.shape[i]}, not 1")
    return bind(reshape_copy, a, shape=tuple([n for i, n in enumerate(a.shape) if i not in gone]))


@of_array
def transpose(a: Any, axes: Any = None) -> Any:
    """Permute the axes, or reverse them if `axes` is None."""
    order = range(a.ndim)[::-1] if axes is None else [normalize_axis("transpose", i, a.ndim) for i in axes]
    return bind(movement.transpose, a, axes=tuple(order))


@function
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    return nd.swapaxes(as_array(a), axis1, axis2)


@function
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes from the positions `source` to the positions `destination`; the other axes keep their order."""
    return nd.moveaxis(as_array(a), source, destination)


@of_array
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move the axis `axis` to the position before axis `start`."""
    place = normalize_axis("rollaxis", axis, a.ndim)
    target = normalize_axis("rollaxis", start, a.ndim + 1)
    return nd.moveaxis(a, place, target - (place < target))


@function
def broadcast_to(array: Any, shape: Any) -> Any:
    """Broadcast to `shape`, repeating axes of size 1 and adding leading axes."""
    return bind(reduce.broadcast_to, as_array(array), shape=nd.creation.as_shape(shape))


@function
def broadcast_arrays(*args: Any) -> list[Any]:
    """Broadcast all arrays to their common shape."""
    return nd.broadcast_arrays(*[as_array(x) for x in args]) if args else []


@function
def atleast_1d(*arys: Any) -> Any:
    """Copies of the arrays with at least one axis."""
    return _each(arys, lambda x: bind(reshape_copy, x, shape=x.shape or (1,)))


@function
def atleast_2d(*arys: Any) -> Any:
    """Copies of the arrays with at least two axes; a vector becomes a row."""
    return _each(arys, lambda x: bind(reshape_copy, x, shape=(1,) * (2 - x.ndim) + x.shape))


@function
def atleast_3d(*arys: Any) -> Any:
    """Copies of the arrays with at least three axes; a vector gets shape (1, n, 1), a matrix (m, n, 1)."""
    return _each(arys, lambda x: bind(reshape_copy, x, shape=_deep_shape(x)))


def _deep_shape(x: Any) -> tuple[int, ...]:
    return onp.atleast_3d(onp.broadcast_to(0, x.shape)).shape


def _each(arrays: tuple[Any, ...], change: Any) -> Any:
    found = [change(as_array(x)) for x in arrays]
    return found[0] if len(found) == 1 else found


# --- joined --------------------------------------------------------------------------------------------------------


def _arrays(name: str, seq: Any) -> list[Any]:
    """The arrays of the sequence `seq`, converted to their common dtype."""
    if isinstance(seq, Array):
        seq = list(seq)  # pyright: ignore
    arrays = [as_array(x) for x in seq]
    if not arrays:
        raise ShapeError(f"{name}: needs at least one array")
    return joined(*arrays)


def _concatenated(name: str, arrays: list[Any], axis: int | None) -> Any:
    if axis is None:
        arrays, axis = [with_shape(x, (x.size,)) for x in arrays], 0
    if not arrays[0].shape:
        raise ShapeError(
            f"{name}: arrays of shape (), which are numbers, have no axis to join along; np.stack makes one"
        )
    return bind(movement.concat, *arrays, axis=normalize_axis(name, axis, arrays[0].ndim))


@function
def concatenate(seq: Any, axis: int | None = 0) -> Any:
    """Join arrays along an existing axis, or flattened if `axis` is None.

    >>> from lamina import np
    >>> np.concatenate([np.ones((2, 3)), np.zeros((1, 3))]).shape
    (3, 3)
    """
    return _concatenated("concatenate", _arrays("concatenate", seq), axis)


@function
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join two arrays by `concatenate`."""
    return _concatenated("append", _arrays("append", [arr, values]), axis)


@function
def stack(arrays: Any, axis: int = 0) -> Any:
    """Join arrays of equal shape along a new axis."""
    return nd.stack(*_arrays("stack", arrays), axis=axis)


@function
def vstack(arrays: Any) -> Any:
    """Join arrays along axis 0, with vectors as rows."""
    rows = [with_shape(x, (1,) * (2 - x.ndim) + x.shape) for x in _arrays("vstack", arrays)]
    return _concatenated("vstack", rows, 0)


@function
def hstack(arrays: Any) -> Any:
    """Join arrays along axis 1, or vectors and scalars along axis 0."""
    rows = [with_shape(x, x.shape or (1,)) for x in _arrays("hstack", arrays)]
    return _concatenated("hstack", rows, 0 if rows[0].ndim == 1 else 1)


@function
def dstack(arrays: Any) -> Any:
    """Join arrays along axis 2, which is added to arrays with fewer axes."""
    deep = [with_shape(x, _deep_shape(x)) for x in _arrays("dstack", arrays)]
    return _concatenated("dstack", deep, 2)


@function
def column_stack(tup: Any) -> Any:
    """Join arrays along axis 1, with vectors as columns."""
    columns = [with_shape(x, (x.size, 1)) if x.ndim < 2 else x for x in _arrays("column_stack", tup)]
    return _concatenated("column_stack", columns, 1)


row_stack = vstack


# --- split ---------------------------------------------------------------------------------------------------------


@of_array
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split along `axis` into equal parts, or at indices.

    `indices_or_sections` is the number of parts, or the sequence of indices. The parts are copies, as in MXNet.

    >>> from lamina import np
    >>> [x.shape for x in np.split(np.zeros((2, 6)), 3, axis=1)]
    [(2, 2), (2, 2), (2, 2)]
    """
    size = ary.shape[normalize_axis("split", axis, ary.ndim)]
    if isinstance(indices_or_sections, int) and (indices_or_sections < 1 or size % indices_or_sections):
        raise ShapeError(
            f"split: axis {axis} of shape {ary.shape} does not divide into {indices_or_sections} equal parts; "
            "np.array_split makes parts that differ by one"
        )
    return _split(ary, indices_or_sections, axis)


@function
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split along `axis` into parts whose sizes differ by at most one, larger parts first."""
    return _split(as_array(ary), indices_or_sections, axis)


def _split(x: Any, indices: Any, axis: int) -> list[Any]:
    place = normalize_axis("split", axis, x.ndim)
    size = x.shape[place]
    if isinstance(indices, int | onp.integer):
        each, larger = divmod(size, int(indices))
        bounds = [i * each + min(i, larger) for i in range(int(indices) + 1)]
    else:
        given = indices._numbers().astype(int).tolist() if isinstance(indices, Array) else list(indices)
        starts = [slice(None, int(i)).indices(size)[1] for i in given]
        bounds = [0, *starts, size]
    return [nd.slice_axis(x, axis=place, begin=a, end=max(a, b)) for a, b in pairwise(bounds)]


@of_array
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along axis 1, or a vector along axis 0, as `split` does."""
    return _split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


@function
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along axis 0, as `split` does."""
    return _split(as_array(ary), indices_or_sections, 0)


@function
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Split along axis 2, as `split` does."""
    return _split(as_array(ary), indices_or_sections, 2)


# --- repeated, turned, padded --------------------------------------------------------------------------------------


@of_array
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element `repeats` times along `axis`, or in the flattened array if `axis` is None.

    `repeats` may be a sequence with a count for each element.

    >>> from lamina import np
    >>> np.repeat(np.array([1, 2]), 2)
    array([1., 1., 2., 2.])
    """
    a, place = along("repeat", a, axis)
    counts = repeats._numbers().tolist() if isinstance(repeats, Array) else repeats
    if isinstance(counts, int):
        return nd.repeat(a, counts, axis=place)
    positions = onp.repeat(onp.arange(a.shape[place]), counts)
    return bind(indexing.take, a, copied(positions, ctx=a._context), axis=place, mode="clip")


@of_array
def tile(A: Any, reps: Any) -> Any:
    """The array repeated as a whole, ``reps[i]`` times along axis i."""
    return A.copy() if onp.size(reps) == 0 else nd.tile(with_shape(A, A.shape or (1,)), reps)


@of_array
def flip(m: Any, axis: Any = None) -> Any:
    """The elements in reverse order along `axis`, or along all axes if None."""
    return nd.flip(m, list(normalize_axes("flip", axis, m.ndim))) if m.shape else m.copy()


@function
def flipud(m: Any) -> Any:
    """The rows in reverse order."""
    return nd.flip(as_array(m), 0)


@function
def fliplr(m: Any) -> Any:
    """The columns in reverse order."""
    return nd.flip(as_array(m), 1)


@of_array
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Rotate by 90° k times in the plane of two axes."""
    a, b = (normalize_axis("rot90", i, m.ndim) for i in axes)
    if k % 4 == 0:
        return m.copy()
    if k % 4 == 2:
        return nd.flip(m, [a, b])
    return nd.swapaxes(nd.flip(m, b), a, b) if k % 4 == 1 else nd.flip(nd.swapaxes(m, a, b), b)


@of_array
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Shift elements cyclically by `shift` positions along `axis`, or in the flattened array if None."""
    if axis is None:
        return with_shape(_rolled(with_shape(a, (a.size,)), int(shift), 0), a.shape)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    shifts = (shift,) * len(axes) if isinstance(shift, int) else tuple(shift)
    for places, i in zip(shifts, axes, strict=True):
        a = _rolled(a, places, normalize_axis("roll", i, a.ndim))
    return a


def _rolled(x: Any, shift: int, axis: int) -> Any:
    size = x.shape[axis]
    places = shift % size if size else 0
    if not places:
        return x.copy()
    before = (slice(None),) * axis
    last, first = x[(*before, slice(size - places, None))], x[(*before, slice(size - places))]
    return bind(movement.concat, last, first, axis=axis)


@of_array
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0, **others: Any) -> Any:
    """Pad each axis with `pad_width` elements before and after.

    The new elements are `constant_values` (``mode="constant"``), the outermost elements (``"edge"``) or the mirrored
    interior (``"reflect"``).

    >>> from lamina import np
    >>> np.pad(np.ones(2), (1, 2))
    array([0., 1., 1., 0., 0.])
    """
    if others:
        raise TypeError(
            f"pad: there is no argument {next(iter(others))!r}; there are mode and constant_values"
        )
    widths = onp.broadcast_to(onp.asarray(pad_width), (x.ndim, 2))
    return nd.pad(x, mode=mode, pad_width=widths.ravel().tolist(), constant_value=constant_values)


# --- sizes ----------------------------------------------------------------------------------------------------------


def shape(a: Any) -> tuple[int, ...]:
    """The sizes of the axes."""
    return a.shape if hasattr(a, "shape") else onp.shape(a)


def ndim(a: Any) -> int:
    """The number of axes."""
    return len(shape(a))


def size(a: Any, axis: int | None = None) -> int:
    """The number of elements, or the size of the axis `axis`."""
    return math.prod(shape(a)) if axis is None else shape(a)[axis]
