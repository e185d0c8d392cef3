"""Matrix products on a matrix unit: float32 operands in parts of bfloat16, packed as tiles.

A block of the result is 32 by 32: four tiles of sums. Up to 192 terms are summed up in tiles: first the small products
of parts, then x₁y₁ upon them, so that most roundings are of small numbers. What such parts of the summed dimension give
is added up in memory. The error is a third to a ninth of that of one chain of multiply-adds.

Each element is the same sum for any split of the work: blocks begin at multiples of 32 whoever computes them, and what
decides whether operands can be split are the 32 rows and the 32 columns alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lamina.compiler.codegen.bfloat16 import BITS, PARTS, UNSPLITTABLE, Load, TilePacker, transpose_tiles
from lamina.compiler.codegen.blocking import even_part
from lamina.compiler.codegen.builder import Builder
from lamina.compiler.codegen.cover import Range, cover
from lamina.compiler.codegen.lines import whole_lines
from lamina.compiler.codegen.machine import Machine
from lamina.compiler.codegen.matrix_unit import TILE_BYTES, TILE_DEPTH, TILE_ROWS, MatrixUnit
from lamina.compiler.codegen.microkernel import Epilogue, RightPanel, finish
from lamina.compiler.codegen.tiles import vector_widths
from lamina.compiler.codegen.values import FLOAT32, DType, Operand, Pointer, Value

__all__ = ["BLOCK", "LeftOperand", "Read", "UnitBlocking", "UnitProduct", "choose_unit_blocking"]

BLOCK = 2 * TILE_ROWS
"""Rows and columns of a block of the result."""

_DEEPEST = 192  # terms: a packed panel of so many stays in the first-level cache
_MOST_ROWS = 512
_SUMS_BYTES = BLOCK * BLOCK * FLOAT32.itemsize
_SUM_TILES = 4
_BYTE: DType = np.dtype(np.int8)
_LEAST_EXTENT = 128  # of rows, columns and terms: below, packing costs more than it saves
_LEAST_SHORT_EXTENT = 48  # where there are half as many products of parts
_LEAST_WORK = 1 << 20  # multiply-adds


@dataclass(frozen=True)
class UnitBlocking:
    """How a product is cut up: `rows` by `inner` of A are packed together, then panel after panel of B, 32 columns
    wide.

    `keeps_sums`: the summed dimension is cut, and `sums` blocks of unfinished sums wait in memory.
    """

    rows: int
    inner: int
    left_parts: int
    keeps_sums: bool
    sums: int

    @property
    def steps(self) -> int:
        """Steps along the summed dimension, of 32 terms each."""
        return -(-self.inner // TILE_DEPTH)

    @property
    def left_tile_bytes(self) -> int:
        """Of 32 rows of A."""
        return self.steps * self.left_parts * 2 * TILE_BYTES

    @property
    def panel_bytes(self) -> int:
        return self.steps * PARTS * 2 * TILE_BYTES

    @property
    def tiles(self) -> int:
        return -(-self.rows // BLOCK)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where in the scratch memory begin: A, the panel of B, a block's sums, the unfinished sums, the greatest
        magnitudes, and what comes after all."""
        sizes = (
            self.tiles * self.left_tile_bytes,
            self.panel_bytes,
            _SUMS_BYTES,
            self.sums * _SUMS_BYTES,
            whole_lines((self.tiles + 1) * BITS.itemsize),
        )
        return tuple(itertools.accumulate(sizes, initial=0))

    @property
    def scratch_bytes(self) -> int:
        return self.offsets[-1]


def choose_unit_blocking(
    machine: Machine, rows: int, inner: int, columns: int, left_parts: int
) -> UnitBlocking | None:
    """How to compute a product on the matrix unit; None where there is none, or a vector unit is as fast."""
    if not machine.has_matrix_unit or rows * inner * columns < _LEAST_WORK:
        return None
    if min(rows, inner, columns) < (_LEAST_SHORT_EXTENT if left_parts == 1 else _LEAST_EXTENT):
        return None
    depth = even_part(inner, _DEEPEST, TILE_DEPTH)
    most = machine.l2_bytes // 2 // (depth * left_parts * 2)
    block_rows = even_part(rows, min(most, _MOST_ROWS), BLOCK)
    keeps_sums = depth < inner
    return UnitBlocking(
        rows=block_rows,
        inner=depth,
        left_parts=left_parts,
        keeps_sums=keeps_sums,
        sums=block_rows // BLOCK * -(-columns // BLOCK) if keeps_sums else 0,
    )


def _passes(left_parts: int) -> list[list[tuple[int, int]]]:
    """The products of parts (of A, of B) in their order: the small ones, each with an operand of the one before; then
    the large one."""
    small = [(0, 1), (0, 2)] if left_parts == 1 else [(2, 0), (1, 0), (1, 1), (0, 1), (0, 2)]
    return [small, [(0, 0)]]


Read = Callable[[Builder, Value, Value, int], Value]
"""`read(b, row, column, lanes)`: neighbouring float32 elements of a matrix as it lies in memory, or would lie there."""


@dataclass(frozen=True)
class LeftOperand:
    """A matrix, and whether its columns are the rows of the result, and not terms of the sums."""

    read: Read
    is_transposed: bool

    def element(self, b: Builder, row: Value, term: Value) -> Value:
        """What is multiplied for a row of the result."""
        return self.read(b, term, row, 1) if self.is_transposed else self.read(b, row, term, 1)


@dataclass(frozen=True)
class UnitProduct:
    """One emission of a product. Bounds of rows and columns are multiples of 32 or the ends of the matrix.

    `fetch(row, column, width)` asks for what the epilogue will read of a row.
    """

    b: Builder
    blocking: UnitBlocking
    rows: int
    inner: int
    columns: int
    left: LeftOperand
    right: RightPanel
    scratch: Pointer
    epilogue: Epilogue
    fetch: Callable[[Value, Value, int], None]
    by_columns: bool

    @cached_property
    def _unit(self) -> MatrixUnit:
        return MatrixUnit(self.b)

    def emit(self, rows: Range, columns: Range) -> None:
        b, blocking = self.b, self.blocking
        self._unit.begin()
        with b.loop(*rows, blocking.rows) as first_row:
            block = first_row, b.minimum(first_row + blocking.rows, rows[1])
            if blocking.keeps_sums:
                with b.loop(0, self.inner, blocking.inner) as first_term:
                    self._emit_block(block, columns, first_term)
            else:
                self._emit_block(block, columns, b.const(0))
        self._unit.end()

    def _emit_block(self, block: Range, columns: Range, first_term: Value) -> None:
        self._pack_left(block, first_term)
        self._multiply(block, columns, first_term)

    def _multiply(self, block: Range, columns: Range, first_term: Value) -> None:
        """Multiply a packed block of A with panel after panel of B."""
        b = self.b

        def panel(column: Value, width: int) -> None:
            self._pack_panel(first_term, column, width)
            number = b.divide_positive(column - columns[0], BLOCK)

            def tile(row: Value, height: int) -> None:
                where = _Place(row, height, column, width, b.divide_positive(row - block[0], BLOCK), number)
                self._block(where, first_term)

            cover(b, self.rows, BLOCK, block, tile)

        cover(b, self.columns, BLOCK, columns, panel)

    def _block(self, place: _Place, first_term: Value) -> None:
        """One block of the result: on the matrix unit, or where its operands have no parts, on the vector unit."""
        b = self.b
        last = self._is_last(first_term)
        with self._where(last):
            self._fetch(place)
        greatest = b.maximum(self._left_greatest(place.tile), self._right_greatest())
        b.if_else(
            b.less(greatest, UNSPLITTABLE),
            lambda: self._on_the_unit(place.tile, first_term),
            lambda: self._on_vectors(place, first_term),
        )
        if last is None:
            self._finish(place)
        else:
            b.if_else(last, lambda: self._finish(place), lambda: self._keep(place, first_term))

    @contextmanager
    def _where(self, condition: Value | None) -> Generator[None]:
        if condition is None:
            yield
        else:
            with self.b.if_(condition):
                yield

    def _is_last(self, first_term: Value) -> Value | None:
        """Whether the sums are complete after these terms; None: always."""
        if not self.blocking.keeps_sums:
            return None
        return self.b.greater_equal(first_term + self.blocking.inner, self.inner)

    def _fetch(self, place: _Place) -> None:
        with self.b.loop(0, place.height) as r:
            self.fetch(place.row + r, place.column, place.width)

    # --- packing -------------------------------------------------------------------------------------------------

    def _pack_left(self, block: Range, first_term: Value) -> None:
        b = self.b

        def tile(row: Value, height: int) -> None:
            packer = TilePacker(b, self.blocking.left_parts)
            number = b.divide_positive(row - block[0], BLOCK)
            target = self._left_tile(number)
            if self.left.is_transposed:
                self._pack_left_transposed(packer, row, height, first_term, target)
            else:
                self._pack_left_rows(packer, row, height, first_term, target)
            b.store(self._greatest_place(0), packer.greatest(), number)

        cover(b, self.rows, BLOCK, block, tile)

    def _pack_left_rows(
        self, packer: TilePacker, first_row: Value, height: int, first_term: Value, target: Pointer
    ) -> None:
        b = self.b

        def step(number: Value, terms: int) -> None:
            first = first_term + number * TILE_DEPTH
            tiles = self._left_step(target, number)
            with b.loop(0, height) as row:
                packer.pack_rows(self._load_left(first_row + row, first), tiles, terms, row)

        self._steps(first_term, step)

    def _load_left(self, row: Value, column: Value) -> Load:
        return lambda index, count: self.left.read(self.b, row, column + index, count)

    def _pack_left_transposed(
        self, packer: TilePacker, first_row: Value, height: int, first_term: Value, target: Pointer
    ) -> None:
        """Rows of A as it lies in memory are terms: packed as if for a right operand, then transposed tile by tile."""
        b = self.b
        count = 2 * self.blocking.left_parts
        buffer = b.alloca(BITS, count * TILE_BYTES // BITS.itemsize)

        def step(number: Value, terms: int) -> None:
            first = first_term + number * TILE_DEPTH
            self._pack_terms(
                packer, lambda term: self._load_left(first + term, first_row), terms, height, buffer
            )
            transpose_tiles(b, buffer, self._left_step(target, number), count)

        self._steps(first_term, step)

    def _pack_panel(self, first_term: Value, column: Value, width: int) -> None:
        b = self.b
        packer = TilePacker(b, PARTS)
        target = self._panel

        def step(number: Value, terms: int) -> None:
            first = first_term + number * TILE_DEPTH

            def load(term: Value) -> Load:
                start = (first + term) * self.right.stride + column
                return lambda index, count: b.load(self.right.pointer, FLOAT32, start + index, count)

            self._pack_terms(packer, load, terms, width, self._panel_step(target, number))

        self._steps(first_term, step)
        b.store(self._greatest_place(self.blocking.tiles), packer.greatest())

    def _pack_terms(
        self, packer: TilePacker, load: Callable[[Value], Load], terms: int, width: int, tiles: Pointer
    ) -> None:
        """Up to 32 terms, each `width` neighbours; `load(term)` is where one is."""
        b = self.b
        pairs, rest = divmod(terms, 2)
        with b.loop(0, pairs) as pair:
            packer.pack_pair([load(pair * 2), load(pair * 2 + 1)], tiles, width, pair)
        if rest:
            packer.pack_pair([load(b.const(terms - 1)), None], tiles, width, b.const(pairs))
        if pairs + rest < TILE_DEPTH // 2:
            packer.pack_nothing(tiles, pairs + rest)

    def _steps(self, first_term: Value, body: Callable[[Value, int], None]) -> None:
        """`body(number, terms)` for each step of 32 terms of a part of the summed dimension, and for its rest."""
        b, blocking = self.b, self.blocking
        whole, rest = divmod(self.inner, TILE_DEPTH)
        if not blocking.keeps_sums:
            with b.loop(0, whole) as number:
                body(number, TILE_DEPTH)
            if rest:
                body(b.const(whole), rest)
            return
        count = b.minimum(b.const(blocking.steps), b.const(whole) - self._steps_before(first_term))
        with b.loop(0, count) as number:
            body(number, TILE_DEPTH)
        if rest:
            with b.if_(b.greater_equal(first_term + blocking.inner, self.inner)):
                body(count, rest)

    def _steps_before(self, first_term: Value) -> Value:
        return self.b.divide_positive(first_term, TILE_DEPTH)

    # --- multiplication ------------------------------------------------------------------------------------------

    def _on_the_unit(self, tile_number: Value, first_term: Value) -> None:
        b, unit = self.b, self._unit
        left = self._left_tile(tile_number)
        for tile in range(_SUM_TILES):
            unit.zero(tile)
        count = b.minimum(
            b.const(self.blocking.steps), -(-self.inner // TILE_DEPTH) - self._steps_before(first_term)
        )
        for products in _passes(self.blocking.left_parts):
            with b.loop(0, count) as number:
                self._multiply_parts(
                    products, self._left_step(left, number), self._panel_step(self._panel, number)
                )
        for tile in range(_SUM_TILES):
            row_half, column_half = divmod(tile, 2)
            target = b.offset(self._sums, TILE_ROWS * (row_half * BLOCK + column_half), FLOAT32)
            unit.store(tile, target, BLOCK * FLOAT32.itemsize)

    def _multiply_parts(self, products: list[tuple[int, int]], left: Pointer, right: Pointer) -> None:
        """Add products of parts of A and B to the sums. What is in a tile already isn't loaded again."""
        unit, b = self._unit, self.b
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
        """The same block from the operands as they are, for numbers that have no parts. Seldom, so this is short."""
        b, right = self.b, self.right
        widths = vector_widths(place.width, b.lanes(FLOAT32))
        last = b.minimum(first_term + self.blocking.inner, self.inner)
        with b.loop(0, place.height) as r:
            sums = [b.variable(b.const(0, FLOAT32, width)) for width in widths]
            with b.loop(first_term, last) as term:
                factor = self.left.element(b, place.row + r, term)
                start = term * right.stride + place.column
                for index, (total, width) in enumerate(zip(sums, widths, strict=True)):
                    terms = b.load(right.pointer, FLOAT32, start + index * TILE_ROWS, width)
                    total.set(b.multiply_add(factor, terms, total.get()))
            for index, total in enumerate(sums):
                b.store(self._sums, total.get(), r * BLOCK + index * TILE_ROWS)

    def _keep(self, place: _Place, first_term: Value) -> None:
        """Add a block's sums to the unfinished ones."""
        b, kept = self.b, self._unfinished(place)
        is_first = b.equal(first_term, 0)
        with b.loop(0, BLOCK * BLOCK, TILE_ROWS) as position:
            new = b.load(self._sums, FLOAT32, position, TILE_ROWS)
            b.store(kept, b.where(is_first, new, self._complete(kept, position)), position)

    def _finish(self, place: _Place) -> None:
        """Hand the finished block to the epilogue, row by row, or turned."""
        b = self.b
        widths = vector_widths(place.width, b.lanes(FLOAT32))
        kept = self._unfinished(place)

        def values(r: Operand) -> list[Value]:
            start = b.match(r, b.const(0))[0] * BLOCK
            return [self._complete(kept, start + i * TILE_ROWS) for i in range(len(widths))]

        if not self.by_columns:
            with b.loop(0, place.height) as r:
                finish(b, [values(r)], widths, place.row + r, place.column, self.epilogue)
            return
        for first in range(0, place.height, TILE_ROWS):
            tile = [values(r) for r in range(first, min(first + TILE_ROWS, place.height))]
            finish(
                b, tile, widths, place.row + first, place.column, self.epilogue, is_long=True, by_columns=True
            )

    def _complete(self, kept: Pointer, position: Value) -> Value:
        """A block's sums and the unfinished ones from the terms before."""
        b = self.b
        new = b.load(self._sums, FLOAT32, position, TILE_ROWS)
        return b.add(b.load(kept, FLOAT32, position, TILE_ROWS), new) if self.blocking.keeps_sums else new

    # --- memory --------------------------------------------------------------------------------------------------

    def _at(self, part: int, nbytes: Operand) -> Pointer:
        """So many bytes into a part of the scratch memory."""
        start = self.b.offset(self.scratch, self.blocking.offsets[part] // FLOAT32.itemsize, FLOAT32)
        return self.b.offset(start, nbytes, _BYTE)

    def _left_tile(self, number: Value) -> Pointer:
        return self._at(0, number * self.blocking.left_tile_bytes)

    def _left_step(self, tile: Pointer, number: Value) -> Pointer:
        return self.b.offset(tile, number * (self.blocking.left_parts * 2 * TILE_BYTES), _BYTE)

    @property
    def _panel(self) -> Pointer:
        return self._at(1, 0)

    def _panel_step(self, panel: Pointer, number: Value) -> Pointer:
        return self.b.offset(panel, number * (PARTS * 2 * TILE_BYTES), _BYTE)

    @property
    def _sums(self) -> Pointer:
        return self._at(2, 0)

    def _unfinished(self, place: _Place) -> Pointer:
        return self._at(3, (place.panel * self.blocking.tiles + place.tile) * _SUMS_BYTES)

    def _greatest_place(self, index: int) -> Pointer:
        return self._at(4, index * BITS.itemsize)

    def _left_greatest(self, tile_number: Value) -> Value:
        return self.b.load(self._greatest_place(0), BITS, tile_number)

    def _right_greatest(self) -> Value:
        return self.b.load(self._greatest_place(self.blocking.tiles), BITS)


@dataclass(frozen=True)
class _Place:
    """A block of the result: its rows and columns, and the numbers of its tile of A and of its panel of B."""

    row: Value
    height: int
    column: Value
    width: int
    tile: Value
    panel: Value
