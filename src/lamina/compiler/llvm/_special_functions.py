"""The error function and its inverse, and the digamma function, as vector code.

Coefficients are those of minimax polynomials, computed by the Remez algorithm with 60 digits.
"""

from __future__ import annotations

import math

from lamina.compiler.llvm._builder import Builder
from lamina.compiler.llvm._vector_math import cos, exp, log, polynomial, sin
from lamina.compiler.llvm.values import FLOAT32, FLOAT64, Value

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
    """The inverse of erf on [-1, 1]; NaN outside.

    An initial value from polynomials (after Giles, 2010) is improved by one step of Halley's method, in float64.
    """
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
