"""Less common functions: those of the C library, the inverse error function, and the digamma function.

They are computed from exponentials and logarithms, with errors of a few units in the last place. Coefficients of the
error function and its inverse are those of minimax polynomials, computed by the Remez algorithm with 60 digits.
"""

from __future__ import annotations

import math

import numpy as np

from lamina.compiler.llvm._builder import Builder
from lamina.compiler.llvm._vector_math import cos, exp, expm1, log, log1p, polynomial, sin, small_sum
from lamina.compiler.llvm.values import FLOAT32, FLOAT64, Value
from lamina.primitives.elementary import LOG_2, format_of, parts

_LARGE = 2.0**27
"""From here on, x² + 1 rounds to x²."""
_LARGE_EXPONENT = 80.0
"""Beyond this, exp(-x) is negligible beside exp(x). exp(x) is computed as the square of exp(x / 2), since it may
overflow where its half does not."""
_LOG2_E = "1.44269504088896340735992468100189213742664595415299"
_LOG10_E = "0.434294481903251827651128918916605082294397005803667"
# log Γ(2 + z) = (1 - γ) z + Σ (-1)ᵏ (ζ(k) - 1) / k · zᵏ from k = 2 on
_GAMMALN_SERIES = (
    0.42278433509846713939, 0.322467033424113218, -0.0673523010531980951, 0.0205808084277845479,
    -0.00738555102867398527, 0.00289051033074152329, -0.00119275391170326098, 0.000509669524743042422,
    -0.00022315475845357938, 0.0000994575127818085337, -0.0000449262367381331417, 0.0000205072127756706916,
    -9.4394882752683959e-6, 4.3748667899074878e-6, -2.03921575380136624e-6, 9.55141213040741983e-7,
    -4.49246919876456604e-7, 2.12071848055546659e-7, -1.00432248239680996e-7, 4.76981016936398057e-8,
    -2.27110946089431649e-8, 1.08386592148969541e-8, -5.18347504197004666e-9, 2.48367454380247832e-9,
    -1.19214014058609121e-9, 5.73136724167886201e-10, -2.75952288512423315e-10, 1.33047643742444895e-10,
    -6.42296456383810002e-11,
)  # fmt: skip
_STIRLING_LEAST = 10.0
# Bernoulli numbers B₂ₙ / (2n (2n - 1)) of Stirling's series
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


# --- logarithms in two parts -------------------------------------------------------------------------------------


def _two_part_log(b: Builder, x: Value) -> tuple[Value, Value]:
    """The logarithm of a positive finite x as the sum of two floats.

    The relative error is about 2⁻⁵⁹ (float32: 2⁻³⁰). The method is that of `log`, but the quotient s and the sum also
    have two parts.
    """
    f = format_of(x)
    is_small = b.less(x, float(np.finfo(x.dtype).tiny))
    bits = b.bitcast(b.where(is_small, b.mul(x, 2.0**54), x), f.integer)
    root_half = int(np.asarray(math.sqrt(0.5), x.dtype).view(f.integer))
    exponent = b.shift_right(b.sub(bits, root_half), f.mantissa_bits)
    m = b.bitcast(b.sub(bits, b.shift_left(exponent, f.mantissa_bits)), x.dtype)
    e = b.cast(b.sub(exponent, b.where(is_small, b.const(54, f.integer), 0)), x.dtype)
    fraction = b.sub(m, 1.0)
    divisor = b.add(fraction, 2.0)
    lost = b.sub(fraction, b.sub(divisor, 2.0))
    inverse = b.div(1.0, divisor)
    s = b.mul(fraction, inverse)
    rest = b.sub(b.fma(b.neg(s), divisor, fraction), b.mul(s, lost))
    s_low = b.mul(rest, inverse)
    z = b.mul(s, s)
    tail = b.mul(b.mul(s, z), polynomial(b, z, f.log))
    tail = b.add(tail, b.mul(b.add(s_low, s_low), b.add(z, 1.0)))
    log_2, log_2_low = parts(LOG_2, x.dtype, 2)
    whole, whole_low = _exact_product(b, e, b.const(log_2, x.dtype))
    high, error = _exact_sum(b, whole, b.add(s, s))
    return small_sum(b, high, b.add(error, b.fma(e, log_2_low, b.add(tail, whole_low))))


def _exact_product(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    """The rounded product of x and y, and its rounding error."""
    product = b.mul(x, y)
    return product, b.fma(x, y, b.neg(product))


def _exact_sum(b: Builder, x: Value, y: Value) -> tuple[Value, Value]:
    """The rounded sum of x and y, and its rounding error (Knuth's algorithm)."""
    total = b.add(x, y)
    part = b.sub(total, x)
    return total, b.add(b.sub(x, b.sub(total, part)), b.sub(y, part))


def _log_to_base(b: Builder, x: Value, factor: str) -> Value:
    high, low = _two_part_log(b, x)
    large, small = parts(factor, x.dtype, 2)
    product, error = _exact_product(b, high, b.const(large, x.dtype))
    value = b.add(product, b.add(error, b.fma(high, small, b.mul(low, large))))
    value = b.where(b.less(x, math.inf), value, x)  # infinity and NaN stay
    value = b.where(b.equal(x, 0.0), -math.inf, value)
    return b.where(b.less(x, 0.0), math.nan, value)


def log2(b: Builder, x: Value) -> Value:
    """log2(x), computed as the natural logarithm in two parts, times log2(e)."""
    return _log_to_base(b, x, _LOG2_E)


def log10(b: Builder, x: Value) -> Value:
    """log10(x), computed as the natural logarithm in two parts, times log10(e)."""
    return _log_to_base(b, x, _LOG10_E)


def power(b: Builder, x: Value, y: Value) -> Value:
    """xʸ, computed as exp(y log |x|) with the logarithm in two parts; x·x for y = 2. Special values are as in C."""
    f, magnitude = format_of(x), b.abs(x)
    high, low = _two_part_log(b, magnitude)
    product, error = _exact_product(b, y, high)
    error = b.add(error, b.mul(y, low))
    value = exp(b, product)
    is_normal = b.logical_and(b.less(value, math.inf), b.greater(value, 0.0))
    value = b.where(is_normal, b.fma(value, error, value), value)
    # Whether an endless result is infinity, not 0.
    grows = b.equal(b.greater(magnitude, 1.0), b.greater(y, 0.0))
    is_endless = b.logical_or(b.equal(b.abs(y), math.inf), b.equal(magnitude, math.inf))
    is_endless = b.logical_or(is_endless, b.equal(magnitude, 0.0))
    value = b.where(is_endless, b.where(grows, b.const(math.inf, x.dtype), 0.0), value)
    half = b.mul(y, 0.5)
    is_whole = b.equal(b.rint(y), y)
    of_whole = b.logical_and(b.logical_and(is_whole, b.greater_equal(y, 0.0)), b.equal(b.rint(x), x))
    value = b.where(b.logical_and(of_whole, b.less(value, 2.0**f.mantissa_bits)), b.rint(value), value)
    is_odd = b.logical_and(is_whole, b.not_equal(b.floor(half), half))
    is_odd = b.logical_and(is_odd, b.less(b.abs(y), 2.0 ** (f.mantissa_bits + 1)))
    is_negative = b.less(b.copysign(b.const(1.0, x.dtype), x), 0.0)
    value = b.where(b.logical_and(is_negative, is_odd), b.neg(value), value)
    has_none = b.logical_and(b.less(x, 0.0), b.logical_not(is_whole))
    value = b.where(b.logical_and(has_none, b.less(magnitude, math.inf)), math.nan, value)
    value = b.where(b.equal(y, 1.0), x, b.where(b.equal(y, 2.0), b.mul(x, x), value))
    value = b.where(b.logical_or(b.isnan(x), b.isnan(y)), math.nan, value)
    both_one = b.logical_and(b.equal(magnitude, 1.0), b.equal(b.abs(y), math.inf))
    is_one = b.logical_or(b.logical_or(b.equal(y, 0.0), b.equal(x, 1.0)), both_one)
    return b.where(is_one, 1.0, value)


# --- hyperbolic functions, roots -----------------------------------------------------------------------------------


def sinh(b: Builder, x: Value) -> Value:
    """sinh(x), computed with expm1(x); for large x with exp(x / 2), which doesn't overflow before the result does."""
    magnitude = b.abs(x)
    is_large = b.greater(magnitude, _LARGE_EXPONENT)
    growth = expm1(b, b.where(is_large, b.mul(magnitude, 0.5), magnitude))
    value = b.mul(b.add(growth, b.div(growth, b.add(growth, 1.0))), 0.5)
    return b.copysign(b.where(is_large, b.mul(b.mul(growth, 0.5), growth), value), x)


def cosh(b: Builder, x: Value) -> Value:
    """cosh(x), computed with exp(x); for large x with exp(x / 2), which doesn't overflow before the result does."""
    magnitude = b.abs(x)
    is_large = b.greater(magnitude, _LARGE_EXPONENT)
    growth = exp(b, b.where(is_large, b.mul(magnitude, 0.5), magnitude))
    value = b.mul(b.add(growth, b.div(1.0, growth)), 0.5)
    return b.where(is_large, b.mul(b.mul(growth, 0.5), growth), value)


def arcsinh(b: Builder, x: Value) -> Value:
    """arcsinh(x), computed with log1p; log(2 x) for large x."""
    a = b.abs(x)
    square = b.mul(a, a)
    small = b.add(a, b.div(square, b.add(b.sqrt(b.add(square, 1.0)), 1.0)))
    value = b.where(b.less(a, 2.0**-30), a, _log_of_doubled(b, a, small))
    return b.where(b.isnan(x), x, b.copysign(value, x))


def arccosh(b: Builder, x: Value) -> Value:
    """arccosh(x), computed with log1p; log(2 x) for large x, NaN below 1."""
    t = b.sub(x, 1.0)
    small = b.add(t, b.sqrt(b.add(b.add(t, t), b.mul(t, t))))
    return b.where(b.less(x, 1.0), math.nan, _log_of_doubled(b, x, small))


def _log_of_doubled(b: Builder, x: Value, small: Value) -> Value:
    """log1p(small) where x is small; log(2 x) where x is large."""
    is_small = b.less(x, _LARGE)
    value = log1p(b, b.where(is_small, small, b.sub(x, 1.0)))
    return b.where(is_small, value, b.add(value, math.log(2)))


def arctanh(b: Builder, x: Value) -> Value:
    """The inverse hyperbolic tangent, computed as log1p(2a / (1 − a)) / 2 for a = |x|."""
    a = b.abs(x)
    value = b.mul(log1p(b, b.div(b.add(a, a), b.sub(1.0, a))), 0.5)
    value = b.where(b.greater(a, 1.0), math.nan, value)
    return b.where(b.isnan(x), x, b.copysign(value, x))


def cbrt(b: Builder, x: Value) -> Value:
    """The cube root, computed as exp(log(x) / 3) with one step of Newton's method."""
    a = b.abs(x)
    root = exp(b, b.mul(log(b, a), 1 / 3))
    root = b.sub(root, b.mul(b.sub(root, b.div(a, b.mul(root, root))), 1 / 3))
    is_usual = b.logical_and(b.greater(a, 0.0), b.less(a, math.inf))
    return b.where(is_usual, b.copysign(root, x), x)


def hypot(b: Builder, x: Value, y: Value) -> Value:
    """√(x² + y²) without overflow, from the ratio of the smaller magnitude to the larger."""
    x, y = b.abs(x), b.abs(y)
    larger, smaller = b.maximum(x, y), b.minimum(x, y)
    ratio = b.div(smaller, larger)
    value = b.mul(larger, b.sqrt(b.multiply_add(ratio, ratio, 1.0)))
    value = b.where(b.equal(larger, 0.0), larger, value)
    is_endless = b.logical_or(b.equal(x, math.inf), b.equal(y, math.inf))
    return b.where(is_endless, math.inf, value)


# --- log of the gamma function -------------------------------------------------------------------------------------


def gammaln(b: Builder, x: Value) -> Value:
    """log |gamma(x)|.

    Negative arguments use the reflection formula. Arguments below 10 are moved to [1.5, 2.5) by the recurrence, and a
    series is used there. Larger arguments use Stirling's series.
    """
    is_negative = b.less(x, 0.0)
    positive = b.where(is_negative, b.sub(1.0, x), x)
    value = b.where(b.less(positive, _STIRLING_LEAST), _near_two(b, positive), _stirling(b, positive))
    angle = b.mul(b.sub(x, b.rint(x)), math.pi)
    reflected = b.sub(math.log(math.pi), b.add(log(b, b.abs(sin(b, angle))), value))
    value = b.where(is_negative, reflected, value)
    is_pole = b.logical_and(b.less_equal(x, 0.0), b.equal(b.rint(x), x))
    is_pole = b.logical_or(is_pole, b.equal(b.abs(x), math.inf))
    return b.where(b.isnan(x), x, b.where(is_pole, math.inf, value))


def _near_two(b: Builder, x: Value) -> Value:
    down, up = b.const(1.0, x.dtype), b.const(1.0, x.dtype)
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


def _stirling(b: Builder, x: Value) -> Value:
    x = b.maximum(x, 1.0)
    inverse = b.div(1.0, x)
    series = b.mul(inverse, polynomial(b, b.mul(inverse, inverse), _STIRLING))
    main = b.sub(b.mul(b.sub(x, 0.5), b.sub(log(b, x), 1.0)), 0.5)
    return b.add(main, b.add(series, 0.5 * math.log(2 * math.pi)))


# --- the error function and its inverse, digamma -------------------------------------------------------------------

# erf(x) / x in x², |x| <= 1
_ERF_SMALL = {
    FLOAT32: (
        1.128379166, -0.3761262583, 0.1128358515, -0.02685381185, 0.00518832732, -0.0008010189247, 7.853844046e-5,
    ),
    FLOAT64: (
        1.12837916709551257, -0.376126389031837476, 0.112837916709548575, -0.0268661706450728912,
        0.00522397762478083465, -0.000854832697874056762, 0.000120553310368466683, -0.000014925593505766363,
        1.64609728011907177e-6, -1.63500250762238812e-7, 1.46578789898888785e-8, -1.13656631366284934e-9,
        5.94525769394154252e-11,
    ),
}  # fmt: skip
# -log(1 - erf(x)) in x - 1, 1 <= x <= highest, where erf is 1
_ERF_HIGHEST = {FLOAT32: 4.0, FLOAT64: 6.0}
_ERF_LARGE = {
    FLOAT32: (
        1.84960551, 2.638967516, 0.843107065, 0.04156355027, -0.01004658643, 0.002012095572, -0.0002895876321,
        2.169726202e-5,
    ),
    FLOAT64: (
        1.84960550993324825, 2.63896751423479126, 0.843107256358485581, 0.0415610980465055614, -0.0100338254337105294,
        0.00197790301237117877, -0.000237324637571474151, -0.0000262707078485402657, 0.0000271421292666585678,
        -9.5794095535385552e-6, 2.02152157362093283e-6, -1.05368484840807573e-7, -1.25519340767925932e-7,
        6.79072654907602701e-8, -2.17192718637993435e-8, 5.04270580382298674e-9, -8.76144230818366332e-10,
        1.11707238308640436e-10, -9.88529615496081758e-12, 5.41946406510858486e-13, -1.38385473177791211e-14,
    ),
}  # fmt: skip
# erfinv(x) / x with w = -log(1 - x²): in w - 2.5 up to w = 5, then in sqrt(w) - 3.218
_ERFINV_CENTER = (
    1.501409359, 0.2466402862, -0.00417738678, -0.001252741884, 0.0002183444394, -4.963344608e-6, -3.462704843e-6,
    4.661699468e-7, 2.32326565e-8, -8.791003859e-9,
)  # fmt: skip
_ERFINV_TAIL = (
    3.051756895, 1.004901165, 0.005754602744, -0.004050337846, 0.002724031037, -0.002021203591, 0.001155522094,
    -0.0001610523914, -0.0001216110042,
)  # fmt: skip
_ERFINV_TAIL_MIDDLE = 3.21803398874989485
# of the asymptotic series log x - 1/(2x) - 1/(12x²) + …: Bernoulli numbers B₂ₙ / 2n
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_DIGAMMA_LEAST = 10.0


def erf(b: Builder, x: Value) -> Value:
    """The error function: a polynomial for |x| <= 1, and 1 - exp(-p(|x|)) with a polynomial p for larger |x|."""
    magnitude = b.abs(x)
    small = b.mul(x, polynomial(b, b.mul(x, x), _ERF_SMALL[x.dtype]))
    large = b.copysign(b.sub(1.0, _complement(b, magnitude)), x)
    return b.where(b.less(magnitude, 1.0), small, large)


def _complement(b: Builder, x: Value) -> Value:
    """1 - erf(x) for x >= 1."""
    offset = b.sub(b.minimum(x, _ERF_HIGHEST[x.dtype]), 1.0)
    return exp(b, b.neg(polynomial(b, offset, _ERF_LARGE[x.dtype])))


def erfinv(b: Builder, x: Value) -> Value:
    """The inverse of erf on [-1, 1], else NaN: polynomials (Giles, 2010) and a step of Halley's method, in float64."""
    magnitude = b.abs(x)
    complement = b.sub(1.0, magnitude)
    w = b.neg(log(b, b.mul(complement, b.add(1.0, magnitude))))
    center = polynomial(b, b.sub(w, 2.5), _ERFINV_CENTER)
    tail = polynomial(b, b.sub(b.sqrt(w), _ERFINV_TAIL_MIDDLE), _ERFINV_TAIL)
    y = b.mul(magnitude, b.where(b.less(w, 5.0), center, tail))
    excess = b.where(
        b.less(y, 1.0), b.sub(erf(b, y), magnitude), b.sub(complement, _complement(b, b.maximum(y, 1.0)))
    )
    slope = b.mul(exp(b, b.neg(b.mul(y, y))), 2 / math.sqrt(math.pi))
    newton = b.div(excess, slope)
    y = b.sub(y, b.div(newton, b.multiply_add(y, newton, 1.0)))
    y = b.where(b.equal(magnitude, 1.0), math.inf, y)
    y = b.where(b.greater(magnitude, 1.0), math.nan, y)
    return b.copysign(y, x)


def digamma(b: Builder, x: Value) -> Value:
    """The logarithmic derivative of the gamma function, computed in float64; NaN at the negative integers.

    Negative arguments use the reflection formula. Arguments below 10 are moved to 10 and above by the recurrence, where
    the asymptotic series is used.
    """
    negative = b.less(x, 0.0)
    positive = b.where(negative, b.sub(1.0, x), x)
    total = b.const(0.0, FLOAT64, x.lanes)
    for _ in range(int(_DIGAMMA_LEAST)):
        low = b.less(positive, _DIGAMMA_LEAST)
        total = b.where(low, b.sub(total, b.div(1.0, positive)), total)
        positive = b.where(low, b.add(positive, 1.0), positive)
    inverse = b.div(1.0, positive)
    square = b.mul(inverse, inverse)
    series = b.multiply_add(square, polynomial(b, square, _DIGAMMA), b.mul(inverse, 0.5))
    value = b.add(total, b.sub(log(b, positive), series))
    value = b.where(negative, b.sub(value, _reflection(b, x)), value)
    value = b.where(b.equal(x, math.inf), x, value)
    pole = b.copysign(b.const(math.inf, FLOAT64, x.lanes), b.neg(x))
    return b.where(b.equal(x, 0.0), pole, value)


def _reflection(b: Builder, x: Value) -> Value:
    """pi / tan(pi x), computed from the fractional part of x; NaN at the poles of the digamma function."""
    fraction = b.sub(x, b.rint(x))
    angle = b.mul(fraction, math.pi)
    value = b.div(b.mul(cos(b, angle), math.pi), sin(b, angle))
    return b.where(b.equal(fraction, 0.0), math.nan, value)
