"""Splitting of float32 numbers into sums of bfloat16 numbers, packed as a matrix unit's operands.

A bfloat16 is the upper half of a float32, with 8 of its 24 significant bits. So a float32 is exactly the sum of three
bfloat16 parts, x = x₁ + x₂ + x₃, each at most 2⁻⁸ of the previous part. Of the nine products of parts of x and y, six
are computed; the others, x₂y₃, x₃y₂ and x₃y₃, are together below 2⁻²³ |xy|, mostly far below. (Henry, Tang and
Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations", 2019.)

Infinities, NaN, and numbers with a magnitude of 2¹²⁷ or more can't be split this way. Packing records the greatest
magnitude, from which the product detects such numbers (`UNSPLITTABLE`). Parts, and products of parts, below 2⁻¹²⁶ count
as zero, as denormals do in all compiled code: products below about 2⁻¹⁰⁰ therefore have fewer than 24 bits. x₁y₁ may
overflow where xy is within a factor 1 - 2⁻⁷ of the greatest float32.

With `precision="bfloat16"`, a number has a single part: the nearest bfloat16, with ties to even. Infinities and NaN are
unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lamina.compiler.cpu._transpose import transpose_vectors
from lamina.compiler.cpu.matrix_unit import TILE_BYTES, TILE_DEPTH, TILE_ROWS, MatrixUnit
from lamina.compiler.llvm import FLOAT32, Builder, DType, Pointer, Value

PARTS = 3
BITS: DType = np.dtype(np.uint32)
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
    """Packs a matrix into the tiles of a matrix unit: two consecutive tiles for each of `parts` bfloat16 parts.

    `greatest()` returns the bits of the greatest packed magnitude.
    """

    def __init__(self, b: Builder, parts: int, rounding: MatrixUnit | None = None) -> None:
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
        """Pack two rows of a right operand, with `width` columns, as row `pair` of the tiles.

        A load that is None is replaced by zeros.
        """
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
        """A vector of 32-bit words for each bfloat16 part.

        A word has the part of an element of `even` in its lower half, and the part of an element of `odd` in its upper
        half.
        """
        b = self._b
        if self._rounding is not None:
            halves = b.bitcast(self._rounding.rounded(even, odd), _HALF)
            order = [column + term for column in range(_ROW) for term in (0, _ROW)]
            return [b.bitcast(b.shuffle(halves, None, order), BITS)]
        self._note(even)
        self._note(odd)
        return [
            b.bit_or(b.shift_right(low, 16), high)
            for low, high in zip(self._split(even), self._split(odd), strict=True)
        ]

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
