"""Matrix products on a matrix unit: float32 operands as sums of bfloat16 parts, packed as tiles.

A block of the result is 32 by 32: four tiles of sums. Tiles accumulate along up to 192 values of k: first the small
products of parts, then x₁y₁ (see `TilePacker`), so most roundings are of small numbers. Longer sums are accumulated in
memory. The error is a third to a ninth of that of one chain of multiply-adds.

Each element is the same sum for any division of the work: blocks begin at multiples of 32 for any number of threads,
and whether operands can be split into parts depends only on a block's 32 rows and 32 columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lamina.compiler.cpu._block_sizes import BITS, BLOCK, SUMS_BYTES, UnitBlocking
from lamina.compiler.cpu._microkernel import Finish, ProductCode
from lamina.compiler.cpu._tiles import Range, cover, vector_widths
from lamina.compiler.cpu._transpose import transpose_vectors
from lamina.compiler.cpu.matrix_unit import TILE_BYTES, TILE_DEPTH, TILE_ROWS, MatrixUnit, PairUnit
from lamina.compiler.llvm import BYTE, FLOAT32, Builder, DType, Operand, Pointer, Value

_SUM_TILES = 4
_ROWS_OF_PAIRS = 8  # whose sums are 16 vectors


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
    """The passes along the inner dimension: products as pairs (part of A, part of B), small ones first, in chains."""
    if right_parts == 1:
        return [[(0, 0)]]
    small = [(0, 1), (0, 2)] if left_parts == 1 else [(2, 0), (1, 0), (1, 1), (0, 1), (0, 2)]
    return [small, [(0, 0)]]


@dataclass(frozen=True)
class UnitProduct(ProductCode):
    """The code of a product. Bounds of rows and columns are multiples of 32 or the ends of the matrix."""

    blocking: UnitBlocking

    def emit(self, rows: Range, columns: Range) -> None:
        b, blocking = self.b, self.blocking
        self.unit.begin()
        with b.loop(*columns, blocking.columns) as first_column, b.loop(*rows, blocking.rows) as first_row:
            part = first_column, b.minimum(first_column + blocking.columns, columns[1])
            block = first_row, b.minimum(first_row + blocking.rows, rows[1])
            if blocking.sums:
                with b.loop(0, self.shape.inner, blocking.inner) as first_term:
                    self._emit_block(block, part, first_term)
            else:
                self._emit_block(block, part, b.const(0))
        self.unit.end()

    @cached_property
    def unit(self) -> MatrixUnit | PairUnit:
        """The unit's instructions."""
        return MatrixUnit(self.b) if self.shape.machine.has_matrix_unit else PairUnit(self.b)

    @property
    def finish(self) -> Finish:
        return Finish(self.b, self.epilogue, is_long=True, by_columns=self.shape.by_columns)

    def _read(self, row: Value, column: Value, lanes: int) -> Value:
        """Load or compute `lanes` elements of A in memory's order, from (row, column) on."""
        if not isinstance(self.left, Pointer):
            return self.left(self.b, row, column, lanes)
        return self.b.load(self.left, FLOAT32, row * max(self.shape.left_strides) + column, lanes)

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
        unit = self.unit
        if isinstance(unit, PairUnit):
            self._by_pairs(unit, place, first_term)
        elif self.blocking.rounds:
            self._on_tiles(unit, place.tile, first_term)
        else:
            b.if_else(
                self.is_splittable(place.tile),
                lambda: self._on_tiles(unit, place.tile, first_term),
                lambda: self._on_vectors(place, first_term),
            )
        if last is None:
            self._finish(place)
        else:
            b.if_else(last, lambda: self._finish(place), lambda: self._keep(place, first_term))

    def _is_last(self, first_term: Value) -> Value | None:
        """Whether the part from `first_term` on completes the sums; None if the inner dimension is not split."""
        if not self.blocking.sums:
            return None
        return self.b.greater_equal(first_term + self.blocking.inner, self.shape.inner)

    # --- multiplication ------------------------------------------------------------------------------------------

    def _on_tiles(self, unit: MatrixUnit, tile_number: Value, first_term: Value) -> None:
        b = self.b
        for tile in range(_SUM_TILES):
            unit.zero(tile)
        for products in _passes(self.blocking.left_parts, self.blocking.right_parts):
            with b.loop(0, self.steps(first_term)) as number:
                left, right = self.left_step(tile_number, number), self.panel_step(number)
                self._multiply_parts(unit, products, left, right)
        for tile in range(_SUM_TILES):
            row_half, column_half = divmod(tile, 2)
            target = b.offset(self._sums, TILE_ROWS * (row_half * BLOCK + column_half), FLOAT32)
            unit.store(tile, target, BLOCK * FLOAT32.itemsize)

    def _multiply_parts(
        self, unit: MatrixUnit, products: list[tuple[int, int]], left: Pointer, right: Pointer
    ) -> None:
        """Add products of parts of A and B to the sums. Tiles that are already loaded are reused."""
        b = self.b
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

    def _by_pairs(self, unit: PairUnit, place: _Place, first_term: Value) -> None:
        """Compute the block with AVX-512, by groups of rows whose sums fit the registers."""
        b = self.b
        halves = range(0, place.width, _ROW)
        with b.loop(0, place.height, _ROWS_OF_PAIRS) as first:
            sums = [[b.variable(b.const(0, FLOAT32, _ROW)) for _ in halves] for _ in range(_ROWS_OF_PAIRS)]
            with b.loop(0, self.steps(first_term)) as number:
                left, right = self.left_step(place.tile, number), self.panel_step(number)
                for pair in range(TILE_DEPTH // 2):
                    terms = [b.load(right, BITS, pair * _ROW + half * TILE_ROWS, _ROW) for half in halves]
                    for r, row in enumerate(sums):
                        factors = b.load(left, BITS, (first + r) * _ROW + pair)
                        for total, term in zip(row, terms, strict=True):
                            total.set(unit.multiply_add(total.get(), factors, term))
            for r, row in enumerate(sums):
                for half, total in zip(halves, row, strict=True):
                    b.store(self._sums, total.get(), (first + r) * BLOCK + half)

    def _on_vectors(self, place: _Place, first_term: Value) -> None:
        """Compute the block from the unsplit operands. This is rare, so the code is short."""
        b, right, lanes = self.b, self.right_panel, self._lanes
        widths = vector_widths(place.width, lanes)
        last = b.minimum(first_term + self.blocking.inner, self.shape.inner)
        with b.loop(0, place.height) as r:
            sums = [b.variable(b.const(0, FLOAT32, width)) for width in widths]
            with b.loop(first_term, last) as term:
                row, is_turned = place.row + r, self.shape.left_is_transposed
                factor = self._read(term, row, 1) if is_turned else self._read(row, term, 1)
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
        return b.add(b.load(kept, FLOAT32, position, self._lanes), new) if self.blocking.sums else new

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

    # --- packing of both operands --------------------------------------------------------------------------------
    #
    # Each step along the inner dimension packs 32 columns of A and 32 rows of B. The code calls these terms, since each
    # adds a term to the sums.

    def pack_left(self, block: Range, first_term: Value) -> None:
        """Pack the rows `block` of A, from column `first_term` on."""
        b = self.b

        def tile(row: Value, height: int | Value) -> None:
            packer = self._packer(self.blocking.left_parts)
            number = b.divide_positive(row - block[0], BLOCK)
            if isinstance(height, int) and self.shape.left_is_transposed:
                self._pack_left_transposed(packer, row, height, first_term, number)
            else:
                self._pack_left_rows(packer, row, height, first_term, number)
            self._note(packer, number)

        self.cover_rows(block, tile, may_vary=not self.shape.left_is_transposed)

    def cover_rows(self, block: Range, body: Callable[[Value, int | Value], None], *, may_vary: bool) -> None:
        """Call `body(row, height)` for each 32 rows; with `may_vary`, one code serves all, with a run-time `height`."""
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
        return lambda index, count: self._read(row, column + index, count)

    def _pack_left_transposed(
        self, packer: TilePacker, first_row: Value, height: int, first_term: Value, tile: Value
    ) -> None:
        """Pack rows of a transposed A. They are packed like a right operand, then each tile is transposed."""
        b = self.b
        count = 2 * self.blocking.left_parts
        buffer = b.alloca(BITS, count * TILE_BYTES // BITS.itemsize)

        def step(number: Value, terms: Value) -> None:
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

        def step(number: Value, terms: Value) -> None:
            first = first_term + number * TILE_DEPTH

            def load(term: Value) -> Load:
                start = (first + term) * self.right_panel.stride + column
                return lambda index, count: b.load(self.right_panel.pointer, FLOAT32, start + index, count)

            self._pack_terms(packer, load, terms, width, self.panel_step(number))

        self._steps_of_any_length(first_term, step)
        self._note(packer, self.blocking.tiles)

    def _packer(self, parts: int) -> TilePacker:
        return TilePacker(self.b, parts, self.unit if self.blocking.rounds else None)

    def _note(self, packer: TilePacker, place: int | Value) -> None:
        if not self.blocking.rounds:
            self.b.store(self._greatest, packer.greatest(), place)

    def _pack_terms(
        self, packer: TilePacker, load: Callable[[Value], Load], terms: Value, width: int, tiles: Pointer
    ) -> None:
        """Pack up to 32 vectors of `width` elements; `load(term)` returns the function that loads those of a term."""
        b = self.b
        pairs = b.divide_positive(terms, 2)
        with b.loop(0, pairs) as pair:
            packer.pack_pair([load(pair * 2), load(pair * 2 + 1)], tiles, width, pair)
        if terms.constant == TILE_DEPTH:
            return
        if self.shape.inner % 2:
            with b.if_(b.less(pairs * 2, terms)):
                packer.pack_pair([load(pairs * 2), None], tiles, width, pairs)
        packer.pack_nothing(tiles, b.divide_positive(terms + 1, 2))

    def _steps_of_any_length(self, first_term: Value, body: Callable[[Value, Value], None]) -> None:
        """Emit one loop over steps of up to 32 inner indices, with ``body(number, terms)`` for `terms` of them."""
        b = self.b
        if self.shape.inner % TILE_DEPTH == 0:
            self._steps(first_term, lambda number, terms: body(number, b.const(terms)))
            return
        with b.loop(0, self.steps(first_term)) as number:
            body(number, b.minimum(self.shape.inner - (first_term + number * TILE_DEPTH), TILE_DEPTH))

    def _steps(self, first_term: Value, body: Callable[[Value, int], None]) -> None:
        """Emit a loop of ``body(number, terms)`` over steps of 32 inner indices; a remainder has a call of its own."""
        b, (whole, rest) = self.b, divmod(self.shape.inner, TILE_DEPTH)
        count = b.const(whole)
        if self.blocking.sums:
            left = whole - b.divide_positive(first_term, TILE_DEPTH)
            count = b.minimum(b.const(self.blocking.steps), left)
        with b.loop(0, count) as number:
            body(number, TILE_DEPTH)
        if rest:
            last = self._is_last(first_term)
            with nullcontext() if last is None else b.if_(last):
                body(count, rest)

    def steps(self, first_term: Value) -> Value:
        """The number of steps in the part of the inner dimension that begins at `first_term`."""
        b = self.b
        left = -(-self.shape.inner // TILE_DEPTH) - b.divide_positive(first_term, TILE_DEPTH)
        return b.minimum(b.const(self.blocking.steps), left)

    # --- what is packed ------------------------------------------------------------------------------------------

    def left_step(self, tile: Value, number: Value) -> Pointer:
        """The address of the packed tiles of A for 32 rows (number `tile`) and 32 columns (step `number`)."""
        position = tile * self.blocking.left_tile_bytes + number * (self.blocking.left_parts * 2 * TILE_BYTES)
        return self.b.offset(self.memory(0, BYTE), position, BYTE)

    def panel_step(self, number: Value) -> Pointer:
        """The address of the packed tiles of the panel of B for 32 rows (step `number`)."""
        panel = self.memory(self.blocking.offsets[1], FLOAT32)
        return self.b.offset(panel, number * (self.blocking.right_parts * 2 * TILE_BYTES), BYTE)

    def is_splittable(self, tile: Value) -> Value:
        """Whether all numbers in 32 rows of A and in the panel of B can be split into bfloat16 parts."""
        b = self.b
        greatest = [b.load(self._greatest, BITS, place) for place in (tile, self.blocking.tiles)]
        return b.less(b.maximum(*greatest), UNSPLITTABLE)

    @property
    def _greatest(self) -> Pointer:
        """The address of the greatest magnitude in each 32 rows of A, followed by the greatest in the panel of B."""
        return self.memory(self.blocking.offsets[4], BITS)


# --- Splitting of float32 numbers into sums of bfloat16 numbers, packed as a matrix unit's operands ------------------
#
# A bfloat16 is the upper half of a float32, with 8 of its 24 significant bits. So a float32 is exactly the sum of three
# bfloat16 parts, x = x₁ + x₂ + x₃, each at most 2⁻⁸ of the previous part. Of the nine products of parts of x and y, six
# are computed; the others, x₂y₃, x₃y₂ and x₃y₃, are together below 2⁻²³ |xy|, mostly far below. (Henry, Tang and
# Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations", 2019.)
#
# Infinities, NaN, and numbers with a magnitude of 2¹²⁷ or more can't be split this way. Packing records the greatest
# magnitude, from which the product detects such numbers (`UNSPLITTABLE`). Parts, and products of parts, below 2⁻¹²⁶
# count as zero, as denormals do in all compiled code: products below about 2⁻¹⁰⁰ therefore have fewer than 24 bits.
# x₁y₁ may overflow where xy is within a factor 1 - 2⁻⁷ of the greatest float32.
#
# With `precision="bfloat16"`, a number has a single part: the nearest bfloat16, with ties to even. Infinities and NaN
# are unchanged.


_HALF: DType = np.dtype(np.uint16)
UNSPLITTABLE = 0x7F000000
"""The bits of 2¹²⁷, the smallest magnitude that can't be split."""

Load = Callable[[int, int], Value]
"""`load(index, count)` loads `count` adjacent float32 numbers from an index on."""

_UPPER_HALF = 0xFFFF0000
_HALF_A_UNIT = 0x8000  # half a unit in the last place of a float32's upper half
_MAGNITUDE = 0x7FFFFFFF
_TILE = TILE_BYTES // BITS.itemsize
_ROW = 16  # elements of 32 bits in a tile's row
_HALVES = 2  # tiles side by side


class TilePacker:
    """Packs a matrix into two tiles for each of `parts` bfloat16 parts; notes the bits of the greatest magnitude."""

    def __init__(self, b: Builder, parts: int, rounding: MatrixUnit | PairUnit | None = None) -> None:
        self._b, self._parts, self._rounding = b, parts, rounding
        self._greatest = b.variable(b.const(0, BITS, _ROW))

    def greatest(self) -> Value:
        return self._b.reduce_max(self._greatest.get())

    def pack_rows(self, load: Load, tile: Pointer, terms: int, row: Value) -> None:
        """Pack up to 32 elements of one row of a left operand into row `row` of the tiles."""
        b = self._b
        first = self._load(load, 0, min(terms, _ROW))
        second = self._load(load, _ROW, max(terms - _ROW, 0))
        if self._rounding is not None:
            b.store(tile, self._rounding.rounded(first, second), row * _ROW)
            return
        even, odd = (b.shuffle(first, second, list(range(start, 2 * _ROW, 2))) for start in (0, 1))
        for part, pairs in enumerate(self._pairs(even, odd)):
            b.store(self._part(tile, part), pairs, row * _ROW)

    def pack_pair(self, loads: Sequence[Load | None], tile: Pointer, width: int, pair: Value) -> None:
        """Pack two rows of a right operand, with `width` columns, as row `pair` of the tiles; None stands for zeros."""
        b = self._b
        for half in range(_HALVES):
            count = min(max(width - half * _ROW, 0), _ROW)
            even, odd = (self._load(load, half * _ROW, count) for load in loads)
            for part, pairs in enumerate(self._pairs(even, odd)):
                position = pair * _ROW + half * _TILE
                b.store(self._part(tile, part), pairs, position)

    def pack_nothing(self, tile: Pointer, first_pair: int | Value) -> None:
        """Fill the rows of a right operand's tiles from `first_pair` on with zeros."""
        b = self._b
        with b.loop(first_pair, TILE_DEPTH // 2) as pair:
            for part in range(self._parts):
                for half in range(_HALVES):
                    position = pair * _ROW + half * _TILE
                    b.store(self._part(tile, part), b.const(0, BITS, _ROW), position)

    def _part(self, tile: Pointer, part: int) -> Pointer:
        return self._b.offset(tile, part * _HALVES * _TILE, BITS)

    def _load(self, load: Load | None, index: int, count: int) -> Value:
        """Load `count` elements from `index` on, padded with zeros to a vector of 16."""
        b = self._b
        if load is None or count == 0:
            return b.const(0, FLOAT32, _ROW)
        return b.widen(load(index, count), _ROW, 0.0)

    def _pairs(self, even: Value, odd: Value) -> list[Value]:
        """A vector of 32-bit words for each bfloat16 part: that of `even` in the lower half, of `odd` in the upper."""
        b = self._b
        if self._rounding is not None:
            halves = b.bitcast(self._rounding.rounded(even, odd), _HALF)
            order = [column + term for column in range(_ROW) for term in (0, _ROW)]
            return [b.bitcast(b.shuffle(halves, None, order), BITS)]
        self._note(even)
        self._note(odd)
        parts = zip(self._split(even), self._split(odd), strict=True)
        return [b.bit_or(b.shift_right(low, 16), high) for low, high in parts]

    def _note(self, x: Value) -> None:
        b = self._b
        magnitude = b.bit_and(b.bitcast(x, BITS), _MAGNITUDE)
        self._greatest.set(b.maximum(self._greatest.get(), magnitude))

    def _split(self, x: Value) -> list[Value]:
        """The bfloat16 parts of x, as float32 bits with zero lower halves. The last part needs no rounding."""
        b = self._b
        parts: list[Value] = []
        for _ in range(self._parts - 1):
            bits = b.bit_and(b.add(b.bitcast(x, BITS), _HALF_A_UNIT), _UPPER_HALF)
            parts.append(bits)
            x = b.sub(x, b.bitcast(bits, FLOAT32))
        return [*parts, b.bitcast(x, BITS)]


def transpose_tiles(b: Builder, source: Pointer, destination: Pointer, tiles: int) -> None:
    """Transpose `tiles` tiles of 16 by 16 elements of 32 bits."""
    with b.loop(0, tiles) as tile:
        start = tile * (TILE_ROWS * _ROW)
        rows = [b.load(source, BITS, start + row * _ROW, _ROW) for row in range(TILE_ROWS)]
        for row, column in enumerate(transpose_vectors(b, rows)):
            b.store(destination, column, start + row * _ROW)
