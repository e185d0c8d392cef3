"""C library functions for devices, which have no such library: made of exponentials and logarithms, in float64.

float32 arguments are widened, and the result is rounded once. In float64, errors are a few units in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lamina.compiler.gpu._circular import arccos, arcsin, arctan, arctan2, large_circular, tan
from lamina.compiler.llvm import FLOAT64, INDEX, UINT64, Value
from lamina.compiler.llvm.mathematics import LOG_SERIES, exp, expm1, log, log1p, polynomial

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder

__all__ = ["FUNCTIONS", "remainder"]

Function = Callable[..., Value]

_TINY = float(np.finfo(np.float64).tiny)
_MANTISSA_BITS, _BIAS = 52, 1023
_LOG_2_HIGH = float.fromhex("0x1.62e42feep-1")  # 32 bits of log 2, so that multiples are exact; and the rest
_LOG_2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_LARGE = 2.0**27
"""x² + 1 is x² from here on."""
_FEW = 22.0
"""exp(-x) is nothing beside exp(x) from here on."""
_LOG2_E = (math.log2(math.e), 2.0355273740931033e-17)
_LOG10_E = (math.log10(math.e), 1.098319650216765e-17)
# log Γ(2 + z) = (1 - γ) z + Σ (-1)ᵏ (ζ(k) - 1) / k · zᵏ from k = 2 on
_GAMMALN_SERIES = (
    0.42278433509846713939,
    0.322467033424113218,
    -0.0673523010531980951,
    0.0205808084277845479,
    -0.00738555102867398527,
    0.00289051033074152329,
    -0.00119275391170326098,
    0.000509669524743042422,
    -0.00022315475845357938,
    0.0000994575127818085337,
    -0.0000449262367381331417,
    0.0000205072127756706916,
    -9.4394882752683959e-6,
    4.3748667899074878e-6,
    -2.03921575380136624e-6,
    9.55141213040741983e-7,
    -4.49246919876456604e-7,
    2.12071848055546659e-7,
    -1.00432248239680996e-7,
    4.76981016936398057e-8,
    -2.27110946089431649e-8,
    1.08386592148969541e-8,
    -5.18347504197004666e-9,
    2.48367454380247832e-9,
    -1.19214014058609121e-9,
    5.73136724167886201e-10,
    -2.75952288512423315e-10,
    1.33047643742444895e-10,
    -6.42296456383810002e-11,
)
_STIRLING_LEAST = 10.0
# Bernoulli numbers B₂ₙ / (2n (2n - 1)) of Stirling's series
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


# --- logarithms in two parts -------------------------------------------------------------------------------------


def _two_part_log(b: DeviceBuilder, x: Value) -> tuple[Value, Value]:
    """log x, for positive finite x, as a sum of two floats with a relative error of about 2⁻⁵⁹.

    Computed as in `log`, with the quotient s and the sum in two parts.
    """
    is_small = b.less(x, _TINY)
    bits = b.bitcast(b.where(is_small, b.mul(x, 2.0**54), x), INDEX)
    root_half = int(np.asarray(math.sqrt(0.5)).view(np.int64))
    exponent = b.shift_right(b.sub(bits, root_half), _MANTISSA_BITS)
    m = b.bitcast(b.sub(bits, b.shift_left(exponent, _MANTISSA_BITS)), FLOAT64)
    e = b.cast(b.sub(exponent, b.where(is_small, b.const(54), b.const(0))), FLOAT64)
    fraction = b.sub(m, 1.0)
    divisor = b.add(fraction, 2.0)
    lost = b.sub(fraction, b.sub(divisor, 2.0))
    s = b.div(fraction, divisor)
    rest = b.sub(b.fma(b.neg(s), divisor, fraction), b.mul(s, lost))
    s_low = b.div(rest, divisor)
    z = b.mul(s, s)
    tail = b.mul(b.mul(s, z), polynomial(b, z, LOG_SERIES))
    tail = b.add(tail, b.mul(b.add(s_low, s_low), b.add(z, 1.0)))
    high, error = _exact_sum(b, b.mul(e, _LOG_2_HIGH), b.add(s, s))
    return _renormalized(b, high, b.add(error, b.fma(e, _LOG_2_LOW, tail)))


def _exact_sum(b: DeviceBuilder, x: Value, y: Value) -> tuple[Value, Value]:
    """x + y rounded, and the rounding error (Knuth)."""
    total = b.add(x, y)
    part = b.sub(total, x)
    return total, b.add(b.sub(x, b.sub(total, part)), b.sub(y, part))


def _renormalized(b: DeviceBuilder, high: Value, low: Value) -> tuple[Value, Value]:
    total = b.add(high, low)
    return total, b.sub(low, b.sub(total, high))


def _log_to_base(factor: tuple[float, float]) -> Function:
    def function(b: DeviceBuilder, x: Value) -> Value:
        high, low = _two_part_log(b, x)
        product = b.mul(high, factor[0])
        error = b.add(b.fma(high, factor[0], b.neg(product)), b.fma(high, factor[1], b.mul(low, factor[0])))
        value = b.add(product, error)
        value = b.where(b.less(x, math.inf), value, x)  # infinity and NaN stay
        value = b.where(b.equal(x, 0.0), -math.inf, value)
        return b.where(b.less(x, 0.0), math.nan, value)

    return function


def _power(b: DeviceBuilder, x: Value, y: Value) -> Value:
    """exp(y log |x|) with the logarithm in two parts, and C's rules for special values."""
    magnitude = b.abs(x)
    high, low = _two_part_log(b, magnitude)
    product = b.mul(y, high)
    error = b.add(b.fma(y, high, b.neg(product)), b.mul(y, low))
    value = exp(b, product)
    is_normal = b.logical_and(b.less(value, math.inf), b.greater(value, 0.0))
    value = b.where(is_normal, b.fma(value, error, value), value)
    grows = b.equal(b.greater(magnitude, 1.0), b.greater(y, 0.0))  # without end, where there is no end
    is_endless = b.logical_or(b.equal(b.abs(y), math.inf), b.equal(magnitude, math.inf))
    is_endless = b.logical_or(is_endless, b.equal(magnitude, 0.0))
    value = b.where(is_endless, b.where(grows, b.const(math.inf, FLOAT64), 0.0), value)
    half = b.mul(y, 0.5)
    is_whole = b.equal(b.rint(y), y)
    of_whole = b.logical_and(b.logical_and(is_whole, b.greater_equal(y, 0.0)), b.equal(b.rint(x), x))
    value = b.where(b.logical_and(of_whole, b.less(value, 2.0**52)), b.rint(value), value)
    is_odd = b.logical_and(is_whole, b.not_equal(b.floor(half), half))
    is_odd = b.logical_and(is_odd, b.less(b.abs(y), 2.0**53))
    is_negative = b.less(b.copysign(b.const(1.0, FLOAT64), x), 0.0)
    value = b.where(b.logical_and(is_negative, is_odd), b.neg(value), value)
    has_none = b.logical_and(
        b.logical_and(b.less(x, 0.0), b.logical_not(is_whole)), b.less(magnitude, math.inf)
    )
    value = b.where(has_none, math.nan, value)
    value = b.where(b.logical_or(b.isnan(x), b.isnan(y)), math.nan, value)
    both_one = b.logical_and(b.equal(magnitude, 1.0), b.equal(b.abs(y), math.inf))
    is_one = b.logical_or(b.logical_or(b.equal(y, 0.0), b.equal(x, 1.0)), both_one)
    return b.where(is_one, 1.0, value)


# --- hyperbolic functions, roots -----------------------------------------------------------------------------------


def _sinh(b: DeviceBuilder, x: Value) -> Value:
    magnitude = b.abs(x)
    growth = expm1(b, magnitude)
    small = b.mul(b.add(growth, b.div(growth, b.add(growth, 1.0))), 0.5)
    value = b.where(b.less(magnitude, _FEW), small, _half_exp(b, magnitude))
    return b.copysign(value, x)


def _cosh(b: DeviceBuilder, x: Value) -> Value:
    magnitude = b.abs(x)
    growth = exp(b, magnitude)
    small = b.mul(b.add(growth, b.div(1.0, growth)), 0.5)
    return b.where(b.less(magnitude, _FEW), small, _half_exp(b, magnitude))


def _half_exp(b: DeviceBuilder, x: Value) -> Value:
    """exp(x) / 2, also where exp(x) overflows."""
    root = exp(b, b.mul(x, 0.5))
    return b.mul(b.mul(root, 0.5), root)


def _arcsinh(b: DeviceBuilder, x: Value) -> Value:
    a = b.abs(x)
    square = b.mul(a, a)
    small = log1p(b, b.add(a, b.div(square, b.add(b.sqrt(b.add(square, 1.0)), 1.0))))
    value = b.where(b.less(a, _LARGE), small, b.add(log(b, a), math.log(2)))
    value = b.where(b.less(a, 2.0**-30), a, value)
    return b.where(b.isnan(x), x, b.copysign(value, x))


def _arccosh(b: DeviceBuilder, x: Value) -> Value:
    t = b.sub(x, 1.0)
    small = log1p(b, b.add(t, b.sqrt(b.add(b.add(t, t), b.mul(t, t)))))
    value = b.where(b.less(x, _LARGE), small, b.add(log(b, x), math.log(2)))
    return b.where(b.less(x, 1.0), math.nan, value)


def _arctanh(b: DeviceBuilder, x: Value) -> Value:
    a = b.abs(x)
    value = b.mul(log1p(b, b.div(b.add(a, a), b.sub(1.0, a))), 0.5)
    value = b.where(b.greater(a, 1.0), math.nan, value)
    return b.where(b.isnan(x), x, b.copysign(value, x))


def _cbrt(b: DeviceBuilder, x: Value) -> Value:
    """exp(log(x) / 3), and a Newton step."""
    a = b.abs(x)
    root = exp(b, b.mul(log(b, a), 1 / 3))
    root = b.sub(root, b.mul(b.sub(root, b.div(a, b.mul(root, root))), 1 / 3))
    is_usual = b.logical_and(b.greater(a, 0.0), b.less(a, math.inf))
    return b.where(is_usual, b.copysign(root, x), x)


def _hypot(b: DeviceBuilder, x: Value, y: Value) -> Value:
    x, y = b.abs(x), b.abs(y)
    larger, smaller = b.maximum(x, y), b.minimum(x, y)
    ratio = b.div(smaller, larger)
    value = b.mul(larger, b.sqrt(b.multiply_add(ratio, ratio, 1.0)))
    value = b.where(b.equal(larger, 0.0), larger, value)
    is_endless = b.logical_or(b.equal(x, math.inf), b.equal(y, math.inf))
    return b.where(is_endless, math.inf, value)


# --- log of the gamma function -------------------------------------------------------------------------------------


def _gammaln(b: DeviceBuilder, x: Value) -> Value:
    """log |Γ(x)|: reflection to positive arguments, then recurrence to [1.5, 2.5) and a series, or
    Stirling's series.
    """
    is_negative = b.less(x, 0.0)
    positive = b.where(is_negative, b.sub(1.0, x), x)
    value = b.where(b.less(positive, _STIRLING_LEAST), _near_two(b, positive), _stirling(b, positive))
    angle = b.mul(b.sub(x, b.rint(x)), math.pi)
    reflected = b.sub(math.log(math.pi), b.add(log(b, b.abs(b.sin(angle))), value))
    value = b.where(is_negative, reflected, value)
    is_pole = b.logical_and(b.less_equal(x, 0.0), b.equal(b.rint(x), x))
    is_pole = b.logical_or(is_pole, b.equal(b.abs(x), math.inf))
    return b.where(b.isnan(x), x, b.where(is_pole, math.inf, value))


def _near_two(b: DeviceBuilder, x: Value) -> Value:
    down, up = b.const(1.0, FLOAT64), b.const(1.0, FLOAT64)
    for _ in range(int(_STIRLING_LEAST) - 2):
        is_above = b.greater_equal(x, 2.5)
        x = b.where(is_above, b.sub(x, 1.0), x)
        down = b.where(is_above, b.mul(down, x), down)
    for _ in range(2):
        is_below = b.less(x, 1.5)
        up = b.where(is_below, b.mul(up, x), up)
        x = b.where(is_below, b.add(x, 1.0), x)
    z = b.sub(x, 2.0)
    return b.add(b.mul(z, polynomial(b, z, _GAMMALN_SERIES)), b.sub(log(b, down), log(b, up)))


def _stirling(b: DeviceBuilder, x: Value) -> Value:
    x = b.maximum(x, 1.0)
    inverse = b.div(1.0, x)
    series = b.mul(inverse, polynomial(b, b.mul(inverse, inverse), _STIRLING))
    main = b.sub(b.mul(b.sub(x, 0.5), b.sub(log(b, x), 1.0)), 0.5)
    return b.add(main, b.add(series, 0.5 * math.log(2 * math.pi)))


# --- remainders ------------------------------------------------------------------------------------------------------

_BITS_A_TURN = 11
"""As many as a 53-bit number can be shifted within 64 bits."""


def remainder(b: DeviceBuilder, x: Value, y: Value) -> Value:
    """C's `fmod`: with x = M 2ᵉ and y = N 2ᶠ, M 2ᵉ⁻ᶠ modulo N, a few bits at a time."""
    dtype = x.dtype
    wide_x, wide_y = b.abs(b.cast(x, FLOAT64)), b.abs(b.cast(y, FLOAT64))
    m, exponent = _whole_parts(b, wide_x)
    n, own = _whole_parts(b, wide_y)
    n = b.where(b.equal(n, 0), b.const(1, UINT64), n)
    rest = b.variable(_modulo(b, m, n))
    places = b.sub(exponent, own)
    with b.loop(b.const(0), places, _BITS_A_TURN) as done:
        bits = b.minimum(b.sub(places, done), _BITS_A_TURN)
        rest.set(_modulo(b, b.shift_left(rest.get(), b.bitcast(bits, UINT64)), n))
    own = b.sub(own, _BIAS + _MANTISSA_BITS)
    half = b.shift_right(own, 1)
    value = b.mul(b.cast(rest.get(), FLOAT64), b.power_of_two(half))
    value = b.mul(value, b.power_of_two(b.sub(own, half)))
    value = b.where(b.less(wide_x, wide_y), wide_x, value)
    has_some = b.logical_and(b.less(wide_x, math.inf), b.greater(wide_y, 0.0))
    has_some = b.logical_and(has_some, b.logical_not(b.isnan(wide_y)))
    value = b.where(has_some, value, math.nan)
    return b.copysign(b.cast(value, dtype), x)


def _whole_parts(b: DeviceBuilder, x: Value) -> tuple[Value, Value]:
    """The significand of x >= 0 as an integer, and its exponent, which is at least 1."""
    bits = b.bitcast(x, UINT64)
    exponent = b.bitcast(b.shift_right(bits, _MANTISSA_BITS), INDEX)
    hidden = b.where(b.equal(exponent, 0), b.const(0, UINT64), 1 << _MANTISSA_BITS)
    significand = b.bit_or(b.bit_and(bits, (1 << _MANTISSA_BITS) - 1), hidden)
    return significand, b.maximum(exponent, 1)


def _modulo(b: DeviceBuilder, x: Value, y: Value) -> Value:
    return b.result(f"urem {x.typed}, {y.name}", UINT64)


# --- all of them -----------------------------------------------------------------------------------------------------


def _in_float64(function: Function) -> Function:
    def widened(b: DeviceBuilder, *values: Value) -> Value:
        return b.cast(function(b, *(b.cast(v, FLOAT64) for v in values)), values[0].dtype)

    return widened


FUNCTIONS: dict[str, Function] = {
    name: _in_float64(function)
    for name, function in {
        "log2": _log_to_base(_LOG2_E),
        "log10": _log_to_base(_LOG10_E),
        "pow": _power,
        "sin": lambda b, x: large_circular(b, x, 0),
        "cos": lambda b, x: large_circular(b, x, 1),
        "tan": tan,
        "asin": arcsin,
        "acos": arccos,
        "atan": arctan,
        "atan2": arctan2,
        "sinh": _sinh,
        "cosh": _cosh,
        "asinh": _arcsinh,
        "acosh": _arccosh,
        "atanh": _arctanh,
        "cbrt": _cbrt,
        "hypot": _hypot,
        "lgamma": _gammaln,
    }.items()
}
"""By the C library's names, as `DeviceBuilder.per_lane_call` uses them. Sines are for large arguments."""
