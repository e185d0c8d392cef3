"""Arrays without contents: for inferring shapes and dtypes, and for values that are computed on first access.

>>> from lamina import nd
>>> with on_shapes_only():
...     nd.dot(array_of_shape((20000, 4000)), array_of_shape((4000, 10))).shape
(20000, 10)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lamina.core.array import Array, Value, attribute
from lamina.core.primitive import Primitive
from lamina.core.state import Mode, traced_by
from lamina.device.context import current_context
from lamina.nd.ndarray import NDArray


class ShapesOnly:
    """A trace (see `lamina.core.state.Trace`) that only infers shapes and records no graph."""

    def bind(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Value:
        """Shape and dtype of a primitive's result."""
        types = [self.value(x) if isinstance(x, Array) else x for x in inputs]
        shape, dtype = primitive.infer(*types, **params)
        self.check(tuple(shape))
        return Type(tuple(shape), np.dtype(dtype))

    def check(self, shape: tuple[int, ...]) -> None:
        """Accept any shape."""

    def value(self, array: Array) -> Value:
        """The `Type` of an array made inside the trace, or the contents of an array from outside."""
        return array._data

    def assign(self, array: Array, value: Array) -> None:
        """Do nothing, since writes change no shapes."""

    def call_each_step(self, function: Callable[[], float], integer: bool) -> float:
        """The current value of a number that changes at each step."""
        return function()

    def after_run(self, function: Callable[[], None]) -> None:
        """Do nothing, since no run follows."""

    def note_labels(self, label: Any, classes: int, who: str) -> None:
        """Do nothing, since there are no values."""

    def uses_gradient(self, array: Array) -> None:
        """Do nothing, since there are no gradients."""

    def source(self, array: Array, owner: Any, name: str, position: int) -> None:
        """Do nothing, since no source is recorded."""


@contextmanager
def on_shapes_only(trace: ShapesOnly | None = None) -> Generator[None]:
    """A context in which operators only infer shapes."""
    with Mode(recording=False, training=False), traced_by(trace or ShapesOnly()):
        yield


def array_of_shape(shape: Sequence[int], dtype: Any = np.float32) -> NDArray:
    """An array of this shape without contents."""
    return NDArray(Type(tuple(shape), np.dtype(dtype)), current_context())


# --- arrays whose values are computed on first access -----------------------------------------------------------------


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
