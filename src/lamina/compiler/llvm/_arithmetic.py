"""Element operations of one or a few instructions: arithmetic, comparisons, rounding, logic, casts.

Their results are NumPy's, including NaN, signed zeros, wrap-around, and division of integers by zero.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np

from lamina.compiler.llvm._emitter import Positions
from lamina.compiler.llvm.values import BOOL, FLOAT32, FLOAT64, INDEX, INT32, DType, Operand, Value, type_name

_ON_INTEGERS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}

Unary = Callable[["Arithmetic", Value], Value]
Binary = Callable[["Arithmetic", Operand, Operand], Value]


def _rounding(intrinsic: str) -> Unary:
    """A method that rounds floats by an LLVM intrinsic, and returns integers unchanged."""
    return lambda b, x: b.intrinsic(intrinsic, x) if x.dtype.kind == "f" else x


def _comparison(floats: str, integers: str, signed: str = "", unsigned: str = "") -> Binary:
    """A method that compares values by LLVM's predicates for floats, and for signed and unsigned integers."""

    def compare(b: Arithmetic, x: Operand, y: Operand) -> Value:
        x, y = b.match(x, y)
        if x.dtype.kind == "f":
            return b.result(f"fcmp {floats} {x.typed}, {y.name}", BOOL, x.lanes)
        predicate = _signed(x, signed, unsigned) + integers
        return b.result(f"icmp {predicate} {x.typed}, {y.name}", BOOL, x.lanes)

    return compare


def _bits(instruction: str) -> Binary:
    def operate(b: Arithmetic, x: Operand, y: Operand) -> Value:
        x, y = b.match(x, y)
        return b.result(f"{instruction} {x.typed}, {y.name}", x.dtype, x.lanes)

    return operate


def _logical(bits: Binary) -> Callable[[Arithmetic, Value, Value], Value]:
    return lambda b, x, y: bits(b, b.truth(x), b.truth(y))


class Arithmetic(Positions):
    """Operations on scalars and vectors. Python numbers among the operands become constants."""

    # arithmetic

    def add(self, x: Operand, y: Operand) -> Value:
        if (position := self.position_sum(x, y)) is not None:
            return position
        x, y = self.match(x, y)
        if x.dtype == BOOL:
            return self.logical_or(x, y)  # as in NumPy: true and true are not 2
        if x.dtype == INDEX and 0 in (x.constant, y.constant):
            return y if x.constant == 0 else x
        return self._binary("add", x, y)

    def sub(self, x: Operand, y: Operand) -> Value:
        if (position := self.position_difference(x, y)) is not None:
            return position
        x, y = self.match(x, y)
        return x if x.dtype == INDEX and y.constant == 0 else self._binary("sub", x, y)

    def mul(self, x: Operand, y: Operand) -> Value:
        if (position := self.position_product(x, y)) is not None:
            return position
        x, y = self.match(x, y)
        for factor, other in ((x, y), (y, x)):
            if x.dtype == INDEX and factor.constant in (0, 1):
                return other if factor.constant == 1 else self.const(0, INDEX, x.lanes)
        return self._binary("mul", x, y)

    def div(self, x: Operand, y: Operand) -> Value:
        """Divide floats."""
        x, y = self.match(x, y)
        if x.dtype.kind != "f":
            raise TypeError(f"div divides floats, not {x.dtype}: use divide_trunc")
        return self._binary("div", x, y)

    def divide_trunc(self, x: Operand, y: Operand) -> Value:
        """Divide integers, rounding towards zero; division by zero gives 0."""
        x, y = self.match(x, y)
        zero, divisor = self._safe_divisor(y)
        quotient = self.result(f"{_signed(x, 'sdiv', 'udiv')} {x.typed}, {divisor.name}", x.dtype, x.lanes)
        if x.dtype.kind == "i":  # the smallest integer divided by -1 traps: it wraps instead
            quotient = self.where(self.equal(y, -1), self.neg(x), quotient)
        return self.where(zero, 0, quotient)

    def mod(self, x: Operand, y: Operand) -> Value:
        """NumPy's `remainder`, which has the divisor's sign; an integer modulo zero gives 0."""
        x, y = self.match(x, y)
        if x.dtype.kind == "f":
            remainder, wrong_sign = self._float_remainder(x, y)
            shifted = self.where(wrong_sign, self.add(remainder, y), remainder)
            # `fmod` keeps denormals; they count as zero in comparisons, as in NumPy's while denormals are flushed.
            found = self.where(self.not_equal(remainder, 0), shifted, self.copysign(0.0, y))
            return self.where(self.equal(y, 0), remainder, found)
        zero, divisor = self._safe_divisor(y)
        remainder = self.result(f"{_signed(x, 'srem', 'urem')} {x.typed}, {divisor.name}", x.dtype, x.lanes)
        if x.dtype.kind == "i":
            wrong_sign = self.less(self.bit_xor(remainder, y), 0)
            wrong_sign = self.logical_and(wrong_sign, self.not_equal(remainder, 0))
            remainder = self.where(wrong_sign, self.add(remainder, y), remainder)
        return self.where(zero, 0, remainder)

    def _float_remainder(self, x: Value, y: Value) -> tuple[Value, Value]:
        """C's `fmod`, and whether it is nonzero and differs in sign from the divisor."""
        remainder = self.frem(x, y)
        signs_differ = self.logical_xor(self.less(y, 0), self.less(remainder, 0))
        return remainder, self.logical_and(signs_differ, self.not_equal(remainder, 0))

    def frem(self, x: Value, y: Value) -> Value:
        """C's `fmod`, which is exact."""
        return self.result(f"frem {x.typed}, {y.name}", x.dtype, x.lanes)

    def _safe_divisor(self, y: Value) -> tuple[Value, Value]:
        """Whether a divisor is zero, and the divisor with 1 in place of 0 and -1, for which division can trap."""
        zero = self.equal(y, 0)
        unsafe = zero if y.dtype.kind == "u" else self.logical_or(zero, self.equal(y, -1))
        return zero, self.where(unsafe, self.const(1, y.dtype, y.lanes), y)

    def fma(self, x: Operand, y: Operand, z: Operand) -> Value:
        """x · y + z with one rounding, for sums that nearly cancel. Elsewhere use `multiply_add`.

        On a machine without an FMA instruction, float32 is computed in float64, where the product is exact and only the
        final rounding matters; float64 is computed by the C library.
        """
        x, y, z = self.match(x, y, z)
        if self.module.machine.has_fused_multiply_add or x.dtype != FLOAT32:
            return self.intrinsic("fma", x, y, z)
        wide_x, wide_y, wide_z = (self.cast(value, FLOAT64) for value in (x, y, z))
        return self.cast(self.add(self.mul(wide_x, wide_y), wide_z), FLOAT32)

    def multiply_add(self, x: Operand, y: Operand, z: Operand) -> Value:
        """x · y + z as fast as possible: rounded once if the machine has an instruction for this, else twice."""
        if self.module.machine.has_fused_multiply_add:
            return self.intrinsic("fma", x, y, z)
        x, y, z = self.match(x, y, z)
        return self.add(self.mul(x, y), z)

    def wide_mul(self, x: Operand, y: Operand) -> tuple[Value, Value]:
        """The lower and upper 64 bits of the product of two uint64 scalars."""
        x, y = self.match(x, y)
        wide_x, wide_y = (
            value.name if value.constant is not None else self._register(f"zext {value.typed} to i128")
            for value in (x, y)
        )
        product = self._register(f"mul i128 {wide_x}, {wide_y}")
        shifted = self._register(f"lshr i128 {product}, 64")
        low, high = (self.result(f"trunc i128 {half} to i64", x.dtype) for half in (product, shifted))
        return low, high

    def neg(self, x: Value) -> Value:
        if x.dtype.kind == "f":
            return self.result(f"fneg {x.typed}", x.dtype, x.lanes)
        return self.sub(0, x)

    def abs(self, x: Value) -> Value:
        if x.dtype.kind == "f":
            return self.intrinsic("fabs", x)
        return x if x.dtype.kind in "ub" else self.where(self.less(x, 0), self.neg(x), x)

    def sign(self, x: Value) -> Value:
        """-1, 0 or 1; NaN stays NaN."""
        one = self.const(1, x.dtype, x.lanes)
        zero = self.const(0, x.dtype, x.lanes)
        if x.dtype.kind == "u":
            return self.where(self.greater(x, 0), one, zero)
        result = self.where(self.less(x, 0), self.const(-1, x.dtype, x.lanes), zero)
        result = self.where(self.greater(x, 0), one, result)
        return self.where(self.isnan(x), x, result) if x.dtype.kind == "f" else result

    def copysign(self, magnitude: Operand, sign: Operand) -> Value:
        return self.intrinsic("copysign", magnitude, sign)

    def sqrt(self, x: Value) -> Value:
        return self.intrinsic("sqrt", x)

    def rsqrt(self, x: Value) -> Value:
        """1 / sqrt(x). The root and the division are each correctly rounded."""
        return self.div(1.0, self.sqrt(x))

    def maximum(self, x: Operand, y: Operand) -> Value:
        """The larger of x and y; NaN if either is NaN."""
        return self._extreme("greater", x, y)

    def minimum(self, x: Operand, y: Operand) -> Value:
        """The smaller of x and y; NaN if either is NaN."""
        return self._extreme("less", x, y)

    def _extreme(self, better: str, x: Operand, y: Operand) -> Value:
        x, y = self.match(x, y)
        if x.dtype == INDEX and x.constant is not None and y.constant is not None:
            first = (x.constant < y.constant) == (better == "less")
            return x if first else y
        if x.constant is not None and y.constant is None:
            x, y = y, x
        compare = getattr(self, better)
        if x.dtype.kind != "f":
            return self.where(compare(x, y), x, y)
        if y.constant is not None and not math.isnan(y.constant):
            # A NaN in x fails the comparison. If both are zeros, the result is y: relu(-0.0) is 0.0.
            return self.where(getattr(self, f"{better}_equal")(y, x), y, x)
        return self.where(self.isnan(x), x, self.where(compare(x, y), x, y))

    # rounding

    floor, ceil, trunc = _rounding("floor"), _rounding("ceil"), _rounding("trunc")
    rint = _rounding("rint")  # halves to even
    round = _rounding("round")  # halves away from zero

    # comparisons, masks, bits of integers

    equal = _comparison("oeq", "eq")
    not_equal = _comparison("une", "ne")
    less = _comparison("olt", "lt", "s", "u")
    less_equal = _comparison("ole", "le", "s", "u")
    greater = _comparison("ogt", "gt", "s", "u")
    greater_equal = _comparison("oge", "ge", "s", "u")

    def isnan(self, x: Value) -> Value:
        if x.dtype.kind != "f":
            return self.const(False, BOOL, x.lanes)
        return self.result(f"fcmp uno {x.typed}, {x.name}", BOOL, x.lanes)

    def truth(self, x: Value) -> Value:
        """A mask that is true where x is not zero."""
        return x if x.dtype == BOOL else self.not_equal(x, 0)

    bit_and, bit_or, bit_xor, shift_left = _bits("and"), _bits("or"), _bits("xor"), _bits("shl")
    logical_and, logical_or, logical_xor = _logical(bit_and), _logical(bit_or), _logical(bit_xor)

    def logical_not(self, x: Value) -> Value:
        return self.bit_xor(self.truth(x), True)

    def where(self, mask: Value, x: Operand, y: Operand) -> Value:
        """Select x where the mask is true, else y."""
        x, y = self.match(x, y)
        lanes = max(mask.lanes, x.lanes)
        mask, x, y = self.splat(mask, lanes), self.splat(x, lanes), self.splat(y, lanes)
        return self.result(f"select {mask.typed}, {x.typed}, {y.typed}", x.dtype, lanes)

    def shift_right(self, x: Operand, y: Operand) -> Value:
        """Shift right. Signed integers keep their sign."""
        x, y = self.match(x, y)
        return self.result(f"{_signed(x, 'ashr', 'lshr')} {x.typed}, {y.name}", x.dtype, x.lanes)

    def bitcast(self, x: Value, dtype: DType) -> Value:
        """The same bits as another dtype. A different element size changes the number of lanes accordingly."""
        lanes = x.lanes * x.dtype.itemsize // dtype.itemsize
        if type_name(dtype, lanes) == x.type:
            return Value(self, x.name, dtype, lanes)
        return self.result(f"bitcast {x.typed} to {type_name(dtype, lanes)}", dtype, lanes)

    # conversions

    def cast(self, x: Value, dtype: DType | type) -> Value:
        """Convert as NumPy's `astype` does: floats to integers towards zero, any nonzero value to True."""
        dtype = np.dtype(dtype)
        if x.dtype == dtype:
            return x
        if dtype == BOOL:
            return self.truth(x)
        wide = _by_way_of(x.dtype, dtype)
        if wide is not None:
            return self.cast(self.cast(x, wide), dtype)
        if x.constant is not None:
            return self.const(np.asarray(x.constant, x.dtype).astype(dtype).item(), dtype, x.lanes)
        instruction = _conversion(x.dtype, dtype)
        if instruction is None:  # signed to unsigned of the same size: the same register
            return Value(x.builder, x.name, dtype, x.lanes)
        return self.result(f"{instruction} {x.typed} to {type_name(dtype, x.lanes)}", dtype, x.lanes)

    def _binary(self, operation: str, x: Value, y: Value) -> Value:
        if x.dtype == INDEX and x.constant is not None and y.constant is not None:
            return self.const(_ON_INTEGERS[operation](int(x.constant), int(y.constant)), INDEX, x.lanes)
        prefix = "f" if x.dtype.kind == "f" else ""
        return self.result(f"{prefix}{operation} {x.typed}, {y.name}", x.dtype, x.lanes)


def _signed(x: Value, signed: str, unsigned: str) -> str:
    return signed if x.dtype.kind == "i" else unsigned


def _by_way_of(source: DType, target: DType) -> DType | None:
    """The signed integers between floats and narrower or unsigned integers, see `converted`; None if not needed."""
    if source.kind != "f" or target.kind not in "iu" or target.itemsize == 8:
        return None
    if target.itemsize < 4:
        return INT32
    return INDEX if target.kind == "u" else None


def _conversion(source: DType, target: DType) -> str | None:
    """LLVM's conversion instruction between two dtypes; None if the bits don't change."""
    if source.kind == "f" and target.kind == "f":
        return "fpext" if target.itemsize > source.itemsize else "fptrunc"
    if source.kind == "f":
        return "fptosi" if target.kind == "i" else "fptoui"
    if target.kind == "f":
        return "sitofp" if source.kind == "i" else "uitofp"
    if source.kind == "b" or target.itemsize > source.itemsize:
        return "sext" if source.kind == "i" else "zext"
    return None if target.itemsize == source.itemsize else "trunc"
