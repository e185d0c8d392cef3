"""Philox4x64-10, the counter-based generator of NumPy's `numpy.random.Philox`, bit for bit.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011). A block of four 64-bit numbers is a
function of a 128-bit key and a 256-bit counter, so any thread can compute any block. NumPy increments the counter
before it computes a block: the first block of `Philox(key=key, counter=counter)` belongs to counter + 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.compiler.llvm._builder import Builder
from lamina.compiler.llvm.values import FLOAT32, FLOAT64, INT32, UINT64, DType, Value

BLOCK = 4
"""64-bit numbers in a block."""
_UINT32: DType = np.dtype(np.uint32)

_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)  # golden ratio, sqrt(3) - 1


def key_and_counter(
    b: Builder, seed: Value, stream: Value, number: Value
) -> tuple[Sequence[Value], Sequence[Value]]:
    """The key (seed, 0) and the counter (number + 1, 0, stream, 0) of block `number`, counted as NumPy does."""
    zero = b.const(0, UINT64)
    return [seed, zero], [b.bitcast(b.add(number, 1), UINT64), zero, stream, zero]


def philox_block(b: Builder, key: Sequence[Value], counter: Sequence[Value]) -> list[Value]:
    """The block of four uint64 numbers for a key (2 numbers) and a counter (4 numbers, lowest first)."""
    words, keys = list(counter), list(key)
    for round_number in range(_ROUNDS):
        if round_number:
            keys = _next_keys(b, keys)
        words = _round(b, words, keys)
    return words


def short_philox_block(b: Builder, key: Sequence[Value], counter: Sequence[Value]) -> list[Value]:
    """The same as `philox_block` with a tenth of the code, but slower; for small arrays."""
    words, keys = b.variables(counter), b.variables(key)
    with b.loop(0, _ROUNDS):
        current = keys.get()
        words.set(_round(b, words.get(), current))
        keys.set(_next_keys(b, current))
    return words.get()


def _round(b: Builder, words: Sequence[Value], keys: Sequence[Value]) -> list[Value]:
    low0, high0 = b.wide_mul(words[0], _MULTIPLIERS[0])
    low1, high1 = b.wide_mul(words[2], _MULTIPLIERS[1])
    first = _xor(b, _xor(b, high1, words[1]), keys[0])
    third = _xor(b, _xor(b, high0, words[3]), keys[1])
    return [first, low1, third, low0]


def _xor(b: Builder, x: Value, y: Value) -> Value:
    return x if y.constant == 0 else b.bit_xor(x, y)


def _next_keys(b: Builder, keys: Sequence[Value]) -> list[Value]:
    """The keys of the next round. Blocks with the same key share this code."""
    return [
        b.const((int(k.constant) + step) % 2**64, k.dtype)
        if k.constant is not None
        else b.once(("key", k.key, step), lambda k=k, step=step: b.add(k, step))
        for k, step in zip(keys, _KEY_STEPS, strict=True)
    ]


# --- numbers of a dtype from a block's words; `primitives.random` defines the conversion -----------------------------


def piece_of(dtype: DType) -> DType:
    """The integer type into which words are split. A float16 or float32 number is computed from 32 bits."""
    return dtype if dtype.kind == "u" else UINT64 if dtype == FLOAT64 else _UINT32


def numbers_in_block(dtype: DType) -> int:
    """The number of a dtype's numbers that a block gives."""
    return BLOCK * UINT64.itemsize // piece_of(dtype).itemsize


def uniform(b: Builder, bits: Value, dtype: DType) -> Value:
    """A float in [0, 1) from the upper bits of a word's piece, as NumPy's `Generator.random` makes it, or all bits."""
    if dtype.kind == "u":
        return bits
    if dtype == FLOAT64:
        return b.mul(b.cast(b.shift_right(bits, 11), FLOAT64), 2.0**-53)
    return b.cast(b.mul(b.cast(b.bitcast(b.shift_right(bits, 8), INT32), FLOAT32), 2.0**-24), dtype)
