"""Elementwise functions of one array, and of two operands with broadcasting: arithmetic, comparisons, logic.

As in MXNet, functions of one array give integers for integers, and convert bools to float32. For a Python number the
result is NumPy's. The rules of type promotion for two operands are in `lamina.np.promotion`.

>>> from lamina import np
>>> np.exp(np.zeros(2)), np.isnan(np.array([1, np.nan]))
(array([1., 1.]), array([False,  True]))
>>> np.add(np.ones(2), 1), np.greater(np.arange(3), 1), np.maximum(np.arange(3), 1)
(array([2., 2.]), array([False, False,  True]), array([1., 1., 2.]))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.array import Array
from lamina.core.primitive import bind
from lamina.errors import DTypeError
from lamina.mxnet.np._numpys import by_numpy
from lamina.mxnet.np.conversion import as_array, function, of_array
from lamina.mxnet.np.promotion import NUMBERS, arithmetic, as_bool, as_float, cast_to, compared, divided
from lamina.nd.operators import named
from lamina.primitives.elementwise import BINARY, COMPARISON, UNARY, where

__all__ = [
    "abs", "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "around",
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "clip", "copysign", "cos", "cosh",
    "deg2rad", "degrees", "divide", "divmod", "equal", "exp", "expm1", "fabs", "fix", "float_power", "floor",
    "floor_divide", "fmod", "greater", "greater_equal", "hypot", "invert", "isfinite", "isinf", "isnan", "isneginf",
    "isposinf", "ldexp", "less", "less_equal", "log", "log1p", "log2", "log10", "logical_and", "logical_not",
    "logical_or", "logical_xor", "maximum", "minimum", "mod", "multiply", "nan_to_num", "negative", "not_equal",
    "positive", "power", "rad2deg", "radians", "reciprocal", "remainder", "rint", "round", "round_", "sign", "sin",
    "sinh", "sqrt", "square", "subtract", "tan", "tanh", "true_divide", "trunc",
]  # fmt: skip

# --- one array ----------------------------------------------------------------------------------------------------


_USUAL = {"where": True, "order": "K", "casting": "same_kind", "dtype": None, "subok": True}
"""Arguments of NumPy's functions that are accepted only with their default values."""


def _unary(
    name: str, doc: str, of_array: Callable[[Any], Any], takes_bools: bool = False
) -> Callable[..., Any]:
    def body(x: Any, **kwargs: Any) -> Any:
        for key, value in kwargs.items():
            if key not in _USUAL or value is not _USUAL[key]:
                raise TypeError(f"{name}: there is no argument {key}={value!r}; there is out")
        if isinstance(x, NUMBERS):
            return getattr(onp, name)(x)
        x = as_array(x)
        return of_array(x if takes_bools or x._dtype.kind != "b" else as_float(x))

    return function(named(body, name, doc))


def _of_nd(operator: Callable[[Any], Any], name: str = "") -> Callable[..., Any]:
    """An operator of `nd` as a function, with its own name unless `name` is given."""
    return _unary(name or operator.__name__, operator.__doc__ or "", operator)


_INT, _BOOL = onp.dtype(onp.int64), onp.dtype(bool)


def _finite(x: Any) -> Any:
    return compared(COMPARISON["less"], nd.abs(as_float(x)), math.inf)


def _negated(x: Any) -> Any:
    return nd.negative(cast_to(x, _INT) if x._dtype == _BOOL else x)


def _is(x: Any, number: float) -> Any:
    return compared(COMPARISON["equal"], x, number)


def _inverted(x: Any) -> Any:
    return _is(x, False) if x._dtype == _BOOL else bind(BINARY["subtract"], bind(UNARY["negative"], x), 1)


abs, sign, square, reciprocal = map(_of_nd, (nd.abs, nd.sign, nd.square, nd.reciprocal))
floor, ceil, trunc, rint = map(_of_nd, (nd.floor, nd.ceil, nd.trunc, nd.rint))
exp, expm1, sqrt, cbrt = map(_of_nd, (nd.exp, nd.expm1, nd.sqrt, nd.cbrt))
log, log2, log10, log1p = map(_of_nd, (nd.log, nd.log2, nd.log10, nd.log1p))
sin, cos, tan = map(_of_nd, (nd.sin, nd.cos, nd.tan))
arcsin, arccos, arctan = map(_of_nd, (nd.arcsin, nd.arccos, nd.arctan))
sinh, cosh, tanh = map(_of_nd, (nd.sinh, nd.cosh, nd.tanh))
arcsinh, arccosh, arctanh = map(_of_nd, (nd.arcsinh, nd.arccosh, nd.arctanh))
degrees, radians = map(_of_nd, (nd.degrees, nd.radians))
fix = _of_nd(nd.trunc, "fix")
isnan = _unary("isnan", "Whether the element is NaN.", lambda x: compared(COMPARISON["not_equal"], x, x))
isinf = _unary("isinf", "Whether the element is infinite.", lambda x: _is(nd.abs(as_float(x)), math.inf))
isposinf = _unary("isposinf", "Whether the element is ∞.", lambda x: _is(as_float(x), math.inf))
isneginf = _unary("isneginf", "Whether the element is -∞.", lambda x: _is(as_float(x), -math.inf))
isfinite = _unary("isfinite", "Whether the element is neither infinite nor NaN.", _finite)
negative = _unary("negative", "-x; bools count as int64.", _negated, takes_bools=True)
positive = _unary("positive", "A copy.", lambda x: x.copy(), takes_bools=True)
logical_not = _unary("logical_not", "Whether the element is 0.", lambda x: _is(x, 0), takes_bools=True)
invert = _unary("invert", "The inverted bits; for bools, the negation.", _inverted, takes_bools=True)

absolute = fabs = abs
rad2deg, deg2rad, bitwise_not = degrees, radians, invert

# --- two operands -------------------------------------------------------------------------------------------------


def _operand(x: Any) -> Any:
    return x if isinstance(x, Array) or isinstance(x, NUMBERS) else as_array(x)  # noqa: SIM101 - without a new tuple


def _binary(name: str, doc: str, compute: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def body(x1: Any, x2: Any) -> Any:
        if isinstance(x1, NUMBERS) and isinstance(x2, NUMBERS):
            return getattr(onp, name)(x1, x2)
        return compute(_operand(x1), _operand(x2))

    return function(named(body, name, doc))


def _arithmetic(name: str) -> Callable[[Any, Any], Any]:
    return lambda x, y: arithmetic(BINARY[name], x, y)


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    return lambda x, y: compared(COMPARISON[name], x, y)


def _floats(name: str) -> Callable[[Any, Any], Any]:
    """The operator `name` on floats; integers and bools are converted first."""

    def compute(x: Any, y: Any) -> Any:
        x, y = (as_float(z) if isinstance(z, Array) else z for z in (x, y))
        return arithmetic(BINARY[name], x, y)

    return compute


def _extremum(name: str) -> Callable[[Any, Any], Any]:
    """The maximum or minimum, where as in MXNet an array gets the gradient at a tie with a number."""

    def compute(x: Any, y: Any) -> Any:
        return arithmetic(BINARY[name], x, y) if isinstance(x, Array) else arithmetic(BINARY[name], y, x)

    return compute


def _logical(name: str) -> Callable[[Any, Any], Any]:
    def compute(x: Any, y: Any) -> Any:
        x, y = (as_bool(z) if isinstance(z, Array) else bool(z) for z in (x, y))
        return bind(COMPARISON[name], x, y)

    return compute


def _of_bits(name: str) -> Callable[[Any, Any], Any]:
    """The bitwise function `name`: a logical operator for bools, NumPy's function for integers (no gradient)."""
    logical = _logical(name.replace("bitwise", "logical"))

    def compute(x: Any, y: Any) -> Any:
        kinds = [z._dtype.kind for z in (x, y) if isinstance(z, Array)]
        if "f" in kinds:
            raise DTypeError(
                f"{name} takes bools and integers, not {[z.dtype for z in (x, y) if hasattr(z, 'dtype')]}"
            )
        return logical(x, y) if set(kinds) == {"b"} else by_numpy(name, getattr(onp, name), x, y)

    return compute


def _floor_divided(x: Any, y: Any) -> Any:
    whole = bind(UNARY["floor"], divided(x, y))
    kinds = {z._dtype.kind for z in (x, y) if isinstance(z, Array)}
    return whole if "f" in kinds else cast_to(whole, onp.dtype(onp.int64))


def _fmod(x: Any, y: Any) -> Any:
    """The remainder of x / y with the sign of x, x - y · trunc(x / y)."""
    whole = bind(UNARY["trunc"], divided(x, y))
    return arithmetic(BINARY["subtract"], x, arithmetic(BINARY["multiply"], y, whole))


def _copysign(x: Any, y: Any) -> Any:
    """|x| with the sign of y, where -0. counts as positive."""
    size = nd.abs(as_float(x)) if isinstance(x, Array) else onp.abs(x)
    negative = compared(COMPARISON["less"], y, 0) if isinstance(y, Array) else y < 0
    signs = arithmetic(BINARY["subtract"], 1.0, arithmetic(BINARY["multiply"], as_float(negative), 2.0))
    return arithmetic(BINARY["multiply"], size, signs)


add = _binary("add", "The sum x + y.", _arithmetic("add"))
subtract = _binary("subtract", "The difference x - y.", _arithmetic("subtract"))
multiply = _binary("multiply", "The product x · y.", _arithmetic("multiply"))
divide = _binary("divide", "The quotient x / y, in floats.", divided)
true_divide = _binary("true_divide", "The quotient x / y, in floats.", divided)
floor_divide = _binary("floor_divide", "x / y rounded down, as int64 for integers.", _floor_divided)
mod = _binary("mod", "The remainder of x / y, with the sign of y.", _arithmetic("mod"))
remainder = _binary("remainder", "The remainder of x / y, with the sign of y.", _arithmetic("mod"))
fmod = _binary("fmod", "The remainder of x / y, with the sign of x.", _fmod)
power = _binary("power", "x to the power of y.", _arithmetic("power"))
float_power = _binary("float_power", "x to the power of y, in floats.", _floats("power"))
maximum = _binary("maximum", nd.maximum.__doc__ or "", _extremum("maximum"))
minimum = _binary("minimum", nd.minimum.__doc__ or "", _extremum("minimum"))
hypot = _binary("hypot", "√(x² + y²).", _floats("hypot"))
arctan2 = _binary("arctan2", "The angle of the point (y, x), in (-π, π].", _floats("arctan2"))
copysign = _binary("copysign", "|x| with the sign of y.", _copysign)
ldexp = _binary("ldexp", "x · 2ʸ.", lambda x, y: arithmetic(BINARY["multiply"], x, _floats("power")(2.0, y)))
equal = _binary("equal", "Whether x = y.", _comparison("equal"))
not_equal = _binary("not_equal", "Whether x ≠ y.", _comparison("not_equal"))
greater = _binary("greater", "Whether x > y.", _comparison("greater"))
greater_equal = _binary("greater_equal", "Whether x ≥ y.", _comparison("greater_equal"))
less = _binary("less", "Whether x < y.", _comparison("less"))
less_equal = _binary("less_equal", "Whether x ≤ y.", _comparison("less_equal"))
logical_and = _binary("logical_and", "Whether both operands are nonzero.", _logical("logical_and"))
logical_or = _binary("logical_or", "Whether at least one operand is nonzero.", _logical("logical_or"))
logical_xor = _binary("logical_xor", "Whether exactly one operand is nonzero.", _logical("logical_xor"))
bitwise_and = _binary("bitwise_and", "The bitwise and; for bools, the logical and.", _of_bits("bitwise_and"))
bitwise_or = _binary("bitwise_or", "The bitwise or; for bools, the logical or.", _of_bits("bitwise_or"))
bitwise_xor = _binary("bitwise_xor", "The bitwise xor; for bools, the logical xor.", _of_bits("bitwise_xor"))


def divmod(x1: Any, x2: Any) -> tuple[Any, Any]:
    """The pair (x1 // x2, x1 mod x2)."""
    return floor_divide(x1, x2), mod(x1, x2)


@function
def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """Clip to [a_min, a_max], where one bound may be None; the gradient is 0 outside the bounds.

    >>> from lamina import np
    >>> np.clip(np.array([-2, 0, 5]), -1, 1)
    array([-1.,  0.,  1.])
    """
    if a_min is None and a_max is None:
        raise ValueError("clip: give a_min, a_max, or both")
    a = as_array(a)
    low = a if a_min is None else arithmetic(BINARY["maximum"], a, _operand(a_min))
    return low if a_max is None else arithmetic(BINARY["minimum"], low, _operand(a_max))


@of_array
def around(x: Any, decimals: int = 0) -> Any:
    """Round to `decimals` decimals, with halves to the even digit; there is no gradient.

    >>> from lamina import np
    >>> np.around(np.array([0.5, 1.5, 2.345]), 1)
    array([0.5, 1.5, 2.3])
    """
    if x._dtype.kind != "f" and decimals >= 0:
        return x.copy()
    scale = 10.0**decimals
    rounded = bind(UNARY["rint"], bind(BINARY["multiply"], as_float(x), scale))
    return cast_to(bind(BINARY["divide"], rounded, scale), x._dtype)


@of_array
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Replace NaN by `nan`, and infinities by `posinf` and `neginf`, by default the dtype's largest numbers."""
    if x._dtype.kind != "f":
        return x.copy()
    limits = onp.finfo(x._dtype)
    high = float(limits.max) if posinf is None else float(posinf)
    low = float(limits.min) if neginf is None else float(neginf)
    known = bind(where, bind(COMPARISON["equal"], x, x), x, float(nan))
    below = bind(where, bind(COMPARISON["equal"], known, float("inf")), high, known)
    return bind(where, bind(COMPARISON["equal"], below, float("-inf")), low, below)


round = round_ = around
