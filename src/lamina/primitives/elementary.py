"""Exponentials, logarithms and trigonometric functions, with one implementation for generated code and NumPy.

Each function reduces its argument to a small interval and evaluates a minimax polynomial there, whose coefficients were
computed by the Remez algorithm in 60 digits. The argument `b` is a code generator's builder, or:

* `Unfused(builder)`, which rounds each product before adding it, even where a fused instruction exists;
* `ARRAYS`, which has a builder's methods for NumPy arrays, and rounds like `Unfused`.

`Unfused` and `ARRAYS` give the same bits on every machine, since each operation is rounded separately, by IEEE 754.
Errors are at most 2 units in the last place with fused operations, and a few units without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Format:
    """A floating-point format, with polynomials of matching accuracy for each function."""

    integer: np.dtype
    mantissa_bits: int
    exponent_bias: int
    round_magic: float  # x + magic - magic rounds x to an integer, which is in the sum's lowest bits
    exp_range: tuple[float, float]  # outside these bounds exp is 0 or infinite
    expm1_lowest: float  # below this, expm1 is -1
    tanh_highest: float  # above this, tanh is 1
    circular_limit: float  # sin and cos of larger arguments are computed by the C library
    exp: tuple[float, ...]  # (exp(r) - 1 - r) / r², |r| <= log(2) / 2
    log: tuple[float, ...]  # (2 artanh(s) - 2 s) / s³ in s², |s| <= 0.172
    sin: tuple[float, ...]  # (sin(r) - r) / r³ in r², |r| <= pi / 4
    cos: tuple[float, ...]  # (cos(r) - 1 + r² / 2) / r⁴ in r²


_SINGLE = Format(
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

_DOUBLE = Format(
    integer=np.dtype(np.int64),
    mantissa_bits=52,
    exponent_bias=1023,
    round_magic=1.5 * 2.0**52,
    exp_range=(-746.0, 710.0),
    expm1_lowest=-50.0,
    tanh_highest=20.0,
    circular_limit=2.0**30,
    exp=(
        0.500000000000000005, 0.166666666666666851, 0.041666666666666035, 0.00833333333331570441,
        0.001388888888913423, 0.000198412698997254388, 0.0000248015869037601565, 2.75572314832653692e-6,
        2.7557592450504988e-7, 2.51132260216459128e-8, 2.08256134305365494e-9,
    ),
    log=(
        0.6666666666666666, 0.400000000000071941, 0.285714285687837268, 0.22222222692121419, 0.181817720542070829,
        0.153872479649448413, 0.132465892380874578, 0.13283272427612008,
    ),
    sin=(
        -0.166666666666666666, 0.00833333333333332001, -0.000198412698412519214, 2.7557319212554843e-6,
        -2.50521044852478618e-8, 1.60583123352332288e-10, -7.57601027663875252e-13,
    ),
    cos=(
        0.0416666666666665816, -0.00138888888888709144, 0.0000248015872874199659, -2.75573137425728199e-7,
        2.08756387903157659e-9, -1.13552041410280663e-11,
    ),
)  # fmt: skip


def format_of(x: Any) -> Format:
    """The format of a float32 or float64 array or value; raises `TypeError` for other dtypes."""
    if x.dtype.kind != "f":
        raise TypeError(
            f"mathematical functions take floats, not {x.dtype}; convert with astype('float32') first"
        )
    return _SINGLE if x.dtype == np.float32 else _DOUBLE


def parts(value: str, dtype: np.dtype, count: int) -> list[float]:
    """A constant, with many digits in `value`, as a sum of `count` floats of decreasing magnitude."""
    from decimal import Decimal, localcontext

    parts: list[float] = []
    with localcontext(prec=60):
        rest = Decimal(value)
        for _ in range(count):
            part = float(dtype.type(float(rest)))
            parts.append(part)
            rest -= Decimal(part)
    return parts


def _halves(value: float, dtype: np.dtype) -> tuple[float, float]:
    """A float as the sum of two floats, the upper bits and the last 12 bits."""
    mantissa, exponent = math.frexp(value)
    bits = np.finfo(dtype).nmant + 1 - 12
    high = math.ldexp(round(math.ldexp(mantissa, bits)), exponent - bits)
    return high, value - high


LOG_2 = "0.693147180559945309417232121458176568075500134360255"
HALF_PI = "1.57079632679489661923132169163975144209858469968755"


def polynomial(b: Any, x: Any, coefficients: Sequence[float]) -> Any:
    """The polynomial c₀ + c₁ x + c₂ x² + …, by Horner's scheme in multiply-adds."""
    result: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = b.multiply_add(x, result, coefficient)
    return result


def nearest_multiple(b: Any, x: Any, unit: str, count: int) -> tuple[Any, Any]:
    """The integer n nearest to x / unit, and x - n · unit, where the unit is a sum of `count` floats."""
    f = format_of(x)
    shifted = b.multiply_add(x, float(1 / float(unit)), f.round_magic)
    n = b.sub(shifted, f.round_magic)
    rest = x
    for part in parts(unit, x.dtype, count):
        rest = b.fma(n, -part, rest)
    magic_bits = int(np.asarray(f.round_magic, x.dtype).view(f.integer))
    return b.sub(b.bitcast(shifted, f.integer), magic_bits), rest


def power_of_two(b: Any, n: Any, dtype: np.dtype) -> Any:
    """2ⁿ for an integer n in the exponent range of normal floats."""
    f = _SINGLE if dtype == np.float32 else _DOUBLE
    return b.bitcast(b.shift_left(b.add(n, f.exponent_bias), f.mantissa_bits), dtype)


def exp(b: Any, x: Any) -> Any:
    """exp x = 2ⁿ exp r with x = n log 2 + r and |r| <= log(2) / 2, where exp r is computed by a polynomial."""
    f = format_of(x)
    low, high = f.exp_range
    n, r = nearest_multiple(b, b.maximum(b.minimum(x, high), low), LOG_2, 2)
    value = b.add(b.multiply_add(b.mul(r, r), polynomial(b, r, f.exp), r), 1.0)
    half = b.shift_right(n, 1)  # in two steps, since 2ⁿ may overflow
    value = b.mul(value, power_of_two(b, half, x.dtype))
    return b.mul(value, power_of_two(b, b.sub(n, half), x.dtype))


def log(b: Any, x: Any) -> Any:
    """log x = e log 2 + 2 artanh(s), where x = 2ᵉ m, sqrt(1/2) <= m < sqrt(2), f = m - 1, s = f / (2 + f).

    As in fdlibm, 2 artanh(s) is computed as f - (f²/2 - s (f²/2 + R)), where the large term f is exact.
    """
    f = format_of(x)
    root_half_bits = int(np.asarray(math.sqrt(0.5), x.dtype).view(f.integer))
    bits = b.bitcast(x, f.integer)
    e = b.shift_right(b.sub(bits, root_half_bits), f.mantissa_bits)
    m = b.bitcast(b.sub(bits, b.shift_left(e, f.mantissa_bits)), x.dtype)
    e = b.cast(e, x.dtype)
    fraction = b.sub(m, 1.0)
    s = b.div(fraction, b.add(fraction, 2.0))
    z = b.mul(s, s)
    half_square = b.mul(b.mul(fraction, 0.5), fraction)
    high, low = parts(LOG_2, x.dtype, 2)
    small = b.mul(s, b.multiply_add(z, polynomial(b, z, f.log), half_square))
    correction = b.sub(half_square, b.multiply_add(e, low, small))
    value = b.multiply_add(e, high, b.sub(fraction, correction))
    value = b.where(b.less(x, math.inf), value, x)  # infinity and NaN are kept
    value = b.where(b.less(x, float(np.finfo(x.dtype).smallest_normal)), -math.inf, value)
    return b.where(b.less(x, 0.0), math.nan, value)


def sine_of_parts(b: Any, quadrant: Any, r: Any) -> Any:
    """The sine of `quadrant` quarter turns plus r, where |r| <= pi / 4."""
    f = format_of(r)
    z = b.mul(r, r)
    sine = b.multiply_add(b.mul(r, z), polynomial(b, z, f.sin), r)
    cosine = b.multiply_add(b.mul(z, z), polynomial(b, z, f.cos), b.multiply_add(z, -0.5, 1.0))
    value = b.where(b.not_equal(b.bit_and(quadrant, 1), 0), cosine, sine)
    return b.where(b.not_equal(b.bit_and(quadrant, 2), 0), b.neg(value), value)


def cosine_of_turns(b: Any, x: Any) -> Any:
    """cos 2πx, with an exact reduction of x by quarter turns."""
    quarters = b.mul(x, 4.0)
    n = b.rint(quarters)
    quadrant = b.add(b.cast(n, format_of(x).integer), 1)
    return sine_of_parts(b, quadrant, b.mul(b.sub(quarters, n), math.pi / 2))


def expm1_by_log(b: Any, x: Any) -> Any:
    """exp(x) - 1 from exp and log alone, where log(1 + u) cancels the rounding error of u = exp(x) - 1 (Kahan)."""
    power = exp(b, x)
    less_one = b.sub(power, 1.0)
    corrected = b.mul(less_one, b.div(x, log(b, power)))
    value = b.where(b.less(power, math.inf), corrected, less_one)
    value = b.where(b.less(power, float(np.finfo(x.dtype).eps)), less_one, value)
    return b.where(b.equal(less_one, 0.0), x, value)


class Unfused:
    """A builder without fused multiply-adds."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._builder, name)

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """x · y + z, with the product rounded before the addition."""
        return self.add(self.mul(x, y), z)

    def fma(self, x: Any, y: float, z: Any) -> Any:
        """x · y + z for an integer x with few bits; the products of x with the two `_halves` of y are exact."""
        high, low = _halves(y, x.dtype)
        return self.add(self.mul(x, low), self.add(self.mul(x, high), z))


class _Arrays(Unfused):
    """A builder's methods for NumPy arrays; Python numbers among the operands get the arrays' dtype."""

    def __init__(self) -> None:
        super().__init__(np)

    add, sub, mul, div = np.add, np.subtract, np.multiply, np.true_divide
    less, equal, neg = np.less, np.equal, np.negative
    bit_and, shift_left, shift_right = np.bitwise_and, np.left_shift, np.right_shift

    @staticmethod
    def bitcast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The same bits, as another dtype of the same size."""
        return x.view(dtype)

    @staticmethod
    def cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return x.astype(dtype)


ARRAYS = _Arrays()
