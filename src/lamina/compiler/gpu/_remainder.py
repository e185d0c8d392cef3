"""C's `fmod`, for devices, which have no such instruction and no C library."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lamina.compiler.llvm import FLOAT64, INDEX, UINT64, Value

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder

_MANTISSA_BITS, _BIAS = 52, 1023
_BITS_A_TURN = 11
"""The most bits that a 53-bit number can be shifted within 64 bits."""


def remainder(b: DeviceBuilder, x: Value, y: Value) -> Value:
    """C's `fmod`: x = M 2ᵉ and y = N 2ᶠ: 2ᶠ times (M 2ᵉ⁻ᶠ modulo N), computed a few bits at a time."""
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
    """The significand of x >= 0 as an integer, and the exponent that belongs to it, which is at least 1."""
    bits = b.bitcast(x, UINT64)
    exponent = b.bitcast(b.shift_right(bits, _MANTISSA_BITS), INDEX)
    hidden = b.where(b.equal(exponent, 0), b.const(0, UINT64), 1 << _MANTISSA_BITS)
    significand = b.bit_or(b.bit_and(bits, (1 << _MANTISSA_BITS) - 1), hidden)
    return significand, b.maximum(exponent, 1)


def _modulo(b: DeviceBuilder, x: Value, y: Value) -> Value:
    return b.result(f"urem {x.typed}, {y.name}", UINT64)
