"""Fill kernels: random numbers, which come in blocks of four 64-bit words (Philox4x64-10, Salmon et al., 2011)."""

from __future__ import annotations

import numpy as np

from lamina.compiler.codegen import FLOAT32, FLOAT64, UINT64, Builder, Pointer, Value
from lamina.compiler.emit.scope import Scope
from lamina.compiler.graph import Node

__all__ = ["WORDS", "emit_fill", "numbers_per_block"]

WORDS = 4  # 64-bit words in a block
_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_SIDE_BY_SIDE = 4  # blocks computed at once, since one block is a long chain of multiplications
_UINT32 = np.dtype(np.uint32)


def numbers_per_block(dtype: np.dtype) -> int:
    """How many uniform numbers a block gives: one for each word, or for each half in float32."""
    return WORDS if dtype == np.float64 else 2 * WORDS


def emit_fill(scope: Scope) -> None:
    """Uniform numbers on [0, 1) from (seed, stream), as `primitives.random` defines them."""
    b = scope.b
    (node,) = scope.kernel.stores
    values = scope.evaluator(1)
    seed, stream = (b.bitcast(values.at(x, []), UINT64) for x in node.inputs)
    per_block = numbers_per_block(node.dtype)
    whole = node.size // per_block
    start, stop = scope.share("flat", scope.partition.extent)
    last = b.minimum(stop, whole)
    side_by_side = b.sub(last, b.bit_and(b.maximum(b.sub(last, start), 0), _SIDE_BY_SIDE - 1))
    with b.loop(start, side_by_side, _SIDE_BY_SIDE) as first:
        for words, block in _blocks(b, seed, stream, first, _SIDE_BY_SIDE):
            _store(scope, node, words, b.mul(block, per_block), per_block)
    with b.loop(b.maximum(side_by_side, start), last) as first:
        for words, block in _blocks(b, seed, stream, first, 1):
            _store(scope, node, words, b.mul(block, per_block), per_block)
    rest = node.size - whole * per_block
    if rest:
        with b.if_(b.logical_and(b.greater(stop, whole), b.less_equal(start, whole))):
            for words, block in _blocks(b, seed, stream, b.const(whole), 1):
                _store(scope, node, words, b.mul(block, per_block), rest)


def _blocks(
    b: Builder, seed: Value, stream: Value, first: Value, count: int
) -> list[tuple[list[Value], Value]]:
    """The words of `count` blocks from number `first` on, round by round side by side."""
    zero = b.const(0, UINT64)
    numbers = [b.add(first, i) for i in range(count)]
    # NumPy's generator counts before it answers, so block i has counter i + 1.
    counters = [[b.bitcast(b.add(n, 1), UINT64), zero, stream, zero] for n in numbers]
    keys = [seed, zero]
    for turn in range(_ROUNDS):
        if turn:
            keys = [b.add(key, b.const(weyl, UINT64)) for key, weyl in zip(keys, _WEYL, strict=True)]
        counters = [_round(b, c, keys) for c in counters]
    return list(zip(counters, numbers, strict=True))


def _round(b: Builder, counter: list[Value], keys: list[Value]) -> list[Value]:
    high0, low0 = _product(b, counter[0], _MULTIPLIERS[0])
    high1, low1 = _product(b, counter[2], _MULTIPLIERS[1])
    return [
        b.bit_xor(b.bit_xor(high1, counter[1]), keys[0]),
        low1,
        b.bit_xor(b.bit_xor(high0, counter[3]), keys[1]),
        low0,
    ]


def _product(b: Builder, x: Value, factor: int) -> tuple[Value, Value]:
    """The upper and lower 64 bits of x · factor: one instruction on today's processors."""
    wide = b.pointer_result(f"zext {x.typed} to i128").name
    product = b.pointer_result(f"mul nuw i128 {wide}, {factor}").name
    upper = b.pointer_result(f"lshr i128 {product}, 64").name
    return b.result(f"trunc i128 {upper} to i64", UINT64), b.result(f"trunc i128 {product} to i64", UINT64)


def _store(scope: Scope, node: Node, words: list[Value], position: Value, count: int) -> None:
    """Convert the first `count` numbers of a block and write them."""
    b = scope.b
    for pointer in scope.targets[node]:
        if node.dtype == FLOAT64:
            for i, word in enumerate(words[:count]):
                real = b.cast(b.shift_right(word, 11), FLOAT64)
                b.store(pointer, b.mul(real, 2.0**-53), b.add(position, i))
            continue
        halves = b.result(f"bitcast {b.gather_lanes(words).typed} to <{2 * WORDS} x i32>", _UINT32, 2 * WORDS)
        # 24 bits are a positive int32, for which conversion is a single instruction.
        signed = b.bitcast(b.shift_right(halves, 8), np.dtype(np.int32))
        uniform = b.mul(b.cast(signed, FLOAT32), float(np.float32(2.0**-24)))
        _store_narrow(b, pointer, b.cast(uniform, node.dtype), position, count)


def _store_narrow(b: Builder, pointer: Pointer, value: Value, position: Value, count: int) -> None:
    b.store(pointer, value if count == value.lanes else b.narrow(value, count), position)
