"""Numbers that exist only when the step runs: arguments, a scheduled learning rate, a step count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Array
from lamina.core.primitive import REGISTRY
from lamina.errors import TraceError
from lamina.messages import user_location

if TYPE_CHECKING:
    from lamina.compiler.front.capture import Capture
    from lamina.compiler.passes.graph import Node

__all__ = ["NeedsValue", "StepNumber"]

Number = int | float


class NeedsValue(Exception):  # noqa: N818 - not an error: the capture starts again with the argument fixed
    """Python needs the value of this argument while tracing, so the step must be specialized to it."""

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self.argument = argument


class StepNumber:
    """Behaves as the number it stands for in arithmetic; Python's float64, or int64.

    Where Python must know the value (a range, a shape, a comparison, ``math.sqrt``), the step is specialized to an
    argument's value; for a number that changes at every step that is an error.
    """

    __slots__ = ("_argument", "_capture", "_node")

    def __init__(self, capture: Capture, node: Node, argument: str | None) -> None:
        self._capture, self._node, self._argument = capture, node, argument

    @property
    def node(self) -> Node:
        """Its node in the graph."""
        return self._node

    @property
    def _is_whole(self) -> bool:
        return self._node.dtype.kind == "i"

    def as_operand(self, dtype: np.dtype) -> Array:
        """The number in the dtype of the array it meets."""
        return self._capture.scalar_array(self._node, dtype)

    def _arithmetic(self, name: str, other: Any, reflected: bool = False) -> Any:
        if isinstance(other, Array):
            return NotImplemented
        if not isinstance(other, int | float | np.number | StepNumber):
            return NotImplemented
        pair = (other, self) if reflected else (self, other)
        node = self._capture.scalar_operation(REGISTRY[name], pair)
        argument = self._argument or (other._argument if isinstance(other, StepNumber) else None)
        return StepNumber(self._capture, node, argument)

    def __add__(self, other: Any) -> Any:
        return self._arithmetic("add", other)

    def __radd__(self, other: Any) -> Any:
        return self._arithmetic("add", other, True)

    def __sub__(self, other: Any) -> Any:
        return self._arithmetic("subtract", other)

    def __rsub__(self, other: Any) -> Any:
        return self._arithmetic("subtract", other, True)

    def __mul__(self, other: Any) -> Any:
        return self._arithmetic("multiply", other)

    def __rmul__(self, other: Any) -> Any:
        return self._arithmetic("multiply", other, True)

    def __truediv__(self, other: Any) -> Any:
        return self._arithmetic("divide", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._arithmetic("divide", other, True)

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, StepNumber) and self._is_whole and other._is_whole:
            return other._value()  # whole or not, as the exponent's sign decides
        return self._arithmetic("power", float(other) if isinstance(other, int) and other < 0 else other)

    def __rpow__(self, other: Any) -> Any:
        if isinstance(other, int) and self._is_whole:
            return self._value()
        return self._arithmetic("power", other, True)

    def __neg__(self) -> Any:
        return self._arithmetic("multiply", -1)

    def __pos__(self) -> StepNumber:
        return self

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy's operators on numbers are arithmetic, too (``np.float32(2) * lr``); other functions need the value."""
        name = function.__name__
        if (
            name not in _OPERATORS
            or method != "__call__"
            or options
            or any(np.ndim(x) for x in _others(inputs))
        ):
            return self._value()
        left, right = inputs
        return self._arithmetic(name, right) if left is self else self._arithmetic(name, left, True)

    def _value(self, *_: object, **__: object) -> Any:
        if self._argument is not None:
            raise NeedsValue(self._argument)
        raise TraceError(
            f"{user_location()}: a number that changes at every step (a learning rate, a step count) is needed as a "
            "Python value inside lamina.compile; use arithmetic (+ - * / **) instead"
        )

    __bool__ = __int__ = __float__ = __index__ = __round__ = __trunc__ = __floor__ = __ceil__ = _value
    __complex__ = __divmod__ = __rdivmod__ = __array__ = _value
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __mod__ = __rmod__ = __floordiv__ = (
        __rfloordiv__
    ) = _value
    __abs__ = __format__ = __str__ = __hash__ = _value

    def __repr__(self) -> str:
        return f"<a number of the step{f', argument {self._argument}' if self._argument else ''}>"


_OPERATORS = frozenset({"add", "subtract", "multiply", "divide", "power"})


def _others(inputs: tuple[Any, ...]) -> list[Any]:
    return [x for x in inputs if not isinstance(x, StepNumber)]
