"""Packing of a product's operands into the tiles of a matrix unit.

Each step along the inner dimension packs 32 columns of A and 32 rows of B. The code calls these terms, since each adds
a term to the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lamina.compiler.cpu._bfloat16 import BITS, UNSPLITTABLE, Load, TilePacker, transpose_tiles
from lamina.compiler.cpu._microkernel import ProductCode
from lamina.compiler.cpu._tiles import Range, cover
from lamina.compiler.cpu._unit_blocking import BLOCK, UnitBlocking
from lamina.compiler.cpu.matrix_unit import TILE_BYTES, TILE_DEPTH, MatrixUnit
from lamina.compiler.llvm import FLOAT32, Builder, DType, Pointer, Value

_BYTE: DType = np.dtype(np.int8)

Read = Callable[[Builder, Value, Value, int], Value]
"""`read(b, row, column, lanes)` loads or computes adjacent float32 elements of a matrix."""


@dataclass(frozen=True)
class LeftOperand:
    """The function that reads A, and whether A is transposed in memory.

    If so, the columns of its memory layout are rows of the result.
    """

    read: Read
    is_transposed: bool

    def element(self, b: Builder, row: Value, term: Value) -> Value:
        """The element of A at a row of the result and an index along the inner dimension."""
        return self.read(b, term, row, 1) if self.is_transposed else self.read(b, row, term, 1)


@dataclass(frozen=True)
class UnitPacking(ProductCode):
    """The packed operands of a product."""

    left: LeftOperand
    blocking: UnitBlocking
    unit: MatrixUnit

    def pack_left(self, block: Range, first_term: Value) -> None:
        """Pack the rows `block` of A, from column `first_term` on."""
        b = self.b

        def tile(row: Value, height: int | Value) -> None:
            packer = self._packer(self.blocking.left_parts)
            number = b.divide_positive(row - block[0], BLOCK)
            if isinstance(height, int) and self.left.is_transposed:
                self._pack_left_transposed(packer, row, height, first_term, number)
            else:
                self._pack_left_rows(packer, row, height, first_term, number)
            self._note(packer, number)

        self.cover_rows(block, tile, may_vary=not self.left.is_transposed)

    def cover_rows(self, block: Range, body: Callable[[Value, int | Value], None], *, may_vary: bool) -> None:
        """Call `body(row, height)` for each 32 rows, and for fewer rows at the end of A.

        With `may_vary`, `height` may be a run-time value, to share the code of both cases.
        """
        b = self.b
        if not (may_vary and self.shape.rows % BLOCK):
            cover(b, self.shape.rows, BLOCK, block, body)
            return
        with b.loop(*block, BLOCK) as row:
            body(row, b.minimum(block[1] - row, BLOCK))

    def _pack_left_rows(
        self, packer: TilePacker, first_row: Value, height: int | Value, first_term: Value, tile: Value
    ) -> None:
        b = self.b

        def step(number: Value, terms: int) -> None:
            first = first_term + number * TILE_DEPTH
            tiles = self.left_step(tile, number)
            with b.loop(0, height) as row:
                packer.pack_rows(self._load_left(first_row + row, first), tiles, terms, row)

        self._steps(first_term, step)

    def _load_left(self, row: Value, column: Value) -> Load:
        return lambda index, count: self.left.read(self.b, row, column + index, count)

    def _pack_left_transposed(
        self, packer: TilePacker, first_row: Value, height: int, first_term: Value, tile: Value
    ) -> None:
        """Pack rows of a transposed A. They are packed like a right operand, then each tile is transposed."""
        b = self.b
        count = 2 * self.blocking.left_parts
        buffer = b.alloca(BITS, count * TILE_BYTES // BITS.itemsize)

        def step(number: Value, terms: int | Value) -> None:
            first = first_term + number * TILE_DEPTH
            self._pack_terms(
                packer, lambda term: self._load_left(first + term, first_row), terms, height, buffer
            )
            transpose_tiles(b, buffer, self.left_step(tile, number), count)

        self._steps_of_any_length(first_term, step)

    def pack_panel(self, first_term: Value, column: Value, width: int) -> None:
        """Pack `width` columns of B, from row `first_term` on."""
        b = self.b
        packer = self._packer(self.blocking.right_parts)

        def step(number: Value, terms: int | Value) -> None:
            first = first_term + number * TILE_DEPTH

            def load(term: Value) -> Load:
                start = (first + term) * self.right.stride + column
                return lambda index, count: b.load(self.right.pointer, FLOAT32, start + index, count)

            self._pack_terms(packer, load, terms, width, self.panel_step(number))

        self._steps_of_any_length(first_term, step)
        self._note(packer, self.blocking.tiles)

    def _packer(self, parts: int) -> TilePacker:
        return TilePacker(self.b, parts, self.unit if self.blocking.rounds else None)

    def _note(self, packer: TilePacker, place: int | Value) -> None:
        if not self.blocking.rounds:
            self.b.store(self._greatest, packer.greatest(), place)

    def _pack_terms(
        self,
        packer: TilePacker,
        load: Callable[[Value], Load],
        terms: int | Value,
        width: int,
        tiles: Pointer,
    ) -> None:
        """Pack up to 32 vectors of `width` adjacent elements each, one per index of the inner dimension.

        `load(term)` returns the function that loads elements of vector `term`.
        """
        b = self.b
        if isinstance(terms, int):
            terms = b.const(terms)
        pairs = b.divide_positive(terms, 2)
        with b.loop(0, pairs) as pair:
            packer.pack_pair([load(pair * 2), load(pair * 2 + 1)], tiles, width, pair)
        if terms.constant == TILE_DEPTH:
            return
        if self.shape.inner % 2:
            with b.if_(b.less(pairs * 2, terms)):
                packer.pack_pair([load(pairs * 2), None], tiles, width, pairs)
        packer.pack_nothing(tiles, b.divide_positive(terms + 1, 2))

    def _steps_of_any_length(self, first_term: Value, body: Callable[[Value, int | Value], None]) -> None:
        """Emit a loop over steps of up to 32 indices of the inner dimension; emit ``body(number, terms)`` once.

        `terms` is the number of indices in a step.
        """
        if self.shape.inner % TILE_DEPTH == 0:
            self._steps(first_term, body)
            return
        b = self.b
        with b.loop(0, self.steps(first_term)) as number:
            body(number, b.minimum(self.shape.inner - (first_term + number * TILE_DEPTH), TILE_DEPTH))

    def _steps(self, first_term: Value, body: Callable[[Value, int], None]) -> None:
        """Emit a loop over steps of 32 indices in a part of the inner dimension, with ``body(number, terms)``.

        `terms` is the number of indices in a step. A remainder gets a separate call of `body`, with fewer indices.
        """
        b, blocking = self.b, self.blocking
        whole, rest = divmod(self.shape.inner, TILE_DEPTH)
        if not blocking.keeps_sums:
            with b.loop(0, whole) as number:
                body(number, TILE_DEPTH)
            if rest:
                body(b.const(whole), rest)
            return
        count = b.minimum(b.const(blocking.steps), whole - self._steps_before(first_term))
        with b.loop(0, count) as number:
            body(number, TILE_DEPTH)
        if rest:
            with b.if_(b.greater_equal(first_term + blocking.inner, self.shape.inner)):
                body(count, rest)

    def steps(self, first_term: Value) -> Value:
        """The number of steps in the part of the inner dimension that begins at `first_term`."""
        b = self.b
        left = -(-self.shape.inner // TILE_DEPTH) - self._steps_before(first_term)
        return b.minimum(b.const(self.blocking.steps), left)

    def _steps_before(self, first_term: Value) -> Value:
        return self.b.divide_positive(first_term, TILE_DEPTH)

    # --- what is packed ------------------------------------------------------------------------------------------

    def left_step(self, tile: Value, number: Value) -> Pointer:
        """The address of the packed tiles of A for 32 rows (number `tile`) and 32 columns (step `number`)."""
        position = tile * self.blocking.left_tile_bytes + number * (self.blocking.left_parts * 2 * TILE_BYTES)
        return self.b.offset(self.memory(0, _BYTE), position, _BYTE)

    def panel_step(self, number: Value) -> Pointer:
        """The address of the packed tiles of the panel of B for 32 rows (step `number`)."""
        panel = self.memory(self.blocking.offsets[1], FLOAT32)
        return self.b.offset(panel, number * (self.blocking.right_parts * 2 * TILE_BYTES), _BYTE)

    def is_splittable(self, tile: Value) -> Value:
        """Whether all numbers in 32 rows of A and in the panel of B can be split into bfloat16 parts."""
        b = self.b
        greatest = [b.load(self._greatest, BITS, place) for place in (tile, self.blocking.tiles)]
        return b.less(b.maximum(*greatest), UNSPLITTABLE)

    @property
    def _greatest(self) -> Pointer:
        """The address of the greatest magnitude in each 32 rows of A, followed by the greatest in the panel of B."""
        return self.memory(self.blocking.offsets[4], BITS)
