"""Running a network on shapes alone: operators are asked for their results' shapes and dtypes; nothing is computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.context import current_context
from lamina.core.array import Array, Value
from lamina.core.primitive import Primitive
from lamina.core.state import Mode, traced_by
from lamina.errors import DataError, ShapeError
from lamina.nd.ndarray import NDArray

__all__ = ["ShapesOnly", "array_of_shape", "on_shapes_only"]

_MOST_NUMBERS = 1 << 27
"""Of all results together, of the few rows that a network is tried on; they are never allocated."""

_MOST_AXES = 32


@dataclass(frozen=True)
class _Type:
    """Stands in an array for its contents."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class ShapesOnly:
    """A trace (see `lamina.core.state.Trace`) that keeps no graph.

    Raises `DataError` once the results have more numbers than dense networks have.
    """

    def __init__(self) -> None:
        self._numbers = 0

    def bind(
        self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]
    ) -> tuple[Value, ...]:
        """The type of a primitive's result."""
        types = [self.value(x) if isinstance(x, Array) else x for x in inputs]
        shape, dtype = primitive.infer(*types, **params)
        if len(shape) > _MOST_AXES:
            raise ShapeError(f"an array of {len(shape)} axes")
        self._numbers += math.prod(shape)
        if self._numbers > _MOST_NUMBERS:
            raise DataError(f"a result of shape {tuple(shape)} for two rows is too large to be believed")
        return (_Type(tuple(shape), np.dtype(dtype)),)

    def value(self, array: Array) -> Value:
        """What an array holds: its type, or of one from outside its contents."""
        return array._data

    def assign(self, array: Array, value: Array) -> None:
        """Writes change no shapes."""

    def call_each_step(self, function: Callable[[], float], integer: bool) -> float:
        """A number that would be computed at each step."""
        return function()

    def uses_gradient(self, array: Array) -> None:
        """There are no gradients."""

    def source(self, array: Array, getter: Callable[[], Array]) -> None:
        """Nothing is remembered."""


class on_shapes_only:  # noqa: N801 - used as `with on_shapes_only():`
    """Inside, no operator computes anything."""

    def __init__(self) -> None:
        self._mode, self._traced = Mode(recording=False, training=False), traced_by(ShapesOnly())

    def __enter__(self) -> None:
        self._mode.__enter__()
        self._traced.__enter__()

    def __exit__(self, *exception: object) -> None:
        self._traced.__exit__(*exception)
        self._mode.__exit__(*exception)


def array_of_shape(shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray:
    """An array without contents."""
    return NDArray(_Type(tuple(shape), dtype), current_context())
