"""Basis of `nd`'s functions: the argument `out=` and the conversion of operands."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from inspect import BoundArguments, signature
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, overload

import numpy as np

from lamina.core.array import Array
from lamina.core.primitive import Primitive, bind
from lamina.core.tape import recording_suspended
from lamina.errors import DTypeError, ParameterError, ShapeError
from lamina.nd.conversion import array
from lamina.support.argument_checks import no_argument
from lamina.support.foreign_names import OPERATORS_ARGUMENTS
from lamina.support.messages import closest, unknown, warn

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray
else:  # the class itself has these operators as methods; modules name it in annotations alone
    NDArray = Array

P = ParamSpec("P")

_AXES = ("axis", "axes", "dim")
_NUMBER = re.compile(r"[+-]?\d+")
_AXES_IN_TEXT = re.compile(r"\s*(?:None|[+-]?\d+|[(\[]\s*(?:[+-]?\d+(?:\s*,\s*[+-]?\d+)*\s*,?)?\s*[)\]])\s*")
"""An integer, a bracketed list of integers, or None."""


class Operator(Protocol[P]):
    """The type of an `nd` function, with the function's signature and ``out=``, an array for the result."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> NDArray: ...
    @overload
    def __call__(self, *args: Any, out: NDArray | None, **kwargs: Any) -> NDArray: ...


def operator(function: Callable[P, NDArray]) -> Operator[P]:
    """Add the arguments that every MXNet operator has: `out`, and `name`, which is ignored."""

    @wraps(function)
    def call(*args: Any, out: NDArray | None = None, name: str | None = None, **kwargs: Any) -> NDArray:
        try:
            result = function(*args, **kwargs) if kwargs else function(*args)  # pyright: ignore[reportCallIssue]
        except AttributeError as error:
            raise _no_array(function.__name__, args, error) from error
        except TypeError as error:
            # Checked only after a failure, since a check before would slow down each call.
            read = _with_axes_read(function, args, kwargs) or _without_ignored(function, args, kwargs)
            if read is None:
                raise _unknown_argument(function, kwargs, error) from error
            result = function(*read.args, **read.kwargs)
        return result if out is None else write_into(out, result)

    return call  # pyright: ignore[reportReturnType] - the overloads of Operator describe `call`


def named(function: Any, name: str, doc: str | None) -> Any:
    """`function` itself, with its name and docstring set, for functions that a loop or another function makes."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _no_array(name: str, args: tuple[Any, ...], error: AttributeError) -> Exception:
    """A clearer error than `error` if an argument is not an array, else `error` itself."""
    culprit = getattr(error, "obj", None)
    if isinstance(culprit, Array) or not any(culprit is x for x in args):
        return error
    return TypeError(f"{name}: needs an NDArray, got {type(culprit).__name__}; make one with nd.array")


def _with_axes_read(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> BoundArguments | None:
    """Bind a call's arguments, parsing axes that are strings, as in MXNet; None if no axes are strings."""
    try:
        given = signature(function).bind(*args, **kwargs)
    except TypeError:
        return None
    axes = {name: value for name, value in given.arguments.items() if name in _AXES}
    texts = {name: value for name, value in axes.items() if isinstance(value, str)}
    if not texts or not all(_AXES_IN_TEXT.fullmatch(text) for text in texts.values()):
        return None
    for name, text in texts.items():
        given.arguments[name] = _axes_in(text)
    return given


def _without_ignored(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> BoundArguments | None:
    """Bind a call's arguments without unknown ones, which MXNet ignores for functions of arrays, and warn of them.

    None for other functions, if all arguments are known, and for a known name that is misspelled or missing.
    """
    given = signature(function)
    known = {name: value for name, value in kwargs.items() if name in given.parameters}
    others = [name for name in kwargs if name not in known]
    if not others or not given.parameters.keys() <= {"data", "lhs", "rhs"}:
        return None
    try:
        bound = given.bind(*args, **known)
    except TypeError:
        return None
    if any(closest(name, [*given.parameters, "out"]) for name in others):
        return None
    verb = "is" if len(others) == 1 else "are"
    warn(f"{function.__name__} takes arrays alone; {', '.join(others)} {verb} ignored, as in MXNet")
    return bound


def _axes_in(text: str) -> int | tuple[int, ...] | None:
    numbers = tuple(map(int, _NUMBER.findall(text)))
    if "(" in text or "[" in text:
        return numbers
    return numbers[0] if numbers else None


def _unknown_argument(function: Callable[..., Any], kwargs: dict[str, Any], error: TypeError) -> TypeError:
    """A clearer error than `error` if a keyword is unknown, else `error` itself."""
    known = [*signature(function).parameters, "out"]
    strange = next((name for name in kwargs if name not in known), None)
    return error if strange is None else no_argument(function.__name__, strange, known, OPERATORS_ARGUMENTS)


def write_into(out: NDArray, result: NDArray) -> NDArray:
    """Write `result` into `out`, record `out` on the tape in place of `result`, and return `out`."""
    if out.shape != result.shape:
        raise ShapeError(f"out= has shape {out.shape}, the result has shape {result.shape}")
    out._forbid_recorded_write()
    with recording_suspended():
        out[:] = result
    if out._leaf is None:
        out._node, out._index = result._node, result._index
    return out


_NUMBERS = (float, int, np.number, np.bool_)  # a tuple, since a union would be created anew at each call


def operand(x: Array, other: Any) -> Any:
    """Convert `other` to an operand for `x`; numbers and array-likes get the dtype of `x`, arrays stay unchanged."""
    if isinstance(other, Array):
        return other
    if isinstance(other, _NUMBERS):
        kind = x._dtype.kind
        return float(other) if kind == "f" else bool(other) if kind == "b" else whole_number(x, other)
    if isinstance(other, np.ndarray | list | tuple):
        return array(other, ctx=x._context, dtype=x.dtype)
    if hasattr(other, "as_operand"):  # a number that is known only when the compiled step runs
        return other.as_operand(x._dtype, x._context)
    raise TypeError(f"an NDArray of shape {x.shape} does not combine with {type(other).__name__}")


def whole_number(x: Array, number: Any) -> int:
    """`number` as an integer operand for the integer array `x`.

    Raises `DTypeError` if `number` is not a whole number.
    """
    if number == number // 1:
        return int(number)
    raise DTypeError(
        f"an array of {x._dtype} does not combine with {number}, which is not an integer; "
        "convert with astype('float32') first"
    )


def combine(primitive: Primitive, lhs: Any, rhs: Any) -> NDArray:
    """Apply a binary primitive to two arrays, an array and a number, or two numbers.

    Two numbers give a number.
    """
    if isinstance(lhs, Array):
        return bind(primitive, lhs, rhs if isinstance(rhs, Array) else operand(lhs, rhs))
    if isinstance(rhs, Array):
        return bind(primitive, operand(rhs, lhs), rhs)
    if isinstance(lhs, _NUMBERS) and isinstance(rhs, _NUMBERS):
        return _of_numbers(primitive, lhs, rhs)
    raise TypeError(
        f"{primitive.name}: one operand must be an NDArray, got {type(lhs).__name__} and {type(rhs).__name__}"
    )


def _of_numbers(primitive: Primitive, lhs: Any, rhs: Any) -> Any:
    """The result for two numbers, which as in MXNet is an integer if both are integers and the result is whole."""
    result = primitive.compute(np.float64(lhs), np.float64(rhs)).item()
    return int(result) if isinstance(lhs, int) and isinstance(rhs, int) and result == result // 1 else result


def known_name(function: str, argument: str, value: Any, known: tuple[str, ...]) -> str:
    """Return `value` if it is in `known`, else raise a `ParameterError` that lists the valid values."""
    if value not in known:
        raise ParameterError(f"{function}: {argument}={value!r} is unknown; known: {', '.join(known)}")
    return value


# --- operators of users --------------------------------------------------------------------------------------------

CUSTOM: dict[str, Callable[..., Any]] = {}
"""Operators by name, filled by `lamina.operator.register`."""


def Custom(*data: Any, op_type: str, name: str | None = None, **kwargs: Any) -> Any:
    """Apply the operator registered as ``mx.operator.register(op_type)``; see `lamina.operator`.

    Args:
        data: the inputs, in order. Inputs may also be keyword arguments.
        op_type: the registered name.
        name: accepted and unused.
        kwargs: the operator's settings, passed to its class as strings.

    Raises `ParameterError` if no operator is registered as `op_type`.
    """
    if op_type not in CUSTOM:
        raise ParameterError(
            f"Custom: {unknown('operator', op_type, CUSTOM)}; mx.operator.register registers operators"
        )
    return CUSTOM[op_type](*data, **kwargs)
