"""Basic indexing (integers, slices, ellipsis, None), normalized to one slice per axis and a reshape."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina.core.primitive import bind
from lamina.nd.operators import NDArray
from lamina.primitives.reduce import reshape
from lamina.primitives.views import is_stretch, slice_copy

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
    begin: list[int] = []
    end: list[int] = []
    step: list[int] = []
    sliced: list[int] = []
    kept: list[int] = []
    for part in without_ellipsis(shape, parts):
        if part is None:
            kept.append(1)
            continue
        axis = len(begin)
        if isinstance(part, slice):
            start, stop, stride = part.indices(shape[axis])
            length = len(range(start, stop, stride))
            if length == 0:
                start, stop, stride = 0, 0, 1
            kept.append(length)
        else:
            start = _normal_integer(part, axis, shape)
            stop, stride, length = start + 1, 1, 1
        begin.append(start)
        end.append(stop)
        step.append(stride)
        sliced.append(length)
    return BasicIndex(tuple(begin), tuple(end), tuple(step), tuple(sliced), tuple(kept) or (1,))


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
