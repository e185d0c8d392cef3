"""Reductions of a vector's lanes, in an order that depends only on the number of lanes; masks as bits."""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.llvm._arithmetic import Arithmetic
from lamina.compiler.llvm._emitter import suffix_of
from lamina.compiler.llvm.values import BOOL, UINT64, DType, Operand, Value, type_name

_LANE_BYTES = 64
LONG_ROW = 8
"""The length of a row, in vectors of 64 bytes, from which on the row is reduced into twice as many lanes."""


def row_lanes(dtype: DType, length: int) -> int:
    """The lanes into which a row is reduced, i mod lanes on any CPU: one AVX-512 vector, or two for a long row."""
    lanes = _LANE_BYTES // dtype.itemsize
    return 2 * lanes if length >= LONG_ROW * lanes else lanes


class Reductions(Arithmetic):
    """Operations between the lanes of a vector: reductions, changes of the number of lanes, and masks as bits."""

    def reduce(self, vector: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """Combine adjacent lanes in pairs, round by round, until one is left; a last one without partner is kept."""
        if vector.lanes == 1:
            return vector
        count, last = (vector.lanes + 1) // 2, vector.lanes - 1
        even = self.shuffle(vector, None, [2 * lane for lane in range(count)])
        odd = self.shuffle(vector, None, [min(2 * lane + 1, last) for lane in range(count)])
        pairs = combine(even, odd)
        if vector.lanes % 2:
            pairs = self.shuffle(pairs, even, [*range(count - 1), 2 * count - 1])
        return self.reduce(pairs, combine)

    def reduce_add(self, vector: Value) -> Value:
        return self.reduce(vector, self.add)

    def reduce_max(self, vector: Value) -> Value:
        return self.reduce(vector, self.maximum)

    def reduce_all(self, mask: Value) -> Value:
        """Whether all lanes of a mask are true."""
        if mask.lanes == 1:
            return mask
        function = f"llvm.vector.reduce.and.v{mask.lanes}i1"
        self.module.declare(f"declare i1 @{function}({mask.type})")
        return self.result(f"call i1 @{function}({mask.typed})", BOOL)

    def mask_bits(self, mask: Value) -> Value:
        """A mask's lanes as bits of a uint64; the first lane is the lowest bit."""
        bits = mask.name if mask.lanes == 1 else self._register(f"bitcast {mask.typed} to i{mask.lanes}")
        if mask.lanes == 64:
            return Value(mask.builder, bits, UINT64)
        return self.result(f"zext i{mask.lanes} {bits} to i64", UINT64)

    def bits_mask(self, bits: Value, lanes: int) -> Value:
        """A mask of `lanes` lanes, fewer than 64, from the lowest bits of a uint64."""
        low = self._register(f"trunc {bits.typed} to i{lanes}")
        return self.result(f"bitcast i{lanes} {low} to {type_name(BOOL, lanes)}", BOOL, lanes)

    def count_ones(self, bits: Value) -> Value:
        """The number of set bits of a uint64."""
        self.module.declare("declare i64 @llvm.ctpop.i64(i64)")
        return self.result(f"call i64 @llvm.ctpop.i64({bits.typed})", UINT64)

    def compress(self, vector: Value, mask: Value) -> Value:
        """Move the lanes where the mask is true to the front; the lanes after them are unspecified."""
        function = f"llvm.experimental.vector.compress.{suffix_of(vector)}"
        self.module.declare(f"declare {vector.type} @{function}({vector.type}, {mask.type}, {vector.type})")
        call = f"call {vector.type} @{function}({vector.typed}, {mask.typed}, {vector.type} poison)"
        return self.result(call, vector.dtype, vector.lanes)

    def narrow(self, vector: Value, lanes: int, first: int = 0) -> Value:
        """`lanes` adjacent lanes of a vector, from lane `first` on."""
        if lanes == vector.lanes:
            return vector
        return self.shuffle(vector, None, list(range(first, first + lanes)))

    def widen(self, value: Value, lanes: int, fill: Operand) -> Value:
        """Add lanes with the value `fill`, up to `lanes`, as many as the accumulator of whole vectors has."""
        if value.lanes == lanes:
            return value
        filler = self.splat(self.match(fill, value)[0], value.lanes)
        if value.lanes == 1:
            return self.gather_lanes([value] + [filler] * (lanes - 1))
        picks = [lane if lane < value.lanes else value.lanes for lane in range(lanes)]
        return self.shuffle(value, filler, picks)
