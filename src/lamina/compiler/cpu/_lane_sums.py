"""Products of operands that are both contiguous along the inner dimension, as in A · Bᵀ, vectorized along it.

Each element of the result is a vector of partial sums, one per lane, which are added at the end. If the result has few
rows or columns, and the sums are long, this is cheaper than transposing an operand. Lane l sums the products at k = l,
l + lanes, …; then the upper half of the vector is added to the lower half until one number is left. The order depends
only on the machine's number of lanes, so results have the same bits for any division of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from lamina.compiler.cpu._microkernel import ProductCode, Tile
from lamina.compiler.cpu._tiles import FMA_LATENCY, LOADS_PER_CYCLE, Range, cover, multiply_adds_per_cycle
from lamina.compiler.cpu.machine import Machine
from lamina.compiler.llvm import Builder, DType, Pointer, Value

_FOLD_CYCLES = 3.0
"""Cycles to combine two vectors of partial sums into one: two shuffles and an addition."""


@dataclass(frozen=True)
class LaneTile:
    """A tile of `rows` by `columns` result elements; `columns` is a power of two, at most the number of lanes."""

    rows: int
    columns: int


@cache
def choose_lane_tile(machine: Machine, dtype: DType, rows: int, inner: int, columns: int) -> LaneTile:
    """The tile that covers `rows` by `columns` in the fewest cycles, with its sums and vectors of A in registers."""
    lanes = machine.lanes(dtype)
    powers = [1 << i for i in range(lanes.bit_length())]
    candidates = [
        LaneTile(tile_rows, tile_columns)
        for tile_columns in powers
        for tile_rows in range(1, rows + 1)
        if tile_rows * (tile_columns + 1) + 1 <= machine.vector_registers
    ]
    return min(candidates, key=lambda tile: _cycles(machine, dtype, tile, rows, inner, columns))


def lane_cycles(machine: Machine, dtype: DType, rows: int, inner: int, columns: int) -> float:
    """The estimated cycles of a product vectorized along the inner dimension, with the best tile."""
    tile = choose_lane_tile(machine, dtype, rows, inner, columns)
    return _cycles(machine, dtype, tile, rows, inner, columns)


def _cycles(machine: Machine, dtype: DType, tile: LaneTile, rows: int, inner: int, columns: int) -> float:
    tiles = -(-rows // tile.rows) * -(-columns // tile.columns)
    sums = tile.rows * tile.columns
    loading = (tile.rows + tile.columns) / LOADS_PER_CYCLE
    step = max(sums / multiply_adds_per_cycle(machine), loading, FMA_LATENCY)
    lanes = machine.lanes(dtype)
    folds = tile.columns - 1 + (lanes // tile.columns).bit_length() - 1
    return tiles * (-(-inner // lanes) * step + tile.rows * folds * _FOLD_CYCLES)


@dataclass(frozen=True)
class LaneSums(ProductCode):
    """The code of a product vectorized along the inner dimension.

    Element (r, k) of A is at r · ``left_tile.row_stride`` + k, element (k, c) of B at c · ``right_panel.stride`` + k.
    """

    tile: LaneTile

    def emit(self, rows: Range, columns: Range) -> None:
        """Emit the code for a range of the result's rows and columns. Its bounds are multiples of the tile's sizes."""

        def down(column: Value, width: int) -> None:
            def tile(row: Value, height: int) -> None:
                sums = self._accumulated(row, height, column, width)
                vectors = [[self._summed(of_row)] for of_row in sums]
                self.finish(vectors, (width,), row, column)

            cover(self.b, self.shape.rows, self.tile.rows, rows, tile)

        cover(self.b, self.shape.columns, self.tile.columns, columns, down)

    def _accumulated(self, row: Value, height: int, column: Value, width: int) -> Tile:
        """The vector of partial sums for each element of a tile."""
        b, lanes = self.b, self.b.lanes(self.dtype)
        left = b.offset(self.left_tile.pointer, row * self.left_tile.row_stride, self.dtype)
        right = b.offset(self.right_panel.pointer, column * self.right_panel.stride, self.dtype)
        sums = b.variables([b.const(0, self.dtype, lanes)] * (height * width))

        def step(k: Value, count: int) -> None:
            of_left = [self._terms(left, k + r * self.left_tile.row_stride, count) for r in range(height)]
            current = sums.get()
            for c in range(width):
                vector = self._terms(right, k + c * self.right_panel.stride, count)
                for r, terms in enumerate(of_left):
                    current[r * width + c] = b.multiply_add(terms, vector, current[r * width + c])
            sums.set(current)

        whole = self.shape.inner // lanes * lanes
        if whole:
            with b.loop(0, whole, lanes) as k:
                step(k, lanes)
        if whole < self.shape.inner:
            step(b.const(whole), self.shape.inner - whole)
        found = sums.get()
        return [found[r * width : (r + 1) * width] for r in range(height)]

    def _terms(self, pointer: Pointer, first: Value, count: int) -> Value:
        """Load `count` adjacent elements from position `first` on, as a full vector with 0 in the other lanes."""
        b, lanes = self.b, self.b.lanes(self.dtype)
        if count == lanes:
            return b.load(pointer, self.dtype, first, lanes)
        if b.module.machine.has_masked_moves:
            loaded = b.narrow(b.load_masked(pointer, self.dtype, first, count, lanes), count)
        else:
            loaded = b.load(pointer, self.dtype, first, count)
        return b.widen(loaded, lanes, 0)

    def _summed(self, vectors: Sequence[Value]) -> Value:
        """The sums of each vector's lanes, as one vector."""
        b, count = self.b, len(vectors)
        nothing = b.const(0, self.dtype, vectors[0].lanes)
        filled = [*vectors, *[nothing] * (2 ** (count - 1).bit_length() - count)]
        return b.narrow(_sum_lanes(b, filled), count)


def _sum_lanes(b: Builder, vectors: Sequence[Value]) -> Value:
    """Sum the lanes of each vector. The number of vectors is a power of two, at most the number of lanes.

    The upper half of each vector is added to its lower half, and the halves of two vectors are packed into one, until a
    single vector is left.
    """
    lanes, groups = vectors[0].lanes, 1
    while len(vectors) > 1:
        low = _lower_halves(groups, lanes // groups)
        low += [lane + lanes for lane in low]
        high = [lane + lanes // groups // 2 for lane in low]
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [b.add(b.shuffle(x, y, low), b.shuffle(x, y, high)) for x, y in pairs]
        groups *= 2
    (vector,) = vectors
    while vector.lanes > groups:
        width = vector.lanes // groups
        low = _lower_halves(groups, width)
        vector = b.add(b.shuffle(vector, None, low), b.shuffle(vector, None, [i + width // 2 for i in low]))
    return vector


def _lower_halves(groups: int, width: int) -> list[int]:
    """The lane indices of the lower half of each group of adjacent lanes."""
    return [group * width + i for group in range(groups) for i in range(width // 2)]
