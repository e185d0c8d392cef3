"""Mathematical functions: vector code for functions common in networks, the C library for others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamina.compiler.llvm import _special_functions as special_functions
from lamina.compiler.llvm import _vector_math as vector_math
from lamina.compiler.llvm._builder import Builder
from lamina.compiler.llvm._vector_math import (
    LOG_SERIES,
    exp,
    expm1,
    log,
    log1p,
    polynomial,
    sine_of_parts,
)
from lamina.compiler.llvm.values import FLOAT64, Operand, Value

__all__ = ["LOG_SERIES", "Mathematics", "exp", "expm1", "log", "log1p", "polynomial", "sine_of_parts"]

Unary = Callable[[Builder, Value], Value]


def _in_libm(name: str) -> Unary:
    """The C library's function, lane by lane."""
    return lambda b, x: b.per_lane_call(name, x)


class Mathematics(Builder):
    """A builder with mathematical functions of float32 and float64 values."""

    exp, expm1, log, log1p = vector_math.exp, vector_math.expm1, vector_math.log, vector_math.log1p
    sin, cos, tanh, sigmoid = vector_math.sin, vector_math.cos, vector_math.tanh, vector_math.sigmoid
    erf, erfinv, digamma = special_functions.erf, special_functions.erfinv, special_functions.digamma
    log2, log10, cbrt, tan = _in_libm("log2"), _in_libm("log10"), _in_libm("cbrt"), _in_libm("tan")
    arcsin, arccos, arctan = _in_libm("asin"), _in_libm("acos"), _in_libm("atan")
    sinh, cosh, gammaln = _in_libm("sinh"), _in_libm("cosh"), _in_libm("lgamma")
    arcsinh, arccosh, arctanh = _in_libm("asinh"), _in_libm("acosh"), _in_libm("atanh")

    def power(self, x: Operand, y: Operand) -> Value:
        return self.per_lane_call("pow", x, y)

    def arctan2(self, y: Operand, x: Operand) -> Value:
        """arctan2 with denormals as zeros, since the C library's scaling would otherwise flush them and
        compute 0 / 0.
        """
        y, x = self.match(y, x)
        return self.per_lane_call("atan2", self._without_denormals(y), self._without_denormals(x))

    def hypot(self, x: Operand, y: Operand) -> Value:
        """hypot in float64, the only type in Windows's C library."""
        x, y = self.match(x, y)
        wide = self.per_lane_call("hypot", self.cast(x, FLOAT64), self.cast(y, FLOAT64))
        return self.cast(wide, x.dtype)

    def _without_denormals(self, x: Value) -> Value:
        """`x`, with denormals replaced by signed zeros, since integer instructions would see them, unlike
        arithmetic.
        """
        smallest = float(np.finfo(x.dtype).tiny)
        return self.where(
            self.less(self.abs(x), smallest), self.copysign(self.const(0.0, x.dtype, x.lanes), x), x
        )
