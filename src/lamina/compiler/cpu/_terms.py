"""Which terms of a product's sums count: for the tiles and the pairs of rows of a packed block, where A is not zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamina.compiler.cpu._cache_lines import whole_lines
from lamina.compiler.cpu._zero_columns import ColumnOrder
from lamina.compiler.llvm import INDEX, INT32, UINT64, Builder, DType, Pointer, Value

__all__ = ["PAIR", "TermLists", "pairs_pay", "terms_bytes"]

PAIR = 2
"""So many rows have a list of their own: of two pictures a third of the pixels is in use, of eight a half."""
_STEP = 8  # terms that are looked at together
_PROBED = 64  # terms of a tile; where none of them is zero, the data is taken to be dense
_PAIR_COST = 5, 4
"""A term of two rows takes that much longer than its share of a tile's: B is read from the second cache more often."""


def terms_bytes(rows: int, inner: int) -> int:
    """The memory of the lists of a packed block: one for each pair of rows, and one for each tile."""
    return whole_lines(rows * _places(inner) * INT32.itemsize)


def _places(inner: int) -> int:
    """Of one list: its length, all terms, and room for what is written beyond those in use."""
    return inner + 1 + _STEP


def pairs_pay(b: Builder, of_pairs: Value, of_rows: Value) -> Value:
    """Whether to compute a block two rows at a time; `of_rows`: the terms of tiles, times their rows."""
    longer, shorter = _PAIR_COST
    return b.less(of_pairs * (PAIR * longer), of_rows * shorter)


@dataclass(frozen=True)
class TermLists:
    """The lists of a packed block, each behind its length, in which a term's element of row r is at k · height + r.

    The list of the pair at an even row is at that row's place, the list of a tile at that of its second row.
    """

    b: Builder
    dtype: DType
    inner: int
    memory: Pointer

    def write(
        self, tile: Pointer, row: Value, height: int, depth: Value, may_skip: Value
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
            with b.loop(0, depth, _STEP) as k:
                pairs = self._used(tile, k, height, depth)
                terms = b.add(b.splat(b.cast(k, INT32), _STEP), b.const_vector(list(range(_STEP)), INT32))
                for numbers, count, bits in zip(starts, counts, [_any(b, pairs), *pairs], strict=True):
                    # What lies beyond the terms in use, the next ones overwrite.
                    b.store(numbers, b.compress(terms, b.bits_mask(bits, _STEP)), count.get())
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

    def _used(self, tile: Pointer, k: Value, height: int, depth: Value) -> list[Value]:
        """Of each pair, in which of the next terms it is not zero: a bit a term."""
        b = self.b
        is_there = b.shift_right(
            b.const(2**_STEP - 1, UINT64), b.cast(_STEP - b.minimum(_STEP, depth - k), UINT64)
        )
        found: list[Value] = []
        for first in range(0, height, _STEP):
            rows = min(_STEP, height - first)
            of_rows = _transposed_bits(
                b, [self._is_used(tile, (k + u) * height + first, rows) for u in range(_STEP)]
            )
            of_pairs = b.bit_or(of_rows, b.shift_right(of_rows, _STEP))
            for row in range(0, rows, PAIR):
                both = of_pairs if row + 1 < rows else of_rows
                found.append(b.bit_and(b.shift_right(both, _STEP * row), is_there))
        return found

    def _is_used(self, tile: Pointer, position: Value, rows: int) -> Value:
        """Which rows are not zero in a term: a bit a row. The sign does not count: -0 is zero, too."""
        b, bits = self.b, np.dtype(f"int{8 * self.dtype.itemsize}")
        without_sign = b.bit_and(b.load(tile, bits, position, rows), int(np.iinfo(bits).max))
        return b.mask_bits(b.not_equal(without_sign, 0))

    def _has_zeros(self, tile: Pointer, height: int, depth: Value) -> Value:
        """Whether any of the first terms is zero in all rows of a tile."""
        b = self.b
        zeros = b.variable(b.const(0))
        with b.loop(0, b.minimum(_PROBED, depth)) as k:
            is_zero = b.equal(b.load(tile, self.dtype, k * height, height), 0)
            zeros.set(zeros.get() + b.cast(b.reduce_all(is_zero) if height > 1 else is_zero, INDEX))
        return b.greater(zeros.get(), 0)


def _any(b: Builder, bits: list[Value]) -> Value:
    found = bits[0]
    for other in bits[1:]:
        found = b.bit_or(found, other)
    return found


def _transposed_bits(b: Builder, rows: list[Value]) -> Value:
    """A matrix of 8 by 8 bits, of which these are the rows, transposed: eight bytes, the first row lowest.

    Halves, quarters and single bits beside the diagonal change places (Warren, Hacker's Delight, 2003, section 7-3).
    """
    x = _any(b, [b.shift_left(row, _STEP * place) for place, row in enumerate(rows)])
    for distance, kept in ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0)):
        swapped = b.bit_and(b.bit_xor(x, b.shift_right(x, distance)), b.const(kept, UINT64))
        x = b.bit_xor(x, b.bit_xor(swapped, b.shift_left(swapped, distance)))
    return x
