"""Which terms of a product's sums count: for the tiles and the pairs of rows of a block, where A is not zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.compiler.cpu._cache_lines import whole_lines
from lamina.compiler.cpu._microkernel import LeftTile
from lamina.compiler.cpu._zero_columns import ColumnOrder
from lamina.compiler.llvm import INDEX, INT32, UINT64, Builder, DType, Pointer, Value

__all__ = ["LOOKED_AT", "PAIR", "TermLists", "pairs_pay", "terms_bytes"]

PAIR = 2
"""So many rows have a list of their own: of two pictures a third of the pixels is in use, of eight a half."""
LOOKED_AT = 8  # so many terms are looked at together
_PROBED = 64  # terms of a tile; where none of them is zero, the data is taken to be dense
_PAIR_COST = 5, 4
"""A term of two rows takes that much longer than its share of a tile's: B is read from the second cache more often."""


def terms_bytes(rows: int, inner: int) -> int:
    """The memory of the lists of a packed block: one for each pair of rows, and one for each tile."""
    return whole_lines(rows * _places(inner) * INT32.itemsize)


def _places(inner: int) -> int:
    """Of one list: its length, all terms, and room for what is written beyond those in use."""
    return inner + 1 + LOOKED_AT


def pairs_pay(b: Builder, of_pairs: Value, of_rows: Value) -> Value:
    """Whether to compute a block two rows at a time; `of_rows`: the terms of tiles, times their rows."""
    longer, shorter = _PAIR_COST
    return b.less(of_pairs * (PAIR * longer), of_rows * shorter)


@dataclass(frozen=True)
class TermLists:
    """The lists of a block, each behind its length.

    The list of the pair at an even row is at that row's place, the list of a tile at that of its second row.
    """

    b: Builder
    dtype: DType
    inner: int
    memory: Pointer

    def write(
        self, tile: LeftTile, row: Value, height: int, depth: Value, may_skip: Value
    ) -> tuple[Value, Value]:
        """List the terms of a tile and of its pairs; how many its pairs have, and how many its rows by the tile's list.

        Of a tile whose first terms are not zero the rest is not looked at.
        """
        b = self.b
        starts = [self._of(row, 0 if height == 1 else 1), *self._pairs(row, height)]
        counts = [b.variable(depth) for _ in starts]

        def those_in_use() -> None:
            for count in counts:
                count.set(b.const(0))
            with b.loop(0, depth, LOOKED_AT) as k:
                pairs = self._used(tile, k, height, depth)
                terms = b.add(
                    b.splat(b.cast(k, INT32), LOOKED_AT), b.const_vector(list(range(LOOKED_AT)), INT32)
                )
                for numbers, count, bits in zip(starts, counts, [_any(b, pairs), *pairs], strict=True):
                    # What lies beyond the terms in use, the next ones overwrite.
                    b.store(numbers, b.compress(terms, b.bits_mask(bits, LOOKED_AT)), count.get())
                    count.set(count.get() + b.cast(b.count_ones(bits), INDEX))

        def all_terms() -> None:
            def several(k: Value, lanes: int) -> None:
                steps = b.const_vector(list(range(lanes)), INT32)
                for numbers in starts:
                    b.store(numbers, b.add(b.splat(b.cast(k, INT32), lanes), steps), k)

            b.vector_loop(b.const(0), depth, b.lanes(INT32), several)

        b.if_else(b.logical_and(self._has_zeros(tile, height, depth), may_skip), those_in_use, all_terms)
        for numbers, count in zip(starts, counts, strict=True):
            b.store(numbers, b.cast(count.get(), INT32), -1)
        of_tile, *of_pairs = (count.get() for count in counts)
        total = of_pairs[0]
        for count in of_pairs[1:]:
            total = total + count
        return total, of_tile * height

    def of_tile(self, row: Value, height: int) -> ColumnOrder:
        """The terms of the tile at a row of the block."""
        return self._order(self._of(row, 0 if height == 1 else 1))

    def of_pair(self, row: Value) -> ColumnOrder:
        """The terms of the pair of rows that begins with this one."""
        return self._order(self._of(row, 0))

    def _order(self, numbers: Pointer) -> ColumnOrder:
        b = self.b
        return ColumnOrder(numbers, b.cast(b.load(numbers, INT32, -1), INDEX))

    def _of(self, row: Value, beyond: int) -> Pointer:
        return self.b.offset(self.memory, (row + beyond) * _places(self.inner) + 1, INT32)

    def _pairs(self, row: Value, height: int) -> list[Pointer]:
        return [self._of(row, first) for first in range(0, height, PAIR)]

    def _used(self, tile: LeftTile, k: Value, height: int, depth: Value) -> list[Value]:
        """Of each pair, in which of the next terms it is not zero: a bit a term.

        The tile is packed, or its rows lie in memory as they are, with at least as many terms as are looked at.
        """
        return (self._used_in_packed if tile.row_stride == 1 else self._used_in_rows)(tile, k, height, depth)

    def _used_in_packed(self, tile: LeftTile, k: Value, height: int, depth: Value) -> list[Value]:
        b = self.b
        is_there = b.shift_right(
            b.const(2**LOOKED_AT - 1, UINT64), b.cast(LOOKED_AT - b.minimum(LOOKED_AT, depth - k), UINT64)
        )
        found: list[Value] = []
        for first in range(0, height, LOOKED_AT):
            rows = min(LOOKED_AT, height - first)
            places = [(k + u) * height + first for u in range(LOOKED_AT)]
            of_rows = _transposed_bits(
                b, [self._not_zero([b.offset(tile.pointer, place, self.dtype)], rows) for place in places]
            )
            of_pairs = b.bit_or(of_rows, b.shift_right(of_rows, LOOKED_AT))
            for row in range(0, rows, PAIR):
                both = of_pairs if row + 1 < rows else of_rows
                found.append(b.bit_and(b.shift_right(both, LOOKED_AT * row), is_there))
        return found

    def _used_in_rows(self, tile: LeftTile, k: Value, height: int, depth: Value) -> list[Value]:
        b = self.b
        start = b.minimum(k, depth - LOOKED_AT)  # what lies behind the last row is not ours
        seen = b.cast(k - start, UINT64)
        found: list[Value] = []
        for first in range(0, height, PAIR):
            rows = range(first, min(first + PAIR, height))
            pointers = [b.offset(tile.pointer, start + row * tile.row_stride, self.dtype) for row in rows]
            found.append(b.shift_right(self._not_zero(pointers, LOOKED_AT), seen))
        return found

    def _not_zero(self, pointers: Sequence[Pointer], lanes: int) -> Value:
        """In which places any of some vectors is not zero: a bit a place. The sign does not count: -0 is zero, too."""
        b, bits = self.b, np.dtype(f"int{8 * self.dtype.itemsize}")
        together = _any(b, [b.load(pointer, bits, 0, lanes) for pointer in pointers])
        return b.mask_bits(b.not_equal(b.bit_and(together, int(np.iinfo(bits).max)), 0))

    def _has_zeros(self, tile: LeftTile, height: int, depth: Value) -> Value:
        """Whether any of the first terms is zero in all rows of a tile."""
        b = self.b
        used, probed = b.variable(b.const(0)), b.minimum(_PROBED, depth)
        with b.loop(0, probed, LOOKED_AT) as k:
            bits = _any(b, self._used(tile, k, height, depth))
            used.set(used.get() + b.cast(b.count_ones(bits), INDEX))
        return b.less(used.get(), probed)


def _any(b: Builder, bits: Sequence[Value]) -> Value:
    found = bits[0]
    for other in bits[1:]:
        found = b.bit_or(found, other)
    return found


def _transposed_bits(b: Builder, rows: list[Value]) -> Value:
    """A matrix of 8 by 8 bits, of which these are the rows, transposed: eight bytes, the first row lowest.

    Halves, quarters and single bits beside the diagonal change places (Warren, Hacker's Delight, 2003, section 7-3).
    """
    x = _any(b, [b.shift_left(row, LOOKED_AT * place) for place, row in enumerate(rows)])
    for distance, kept in ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0)):
        swapped = b.bit_and(b.bit_xor(x, b.shift_right(x, distance)), b.const(kept, UINT64))
        x = b.bit_xor(x, b.bit_xor(swapped, b.shift_left(swapped, distance)))
    return x
