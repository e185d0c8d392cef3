"""Circular functions and their inverses for devices, in float64; see `_functions`."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from lamina.compiler.llvm import FLOAT64, INDEX, UINT64, Value
from lamina.compiler.llvm.mathematics import polynomial, sine_of_parts

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder

__all__ = ["arccos", "arcsin", "arctan", "arctan2", "large_circular", "tan"]

_MANTISSA_BITS, _BIAS = 52, 1023
# (atan(u) - u) / u³ in u², |u| <= sqrt(2) - 1: a minimax polynomial by Remez' algorithm in 50 digits
_ARCTAN = (
    -0.333333333333333302,
    0.199999999999955165,
    -0.142857142846656807,
    0.111111110151870174,
    -0.090909045753064479,
    0.0769218312537610916,
    -0.066645105254996031,
    0.0585814090479604745,
    -0.0508540783426493167,
    0.039230447776402996,
    -0.0191754047018076075,
)
_TAN_EIGHTH = math.tan(math.pi / 8)
_HALF_PI = (math.pi / 2, 6.123233995736766e-17)


@cache
def _two_over_pi() -> tuple[int, ...]:
    """2 / pi in binary: 64 zeros, then its digits after the point, in words of 64 bits; pi by Machin's formula."""
    bits = 1400
    one = 1 << (bits + 64)

    def arccot(n: int) -> int:
        term, total, k = one // n, 0, 0
        while term:
            total += (-1) ** k * (term // (2 * k + 1))
            term //= n * n
            k += 1
        return total

    pi = 4 * (4 * arccot(5) - arccot(239))
    digits = (one << (bits + 1)) // pi  # 2 / pi · 2 ** bits
    words = bits // 64
    digits >>= bits - 64 * words
    return (0, *((digits >> (64 * (words - 1 - i))) & ((1 << 64) - 1) for i in range(words)))


def large_circular(b: DeviceBuilder, x: Value, quarter_turns: int) -> Value:
    """The sine of a large x plus quarter turns, by Payne and Hanek's reduction (1983) in 192 bits.

    x = M 2ᴱ with M < 2⁵³. Of M 2ᴱ 2/pi only the lowest 2 bits of the integer part and the fraction are needed: digits
    of 2/pi before place E - 2 only add multiples of 4.
    """
    bits = b.bitcast(b.abs(x), UINT64)
    exponent = b.bitcast(b.shift_right(bits, _MANTISSA_BITS), INDEX)
    hidden = 1 << _MANTISSA_BITS
    m = b.bit_or(b.bit_and(bits, hidden - 1), hidden)
    place = b.add(exponent, 64 - 2 - _BIAS - _MANTISSA_BITS)
    place = b.minimum(b.maximum(place, 0), 1100)
    table = b.table("two_over_pi", _two_over_pi())
    first, shift = b.shift_right(place, 6), b.bitcast(b.bit_and(place, 63), UINT64)
    words = [b.load(table, UINT64, b.add(first, i)) for i in range(4)]
    after = b.sub(63, shift)
    window = [
        b.bit_or(b.shift_left(w, shift), b.shift_right(b.shift_right(following, 1), after))
        for w, following in pairwise(words)
    ]
    low, low_carry = b.wide_mul(m, window[2])
    middle, high = b.wide_mul(m, window[1])
    middle, carry = _sum_with_carry(b, middle, low_carry)
    high = b.add(b.add(high, b.mul(m, window[0])), carry)
    quadrant = b.bitcast(b.shift_right(high, 62), INDEX)
    fraction = b.bitcast(b.bit_or(b.shift_left(high, 2), b.shift_right(middle, 62)), INDEX)
    below = b.bit_or(b.shift_left(middle, 2), b.shift_right(low, 62))
    quadrant = b.add(quadrant, b.bit_and(b.shift_right(fraction, 63), 1))  # to the nearest quarter turn
    turned = b.add(b.mul(b.cast(fraction, FLOAT64), 2.0**-64), b.mul(b.cast(below, FLOAT64), 2.0**-128))
    value = sine_of_parts(b, b.add(quadrant, quarter_turns), b.mul(turned, math.pi / 2))
    if not quarter_turns:
        value = b.where(b.less(x, 0.0), b.neg(value), value)
    return b.where(b.less(b.abs(x), math.inf), value, math.nan)


def _sum_with_carry(b: DeviceBuilder, x: Value, y: Value) -> tuple[Value, Value]:
    """x + y modulo 2⁶⁴, and the carry.

    The carry is computed from the highest bits, since LLVM turns a comparison into an operation that OpenCL drivers
    lack.
    """
    total = b.add(x, y)
    either = b.bit_and(b.bit_or(x, y), b.bit_xor(total, (1 << 64) - 1))
    return total, b.shift_right(b.bit_or(b.bit_and(x, y), either), 63)


def tan(b: DeviceBuilder, x: Value) -> Value:
    """The sine over the cosine; ±0 is kept."""
    return b.where(b.equal(x, 0.0), x, b.div(b.sin(x), b.cos(x)))


def arctan2(b: DeviceBuilder, y: Value, x: Value) -> Value:
    """The angle of (x, y), by a tangent or cotangent of at most 1, rotated by pi / 4 beyond tan(pi / 8)."""
    over, under = b.abs(y), b.abs(x)
    is_steep = b.greater(over, under)
    larger, smaller = b.where(is_steep, over, under), b.where(is_steep, under, over)
    t = b.div(smaller, larger)
    t = b.where(b.equal(smaller, larger), b.where(b.equal(larger, 0.0), b.const(0.0, FLOAT64), 1.0), t)
    turns = b.greater(t, _TAN_EIGHTH)
    u = b.where(turns, b.div(b.sub(t, 1.0), b.add(t, 1.0)), t)
    z = b.mul(u, u)
    angle = b.multiply_add(b.mul(u, z), polynomial(b, z, _ARCTAN), u)
    angle = b.where(turns, b.add(b.add(angle, _HALF_PI[1] / 2), _HALF_PI[0] / 2), angle)
    angle = b.where(is_steep, b.sub(_HALF_PI[0], b.sub(angle, _HALF_PI[1])), angle)
    is_left = b.less(b.copysign(b.const(1.0, FLOAT64), x), 0.0)
    angle = b.where(is_left, b.sub(math.pi, b.sub(angle, 2 * _HALF_PI[1])), angle)
    angle = b.copysign(angle, y)
    return b.where(b.logical_or(b.isnan(x), b.isnan(y)), math.nan, angle)


def arctan(b: DeviceBuilder, x: Value) -> Value:
    """The angle of (1, x)."""
    return arctan2(b, x, b.const(1.0, FLOAT64))


def _leg(b: DeviceBuilder, x: Value) -> Value:
    """sqrt(1 - x²)."""
    return b.sqrt(b.mul(b.sub(1.0, x), b.add(x, 1.0)))


def arcsin(b: DeviceBuilder, x: Value) -> Value:
    """The angle of (√(1 - x²), x)."""
    return arctan2(b, x, _leg(b, x))


def arccos(b: DeviceBuilder, x: Value) -> Value:
    """Twice the angle of (√(1 + x), √(1 - x))."""
    half = arctan2(b, b.sqrt(b.sub(1.0, x)), b.sqrt(b.add(x, 1.0)))
    return b.add(half, half)
