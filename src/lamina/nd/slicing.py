"""Slices: the functions slice, slice_axis and slice_like, and basic indexing by integers, slices, ellipsis and None."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.nd.operators import NDArray, operator
from lamina.primitives import is_stretch, reshape, slice_copy
from lamina.primitives.typing import normalize_axis

__all__ = ["crop", "slice", "slice_axis", "slice_like"]


_slice = slice
Bounds = int | Sequence[int | None] | None


@operator
def slice(data: NDArray, begin: Bounds, end: Bounds, step: Bounds = None) -> NDArray:
    """A copy of ``data[begin[0]:end[0]:step[0], …]``, where None is no bound.

    Axes without an entry are not sliced. Raises `ShapeError` if there are bounds for more axes than `data` has.

    >>> from lamina import nd
    >>> nd.slice(nd.array([[1, 2, 3], [4, 5, 6]]), begin=(0, 1), end=(None, 3)).asnumpy()
    array([[2., 3.],
           [5., 6.]], dtype=float32)
    """
    bounds = [list(b) if isinstance(b, Sequence) else [] if b is None else [b] for b in (begin, end, step)]
    axes = max(map(len, bounds))
    if axes > data.ndim:
        raise ShapeError(f"slice: bounds for {axes} axes, but the shape is {data.shape}")
    filled = [b + [None] * (axes - len(b)) for b in bounds]
    return copied_part(data, tuple([_slice(b, e, s) for b, e, s in zip(*filled, strict=True)]))


@operator
def slice_axis(data: NDArray, axis: int, begin: int, end: int | None) -> NDArray:
    """A copy of ``data[begin:end]`` along `axis`; negative bounds count from the end.

    Raises `ShapeError` if a bound lies outside the axis.

    >>> from lamina import nd
    >>> nd.slice_axis(nd.array([[1, 2, 3], [4, 5, 6]]), axis=1, begin=-2, end=None).shape
    (2, 2)
    """
    place = normalize_axis("slice_axis", axis, data.ndim)
    size = data.shape[place]
    for bound in (begin, size if end is None else end):
        if not -size <= bound <= size:
            raise ShapeError(f"slice_axis: {bound} lies outside axis {place} of shape {data.shape}")
    return copied_part(data, (_slice(None),) * place + (_slice(begin, end),))


@operator
def slice_like(data: NDArray, shape_like: NDArray, axes: Sequence[int] | None = ()) -> NDArray:
    """The leading part of `data`, cut to the sizes of `shape_like` along `axes` (all axes if empty).

    Raises `ShapeError` if `shape_like` lacks an axis in `axes`, or is longer than `data` along this axis.
    """
    if not axes and data.ndim != shape_like.ndim:
        raise ShapeError(f"slice_like: shapes {data.shape} and {shape_like.shape} differ in number of axes")
    chosen = [normalize_axis("slice_like", a, data.ndim) for a in axes or range(data.ndim)]
    for a in chosen:
        if a >= shape_like.ndim or shape_like.shape[a] > data.shape[a]:
            what = "is missing in" if a >= shape_like.ndim else "is shorter than that of"
            raise ShapeError(f"slice_like: axis {a} of {data.shape} {what} {shape_like.shape}")
    parts = [_slice(shape_like.shape[a] if a in chosen else None) for a in range(data.ndim)]
    return copied_part(data, tuple(parts))


crop = slice


# --- basic indexing, normalized to one slice per axis and a reshape ---------------------------------------------------

Ints = tuple[int, ...]


class BasicIndex(NamedTuple):
    """A slice of every axis (`begin`, `end`, `step`), its shape `sliced`, and the result's `shape`.

    `shape` leaves out axes indexed by an integer and has an axis of size 1 for each None.
    """

    begin: Ints
    end: Ints
    step: Ints
    sliced: Ints
    shape: Ints

    @property
    def where(self) -> dict[str, Ints]:
        """The slice as keyword arguments for the slicing primitives."""
        return {"begin": self.begin, "end": self.end, "step": self.step}

    def is_whole(self, shape: Ints) -> bool:
        """Whether the slice selects a whole array of shape `shape`, in order."""
        return self.sliced == shape and all(s == 1 for s in self.step)

    def is_contiguous(self, shape: Ints) -> bool:
        """Whether the slice of an array of shape `shape` is contiguous in memory."""
        return is_stretch(shape, self.sliced, self.step)


def parse_basic(shape: Ints, parts: tuple[Any, ...]) -> BasicIndex:
    """Normalize an index of integers, slices, ``...`` and None for an array of shape `shape`.

    A single element has the result shape (1,). Raises `IndexError` for an integer out of range or too many indices.
    """
    spans: list[tuple[int, int, int, int]] = []
    kept: list[int] = []
    for part in without_ellipsis(shape, parts):
        if part is None:
            kept.append(1)
            continue
        axis = len(spans)
        if isinstance(part, _slice):
            start, stop, stride = part.indices(shape[axis])
            length = len(range(start, stop, stride))
            spans.append((start, stop, stride, length) if length else (0, 0, 1, 0))
            kept.append(length)
        else:
            start = _normal_integer(part, axis, shape)
            spans.append((start, start + 1, 1, 1))
    begin, end, step, sliced = zip(*spans, strict=True) if spans else ((),) * 4
    return BasicIndex(begin, end, step, sliced, tuple(kept) or (1,))


def copied_part(x: NDArray, parts: tuple[Any, ...]) -> NDArray:
    """A copy of ``x[parts]`` for integers and slices, also where ``x[parts]`` would be a view."""
    basic = parse_basic(x.shape, parts)
    result = bind(slice_copy, x, **basic.where)
    return result if result.shape == basic.shape else bind(reshape, result, shape=basic.shape)


def without_ellipsis(shape: Ints, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index `parts` with ``...`` and missing trailing axes written as full slices."""
    used = len(parts)
    ellipsis = None
    for i, part in enumerate(parts):
        if part is None:
            used -= 1
        elif part is Ellipsis:
            if ellipsis is not None:
                raise IndexError("an index can only have a single ellipsis ('...')")
            ellipsis, used = i, used - 1
    if used > len(shape):
        raise IndexError(f"{used} indices are too many for an array of shape {shape}")
    missing = (_slice(None),) * (len(shape) - used)
    return (*parts, *missing) if ellipsis is None else (*parts[:ellipsis], *missing, *parts[ellipsis + 1 :])


def _normal_integer(part: Any, axis: int, shape: Ints) -> int:
    try:
        i = part.__index__()
    except AttributeError:
        raise IndexError(
            f"an index of type {type(part).__name__} is not possible; use integers, slices, ..., None or arrays"
        ) from None
    size = shape[axis]
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for axis {axis} of shape {shape}")
    return i % size
