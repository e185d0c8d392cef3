"""Mathematical functions: vector code for those that networks run on, the C library for the rare ones."""

from __future__ import annotations

import numpy as np

from lamina.compiler.llvm import special_functions, vector_math
from lamina.compiler.llvm.builder import Builder
from lamina.compiler.llvm.values import FLOAT64, Operand, Value

__all__ = ["Mathematics"]


class Mathematics(Builder):
    """A builder that knows functions of float32 and float64 values, too."""

    def exp(self, x: Value) -> Value:
        return vector_math.exp(self, x)

    def expm1(self, x: Value) -> Value:
        return vector_math.expm1(self, x)

    def log(self, x: Value) -> Value:
        return vector_math.log(self, x)

    def log1p(self, x: Value) -> Value:
        return vector_math.log1p(self, x)

    def log2(self, x: Value) -> Value:
        return self.per_lane_call("log2", x)

    def log10(self, x: Value) -> Value:
        return self.per_lane_call("log10", x)

    def sin(self, x: Value) -> Value:
        return vector_math.sin(self, x)

    def cos(self, x: Value) -> Value:
        return vector_math.cos(self, x)

    def tan(self, x: Value) -> Value:
        return self.per_lane_call("tan", x)

    def arcsin(self, x: Value) -> Value:
        return self.per_lane_call("asin", x)

    def arccos(self, x: Value) -> Value:
        return self.per_lane_call("acos", x)

    def arctan(self, x: Value) -> Value:
        return self.per_lane_call("atan", x)

    def sinh(self, x: Value) -> Value:
        return self.per_lane_call("sinh", x)

    def cosh(self, x: Value) -> Value:
        return self.per_lane_call("cosh", x)

    def tanh(self, x: Value) -> Value:
        return vector_math.tanh(self, x)

    def arcsinh(self, x: Value) -> Value:
        return self.per_lane_call("asinh", x)

    def arccosh(self, x: Value) -> Value:
        return self.per_lane_call("acosh", x)

    def arctanh(self, x: Value) -> Value:
        return self.per_lane_call("atanh", x)

    def sigmoid(self, x: Value) -> Value:
        """1 / (1 + exp(-x))."""
        return vector_math.sigmoid(self, x)

    def cbrt(self, x: Value) -> Value:
        return self.per_lane_call("cbrt", x)

    def power(self, x: Operand, y: Operand) -> Value:
        return self.per_lane_call("pow", x, y)

    def arctan2(self, y: Operand, x: Operand) -> Value:
        """Denormals count as zero before the C library, whose own scaling would meet 0 / 0 where they are flushed."""
        y, x = self.match(y, x)
        return self.per_lane_call("atan2", self._without_denormals(y), self._without_denormals(x))

    def hypot(self, x: Operand, y: Operand) -> Value:
        """In float64: the C library of Windows has no other."""
        x, y = self.match(x, y)
        wide = self.per_lane_call("hypot", self.cast(x, FLOAT64), self.cast(y, FLOAT64))
        return self.cast(wide, x.dtype)

    def erf(self, x: Value) -> Value:
        return special_functions.erf(self, x)

    def erfinv(self, x: Value) -> Value:
        """The inverse of erf on [-1, 1]; NaN outside."""
        return special_functions.erfinv(self, x)

    def digamma(self, x: Value) -> Value:
        """The logarithmic derivative of the gamma function; NaN at the negative integers."""
        return special_functions.digamma(self, x)

    def gammaln(self, x: Value) -> Value:
        """The logarithm of the absolute value of the gamma function."""
        return self.per_lane_call("lgamma", x)

    def _without_denormals(self, x: Value) -> Value:
        """`x`, or a zero of its sign, which integer instructions would see else where arithmetic sees zero."""
        smallest = float(np.finfo(x.dtype).tiny)
        return self.where(
            self.less(self.abs(x), smallest), self.copysign(self.const(0.0, x.dtype, x.lanes), x), x
        )
