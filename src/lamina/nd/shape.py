"""Functions that change shapes: reshape, transpose, broadcast, stack and their like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.nd.indexing import view
from lamina.nd.ndarray import NDArray
from lamina.primitives import movement
from lamina.primitives.typing import normalize_axis

__all__ = ["broadcast_arrays", "broadcast_to", "concat", "expand_dims", "reshape", "stack", "transpose"]

Shape = Sequence[int]


def reshape(data: NDArray, shape: Shape | int, reverse: bool = False) -> NDArray:
    """The same elements under another shape; shares memory.

    Besides sizes, `shape` may hold MXNet's codes: 0 keeps the size at this place; -1 is what remains; -2 all
    remaining sizes; -3 the product of the next two; -4 splits the next one into the two that follow. `reverse`
    matches from the right.

    >>> from lamina import nd
    >>> nd.zeros((2, 3, 4)).reshape((-3, 0)).shape
    (6, 4)
    """
    codes = [shape] if isinstance(shape, int | np.integer) else list(shape)
    target = resolve_shape(data.shape, codes, reverse)
    own = data.shape
    result = bind(movement.reshape, data, shape=target)
    return view(
        result,
        data,
        lambda base: bind(movement.reshape, base, shape=target),
        lambda _base, value: bind(movement.reshape, value, shape=own),
    )


def resolve_shape(own: tuple[int, ...], codes: Sequence[int], reverse: bool = False) -> tuple[int, ...]:
    """Replace MXNet's reshape codes by sizes, or raise `ShapeError`."""
    if reverse:
        return resolve_shape(own[::-1], _reversed_codes(codes))[::-1]
    sizes: list[int] = []
    unknown = -1
    source = 0
    queue = [int(c) for c in codes]
    try:
        while queue:
            code = queue.pop(0)
            if code == 0:
                sizes.append(own[source])
                source += 1
            elif code == -1:
                unknown = _remember_unknown(unknown, len(sizes))
                sizes.append(1)
                source += 1
            elif code == -2:
                sizes.extend(own[source:])
                source = len(own)
            elif code == -3:
                sizes.append(own[source] * own[source + 1])
                source += 2
            elif code == -4:
                sizes.extend(_split(own[source], queue.pop(0), queue.pop(0)))
                source += 1
            elif code > 0:
                sizes.append(code)
                source += 1
            else:
                raise ShapeError(
                    f"reshape: {code} in {tuple(codes)} is neither a size nor a code (0, -1, -2, -3, -4)"
                )
    except IndexError:
        raise ShapeError(
            f"reshape: the codes {tuple(codes)} ask for more axes than the shape {own} has"
        ) from None
    return _fill_unknown(own, codes, sizes, unknown)


def _reversed_codes(codes: Sequence[int]) -> list[int]:
    """Codes from right to left; the two sizes after -4 stay behind it."""
    groups: list[list[int]] = []
    queue = list(codes)
    while queue:
        code = queue.pop(0)
        groups.append([code, queue.pop(1), queue.pop(0)] if code == -4 and len(queue) > 1 else [code])
    return [c for group in reversed(groups) for c in group]


def _remember_unknown(unknown: int, place: int) -> int:
    if unknown >= 0:
        raise ShapeError("reshape: only one size can be -1")
    return place


def _split(size: int, first: int, second: int) -> tuple[int, int]:
    if first == -1 and second > 0:
        first = size // second
    if second == -1 and first > 0:
        second = size // first
    if first * second != size:
        raise ShapeError(f"reshape: -4 cannot split a size of {size} into {first} and {second}")
    return first, second


def _fill_unknown(
    own: tuple[int, ...], codes: Sequence[int], sizes: list[int], unknown: int
) -> tuple[int, ...]:
    total, known = math.prod(own), math.prod(sizes)
    if unknown >= 0 and known and total % known == 0:
        sizes[unknown] = total // known
    if math.prod(sizes) != total:
        raise ShapeError(
            f"reshape: {own} has {total} elements and cannot become {tuple(codes)}, "
            f"which gives {tuple(sizes)} with {math.prod(sizes)}"
        )
    return tuple(sizes)


def transpose(data: NDArray, axes: Shape = ()) -> NDArray:
    """Permute the axes (reversed if `axes` is empty); a copy."""
    order = (
        tuple(normalize_axis("transpose", int(a), data.ndim) for a in axes) or tuple(range(data.ndim))[::-1]
    )
    return bind(movement.transpose, data, axes=order)


def expand_dims(data: NDArray, axis: int) -> NDArray:
    """Insert an axis of size 1 before axis `axis`."""
    place = normalize_axis("expand_dims", axis, data.ndim + 1)
    return bind(movement.reshape, data, shape=(*data.shape[:place], 1, *data.shape[place:]))


def broadcast_to(data: NDArray, shape: Shape) -> NDArray:
    """Repeat along axes of size 1, and new axes in front; a 0 in `shape` keeps the size."""
    target = tuple(int(n) for n in shape)
    if len(target) == data.ndim:
        target = tuple(own if n == 0 else n for n, own in zip(target, data.shape, strict=True))
    return data if target == data.shape else bind(movement.broadcast_to, data, shape=target)


def broadcast_arrays(*data: NDArray) -> list[NDArray]:
    """All arrays in their common shape."""
    try:
        shape = np.broadcast_shapes(*(x.shape for x in data))
    except ValueError:
        shown = ", ".join(str(x.shape) for x in data)
        raise ShapeError(f"broadcast: shapes {shown} do not fit together") from None
    return [broadcast_to(x, shape) for x in data]


def concat(*data: Any, dim: int = 1) -> NDArray:
    """Join along the existing axis `dim` (1 by default, as in MXNet)."""
    arrays = data[0] if len(data) == 1 and isinstance(data[0], list | tuple) else data
    return bind(movement.concat, *arrays, axis=normalize_axis("concat", dim, arrays[0].ndim))


def stack(*data: Any, axis: int = 0) -> NDArray:
    """Join along a new axis."""
    arrays = data[0] if len(data) == 1 and isinstance(data[0], list | tuple) else data
    place = normalize_axis("stack", axis, arrays[0].ndim + 1)
    return bind(movement.concat, *(expand_dims(x, place) for x in arrays), axis=place)
