"""Matrix products on a matrix unit: float32 operands as sums of bfloat16 parts, packed as tiles.

A block of the result is 32 by 32: four tiles of sums. Tiles accumulate along up to 192 values of k: first the small
products of parts, then x₁y₁ (see `_bfloat16`), so most roundings are of small numbers. Longer sums are accumulated in
memory. The error is a third to a ninth of that of one chain of multiply-adds.

Each element is the same sum for any division of the work: blocks begin at multiples of 32 for any number of threads,
and whether operands can be split into parts depends only on a block's 32 rows and 32 columns.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from lamina.compiler.cpu._tiles import Range, cover, vector_widths
from lamina.compiler.cpu._unit_blocking import BLOCK, SUMS_BYTES
from lamina.compiler.cpu._unit_packing import UnitPacking
from lamina.compiler.cpu.matrix_unit import TILE_BYTES, TILE_ROWS
from lamina.compiler.llvm import FLOAT32, Operand, Pointer, Value

_SUM_TILES = 4


@dataclass(frozen=True)
class _Place:
    """A block of the result: its rows and its columns.

    `tile` is the index of its group of 32 rows within the packed block of A, `panel` the index of its panel of B.
    """

    row: Value
    height: int | Value
    column: Value
    width: int
    tile: Value
    panel: Value


def _passes(left_parts: int, right_parts: int) -> list[list[tuple[int, int]]]:
    """The passes along the inner dimension, each with its products as pairs (part of A, part of B).

    Small products come first; each shares a part with the previous product.
    """
    if right_parts == 1:
        return [[(0, 0)]]
    small = [(0, 1), (0, 2)] if left_parts == 1 else [(2, 0), (1, 0), (1, 1), (0, 1), (0, 2)]
    return [small, [(0, 0)]]


@dataclass(frozen=True)
class UnitProduct(UnitPacking):
    """The code of a product. Bounds of rows and columns are multiples of 32 or the ends of the matrix."""

    def emit(self, rows: Range, columns: Range) -> None:
        b, blocking = self.b, self.blocking
        self.unit.begin()
        with b.loop(*columns, blocking.columns) as first_column, b.loop(*rows, blocking.rows) as first_row:
            part = first_column, b.minimum(first_column + blocking.columns, columns[1])
            block = first_row, b.minimum(first_row + blocking.rows, rows[1])
            if blocking.keeps_sums:
                with b.loop(0, self.shape.inner, blocking.inner) as first_term:
                    self._emit_block(block, part, first_term)
            else:
                self._emit_block(block, part, b.const(0))
        self.unit.end()

    def _emit_block(self, block: Range, columns: Range, first_term: Value) -> None:
        """Pack a block of A, and multiply it with each panel of B."""
        b = self.b
        self.pack_left(block, first_term)

        def panel(column: Value, width: int) -> None:
            self.pack_panel(first_term, column, width)
            number = b.divide_positive(column - columns[0], BLOCK)

            def tile(row: Value, height: int | Value) -> None:
                where = _Place(row, height, column, width, b.divide_positive(row - block[0], BLOCK), number)
                self._block(where, first_term)

            self.cover_rows(block, tile, may_vary=not self.finish.by_columns)

        cover(b, self.shape.columns, BLOCK, columns, panel)

    def _block(self, place: _Place, first_term: Value) -> None:
        """Compute a block of the result on the matrix unit, or on the vector unit if its operands can't be split."""
        b = self.b
        last = self._is_last(first_term)
        with nullcontext() if last is None else b.if_(last), b.loop(0, place.height) as r:
            self.fetch(place.row + r, place.column, place.width)
        if self.blocking.rounds:
            self._on_the_unit(place.tile, first_term)
        else:
            b.if_else(
                self.is_splittable(place.tile),
                lambda: self._on_the_unit(place.tile, first_term),
                lambda: self._on_vectors(place, first_term),
            )
        if last is None:
            self._finish(place)
        else:
            b.if_else(last, lambda: self._finish(place), lambda: self._keep(place, first_term))

    def _is_last(self, first_term: Value) -> Value | None:
        """Whether the part of the inner dimension from `first_term` on completes the sums.

        None if the inner dimension is not split.
        """
        if not self.blocking.keeps_sums:
            return None
        return self.b.greater_equal(first_term + self.blocking.inner, self.shape.inner)

    # --- multiplication ------------------------------------------------------------------------------------------

    def _on_the_unit(self, tile_number: Value, first_term: Value) -> None:
        b, unit = self.b, self.unit
        for tile in range(_SUM_TILES):
            unit.zero(tile)
        for products in _passes(self.blocking.left_parts, self.blocking.right_parts):
            with b.loop(0, self.steps(first_term)) as number:
                self._multiply_parts(products, self.left_step(tile_number, number), self.panel_step(number))
        for tile in range(_SUM_TILES):
            row_half, column_half = divmod(tile, 2)
            target = b.offset(self._sums, TILE_ROWS * (row_half * BLOCK + column_half), FLOAT32)
            unit.store(tile, target, BLOCK * FLOAT32.itemsize)

    def _multiply_parts(self, products: list[tuple[int, int]], left: Pointer, right: Pointer) -> None:
        """Add products of parts of A and B to the sums. Tiles that are already loaded are reused."""
        unit, b = self.unit, self.b
        loaded: tuple[int | None, int | None] = None, None
        for left_part, right_part in products:
            for tile, part, before, source in (
                (4, left_part, loaded[0], left),
                (6, right_part, loaded[1], right),
            ):
                if part != before:
                    for half in (0, 1):
                        offset = (2 * part + half) * (TILE_BYTES // FLOAT32.itemsize)
                        unit.load(tile + half, b.offset(source, offset, FLOAT32))
            loaded = left_part, right_part
            for row_half in (0, 1):
                for column_half in (0, 1):
                    unit.multiply_add(2 * row_half + column_half, 4 + row_half, 6 + column_half)

    def _on_vectors(self, place: _Place, first_term: Value) -> None:
        """Compute the block from the unsplit operands. This is rare, so the code is short."""
        b, right, lanes = self.b, self.right, self._lanes
        widths = vector_widths(place.width, lanes)
        last = b.minimum(first_term + self.blocking.inner, self.shape.inner)
        with b.loop(0, place.height) as r:
            sums = [b.variable(b.const(0, FLOAT32, width)) for width in widths]
            with b.loop(first_term, last) as term:
                factor = self.left.element(b, place.row + r, term)
                start = term * right.stride + place.column
                for index, (total, width) in enumerate(zip(sums, widths, strict=True)):
                    terms = b.load(right.pointer, FLOAT32, start + index * lanes, width)
                    total.set(b.multiply_add(factor, terms, total.get()))
            for index, total in enumerate(sums):
                b.store(self._sums, total.get(), r * BLOCK + index * lanes)

    def _keep(self, place: _Place, first_term: Value) -> None:
        """Add a block's sums to the stored sums of earlier parts of the inner dimension."""
        b, kept = self.b, self._unfinished(place)
        is_first = b.equal(first_term, 0)
        with b.loop(0, BLOCK * BLOCK, self._lanes) as position:
            new = b.load(self._sums, FLOAT32, position, self._lanes)
            b.store(kept, b.where(is_first, new, self._complete(kept, position)), position)

    def _finish(self, place: _Place) -> None:
        """Pass the finished block to the epilogue, by rows or transposed."""
        b = self.b
        widths = vector_widths(place.width, self._lanes)
        kept = self._unfinished(place)

        def values(r: Operand) -> list[Value]:
            start = b.match(r, b.const(0))[0] * BLOCK
            return [self._complete(kept, start + i * self._lanes) for i in range(len(widths))]

        if not self.finish.by_columns:
            with b.loop(0, place.height) as r:
                self.finish([values(r)], widths, place.row + r, place.column)
            return
        assert isinstance(place.height, int)
        for first in range(0, place.height, TILE_ROWS):
            tile = [values(r) for r in range(first, min(first + TILE_ROWS, place.height))]
            self.finish(tile, widths, place.row + first, place.column)

    def _complete(self, kept: Pointer, position: Value) -> Value:
        """A vector of a block's sums, plus the stored sums of earlier parts if the inner dimension is split."""
        b = self.b
        new = b.load(self._sums, FLOAT32, position, self._lanes)
        return b.add(b.load(kept, FLOAT32, position, self._lanes), new) if self.blocking.keeps_sums else new

    @property
    def _lanes(self) -> int:
        return self.b.lanes(FLOAT32)

    # --- memory --------------------------------------------------------------------------------------------------

    @property
    def _sums(self) -> Pointer:
        """The address of the current block's sums."""
        return self.memory(self.blocking.offsets[2], FLOAT32)

    def _unfinished(self, place: _Place) -> Pointer:
        """The address of a block's stored sums of earlier parts of the inner dimension."""
        start = self.memory(self.blocking.offsets[3], FLOAT32)
        number = place.panel * self.blocking.tiles + place.tile
        return self.b.offset(start, number * (SUMS_BYTES // FLOAT32.itemsize), FLOAT32)
