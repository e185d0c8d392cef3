"""Elementwise functions of one array, made from operators of `lamina.nd`.

As in MXNet, integers give integers, and bools are converted to float32. For a Python number the result is NumPy's.

>>> from lamina import np
>>> np.exp(np.zeros(2)), np.isnan(np.array([1, np.nan]))
(array([1., 1.]), array([False,  True]))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.primitive import bind
from lamina.mxnet.np.conversion import as_array, function
from lamina.mxnet.np.promotion import as_float, cast_to, compared
from lamina.primitives.elementwise import BINARY, COMPARISON, UNARY

__all__ = [
    "abs",
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "bitwise_not",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "exp",
    "expm1",
    "fabs",
    "fix",
    "floor",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_not",
    "negative",
    "positive",
    "rad2deg",
    "radians",
    "reciprocal",
    "rint",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
]  # fmt: skip

_NUMBERS = (int, float, onp.number, onp.bool_)
_USUAL = {"where": True, "order": "K", "casting": "same_kind", "dtype": None, "subok": True}
"""Arguments of NumPy's functions that are accepted only with their default values."""


def _unary(
    name: str, doc: str, of_array: Callable[[Any], Any], takes_bools: bool = False
) -> Callable[..., Any]:
    def body(x: Any, **kwargs: Any) -> Any:
        for key, value in kwargs.items():
            if key not in _USUAL or value is not _USUAL[key]:
                raise TypeError(f"{name}: there is no argument {key}={value!r}; there is out")
        if isinstance(x, _NUMBERS):
            return getattr(onp, name)(x)
        x = as_array(x)
        return of_array(x if takes_bools or x._dtype.kind != "b" else as_float(x))

    body.__name__ = body.__qualname__ = name
    body.__doc__ = doc
    return function(body)


_INT, _BOOL = onp.dtype(onp.int64), onp.dtype(bool)


def _is(x: Any, number: float) -> Any:
    return compared(COMPARISON["equal"], x, number)


def _inverted(x: Any) -> Any:
    return _is(x, False) if x._dtype == _BOOL else bind(BINARY["subtract"], bind(UNARY["negative"], x), 1)


abs = _unary("abs", "The absolute value; its gradient is the sign, 0 at 0.", nd.abs)
sign = _unary("sign", "The sign, -1, 0 or 1; there is no gradient.", nd.sign)
floor = _unary("floor", "The largest integer not above x; there is no gradient.", nd.floor)
ceil = _unary("ceil", "The smallest integer not below x; there is no gradient.", nd.ceil)
trunc = _unary("trunc", "The integer part of x, rounded toward zero; there is no gradient.", nd.trunc)
fix = _unary("fix", "The integer part of x, rounded toward zero; there is no gradient.", nd.trunc)
rint = _unary("rint", "The nearest integer, with halves down as in MXNet; there is no gradient.", nd.rint)
exp = _unary("exp", "e to the power of x.", nd.exp)
expm1 = _unary("expm1", "exp(x) - 1, accurate near 0.", nd.expm1)
log = _unary("log", "The natural logarithm; -inf at 0, NaN below.", nd.log)
log2 = _unary("log2", "The logarithm to base 2.", nd.log2)
log10 = _unary("log10", "The logarithm to base 10.", nd.log10)
log1p = _unary("log1p", "log(1 + x), accurate near 0.", nd.log1p)
sqrt = _unary("sqrt", "The square root; NaN below 0.", nd.sqrt)
cbrt = _unary("cbrt", "The cube root.", nd.cbrt)
square = _unary("square", "x².", nd.square)
reciprocal = _unary("reciprocal", "1 / x.", nd.reciprocal)
sin = _unary("sin", "The sine of an angle in radians.", nd.sin)
cos = _unary("cos", "The cosine of an angle in radians.", nd.cos)
tan = _unary("tan", "The tangent of an angle in radians.", nd.tan)
arcsin = _unary("arcsin", "The angle in [-π/2, π/2] whose sine is x.", nd.arcsin)
arccos = _unary("arccos", "The angle in [0, π] whose cosine is x.", nd.arccos)
arctan = _unary("arctan", "The angle in (-π/2, π/2) whose tangent is x.", nd.arctan)
sinh = _unary("sinh", "The hyperbolic sine.", nd.sinh)
cosh = _unary("cosh", "The hyperbolic cosine.", nd.cosh)
tanh = _unary("tanh", "The hyperbolic tangent.", nd.tanh)
arcsinh = _unary("arcsinh", "The inverse of `sinh`.", nd.arcsinh)
arccosh = _unary("arccosh", "The inverse of `cosh`; NaN below 1.", nd.arccosh)
arctanh = _unary("arctanh", "The inverse of `tanh`.", nd.arctanh)
degrees = _unary("degrees", "An angle in radians, converted to degrees.", nd.degrees)
radians = _unary("radians", "An angle in degrees, converted to radians.", nd.radians)
isnan = _unary("isnan", "Whether the element is NaN.", lambda x: compared(COMPARISON["not_equal"], x, x))
isinf = _unary("isinf", "Whether the element is infinite.", lambda x: _is(nd.abs(as_float(x)), math.inf))
isposinf = _unary("isposinf", "Whether the element is ∞.", lambda x: _is(as_float(x), math.inf))
isneginf = _unary("isneginf", "Whether the element is -∞.", lambda x: _is(as_float(x), -math.inf))
isfinite = _unary(
    "isfinite",
    "Whether the element is neither infinite nor NaN.",
    lambda x: compared(COMPARISON["less"], nd.abs(as_float(x)), math.inf),
)
negative = _unary(
    "negative",
    "-x; bools count as int64.",
    lambda x: nd.negative(cast_to(x, _INT) if x._dtype == _BOOL else x),
    takes_bools=True,
)
positive = _unary("positive", "A copy.", lambda x: x.copy(), takes_bools=True)
logical_not = _unary("logical_not", "Whether the element is 0.", lambda x: _is(x, 0), takes_bools=True)
invert = _unary(
    "invert",
    "The inverted bits of integers; for bools, the negation.",
    _inverted,
    takes_bools=True,
)

absolute = fabs = abs
rad2deg, deg2rad, bitwise_not = degrees, radians, invert
