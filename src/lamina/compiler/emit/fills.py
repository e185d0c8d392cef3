"""Fill kernels: random numbers in blocks of four 64-bit words (Philox4x64-10, Salmon et al., 2011).

`primitives.random` defines the conversion: uniform floats, or raw bits.
"""

from __future__ import annotations

import numpy as np

from lamina.compiler.emit.scope import Scope
from lamina.compiler.llvm import FLOAT32, FLOAT64, UINT64, Builder, Pointer, Value
from lamina.compiler.llvm.random import BLOCK, philox_block, short_philox_block, uniform_float64
from lamina.compiler.passes.graph import Node

_SIDE_BY_SIDE = 4  # blocks computed at once, since one block is a long chain of multiplications
_UINT32 = np.dtype(np.uint32)
_WORD_BYTES = 8


def emit_fill(scope: Scope) -> None:
    """Write all random numbers of a stream, from (seed, stream)."""
    b = scope.b
    (node,) = scope.kernel.stores
    values = scope.evaluator(1)
    seed, stream = (b.bitcast(values.at(x, []), UINT64) for x in node.inputs)
    per_block = BLOCK * _WORD_BYTES // node.dtype.itemsize
    whole = node.size // per_block
    start, stop = scope.share("flat", scope.partition.extent)
    last = b.minimum(stop, whole)
    side_by_side = b.sub(last, b.bit_and(b.maximum(b.sub(last, start), 0), _SIDE_BY_SIDE - 1))

    def write(first: Value, blocks: int, count: int) -> None:
        for words, block in _blocks(b, seed, stream, first, blocks):
            _store(scope, node, words, b.mul(block, per_block), count)

    with b.loop(start, side_by_side, _SIDE_BY_SIDE) as first:
        write(first, _SIDE_BY_SIDE, per_block)
    with b.loop(b.maximum(side_by_side, start), last) as first:
        write(first, 1, per_block)
    rest = node.size - whole * per_block
    if rest:
        with b.if_(b.logical_and(b.greater(stop, whole), b.less_equal(start, whole))):
            write(b.const(whole), 1, rest)


def _blocks(
    b: Builder, seed: Value, stream: Value, first: Value, count: int
) -> list[tuple[list[Value], Value]]:
    """The words of `count` blocks from number `first` on: key (seed, 0), counter (block, 0, stream, 0)."""
    zero = b.const(0, UINT64)
    numbers = [b.add(first, i) for i in range(count)]
    # NumPy's generator counts before it answers, so block i has counter i + 1.
    counters = [[b.bitcast(b.add(n, 1), UINT64), zero, stream, zero] for n in numbers]
    written = philox_block if count == _SIDE_BY_SIDE else short_philox_block
    return [(written(b, [seed, zero], c), n) for c, n in zip(counters, numbers, strict=True)]


def _store(scope: Scope, node: Node, words: list[Value], position: Value, count: int) -> None:
    """Convert the first `count` numbers of a block and write them."""
    b = scope.b
    for pointer in scope.targets[node]:
        if node.dtype.kind == "u":
            _store_narrow(b, pointer, _pieces(b, words, node.dtype), position, count)
            continue
        if node.dtype == FLOAT64:
            for i, word in enumerate(words[:count]):
                b.store(pointer, uniform_float64(b, word), b.add(position, i))
            continue
        halves = _pieces(b, words, _UINT32)
        # 24 bits are a positive int32, for which conversion is a single instruction.
        signed = b.bitcast(b.shift_right(halves, 8), np.dtype(np.int32))
        uniform = b.mul(b.cast(signed, FLOAT32), float(np.float32(2.0**-24)))
        _store_narrow(b, pointer, b.cast(uniform, node.dtype), position, count)


def _pieces(b: Builder, words: list[Value], dtype: np.dtype) -> Value:
    """A block's words split into smaller numbers, lowest bits first."""
    return b.bitcast(b.gather_lanes(words), dtype)


def _store_narrow(b: Builder, pointer: Pointer, value: Value, position: Value, count: int) -> None:
    b.store(pointer, value if count == value.lanes else b.narrow(value, count), position)
