"""Exponentials, logarithms and circular functions as vector code, for float32 and float64.

Each reduces its argument to a small interval and evaluates a minimax polynomial there (coefficients by Remez'
algorithm in 60 digits). Errors are at most 2 units in the last place. NaN, infinities and signed zeros come out as
in NumPy; denormal arguments may count as zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.compiler.llvm._builder import Builder
from lamina.compiler.llvm.values import FLOAT32, DType, Value

__all__ = [
    "LOG_SERIES",
    "cos",
    "exp",
    "expm1",
    "expm1_core",
    "log",
    "log1p",
    "polynomial",
    "sigmoid",
    "sin",
    "sine_of_parts",
    "tanh",
]


@dataclass(frozen=True)
class _Format:
    """A floating-point format, and the polynomials that are as accurate as it."""

    integer: DType
    mantissa_bits: int
    exponent_bias: int
    round_magic: float  # x + magic - magic rounds x to an integer, which is in the sum's lowest bits
    exp_range: tuple[float, float]  # beyond these, exp is 0 or infinite
    expm1_lowest: float  # expm1 is -1 below
    tanh_highest: float  # tanh is 1 above
    circular_limit: float  # larger arguments of sin and cos are left to the C library
    exp: tuple[float, ...]  # (exp(r) - 1 - r) / r², |r| <= log(2) / 2
    log: tuple[float, ...]  # (2 artanh(s) - 2 s) / s³ in s², |s| <= 0.172
    sin: tuple[float, ...]  # (sin(r) - r) / r³ in r², |r| <= pi / 4
    cos: tuple[float, ...]  # (cos(r) - 1 + r² / 2) / r⁴ in r²


_SINGLE = _Format(
    integer=np.dtype(np.int32),
    mantissa_bits=23,
    exponent_bias=127,
    round_magic=1.5 * 2.0**23,
    exp_range=(-104.0, 89.0),
    expm1_lowest=-30.0,
    tanh_highest=10.0,
    circular_limit=2.0**16,
    exp=(0.5000000072, 0.1666666582, 0.04166628033, 0.0083335038, 0.001394575217, 0.0001978924691),
    log=(0.6666666556, 0.4000035626, 0.2853588386, 0.2361064301),
    sin=(-0.1666665347, 0.008332083455, -0.0001950431689),
    cos=(0.04166664438, -0.001388724284, 2.442389906e-5),
)

_DOUBLE = _Format(
    integer=np.dtype(np.int64),
    mantissa_bits=52,
    exponent_bias=1023,
    round_magic=1.5 * 2.0**52,
    exp_range=(-746.0, 710.0),
    expm1_lowest=-50.0,
    tanh_highest=20.0,
    circular_limit=2.0**30,
    exp=(
        0.500000000000000005,
        0.166666666666666851,
        0.041666666666666035,
        0.00833333333331570441,
        0.001388888888913423,
        0.000198412698997254388,
        0.0000248015869037601565,
        2.75572314832653692e-6,
        2.7557592450504988e-7,
        2.51132260216459128e-8,
        2.08256134305365494e-9,
    ),
    log=(
        0.6666666666666666,
        0.400000000000071941,
        0.285714285687837268,
        0.22222222692121419,
        0.181817720542070829,
        0.153872479649448413,
        0.132465892380874578,
        0.13283272427612008,
    ),
    sin=(
        -0.166666666666666666,
        0.00833333333333332001,
        -0.000198412698412519214,
        2.7557319212554843e-6,
        -2.50521044852478618e-8,
        1.60583123352332288e-10,
        -7.57601027663875252e-13,
    ),
    cos=(
        0.0416666666666665816,
        -0.00138888888888709144,
        0.0000248015872874199659,
        -2.75573137425728199e-7,
        2.08756387903157659e-9,
        -1.13552041410280663e-11,
    ),
)

LOG_SERIES = _DOUBLE.log
"""(2 artanh(s) - 2 s) / s³ in s², |s| <= 0.172, for float64."""


def _format(x: Value) -> _Format:
    if x.dtype.kind != "f":
        raise TypeError(f"mathematical functions take floats, not {x.dtype}: cast first")
    return _SINGLE if x.dtype == FLOAT32 else _DOUBLE


def _parts(value: str, dtype: DType, count: int) -> list[float]:
    """A constant, given in many digits, as a sum of floats of falling size."""
    from decimal import Decimal, localcontext

    parts: list[float] = []
    with localcontext(prec=60):
        rest = Decimal(value)
        for _ in range(count):
            part = float(dtype.type(float(rest)))
            parts.append(part)
            rest -= Decimal(part)
    return parts


_LOG_2 = "0.693147180559945309417232121458176568075500134360255"
_HALF_PI = "1.57079632679489661923132169163975144209858469968755"


def polynomial(b: Builder, x: Value, coefficients: Sequence[float]) -> Value:
    """c₀ + c₁ x + c₂ x² + …, by Horner's scheme in fused multiply-adds."""
    result = b.const(coefficients[-1], x.dtype, x.lanes)
    for coefficient in reversed(coefficients[:-1]):
        result = b.multiply_add(result, x, coefficient)
    return result


def _nearest_multiple(b: Builder, x: Value, unit: str, parts: int) -> tuple[Value, Value]:
    """n and x - n · unit for the integer n that makes the rest smallest; n as an integer."""
    f = _format(x)
    shifted = b.multiply_add(x, float(1 / float(unit)), f.round_magic)
    n = b.sub(shifted, f.round_magic)
    rest = x
    for part in _parts(unit, x.dtype, parts):
        rest = b.fma(n, -part, rest)
    magic_bits = int(np.asarray(f.round_magic, x.dtype).view(f.integer))
    return b.sub(b.bitcast(shifted, f.integer), magic_bits), rest


def _power_of_two(b: Builder, n: Value, dtype: DType) -> Value:
    """2 to an integer power within the exponents of normal numbers."""
    f = _SINGLE if dtype == FLOAT32 else _DOUBLE
    return b.bitcast(b.shift_left(b.add(n, f.exponent_bias), f.mantissa_bits), dtype)


def exp(b: Builder, x: Value) -> Value:
    """2ⁿ exp(r) with x = n log 2 + r and |r| <= log(2) / 2: exp r is a polynomial."""
    f = _format(x)
    low, high = f.exp_range
    n, r = _nearest_multiple(b, b.maximum(b.minimum(x, high), low), _LOG_2, 2)
    value = b.add(b.multiply_add(b.mul(r, r), polynomial(b, r, f.exp), r), 1.0)
    half = b.shift_right(n, 1)  # in two steps, because 2ⁿ itself may overflow
    value = b.mul(value, _power_of_two(b, half, x.dtype))
    return b.mul(value, _power_of_two(b, b.sub(n, half), x.dtype))


def expm1(b: Builder, x: Value) -> Value:
    """exp(x) - 1 without cancellation near 0, where it keeps the sign of a zero; inf and -1 at the ends."""
    f = _format(x)
    value = expm1_core(b, b.maximum(b.minimum(x, f.exp_range[1]), f.expm1_lowest))
    return b.where(b.equal(x, 0.0), x, value)


def expm1_core(b: Builder, x: Value) -> Value:
    """exp(x) - 1 where it is neither infinite nor -1."""
    n, r = _nearest_multiple(b, x, _LOG_2, 2)
    small = b.multiply_add(b.mul(r, r), polynomial(b, r, _format(x).exp), r)  # exp(r) - 1
    half_scale = _power_of_two(b, b.sub(n, 1), x.dtype)  # 2ⁿ may overflow where the result doesn't
    half = b.multiply_add(half_scale, small, b.sub(half_scale, 0.5))
    return b.add(half, half)


def tanh(b: Builder, x: Value) -> Value:
    """(exp(2|x|) - 1) / (exp(2|x|) + 1), with the sign of x."""
    magnitude = b.minimum(b.abs(x), _format(x).tanh_highest)
    growth = expm1_core(b, b.add(magnitude, magnitude))
    return b.copysign(b.div(growth, b.add(growth, 2.0)), x)


def sigmoid(b: Builder, x: Value) -> Value:
    """1 / (1 + exp(-x))."""
    return b.div(1.0, b.add(exp(b, b.neg(x)), 1.0))


def log(b: Builder, x: Value) -> Value:
    """With x = 2ᵉ m, sqrt(1/2) <= m < sqrt(2), f = m - 1 and s = f / (2 + f): log m = 2 artanh(s).

    It is written as f - (f²/2 - s (f²/2 + R)), as in fdlibm: the large term f is exact.
    """
    f = _format(x)
    root_half_bits = int(np.asarray(math.sqrt(0.5), x.dtype).view(f.integer))
    bits = b.bitcast(x, f.integer)
    e = b.shift_right(b.sub(bits, root_half_bits), f.mantissa_bits)
    m = b.bitcast(b.sub(bits, b.shift_left(e, f.mantissa_bits)), x.dtype)
    e = b.cast(e, x.dtype)
    fraction = b.sub(m, 1.0)
    s = b.div(fraction, b.add(fraction, 2.0))
    z = b.mul(s, s)
    half_square = b.mul(b.mul(fraction, 0.5), fraction)
    high, low = _parts(_LOG_2, x.dtype, 2)
    small = b.mul(s, b.multiply_add(z, polynomial(b, z, f.log), half_square))
    correction = b.sub(half_square, b.multiply_add(e, low, small))
    value = b.multiply_add(e, high, b.sub(fraction, correction))
    value = b.where(b.less(x, math.inf), value, x)  # infinity and NaN stay
    beyond = b.where(b.less(x, 0.0), b.const(math.nan, x.dtype, x.lanes), -math.inf)
    return b.where(b.less(x, float(np.finfo(x.dtype).smallest_normal)), beyond, value)


def log1p(b: Builder, x: Value) -> Value:
    """log(u) + (x - (u - 1)) / u with u = 1 + x rounded: the second term is what rounding u lost."""
    u = b.add(x, 1.0)
    lost = b.div(b.sub(x, b.sub(u, 1.0)), u)
    value = b.add(log(b, u), lost)
    value = b.where(b.less(x, math.inf), value, x)
    value = b.where(b.equal(x, -1.0), -math.inf, value)
    return b.where(b.equal(x, 0.0), x, value)


def sin(b: Builder, x: Value) -> Value:
    """The sine; of a zero that very zero."""
    return b.where(b.equal(x, 0.0), x, _circular(b, x, 0, "sin"))


def cos(b: Builder, x: Value) -> Value:
    """The cosine: the sine a quarter turn on."""
    return _circular(b, x, 1, "cos")


def _circular(b: Builder, x: Value, quarter_turns: int, name: str) -> Value:
    """The sine of x plus a number of quarter turns."""
    f = _format(x)
    n, r = _nearest_multiple(b, x, _HALF_PI, 3)
    value = sine_of_parts(b, b.add(n, quarter_turns), r)
    fits = b.less(b.abs(x), f.circular_limit)
    result = b.variable(value)
    with b.if_(b.logical_not(b.reduce_all(fits))):
        result.set(b.where(fits, value, b.rare_call(name, x)))
    return result.get()


def sine_of_parts(b: Builder, quadrant: Value, r: Value) -> Value:
    """The sine of a number of quarter turns (an integer) plus r, |r| <= pi / 4."""
    f = _format(r)
    z = b.mul(r, r)
    sine = b.multiply_add(b.mul(r, z), polynomial(b, z, f.sin), r)
    cosine = b.multiply_add(b.mul(z, z), polynomial(b, z, f.cos), b.multiply_add(z, -0.5, 1.0))
    value = b.where(b.not_equal(b.bit_and(quadrant, 1), 0), cosine, sine)
    return b.where(b.not_equal(b.bit_and(quadrant, 2), 0), b.neg(value), value)
