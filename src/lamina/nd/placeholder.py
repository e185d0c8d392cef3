"""`PlaceholderArray`, an array with known shape and dtype, whose values are computed on first access."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.core.array import Array, attribute
from lamina.nd.ndarray import NDArray


class Type:
    """Shape and dtype of an array, in place of its contents."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape, self.dtype = shape, dtype


class PlaceholderArray(NDArray):
    """An `NDArray` whose values a subclass's `__getattr__` computes when `_data` is first read.

    Reading shape or dtype uses `_view` and computes nothing.
    """

    __slots__ = ()

    _view: Any
    _is_stale = False  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride] - not values but a type

    shape = attribute("_view.shape")  # pyright: ignore[reportIncompatibleMethodOverride]
    _dtype = attribute("_view.dtype")

    @property
    def dtype(self) -> type[np.generic]:
        return self._view.dtype.type

    @property
    def ndim(self) -> int:
        return len(self._view.shape)

    @property
    def size(self) -> int:
        return math.prod(self._view.shape)


def stand_in(array: Array) -> NDArray:
    """An array without contents, with shape, dtype and device of `array`, for compiling a step.

    Each call of the compiled step passes the actual array.
    """
    nothing: Any = Type(array.shape, array._dtype)
    return NDArray(nothing, array._context)
