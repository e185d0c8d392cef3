"""Running a network that was read on shapes alone, as long as they can be believed."""

from __future__ import annotations

import math

from lamina.errors import DataError, ShapeError
from lamina.nd.shapes_only import ShapesOnly, array_of_shape
from lamina.nd.shapes_only import on_shapes_only as _on_shapes_only

__all__ = ["array_of_shape", "on_shapes_only"]

_MOST_NUMBERS = 1 << 27
"""Of all results together, of the few rows that a network is tried on; they are never allocated."""

_MOST_AXES = 32


class _Believable(ShapesOnly):
    """Raises `DataError` once the results have more numbers than dense networks have."""

    def __init__(self) -> None:
        self._numbers = 0

    def check(self, shape: tuple[int, ...]) -> None:
        """Count what a result would hold."""
        if len(shape) > _MOST_AXES:
            raise ShapeError(f"an array of {len(shape)} axes")
        self._numbers += math.prod(shape)
        if self._numbers > _MOST_NUMBERS:
            raise DataError(f"a result of shape {shape} for two rows is too large to be believed")


class on_shapes_only(_on_shapes_only):  # noqa: N801 - used as `with on_shapes_only():`
    """Inside, no operator computes anything, and results of too many numbers raise."""

    def __init__(self) -> None:
        super().__init__(_Believable())
