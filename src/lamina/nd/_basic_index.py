"""Basic indexing (integers, slices, ellipsis, None), normalized to one slice per axis and a reshape."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina.core.primitive import bind
from lamina.nd.operators import NDArray
from lamina.primitives import is_stretch, reshape, slice_copy

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
        if isinstance(part, slice):
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
    missing = (slice(None),) * (len(shape) - used)
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
