"""Numbers that exist only when the step runs: arguments, a scheduled learning rate, a step count."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.array import Array
from lamina.errors import DTypeError, TraceError
from lamina.support.messages import user_location

if TYPE_CHECKING:
    from lamina.compiler.front._capture import Capture
    from lamina.compiler.passes.graph import Node
    from lamina.compiler.written_checks import Names
    from lamina.device.context import Context

Number = int | float


class NeedsValue(Exception):  # noqa: N818 - not an error: the capture starts again with the argument fixed
    """Python needs an argument's value while tracing, so the step must be specialized to it."""

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self.argument = argument


class Derived:
    """A number that Python computes from the step's other numbers, by Python's own rules, before the step runs.

    So it raises the same errors as in eager mode (such as division by zero), and NumPy numbers keep their types'
    ranges.
    """

    __slots__ = ("_function", "_operands")

    def __init__(self, function: Callable[..., Any], operands: Sequence[Any]) -> None:
        self._function = function
        self._operands = [(True, x.slot) if isinstance(x, StepNumber) else (False, x) for x in operands]

    def written(self, names: Names, values: Sequence[str]) -> str:
        """The number as a Python expression; `values`: the names of the earlier slots."""
        operands = [values[x] if is_slot else names.of(x) for is_slot, x in self._operands]
        return f"{names.of(self._function)}({', '.join(operands)})"


def _both_ways(name: str) -> tuple[Callable[[StepNumber, Any], Any], Callable[[StepNumber, Any], Any]]:
    """An operator's method, and its reflected method."""
    return (lambda x, other: x._arithmetic(name, other)), (lambda x, other: x._arithmetic(name, other, True))


class StepNumber:
    """A stand-in for a number in arithmetic, as float64 or int64.

    Where Python needs the value (a range, a shape, a comparison, ``math.sqrt``), the step is specialized to the
    argument's value; for a number that changes at every step that is an error.
    """

    __slots__ = ("_argument", "_capture", "node", "slot")

    def __init__(self, capture: Capture, node: Node, argument: str | None, slot: int) -> None:
        self._capture, self.node, self._argument, self.slot = capture, node, argument, slot

    def as_operand(self, dtype: np.dtype, context: Context) -> Array:
        """The number in the dtype and on the device of its array operand.

        Integer arrays accept only integers in their range.
        """
        number = self
        if dtype.kind in "iu":
            whole = Derived(lambda value: _as_integer(value, dtype), [self])
            number = self._capture.number(whole, np.dtype(np.int64), self._argument)
        return self._capture.scalar_array(number.node, dtype, context)

    def _arithmetic(self, name: str, other: Any, reflected: bool = False) -> Any:
        if isinstance(other, Array) or not isinstance(other, int | float | np.number | StepNumber):
            return NotImplemented
        pair = (other, self) if reflected else (self, other)
        whole = name != "divide" and all(map(is_whole, pair))
        if name == "power" and whole and not isinstance(pair[1], StepNumber) and pair[1] < 0:
            whole = False
        return self._derived(_OPERATORS[name], pair, whole)

    def _derived(self, function: Callable[..., Any], operands: Sequence[Any], whole: bool) -> StepNumber:
        argument = next((x._argument for x in operands if isinstance(x, StepNumber) and x._argument), None)
        dtype = np.dtype(np.int64 if whole else np.float64)
        return self._capture.number(Derived(function, operands), dtype, argument)

    __add__, __radd__ = _both_ways("add")
    __sub__, __rsub__ = _both_ways("subtract")
    __mul__, __rmul__ = _both_ways("multiply")
    __truediv__, __rtruediv__ = _both_ways("divide")

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, StepNumber) and is_whole(self) and is_whole(other):
            return other._value()  # whole or not, as the exponent's sign decides
        return self._arithmetic("power", other)

    def __rpow__(self, other: Any) -> Any:
        if isinstance(other, int) and is_whole(self):
            return self._value()
        return self._arithmetic("power", other, True)

    def __neg__(self) -> Any:
        return self._derived(operator.neg, [self], is_whole(self))

    def __pos__(self) -> StepNumber:
        return self

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy's operators on numbers are arithmetic (``np.float32(2) * lr``); other functions need the value."""
        name = function.__name__
        others = [x for x in inputs if not isinstance(x, StepNumber)]
        if name not in _OPERATORS or method != "__call__" or options or any(map(np.ndim, others)):
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
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _value
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = _value
    __abs__ = __format__ = __str__ = __hash__ = _value

    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The number's class, for ``isinstance(number, float)``; lamina's own code tests for `StepNumber`."""
        return self._value().__class__ if _is_asked_by_user() else StepNumber

    def __getattr__(self, name: str) -> Any:
        """Methods of numbers, such as ``is_integer``."""
        if _is_asked_by_user():
            return getattr(self._value(), name)
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"<a number of the step{f', argument {self._argument}' if self._argument else ''}>"


_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
}


def is_whole(x: Any) -> bool:
    """Whether a number is an integer: Python's, NumPy's or one of the step's."""
    if isinstance(x, StepNumber):
        return x.node.dtype.kind == "i"
    return isinstance(x, int | np.integer | np.bool_)


def _as_integer(value: Any, dtype: np.dtype) -> int:
    """The operand that `nd` uses for a number with integers."""
    if value != value // 1:
        raise DTypeError(
            f"an array of {dtype} does not combine with {value}, which is not an integer; "
            "convert with astype('float32') first"
        )
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise OverflowError(f"Python integer {int(value)} out of bounds for {dtype}")
    return int(value)


def _is_asked_by_user() -> bool:
    """Whether a number's attribute is read by code outside lamina and NumPy."""
    frame = sys._getframe(2)
    # `isinstance(number, numbers.Real)` asks by way of `abc`
    while frame.f_back is not None and frame.f_globals.get("__name__") == "abc":
        frame = frame.f_back
    return frame.f_globals.get("__name__", "").partition(".")[0] not in ("lamina", "numpy")
