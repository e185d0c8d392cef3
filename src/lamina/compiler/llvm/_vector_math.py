"""Exponentials, logarithms and circular functions as vector code, for float32 and float64, based on `elementary`.

Errors are at most 2 units in the last place. NaN, infinities and signed zeros are as in NumPy; denormal arguments may
count as zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

from lamina.compiler.llvm._builder import Builder
from lamina.compiler.llvm.values import FLOAT32, FLOAT64, INDEX, UINT64, Value
from lamina.primitives.elementary import (
    HALF_PI,
    LOG_2,
    exp,
    format_of,
    log,
    nearest_multiple,
    parts,
    polynomial,
    power_of_two,
    sine_of_parts,
)


def expm1(b: Builder, x: Value) -> Value:
    """exp(x) - 1 without cancellation near 0. Zeros keep their sign; the limits are inf and -1."""
    f = format_of(x)
    value = expm1_core(b, b.maximum(b.minimum(x, f.exp_range[1]), f.expm1_lowest))
    return b.where(b.equal(x, 0.0), x, value)


def expm1_core(b: Builder, x: Value) -> Value:
    """exp(x) - 1 for arguments whose result is neither infinite nor -1."""
    n, r = nearest_multiple(b, x, LOG_2, 2)
    small = b.multiply_add(b.mul(r, r), polynomial(b, r, format_of(x).exp), r)  # exp(r) - 1
    half_scale = power_of_two(b, b.sub(n, 1), x.dtype)  # 2ⁿ may overflow where the result doesn't
    half = b.multiply_add(half_scale, small, b.sub(half_scale, 0.5))
    return b.add(half, half)


def tanh(b: Builder, x: Value) -> Value:
    """The hyperbolic tangent: (exp(2|x|) - 1) / (exp(2|x|) + 1), with the sign of x."""
    magnitude = b.minimum(b.abs(x), format_of(x).tanh_highest)
    growth = expm1_core(b, b.add(magnitude, magnitude))
    return b.copysign(b.div(growth, b.add(growth, 2.0)), x)


def sigmoid(b: Builder, x: Value) -> Value:
    """1 / (1 + exp(-x))."""
    return b.div(1.0, b.add(exp(b, b.neg(x)), 1.0))


def log1p(b: Builder, x: Value) -> Value:
    """log(1 + x) as log(u) + (x - (u - 1)) / u with u = 1 + x, where the second term corrects the rounding of u."""
    u = b.add(x, 1.0)
    lost = b.div(b.sub(x, b.sub(u, 1.0)), u)
    value = b.add(log(b, u), lost)
    value = b.where(b.less(x, math.inf), value, x)
    value = b.where(b.equal(x, -1.0), -math.inf, value)
    return b.where(b.equal(x, 0.0), x, value)


def sin(b: Builder, x: Value) -> Value:
    """The sine; ±0 gives ±0."""
    return b.where(b.equal(x, 0.0), x, _circular(b, x, 0))


def cos(b: Builder, x: Value) -> Value:
    """The cosine, computed as the sine of x plus a quarter turn."""
    return _circular(b, x, 1)


def tan(b: Builder, x: Value) -> Value:
    """The tangent, computed as sine over cosine, each with its rounding error; ±0 gives ±0."""
    f = format_of(x)
    n, r = nearest_multiple(b, x, HALF_PI, 3)
    z = b.mul(r, r)
    sine, sine_lost = small_sum(b, r, b.mul(b.mul(r, z), polynomial(b, z, f.sin)))
    bent = b.multiply_add(b.mul(z, z), polynomial(b, z, f.cos), b.mul(z, -0.5))
    cosine, cosine_lost = small_sum(b, b.const(1.0, x.dtype, x.lanes), bent)
    is_odd = b.not_equal(b.bit_and(n, 1), 0)
    over, over_lost = b.where(is_odd, b.neg(cosine), sine), b.where(is_odd, b.neg(cosine_lost), sine_lost)
    under, under_lost = b.where(is_odd, sine, cosine), b.where(is_odd, sine_lost, cosine_lost)
    quotient = b.div(over, under)
    rest = b.add(b.fma(b.neg(quotient), under, over), b.sub(over_lost, b.mul(quotient, under_lost)))
    value = b.add(quotient, b.div(rest, under))

    def of_large(b: Builder, x: Value) -> Value:
        wide = b.cast(x, FLOAT64)
        return b.cast(b.div(large_circular(b, wide, 0), large_circular(b, wide, 1)), x.dtype)

    return b.where(b.equal(x, 0.0), x, _unless_large(b, x, value, "tan", of_large))


def _circular(b: Builder, x: Value, quarter_turns: int) -> Value:
    """The sine of x plus a number of quarter turns."""

    def of_large(b: Builder, x: Value) -> Value:
        return b.cast(large_circular(b, b.cast(x, FLOAT64), quarter_turns), x.dtype)

    n, r = nearest_multiple(b, x, HALF_PI, 3)
    value = sine_of_parts(b, b.add(n, quarter_turns), r)
    return _unless_large(b, x, value, ("sin", "cos")[quarter_turns], of_large)


def _unless_large(
    b: Builder, x: Value, value: Value, name: str, of_large: Callable[[Builder, Value], Value]
) -> Value:
    """Replace `value` by the scalar function ``of_large(b, x)``, emitted as `name`, where x is too large for it."""
    fits = b.less(b.abs(x), format_of(x).circular_limit)
    result = b.variable(value)
    with b.if_(b.logical_not(b.reduce_all(fits))):
        result.set(b.where(fits, value, b.rarely(name, of_large, x)))
    return result.get()


# --- inverse circular functions, and sines of large arguments ------------------------------------------------------

_MANTISSA_BITS, _BIAS = 52, 1023
# (atan(u) - u) / u³ in u², |u| <= sqrt(2) - 1: minimax polynomials by Remez' algorithm in 50 digits
_ARCTAN = {
    FLOAT32: (-0.3333333176, 0.1999954048, -0.142639556, 0.1074373149, -0.06451928208),
    FLOAT64: (
        -0.333333333333333302, 0.199999999999955165, -0.142857142846656807, 0.111111110151870174,
        -0.090909045753064479, 0.0769218312537610916, -0.066645105254996031, 0.0585814090479604745,
        -0.0508540783426493167, 0.039230447776402996, -0.0191754047018076075,
    ),
}  # fmt: skip
# (asin(s) - s) / s³ in s², |s| <= 1/2: Chebyshev's interpolation in 60 digits
_ARCSIN = {
    FLOAT32: (0.1666666634, 0.07500094543, 0.04459940153, 0.03110066274, 0.01714923836, 0.0336908472),
    FLOAT64: (
        0.166666666666666678, 0.0749999999999843293, 0.0446428571463554298, 0.0303819441385312473,
        0.0223721729421498879, 0.0173523927208699729, 0.0139712129735529333, 0.0114791774151849059,
        0.0103228143501857793, 0.0054575067186403583, 0.0174008794426940224, -0.0148518870712472032,
        0.0287578513674215647,
    ),
}  # fmt: skip
_TAN_EIGHTH = math.tan(math.pi / 8)


@cache
def _two_over_pi() -> tuple[int, ...]:
    """The binary digits of 2 / pi in 64-bit words: zeros, then those after the point; pi by Machin's formula."""
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


def large_circular(b: Builder, x: Value, quarter_turns: int) -> Value:
    """The sine of a large scalar x plus some quarter turns, with Payne and Hanek's reduction (1983) in 192 bits.

    x = M 2ᴱ with M < 2⁵³. Only the fraction of M 2ᴱ 2/pi and the lowest 2 bits of its integer part matter: digits of
    2/pi before place E - 2 only add multiples of 4.
    """
    bits = b.bitcast(b.abs(x), UINT64)
    exponent = b.bitcast(b.shift_right(bits, _MANTISSA_BITS), INDEX)
    hidden = 1 << _MANTISSA_BITS
    m = b.bit_or(b.bit_and(bits, hidden - 1), hidden)
    place = b.add(exponent, 64 - 2 - _BIAS - _MANTISSA_BITS)
    place = b.minimum(b.maximum(place, 0), 1100)
    table = b.constants("two_over_pi", _two_over_pi())
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


def _sum_with_carry(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    """x + y modulo 2⁶⁴, and the carry (0 or 1).

    The carry is computed from the highest bits: LLVM would turn a comparison into an operation that OpenCL drivers
    lack.
    """
    total = b.add(x, y)
    either = b.bit_and(b.bit_or(x, y), b.bit_xor(total, (1 << 64) - 1))
    return total, b.shift_right(b.bit_or(b.bit_and(x, y), either), 63)


def arctan2(b: Builder, y: Value, x: Value) -> Value:
    """The angle of the point (x, y).

    The angle is computed from its tangent or cotangent t <= 1. Where t > tan(pi / 8), tan(angle - pi / 4) is
    used instead.
    """
    over, under = b.abs(y), b.abs(x)
    quarter, quarter_low = parts(HALF_PI, x.dtype, 2)
    is_steep = b.greater(over, under)
    larger, smaller = b.where(is_steep, over, under), b.where(is_steep, under, over)
    t = b.div(smaller, larger)
    t = b.where(b.equal(smaller, larger), b.where(b.equal(larger, 0.0), b.const(0.0, x.dtype), 1.0), t)
    turns = b.greater(t, _TAN_EIGHTH)
    u = b.where(turns, b.div(b.sub(t, 1.0), b.add(t, 1.0)), t)
    z = b.mul(u, u)
    angle = b.multiply_add(b.mul(u, z), polynomial(b, z, _ARCTAN[x.dtype]), u)
    angle = b.where(turns, b.add(b.add(angle, quarter_low / 2), quarter / 2), angle)
    angle = b.where(is_steep, b.sub(quarter, b.sub(angle, quarter_low)), angle)
    is_left = b.less(b.copysign(b.const(1.0, x.dtype), x), 0.0)
    angle = b.where(is_left, b.sub(2 * quarter, b.sub(angle, 2 * quarter_low)), angle)
    angle = b.copysign(angle, y)
    return b.where(b.logical_or(b.isnan(x), b.isnan(y)), math.nan, angle)


def arctan(b: Builder, x: Value) -> Value:
    """The arctangent, computed as the angle of the point (1, x)."""
    return arctan2(b, x, b.const(1.0, x.dtype, x.lanes))


def arcsin(b: Builder, x: Value) -> Value:
    """The arcsine by a polynomial; for |x| > 1/2 a quarter turn minus twice the arcsine of sqrt((1 - |x|) / 2)."""
    is_near, s, rest = _arcsin_of_half(b, x)
    quarter, quarter_low = parts(HALF_PI, x.dtype, 2)
    turned, lost = small_sum(b, b.const(quarter, x.dtype, x.lanes), b.mul(s, -2.0))
    turned = b.add(turned, b.sub(b.add(lost, quarter_low), b.add(rest, rest)))
    return b.copysign(b.where(is_near, b.add(s, rest), turned), x)


def arccos(b: Builder, x: Value) -> Value:
    """The arccosine as a quarter turn minus arcsin x; for |x| > 1/2 by the arcsine of sqrt((1 - |x|) / 2)."""
    is_near, s, rest = _arcsin_of_half(b, x)
    angle = b.add(s, rest)
    quarter, quarter_low = parts(HALF_PI, x.dtype, 2)
    near = b.sub(quarter, b.sub(b.copysign(angle, x), quarter_low))
    double = b.add(angle, angle)
    left = b.sub(2 * quarter, b.sub(double, 2 * quarter_low))
    return b.where(is_near, near, b.where(b.less(x, 0.0), left, double))


def small_sum(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    """x + y for |x| >= |y|, and its rounding error."""
    total = b.add(x, y)
    return total, b.sub(y, b.sub(total, x))


def _arcsin_of_half(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """Whether |x| <= 1/2, a sine s (then |x|, else sqrt((1 - |x|) / 2)), and arcsin s - s."""
    magnitude = b.abs(x)
    is_near = b.less_equal(magnitude, 0.5)
    z = b.where(is_near, b.mul(x, x), b.mul(b.sub(1.0, magnitude), 0.5))
    s = b.where(is_near, magnitude, b.sqrt(z))
    return is_near, s, b.mul(b.mul(s, z), polynomial(b, z, _ARCSIN[x.dtype]))
