"""Functions that join, split and repeat: concat, stack, split, tile, repeat, flip, pad."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ParameterError, ShapeError
from lamina.nd._shape import expand_dims, squeeze
from lamina.nd.conversion import array
from lamina.nd.creation import Shape, as_shape, ones_like
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.slicing import copied_part
from lamina.primitives import broadcast_to, movement, normalize_axis, take, where
from lamina.support.messages import in_a_line

__all__ = [
    "Concat", "Pad", "SliceChannel", "concat", "concatenate", "depth_to_space", "flip", "pad", "repeat", "reverse",
    "space_to_depth", "split",
    "split_v2", "stack", "tile",
]  # fmt: skip


def _all_arrays(name: str, data: tuple[Any, ...]) -> Sequence[NDArray]:
    arrays = data[0] if len(data) == 1 and isinstance(data[0], list | tuple) else data
    if not arrays:
        raise ShapeError(f"{name}: needs at least one array")
    return arrays


@operator
def concat(*data: Any, dim: int = 1, num_args: int | None = None) -> NDArray:
    """Join arrays along the existing axis `dim`, 1 by default as in MXNet.

    >>> from lamina import nd
    >>> nd.concat(nd.ones((2, 1)), nd.zeros((2, 2))).shape
    (2, 3)
    """
    arrays = _all_arrays("concat", data)
    return bind(movement.concat, *arrays, axis=normalize_axis("concat", dim, arrays[0].ndim))


@operator
def concatenate(arrays: Sequence[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """Join arrays along the existing axis `axis`, 0 by default.

    With ``always_copy=False`` a single array is returned itself.

    >>> from lamina import nd
    >>> nd.concatenate([nd.ones((2, 3)), nd.zeros((1, 3))]).shape
    (3, 3)
    """
    return arrays[0] if len(arrays) == 1 and not always_copy else concat(*arrays, dim=axis)


@operator
def stack(*data: Any, axis: int = 0, num_args: int | None = None) -> NDArray:
    """Join arrays of equal shape along a new axis.

    Raises `ShapeError` if the shapes differ.

    >>> from lamina import nd
    >>> nd.stack(nd.array([1, 2]), nd.array([3, 4]), axis=1).asnumpy()
    array([[1., 3.],
           [2., 4.]], dtype=float32)
    """
    arrays = _all_arrays("stack", data)
    place = normalize_axis("stack", axis, arrays[0].ndim + 1)
    if any(x.shape != arrays[0].shape for x in arrays):
        raise ShapeError(f"stack: shapes {', '.join(str(x.shape) for x in arrays)} differ")
    return bind(movement.concat, *[expand_dims(x, place, inplace=True) for x in arrays], axis=place)


def split(
    data: NDArray, num_outputs: int, axis: int = 1, squeeze_axis: bool = False
) -> list[NDArray] | NDArray:
    """Split into `num_outputs` equal parts along `axis`, returned as a list, or for a single part as an array.

    `squeeze_axis` removes the axis from parts of size 1. Raises `ShapeError` if `num_outputs` does not divide the size
    of the axis.

    >>> from lamina import nd
    >>> [part.shape for part in nd.split(nd.zeros((2, 6)), num_outputs=3)]
    [(2, 2), (2, 2), (2, 2)]
    """
    place = normalize_axis("split", axis, data.ndim)
    if num_outputs < 1 or data.shape[place] % num_outputs:
        raise ShapeError(
            f"split: axis {place} of shape {data.shape} does not divide into {num_outputs} parts"
        )
    width = data.shape[place] // num_outputs
    parts = _cut(data, [i * width for i in range(num_outputs + 1)], place, squeeze_axis)
    return parts if num_outputs > 1 else parts[0]


def split_v2(
    ary: NDArray, indices_or_sections: int | Sequence[int], axis: int = 0, squeeze_axis: bool = False
) -> list[NDArray] | NDArray:
    """Split along `axis` into equal parts, or at indices.

    `indices_or_sections` is the number of parts, or the sequence of indices.
    """
    if isinstance(indices_or_sections, int):
        return split(ary, indices_or_sections, axis, squeeze_axis)
    place = normalize_axis("split_v2", axis, ary.ndim)
    bounds = [0, *(range(ary.shape[place] + 1)[i] for i in indices_or_sections), ary.shape[place]]
    return _cut(ary, bounds, place, squeeze_axis)


def _cut(data: NDArray, bounds: Sequence[int], axis: int, squeeze_axis: bool) -> list[NDArray]:
    parts = [copied_part(data, (slice(None),) * axis + (slice(*ends),)) for ends in pairwise(bounds)]
    return [squeeze(part, axis, inplace=True) for part in parts] if squeeze_axis else parts


@operator
def tile(data: NDArray, reps: Shape) -> NDArray:
    """`data` repeated as a whole, ``reps[i]`` times along axis i.

    >>> from lamina import nd
    >>> nd.tile(nd.array([1, 2]), (2, 2)).asnumpy()
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]], dtype=float32)
    """
    try:
        counts = as_shape(reps)
    except ShapeError:
        raise ParameterError(
            f"tile: reps must be whole numbers of at least 0, not {in_a_line(reps)}"
        ) from None
    ndim = max(len(counts), data.ndim)
    times = (1,) * (ndim - len(counts)) + counts
    own = (1,) * (ndim - data.ndim) + data.shape
    apart = [n for size in own for n in (1, size)]
    repeated = tuple([n for pair in zip(times, own, strict=True) for n in pair])
    grown = bind(broadcast_to, bind(movement.reshape, data, shape=tuple(apart)), shape=repeated)
    return bind(
        movement.reshape, grown, shape=tuple([t * n for t, n in zip(times, own, strict=True)]) or (1,)
    )


@operator
def repeat(data: NDArray, repeats: int, axis: int | None = None) -> NDArray:
    """Repeat each element `repeats` times along `axis`, or in the flattened array if `axis` is None.

    >>> from lamina import nd
    >>> nd.repeat(nd.array([1, 2]), 2).asnumpy()
    array([1., 1., 2., 2.], dtype=float32)
    """
    own = (data.size,) if axis is None else data.shape
    place = 0 if axis is None else normalize_axis("repeat", axis, data.ndim)
    before, size, after = own[:place], own[place], own[place + 1 :]
    apart = bind(movement.reshape, data, shape=(*before, size, 1, *after))
    grown = bind(broadcast_to, apart, shape=(*before, size, repeats, *after))
    return bind(movement.reshape, grown, shape=(*before, size * repeats, *after))


@operator
def flip(data: NDArray, axis: int | Sequence[int]) -> NDArray:
    """The elements in reverse order along `axis`.

    >>> from lamina import nd
    >>> nd.flip(nd.array([[1, 2], [3, 4]]), axis=1).asnumpy()
    array([[2., 1.],
           [4., 3.]], dtype=float32)
    """
    given = [axis] if isinstance(axis, int | str) else list(axis)
    axes = {normalize_axis("flip", a, data.ndim) for a in given}
    return copied_part(data, tuple([slice(None, None, -1 if a in axes else None) for a in range(data.ndim)]))


@operator
def pad(
    data: NDArray, mode: str = "constant", pad_width: Sequence[int] = (), constant_value: float = 0.0
) -> NDArray:
    """Add a border of `constant_value`, of edge elements or of mirrored elements.

    `pad_width` lists the border's sizes: before and after axis 0, before and after axis 1, and so on. The border is
    filled with `constant_value` (``mode="constant"``), the outermost elements (``"edge"``) or the mirrored interior
    (``"reflect"``). (MXNet pads only the last axes of four- and five-dimensional arrays.)

    Raises `ShapeError` unless `pad_width` has two non-negative sizes for each axis.

    >>> from lamina import nd
    >>> nd.pad(nd.ones((1, 2)), pad_width=(0, 0, 1, 2), constant_value=7).asnumpy()
    array([[7., 1., 1., 7., 7.]], dtype=float32)
    """
    known_name("pad", "mode", mode, ("constant", "edge", "reflect"))
    if len(pad_width) != 2 * data.ndim or min(pad_width, default=0) < 0:
        raise ShapeError(
            f"pad: pad_width {tuple(pad_width)} must hold {2 * data.ndim} sizes of at least 0, before and "
            f"after each axis of shape {data.shape}"
        )
    if mode != "constant":
        return _continued(data, mode, pad_width)
    begin = tuple(pad_width[::2])
    end = tuple([b + n for b, n in zip(begin, data.shape, strict=True)])
    shape = tuple([e + after for e, after in zip(end, pad_width[1::2], strict=True)])
    place = {"shape": shape, "begin": begin, "end": end, "step": (1,) * data.ndim}
    placed = bind(movement.place, data, **place)
    if constant_value == 0:
        return placed
    inside = bind(movement.place, ones_like(data), **place)
    return bind(where, inside, placed, np.dtype(data.dtype).type(constant_value).item())


def _continued(data: NDArray, mode: str, pad_width: Sequence[int]) -> NDArray:
    """`data` with a border of its outermost (mode ``"edge"``) or mirrored (``"reflect"``) elements."""
    pairs = zip(pad_width[::2], pad_width[1::2], strict=True)
    for axis, (size, widths) in enumerate(zip(data.shape, pairs, strict=True)):
        if not any(widths):
            continue
        if mode == "reflect" and max(widths) >= size:
            raise ShapeError(f"pad: axis {axis} of shape {data.shape} is too short to reflect {max(widths)}")
        places = np.pad(np.arange(size), widths, mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]
        at = array(places, ctx=data.context, dtype=np.int32)
        data = bind(take, data, at, axis=axis, mode="clip")
    return data


# --- between channels and places ---------------------------------------------------------------------------------


def _blocks(name: str, data: NDArray, block_size: int) -> tuple[int, int, int, int]:
    if data.ndim != 4 or block_size < 1:
        raise ShapeError(
            f"{name}: needs data (n, channels, height, width) and a block_size of at least 1, got data "
            f"{data.shape} and block_size {block_size}"
        )
    return data.shape  # pyright: ignore[reportReturnType]


@operator
def depth_to_space(data: NDArray, block_size: int) -> NDArray:
    """Move blocks of channels to spatial positions, from shape (n, c·b², h, w) to (n, c, h·b, w·b).

    Raises `ShapeError` if the number of channels is not a multiple of `block_size`².

    >>> from lamina import nd
    >>> nd.depth_to_space(nd.arange(4).reshape((1, 4, 1, 1)), 2).asnumpy().tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    b = int(block_size)
    n, channels, h, w = _blocks("depth_to_space", data, b)
    if channels % (b * b):
        raise ShapeError(
            f"depth_to_space: {channels} channels (shape {data.shape}) are no multiple of {b * b}"
        )
    c = channels // (b * b)
    moved = data.reshape((n, b, b, c, h, w)).transpose((0, 3, 4, 1, 5, 2))
    return moved.reshape((n, c, h * b, w * b))


@operator
def space_to_depth(data: NDArray, block_size: int) -> NDArray:
    """Move spatial blocks to channels, from shape (n, c, h·b, w·b) to (n, c·b², h, w).

    This is the inverse of `depth_to_space`. Raises `ShapeError` if height or width is not a multiple of `block_size`.
    """
    b = int(block_size)
    n, c, height, width = _blocks("space_to_depth", data, b)
    if height % b or width % b:
        raise ShapeError(f"space_to_depth: height and width of {data.shape} are no multiples of {b}")
    moved = data.reshape((n, c, height // b, b, width // b, b)).transpose((0, 3, 5, 1, 2, 4))
    return moved.reshape((n, c * b * b, height // b, width // b))


Concat, SliceChannel, Pad, reverse = concat, split, pad, flip
