"""Tiles multiplied by tensor cores: by each warp, in fragments of 16 by 8 sums, of operands in tf32 or bfloat16.

A warp has 64 by 32 elements of the tile of the result. A lane loads four terms of a row (or column): those from 4t on,
for lane t of a group of four. Which terms an instruction takes together is of no matter, as long as it takes the same
ones of both operands. So a lane's four terms are the ones that it brings to the fragments, though others would be by
their numbers there. (PTX ISA, "Matrix Fragments for mma.m16n8k8" and "mma.m16n8k16".)
"""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.gpu._multiply import Multiplication
from lamina.compiler.gpu._operands import Operand, Part
from lamina.compiler.llvm import Pointer, Value

__all__ = ["TensorCores"]

_WARPS_ACROSS = 4
_LANES, _GROUPS, _QUAD = 32, 8, 4  # a warp is eight groups of four lanes
_HIGH, _WIDE = 16, 8  # the sums of a fragment
_TERMS = 16  # that are loaded at a time


class TensorCores(Multiplication):
    """An operand's tile lies in shared memory as in memory. Where a line there has the neighbours of one term, every
    fourth line has its elements elsewhere, so that the four lanes of a group read from different banks: the number of
    each with bits 3 and 4 changed. (Memory that begins at multiples of 128 bytes has them in its addresses, too.)"""

    row_step = _GROUPS

    def __init__(self, part: Part, operands: tuple[Operand, Operand]) -> None:
        super().__init__(part)
        self.operands = operands
        b, tile = self.b, self.tile
        warp, lane = b.unravel(part.scope.thread, (tile.down * tile.across // _LANES, _LANES))
        self.group, self.quad = b.unravel(lane, (_GROUPS, _QUAD))
        self.down, self.across = b.unravel(warp, (tile.rows // self._rows, _WARPS_ACROSS))

    @property
    def _rows(self) -> int:
        """Of a warp."""
        return self.tile.high // 2 * _HIGH

    @property
    def _columns(self) -> int:
        return self.tile.wide // 2 * _WIDE

    # tiles of the operands

    def elements(self, operand: Operand) -> int:
        return operand.size

    def place(self, operand: Operand, outer: Value, term: Value) -> Value:
        b = self.b
        if operand.sums_last:
            return b.add(b.mul(outer, self.tile.depth), term)
        changed = b.mul(b.bit_and(b.shift_right(term, 2), 3), _GROUPS)
        return b.add(b.mul(term, operand.width), b.bit_xor(outer, changed))

    def keeps_neighbours(self, operand: Operand) -> bool:
        return True

    def multiply(self, left: Pointer, right: Pointer) -> None:
        b, tile = self.b, self.tile
        first_row, first_column = b.mul(self.down, self._rows), b.mul(self.across, self._columns)
        for term in range(0, tile.depth, _TERMS):
            columns = [
                self._terms(self.operands[1], right, b.add(first_column, block * _WIDE), term)
                for block in range(tile.wide // 2)
            ]
            for block in range(tile.high // 2):
                rows = [
                    self._terms(self.operands[0], left, b.add(first_row, block * _HIGH + half), term)
                    for half in (0, _GROUPS)
                ]
                for i in range(0, len(columns[0]), 2):
                    own = [rows[0][i], rows[1][i], rows[0][i + 1], rows[1][i + 1]]
                    for number, column in enumerate(columns):
                        self._add(own, column[i : i + 2], self._fragment(block, number))

    def _fragment(self, block: int, number: int) -> list[int]:
        """Which of the thread's sums are those of a fragment."""
        return [(2 * block + half) * self.tile.wide + 2 * number + i for half in (0, 1) for i in (0, 1)]

    def _terms(self, operand: Operand, memory: Pointer, first: Value, term: int) -> list[Value]:
        """The lane's four terms of 16, of its row or column among eight, rounded.

        Where they are is what `place` says; but if the bits are changed last, in an address that is another one for
        each tile, LLVM does not keep an address in registers for each eight columns.
        """
        b = self.b
        outer, own = b.add(first, self.group), b.add(b.mul(self.quad, _QUAD), term)
        dtype = self.sums[0].get().dtype
        if operand.sums_last:
            values = b.load_vector(memory, dtype, self.place(operand, outer, own), _QUAD)
        else:
            plain = b.offset(memory, b.add(outer, b.mul(own, operand.width)), dtype)
            start = b.other_place(plain, b.mul(self.quad, _GROUPS * dtype.itemsize))
            values = [b.load(start, dtype, i * operand.width) for i in range(_QUAD)]
        return _ROUNDED[self.tile.precision](self, values)

    def _in_tf32(self, values: list[Value]) -> list[Value]:
        return [self.b.tensor_dialect.to_tf32(self.b, x) for x in values]

    def _in_bfloat16(self, values: list[Value]) -> list[Value]:
        pairs = zip(values[::2], values[1::2], strict=True)
        return [self.b.tensor_dialect.to_bfloat16(self.b, low, high) for low, high in pairs]

    def _add(self, left: list[Value], right: list[Value], places: list[int]) -> None:
        """Add a product to a fragment of the sums."""
        sums = [self.sums[place].get() for place in places]
        found = self.b.multiply_fragments(self.tile.precision, left, right, sums)
        for place, value in zip(places, found, strict=True):
            self.sums[place].set(value)

    # the tile of the result

    def line(self) -> Value:
        return self.b.add(self.b.mul(self.down, _GROUPS), self.group)

    def row(self, line: Value, number: int) -> Value:
        b = self.b
        warp, group = b.unravel(line, (self.tile.down // _GROUPS, _GROUPS))
        return b.add(b.add(b.mul(warp, self._rows), group), number // 2 * _HIGH + number % 2 * _GROUPS)

    def column(self, number: int) -> Value:
        b = self.b
        own = b.add(b.mul(self.across, self._columns), b.mul(self.quad, 2))
        return b.add(own, number // 2 * _WIDE + number % 2)


_ROUNDED: dict[str, Callable[[TensorCores, list[Value]], list[Value]]] = {
    "tf32": TensorCores._in_tf32,
    "bfloat16": TensorCores._in_bfloat16,
}
