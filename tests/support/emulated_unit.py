"""Products of bfloat16 numbers in plain vector code: what a CPU's instructions for them do, on any processor."""

from __future__ import annotations

from lamina.compiler.cpu._block_sizes import BITS
from lamina.compiler.cpu.matrix_unit import PairUnit
from lamina.compiler.llvm import FLOAT32, Builder, Pointer, Value
from lamina.compiler.llvm.values import Operand

__all__ = ["EmulatedPairs", "EmulatedUnit"]

ROWS = 16


class EmulatedUnit:
    """The interface of `lamina.compiler.cpu.matrix_unit.MatrixUnit`; tiles are memory on the stack."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.tiles = b.alloca(BITS, 8 * ROWS * 16)

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def zero(self, tile: int) -> None:
        with self.b.loop(0, ROWS) as row:
            self.b.store(self._row(tile, row), self.b.const(0, BITS, 16))

    def load(self, tile: int, pointer: Pointer, stride: Operand = 64) -> None:
        with self.b.loop(0, ROWS) as row:
            self.b.store(self._row(tile, row), self.b.load(self._at(pointer, row, stride), BITS, 0, 16))

    def store(self, tile: int, pointer: Pointer, stride: Operand = 64) -> None:
        with self.b.loop(0, ROWS) as row:
            self.b.store(self._at(pointer, row, stride), self.b.load(self._row(tile, row), BITS, 0, 16))

    def multiply_add(self, sums: int, left: int, right: int) -> None:
        b = self.b
        with b.loop(0, ROWS) as row, b.loop(0, 16) as pair:
            factors = b.load(self._row(left, row), BITS, pair)
            terms = b.load(self._row(right, pair), BITS, 0, 16)
            total = b.load(self._row(sums, row), FLOAT32, 0, 16)
            b.store(self._row(sums, row), _pairs_added(b, total, factors, terms))

    def rounded(self, first: Value, second: Value) -> Value:
        return _rounded(self.b, first, second)

    def _row(self, tile: int, row: Value) -> Pointer:
        return self.b.offset(self.tiles, (row + tile * ROWS) * 16, BITS)

    def _at(self, pointer: Pointer, row: Value, stride: Operand) -> Pointer:
        assert isinstance(stride, int)
        return self.b.offset(pointer, row * (stride // 4), BITS)


class EmulatedPairs(PairUnit):
    """AVX-512's instructions for pairs."""

    def rounded(self, first: Value, second: Value) -> Value:
        return _rounded(self._b, first, second)

    def multiply_add(self, sums: Value, left: Value, right: Value) -> Value:
        return _pairs_added(self._b, sums, left, right)


def _pairs_added(b: Builder, total: Value, factors: Value, terms: Value) -> Value:
    """Add the products of a pair and 16 pairs."""
    for part in (_even, _odd):
        total = b.multiply_add(b.splat(part(b, factors), 16), part(b, terms), total)
    return total


def _even(b: Builder, x: Value) -> Value:
    return b.bitcast(b.shift_left(x, 16), FLOAT32)


def _odd(b: Builder, x: Value) -> Value:
    return b.bitcast(b.bit_and(x, 0xFFFF0000), FLOAT32)


def _rounded(b: Builder, first: Value, second: Value) -> Value:
    low, high = (
        _rounded_bits(b, b.shuffle(first, second, list(range(start, 2 * ROWS, 2)))) for start in (0, 1)
    )
    return b.bit_or(b.shift_right(low, 16), high)


def _rounded_bits(b: Builder, x: Value) -> Value:
    """The bits of numbers as bfloat16, in the upper halves: to even at ties, denormals as zeros, NaN as NaN."""
    bits = b.bitcast(x, BITS)
    odd = b.bit_and(b.shift_right(bits, 16), 1)
    found = b.where(b.equal(x, x), b.add(bits, b.add(odd, 0x7FFF)), b.bit_or(bits, 0x400000))
    found = b.where(b.equal(b.bit_and(bits, 0x7F800000), 0), b.bit_and(bits, 0x80000000), found)
    return b.bit_and(found, 0xFFFF0000)
