"""Warp operations in the emulator: each publishes its operands for the other lanes, waits for them, and computes its
own results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpu_emulator.runner import RECORD_WORDS
from lamina.compiler.llvm import FLOAT32, INDEX, Pointer, Value

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder

__all__ = ["BITS", "LEFT", "SUMS", "as_bfloat16", "as_tf32", "multiplying"]

BITS = np.dtype(np.uint32)
LEFT, RIGHT, SUMS = 0, 4, 6
"""Where a lane leaves its parts of the fragments, in words of 4 bytes."""
_LANES_OF_A_GROUP = 4
_TF32, _HIGH = 0xFFFFE000, 0xFFFF0000  # the bits that count
_MAGNITUDE, _INFINITY = 0x7FFFFFFF, 0x7F800000
_QUIET = 0x7FFF


def multiplying(b: DeviceBuilder, precision: str) -> str:
    """The function ``(own, lane)`` that computes a lane's sums of a fragment from all lanes' operands.

    `own` is the place where the lane published its operands. The elements of each lane: PTX ISA, "Matrix Fragments for
    mma.m16n8k8" (.tf32) and "mma.m16n8k16" (.bf16).
    """
    name = f"multiply_{precision}"
    if name in b.module.functions:
        return name
    factors = {"tf32": _one_factor, "bfloat16": _two_factors}[precision]
    with b.module.function(name, {"own": None, "lane": INDEX}, internal=True) as f:
        own, lane = Pointer("%own"), f.argument("lane")
        group, place = f.unravel(lane, (8, _LANES_OF_A_GROUP))

        def word(group: Value, i: int, number: int) -> Value:
            """A word that lane i of a group published."""
            other = f.add(f.mul(group, _LANES_OF_A_GROUP), i)
            return f.load(own, BITS, f.add(f.mul(f.sub(other, lane), 2 * RECORD_WORDS), number))

        for element in range(4):
            lower, odd = divmod(element, 2)
            column = f.add(f.mul(place, 2), odd)
            total = f.load(own, FLOAT32, SUMS + element)
            for half in range(2):
                for i in range(_LANES_OF_A_GROUP):
                    row = factors(f, word(group, i, LEFT + 2 * half + lower))
                    for u, v in zip(row, factors(f, word(column, i, RIGHT + half)), strict=True):
                        total = f.multiply_add(u, v, total)
            f.store(own, total, SUMS + element)
    return name


def _one_factor(b: DeviceBuilder, word: Value) -> Sequence[Value]:
    return [b.bitcast(b.bit_and(word, _TF32), FLOAT32)]


def _two_factors(b: DeviceBuilder, word: Value) -> Sequence[Value]:
    return [b.bitcast(b.shift_left(word, 16), FLOAT32), b.bitcast(b.bit_and(word, _HIGH), FLOAT32)]


def as_tf32(b: DeviceBuilder, x: Value) -> Value:
    """A float32 number rounded to 10 fraction bits, halves away from zero, as bits."""
    bits = b.bitcast(x, BITS)
    rounded = b.bit_and(b.add(bits, 0x1000), _TF32)
    return b.where(_is_finite(b, bits), rounded, bits)


def as_bfloat16(b: DeviceBuilder, x: Value) -> Value:
    """A float32 number rounded to 7 fraction bits, halves to even, as the lower 16 of its bits."""
    bits = b.bitcast(x, BITS)
    is_odd = b.bit_and(b.shift_right(bits, 16), 1)
    rounded = b.shift_right(b.add(bits, b.add(is_odd, 0x7FFF)), 16)
    kept = b.where(b.isnan(x), b.const(_QUIET, BITS), b.shift_right(bits, 16))
    return b.where(_is_finite(b, bits), rounded, kept)


def _is_finite(b: DeviceBuilder, bits: Value) -> Value:
    return b.less(b.bit_and(bits, _MAGNITUDE), b.const(_INFINITY, BITS))
