"""Tiles multiplied by tensor cores: by each warp, in fragments of 16 by 8 sums, of operands in tf32 or bfloat16.

A warp has 64 by 32 elements of the result's tile. An instruction may take any terms together, as long as they are the
same for both operands, and a fragment may have any rows and columns, as long as the results are stored accordingly. So
both are chosen to suit memory; see `_rounded_tiles`. (PTX ISA, "Matrix Fragments for mma.m16n8k8" and "mma.m16n8k16".)
"""

from __future__ import annotations

from lamina.compiler.gpu._multiply import Multiplication
from lamina.compiler.gpu._operands import Operand, Part
from lamina.compiler.gpu._rounded_tiles import GROUPS, NEIGHBOURS, QUAD, RoundedTiles
from lamina.compiler.llvm import Pointer, Value

_WARPS_ACROSS = 4
_LANES = GROUPS * QUAD


class TensorCores(Multiplication):
    """Multiplication by tensor cores: each lane has two groups of four consecutive rows, and eight
    consecutive columns.
    """

    row_step = 1

    def __init__(self, part: Part, operands: tuple[Operand, Operand]) -> None:
        super().__init__(part)
        b, tile = self.b, self.tile
        self.tiles = RoundedTiles(operands[0]), RoundedTiles(operands[1])
        warp, lane = b.unravel(part.scope.thread, (tile.down * tile.across // _LANES, _LANES))
        group, self._quad = b.unravel(lane, (GROUPS, QUAD))
        self._rows, self._columns = tile.high * GROUPS, tile.wide // 2 * GROUPS  # of a warp
        down, self._across = b.unravel(warp, (tile.rows // self._rows, _WARPS_ACROSS))
        self._line = b.add(b.mul(down, GROUPS), group)
        pairs = b.mul(down, tile.high // 2), b.mul(self._across, tile.wide // 4)
        self._starts = [own.start(pair, lane) for own, pair in zip(self.tiles, pairs, strict=True)]

    def multiply(self, left: Pointer, right: Pointer) -> None:
        for step in range(self.tiles[0].steps):
            columns = [
                column
                for pair in range(self.tile.wide // 4)
                for column in self.tiles[1].factors(right, self._starts[1], pair, step)
            ]
            for pair in range(self.tile.high // 2):
                rows = self.tiles[0].factors(left, self._starts[0], pair, step)
                own = [row[i] for i in (0, 1) for row in rows]
                for number, column in enumerate(columns):
                    self._add(own, column, self._fragment(pair, number))

    def _fragment(self, pair: int, number: int) -> list[int]:
        """The positions of a fragment's sums among the thread's sums."""
        return [
            (2 * pair + line) * self.tile.wide + NEIGHBOURS * i + number for line in (0, 1) for i in (0, 1)
        ]

    def _add(self, left: list[Value], right: list[Value], places: list[int]) -> None:
        """Add a product to a fragment of the sums."""
        sums = [self.sums[place].get() for place in places]
        found = self.b.multiply_fragments(self.tile.precision, left, right, sums)
        for place, value in zip(places, found, strict=True):
            self.sums[place].set(value)

    # the tile of the result

    def line(self) -> Value:
        return self._line

    def row(self, line: Value, number: int) -> Value:
        b = self.b
        down, group = b.unravel(line, (self.tile.down // GROUPS, GROUPS))
        first = b.add(b.mul(down, self._rows), b.mul(group, NEIGHBOURS))
        return b.add(first, number // NEIGHBOURS * NEIGHBOURS * GROUPS + number % NEIGHBOURS)

    def column(self, number: int) -> Value:
        b = self.b
        return b.add(b.add(b.mul(self._across, self._columns), b.mul(self._quad, self.tile.wide)), number)
