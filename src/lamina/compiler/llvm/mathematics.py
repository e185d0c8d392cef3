"""Mathematical functions as vector code."""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.llvm import _library_functions as library
from lamina.compiler.llvm import _vector_math as vector_math
from lamina.compiler.llvm._builder import Builder
from lamina.compiler.llvm.values import FLOAT64, Operand, Value

Unary = Callable[[Builder, Value], Value]
Binary = Callable[[Builder, Value, Value], Value]


def _in_float64(function: Unary) -> Unary:
    """Wrap a function to compute float32 in float64, with a single final rounding."""
    return lambda b, x: b.cast(function(b, b.cast(x, FLOAT64)), x.dtype)


def _matched(function: Binary) -> Callable[[Builder, Operand, Operand], Value]:
    """Wrap a function to turn Python numbers among its operands into constants."""
    return lambda b, x, y: function(b, *b.match(x, y))


class Mathematics(Builder):
    """A builder with mathematical functions of float32 and float64 values."""

    exp, expm1, log, log1p = vector_math.exp, vector_math.expm1, vector_math.log, vector_math.log1p
    sin, cos, tan = vector_math.sin, vector_math.cos, vector_math.tan
    arcsin, arccos, arctan = vector_math.arcsin, vector_math.arccos, vector_math.arctan
    tanh, sigmoid, sinh, cosh = vector_math.tanh, vector_math.sigmoid, library.sinh, library.cosh
    arcsinh, arccosh, arctanh = library.arcsinh, library.arccosh, library.arctanh
    log2, log10, cbrt, erf = library.log2, library.log10, library.cbrt, library.erf
    power, arctan2, hypot = (_matched(f) for f in (library.power, vector_math.arctan2, library.hypot))
    erfinv, digamma, gammaln = (_in_float64(f) for f in (library.erfinv, library.digamma, library.gammaln))
