"""Sorting of a compiled function's arguments: arrays, variable numbers, and other values.

The types of arrays and numbers, and the other values, select the specialization.
"""

from __future__ import annotations

import copy
import operator
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.compiler.written_checks import Names, function_of
from lamina.core.array import Array, Facade
from lamina.errors import DTypeError, TraceError
from lamina.nd.facade import shown
from lamina.support.messages import user_location

if TYPE_CHECKING:
    from lamina.compiler.front._capture import Capture
    from lamina.compiler.passes.graph import Node
    from lamina.device.context import Context


class Call:
    """A call's arguments, with the keyword arguments last.

    `batch` is how many rows of each array a step gets; None means all rows. `moving` is the number of
    leading arrays that are items of stacks (see `CompiledFunction.run_stacks`); each step reads the next item in
    memory.
    """

    __slots__ = ("batch", "moving", "names", "values")

    def __init__(
        self, args: Sequence[Any], kwargs: dict[str, Any], batch: int | None = None, moving: int = 0
    ) -> None:
        self.values: Sequence[Any] = [*args, *kwargs.values()] if kwargs else args
        self.names, self.batch, self.moving = tuple(kwargs), batch, moving

    def of_function(self, function: Callable[..., Any], values: Sequence[Any]) -> Any:
        """Call a function with `values` in place of the arguments, under the same keywords."""
        count = len(values) - len(self.names)
        return function(*values[:count], **dict(zip(self.names, values[count:], strict=True)))


class Arguments:
    """The arguments of a call, sorted by kind.

    ``arrays``   the array arguments in order
    ``numbers``  the Python numbers in order
    ``others``   all other values, except containers, strings, booleans and None
    ``key``      a cache key: shapes, dtypes, the other arguments' values, and which arguments are the same array
    """

    __slots__ = ("arrays", "key", "numbers", "others")

    def __init__(self, values: Sequence[Any], fixed: frozenset[int], closure: frozenset[int]) -> None:
        self.arrays: list[Array] = []
        self.numbers: list[float] = []
        self.others: list[Any] = []
        parts: list[Any] = []
        for position, value in enumerate(values):
            self._take(value, parts, position in fixed, closure)
        ids = [id(x) for x in self.arrays]
        if len(set(ids)) != len(ids):
            parts.append(tuple(ids.index(i) for i in ids))
        self.key = tuple(parts)

    def _take(self, value: Any, parts: list[Any], fixed: bool, closure: frozenset[int]) -> None:
        if isinstance(value, Array):
            self.arrays.append(value)
            mark = id(value) if id(value) in closure else value._leaf is not None
            parts.append((value._data.shape, value._data.dtype, value._context, mark))
        elif isinstance(value, bool | np.bool_ | str | type(None)):
            parts.append((type(value), value))
        elif isinstance(value, int | float | np.number):
            if fixed:
                parts.append((type(value), repr(value)))  # -0.0 is not 0.0, and nan is nan
            else:
                self.numbers.append(value)  # pyright: ignore[reportArgumentType]
                parts.append(int if isinstance(value, int | np.integer) else float)
        elif isinstance(value, tuple | list):
            parts.append((type(value), len(value)))
            for x in value:
                self._take(x, parts, fixed, closure)
        elif isinstance(value, Facade):
            parts.append(type(value))
            self._take(value._array, parts, fixed, closure)
        elif isinstance(value, dict):
            parts.append((type(value), tuple((type(x), x) for x in value)))
            for x in value.values():
                self._take(x, parts, fixed, closure)
        else:
            parts.append(_identity(value))
            self.others.append(value)


Taker = Callable[[Sequence[Any]], tuple[tuple[Array, ...], tuple[float, ...]] | None]
"""Splits a call's positional arguments into arrays and numbers; returns None if they have other types than expected."""


def take_nothing(_values: Sequence[Any]) -> None:
    """Return None for all arguments: a `Taker` that accepts no arguments."""


def taker(values: Sequence[Any], fixed: frozenset[int], closure: frozenset[int]) -> Taker:
    """Generate a function that splits arguments of the same types as `values` into arrays and numbers.

    Most calls have the types of the previous call, and this check is faster than computing and looking up a key. The
    result is `take_nothing` if an argument is neither a plain array nor a number, or if the function is specialized to
    the values of some numbers, whose positions `fixed` has. `closure` has the ids of arrays that the function also
    finds outside.
    """
    plain = all(value.__class__ in (int, float) or isinstance(value, Array) for value in values)
    if fixed or not plain:
        return take_nothing
    written = _written_taker(values, closure)
    return take_nothing if written(values) is None else written


def _written_taker(values: Sequence[Any], closure: frozenset[int]) -> Taker:
    names = Names()
    arguments = [f"x{i}" for i in range(len(values))]
    arrays = [x for x, value in zip(arguments, values, strict=True) if isinstance(value, Array)]
    lines = [f"if len(values) != {len(values)}: return None"]
    if arguments:
        lines.append(f"{', '.join(arguments)}, = values")
    for x, value in zip(arguments, values, strict=True):
        lines.append(_written_type_check(x, value, names, closure))
    lines += [f"if {x} is {y}: return None" for i, x in enumerate(arrays) for y in arrays[:i]]
    numbers = [x for x in arguments if x not in arrays]
    lines.append(f"return ({''.join(f'{x}, ' for x in arrays)}), ({''.join(f'{x}, ' for x in numbers)})")
    return function_of("take(values)", lines, names)


def _written_type_check(x: str, value: Any, names: Names, closure: frozenset[int]) -> str:
    """A line of Python code that returns None unless `x` has the type of `value`."""
    conditions = [f"{x}.__class__ is not {names.of(value.__class__)}"]
    if isinstance(value, Array):
        conditions.append(f"{x}._leaf is not None")
        conditions.append(f"{x}._context is not {names.of(value._context)}")
        conditions.append(f"(data := {x}._data).shape != {names.of(value._data.shape)}")
        conditions.append(f"data.dtype is not {names.of(value._data.dtype)}")
        if closure:
            conditions.append(f"id({x}) in {names.of(closure)}")
    return f"if {' or '.join(conditions)}: return None"


class _Same:
    """A key for an object by identity, since equal objects may have different contents."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)


def _identity(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        if isinstance(value, np.ndarray):
            raise TraceError(
                f"lamina.compile: an argument is a NumPy array, of shape {value.shape}; wrap it in nd.array(…)"
            ) from None
        raise TraceError(
            f"lamina.compile: an argument of type {type(value).__name__} is neither an NDArray, a number nor hashable; "
            "pass its arrays instead, or let the function find it in its closure"
        ) from None
    if isinstance(value, complex | np.complexfloating):
        return type(value), repr(value)  # -0.0 is not 0.0
    if isinstance(value, bytes | range | np.dtype):
        return type(value), value
    return _Same(value)


def rebuild(value: Any, on_array: Callable[[Array], Any], on_number: Callable[[Any], Any]) -> Any:
    """Copy nested containers, replacing each array x by ``on_array(x)`` and each number x by ``on_number(x)``."""

    def leaf(x: Any) -> Any:
        if isinstance(x, Array):
            return on_array(x)
        is_number = not isinstance(x, bool | np.bool_) and isinstance(x, int | float | np.number)
        return on_number(x) if is_number else x

    return mapped(value, leaf)


class Shown:
    """A placeholder for an ``mx.np.ndarray``; it wraps the placeholder of the ndarray's underlying array."""

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array


def mapped(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """Copy nested lists, tuples, dictionaries and arrays of ``mx.np``, replacing each leaf x by ``leaf(x)``."""
    if isinstance(value, Facade | Shown):
        found = leaf(value._array)
        return shown(found) if isinstance(found, Array) else Shown(found)
    if isinstance(value, tuple | list):
        return sequence_like(value, [mapped(x, leaf) for x in value])
    if isinstance(value, dict):
        items = {key: mapped(x, leaf) for key, x in value.items()}
        return items if type(value) is dict else _dictionary_like(value, items)
    return leaf(value)


def contents(value: Any) -> Any:
    """The nested containers in `value`, as tuples of keys and leaves; equal ones hold the same objects."""
    if isinstance(value, dict):
        return tuple((key, contents(x)) for key, x in value.items())
    return tuple(map(contents, value)) if isinstance(value, tuple | list) else _Same(value)


def _dictionary_like(original: dict[Any, Any], items: dict[Any, Any]) -> Any:
    """A copy of a dictionary with other values, of the same class and with the same default factory."""
    made = copy.copy(original)
    made.update(items)
    return made


def sequence_like(original: Any, items: list[Any]) -> Any:
    """A list, tuple or named tuple of the same type as `original`, with other items."""
    make = getattr(type(original), "_make", type(original))
    return make(items)


# --- Numbers that exist only when the step runs: arguments, a scheduled learning rate, a step count ------------------


Number = int | float


class NeedsValue(Exception):  # noqa: N818 - not an error: the capture starts again with the argument fixed
    """Raised while tracing if Python needs an argument's value; the step must be specialized to the value."""

    def __init__(self, argument: str) -> None:
        super().__init__(argument)
        self.argument = argument


class Derived:
    """A number that Python computes from other numbers of the step, before the step runs.

    Python's computation raises the same errors as in eager mode (such as division by zero), and preserves the ranges of
    NumPy's number types.
    """

    __slots__ = ("_function", "_operands")

    def __init__(self, function: Callable[..., Any], operands: Sequence[Any]) -> None:
        self._function = function
        self._operands = [(True, x.slot) if isinstance(x, StepNumber) else (False, x) for x in operands]

    def written(self, names: Names, values: Sequence[str]) -> str:
        """Python code that computes the number; `values` are the variable names of the numbers in earlier slots."""
        operands = [values[x] if is_slot else names.of(x) for is_slot, x in self._operands]
        return f"{names.of(self._function)}({', '.join(operands)})"


def _both_ways(name: str) -> tuple[Callable[[StepNumber, Any], Any], Callable[[StepNumber, Any], Any]]:
    """The methods for an operator and its reflected form, such as ``__add__`` and ``__radd__``."""
    return (lambda x, other: x._arithmetic(name, other)), (lambda x, other: x._arithmetic(name, other, True))


class StepNumber:
    """A stand-in for a number (float64 or int64) whose value is known only when the step runs.

    Arithmetic gives further stand-ins. Where Python needs the value (a range, a shape, a comparison, ``math.sqrt``),
    the step is specialized to the argument's value; for a number that changes at every step, this is an error.
    """

    __slots__ = ("_argument", "_capture", "node", "slot")

    def __init__(self, capture: Capture, node: Node, argument: str | None, slot: int) -> None:
        self._capture, self.node, self._argument, self.slot = capture, node, argument, slot

    def as_operand(self, dtype: np.dtype, context: Context) -> Array:
        """Convert the number to an array of this dtype on this device; integer dtypes accept their range only."""
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
        """Handle NumPy's operators as arithmetic (``np.float32(2) * lr``); other functions need the value."""
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
        """The class of the number's value, which makes ``isinstance(number, float)`` work in users' code."""
        return self._value().__class__ if _is_asked_by_user() else StepNumber

    def __getattr__(self, name: str) -> Any:
        """An attribute of the number's value, such as ``is_integer``."""
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
    """Whether `x` is a Python, NumPy or `StepNumber` integer."""
    if isinstance(x, StepNumber):
        return x.node.dtype.kind == "i"
    return isinstance(x, int | np.integer | np.bool_)


def _as_integer(value: Any, dtype: np.dtype) -> int:
    """Convert a number as `nd` does to combine it with an integer array; raises `DTypeError` for fractions."""
    if value != value // 1:
        raise DTypeError(
            f"an array of {dtype} does not combine with {value}, which is not an integer; "
            "convert the array with astype('float32') first"
        )
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise OverflowError(f"Python integer {int(value)} out of bounds for {dtype}")
    return int(value)


def _is_asked_by_user() -> bool:
    """Whether the code that reads a number's attribute is outside lamina and NumPy."""
    frame = sys._getframe(2)
    # `isinstance(number, numbers.Real)` asks by way of `abc`
    while frame.f_back is not None and frame.f_globals.get("__name__") == "abc":
        frame = frame.f_back
    return frame.f_globals.get("__name__", "").partition(".")[0] not in ("lamina", "numpy")
