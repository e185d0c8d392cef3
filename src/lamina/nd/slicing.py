"""Slices by function: slice, slice_axis, slice_like."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.errors import ShapeError
from lamina.nd._basic_index import copied_part
from lamina.nd.operators import NDArray, operator
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
