"""Exponentials, logarithms and circular functions as vector code, for float32 and float64, based on `elementary`.

Errors are at most 2 units in the last place. NaN, infinities and signed zeros are as in NumPy; denormal arguments may
count as zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from lamina.compiler.llvm._builder import Builder
from lamina.compiler.llvm._circular_functions import large_circular, small_sum
from lamina.compiler.llvm.values import FLOAT64, Value
from lamina.primitives.elementary import (
    HALF_PI,
    LOG_2,
    exp,
    format_of,
    log,
    nearest_multiple,
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
    """log(1 + x), computed as log(u) + (x - (u - 1)) / u with u = 1 + x.

    The second term corrects the rounding error of u.
    """
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
    """Replace `value` by ``of_large(b, x)`` where x is too large for the usual reduction.

    `of_large` computes a scalar, in a function emitted under `name`.
    """
    fits = b.less(b.abs(x), format_of(x).circular_limit)
    result = b.variable(value)
    with b.if_(b.logical_not(b.reduce_all(fits))):
        result.set(b.where(fits, value, b.rarely(name, of_large, x)))
    return result.get()
