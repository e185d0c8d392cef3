"""Arrays without contents, on which operators infer shapes and dtypes and compute nothing.

>>> from lamina import nd
>>> with on_shapes_only():
...     nd.dot(array_of_shape((20000, 4000)), array_of_shape((4000, 10))).shape
(20000, 10)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lamina.core.array import Array, Value
from lamina.core.primitive import Primitive
from lamina.core.state import Mode, traced_by
from lamina.device.context import current_context
from lamina.nd.ndarray import NDArray
from lamina.nd.placeholder import Type


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
