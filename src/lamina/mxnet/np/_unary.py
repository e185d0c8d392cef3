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
from lamina.mxnet.np.promotion import NUMBERS, as_float, cast_to, compared
from lamina.primitives.elementwise import BINARY, COMPARISON, UNARY

__all__ = [
    "abs", "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "bitwise_not", "cbrt", "ceil",
    "cos", "cosh", "deg2rad", "degrees", "exp", "expm1", "fabs", "fix", "floor", "invert", "isfinite", "isinf",
    "isnan", "isneginf", "isposinf", "log", "log1p", "log2", "log10", "logical_not", "negative", "positive",
    "rad2deg", "radians", "reciprocal", "rint", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc",
]  # fmt: skip

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

    body.__name__ = body.__qualname__ = name
    body.__doc__ = doc
    return function(body)


def _of_nd(operator: Callable[[Any], Any], name: str = "") -> Callable[..., Any]:
    """An operator of `nd` as a function, with its own name unless `name` is given."""
    return _unary(name or operator.__name__, operator.__doc__ or "", operator)


_INT, _BOOL = onp.dtype(onp.int64), onp.dtype(bool)


def _is(x: Any, number: float) -> Any:
    return compared(COMPARISON["equal"], x, number)


def _inverted(x: Any) -> Any:
    return _is(x, False) if x._dtype == _BOOL else bind(BINARY["subtract"], bind(UNARY["negative"], x), 1)


abs = _of_nd(nd.abs)
sign = _of_nd(nd.sign)
floor = _of_nd(nd.floor)
ceil = _of_nd(nd.ceil)
trunc = _of_nd(nd.trunc)
fix = _of_nd(nd.trunc, "fix")
rint = _of_nd(nd.rint)
exp = _of_nd(nd.exp)
expm1 = _of_nd(nd.expm1)
log = _of_nd(nd.log)
log2 = _of_nd(nd.log2)
log10 = _of_nd(nd.log10)
log1p = _of_nd(nd.log1p)
sqrt = _of_nd(nd.sqrt)
cbrt = _of_nd(nd.cbrt)
square = _of_nd(nd.square)
reciprocal = _of_nd(nd.reciprocal)
sin = _of_nd(nd.sin)
cos = _of_nd(nd.cos)
tan = _of_nd(nd.tan)
arcsin = _of_nd(nd.arcsin)
arccos = _of_nd(nd.arccos)
arctan = _of_nd(nd.arctan)
sinh = _of_nd(nd.sinh)
cosh = _of_nd(nd.cosh)
tanh = _of_nd(nd.tanh)
arcsinh = _of_nd(nd.arcsinh)
arccosh = _of_nd(nd.arccosh)
arctanh = _of_nd(nd.arctanh)
degrees = _of_nd(nd.degrees)
radians = _of_nd(nd.radians)
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
