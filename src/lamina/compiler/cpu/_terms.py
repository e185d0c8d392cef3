"""Lists of the columns of A that a product A · B must not skip.

A list has the columns in which A is nonzero in either row of a pair. The code calls such columns terms, since each adds
a term to the sums.

A third of MNIST's pixels are 0 in every image of a mini-batch of 64, two thirds in both of two images, and so are most
columns of one-hot tables. Leaving a product 0 · x out of a sum doesn't change a bit of the sum if x is finite: a sum
that begins with +0 never becomes -0. If x is infinite or NaN, the product is NaN. So each x is checked before columns
are skipped: one pass instead of a multiplication with every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from lamina.compiler.cpu._microkernel import LeftTile, RightPanel, TermList
from lamina.compiler.cpu._tiles import Range
from lamina.compiler.llvm import INDEX, INT32, UINT64, Builder, DType, Pointer, Value
from lamina.core.memory import rounded_up

PAIR = 2
"""The number of rows that share a list. Of two images, a third of the pixels is nonzero in either; of eight, half."""
LOOKED_AT = 8  # terms examined at once; with fewer in a sum, memory beyond A would be read
_PAIR_COST = 5, 4
"""The relative costs of a column per row, for pairs and for tiles. Pairs read B more often from the cache."""


def terms_bytes(rows: int, inner: int) -> int:
    """The bytes for a list of columns per row; with one row more, there is room for the list of all columns."""
    return rounded_up(rows * _places(inner) * INT32.itemsize)


def _places(inner: int) -> int:
    """The number of elements of one list: its length, room for all columns, and room for writes beyond the end."""
    return inner + 1 + LOOKED_AT


def pairs_pay(b: Builder, of_pairs: Value, terms: Value) -> Value:
    """Whether two rows at a time are faster: pairs' lists have `of_pairs` columns together, single rows `terms`."""
    longer, shorter = _PAIR_COST
    return b.less(of_pairs * (PAIR * longer), terms * shorter)


@dataclass(frozen=True)
class TermLists:
    """The lists of nonzero columns for some rows of A; in memory, each list follows its length.

    There is memory for one list per row. The list of a pair is stored at its first row.
    """

    b: Builder
    dtype: DType
    inner: int
    memory: Pointer

    def write(self, left: LeftTile, row: Value, height: int, depth: Value) -> Value:
        """List the nonzero columns of each pair of `left`'s `height` rows from list `row` on; returns the total."""
        b = self.b
        starts = [self._of(row + first) for first in range(0, height, PAIR)]
        counts = [b.variable(b.const(0)) for _ in starts]
        with b.loop(0, depth, LOOKED_AT) as k:
            terms = b.add(b.splat(b.cast(k, INT32), LOOKED_AT), b.const_vector(list(range(LOOKED_AT)), INT32))
            for numbers, count, bits in zip(starts, counts, self._used(left, k, height, depth), strict=True):
                # Entries beyond the terms in use are overwritten by the next terms.
                b.store(numbers, b.compress(terms, b.bits_mask(bits, LOOKED_AT)), count.get())
                count.set(count.get() + b.cast(b.count_ones(bits), INDEX))
        total = b.const(0)
        for numbers, count in zip(starts, counts, strict=True):
            b.store(numbers, b.cast(count.get(), INT32), -1)
            total = total + count.get()
        return total

    def write_all(self, row: int) -> None:
        """Store a list of all columns at row `row`."""
        b, numbers = self.b, self._of(self.b.const(row))

        def several(k: Value, lanes: int) -> None:
            steps = b.const_vector(list(range(lanes)), INT32)
            b.store(numbers, b.add(b.splat(b.cast(k, INT32), lanes), steps), k)

        b.vector_loop(0, self.inner, b.lanes(INT32), several)
        b.store(numbers, b.cast(b.const(self.inner), INT32), -1)

    def at(self, row: Value) -> TermList:
        """The list stored at row `row`: of the pair of rows that begins there, or of all columns (see `write_all`)."""
        b, numbers = self.b, self._of(row)
        return TermList(numbers, b.cast(b.load(numbers, INT32, -1), INDEX))

    def _of(self, row: Value) -> Pointer:
        return self.b.offset(self.memory, row * _places(self.inner) + 1, INT32)

    def _used(self, left: LeftTile, k: Value, height: int, depth: Value) -> list[Value]:
        """Bits for the columns from k on, for each pair of rows. A bit is 1 if the column is nonzero in either row."""
        b = self.b
        # The last terms are tested with some before them, so that nothing beyond A is read.
        first = b.maximum(b.minimum(k, depth - LOOKED_AT), b.const(0))
        skipped = b.cast(k - first, UINT64)
        left_over = b.cast(LOOKED_AT - b.minimum(LOOKED_AT, depth - k), UINT64)
        is_there = b.shift_left(b.shift_right(b.const(2**LOOKED_AT - 1, UINT64), left_over), skipped)
        bits_of = self._bits_across if left.row_stride == 1 else self._bits_along
        found: list[Value] = []
        for top in range(0, height, LOOKED_AT):
            of_pairs = bits_of(left, first, range(top, min(top + LOOKED_AT, height)))
            found += [b.shift_right(b.bit_and(bits, is_there), skipped) for bits in of_pairs]
        return found

    def _bits_across(self, left: LeftTile, k: Value, rows: range) -> list[Value]:
        """For each pair of at most eight rows, adjacent in memory, eight bits: 1 for a column nonzero in either row."""
        b = self.b
        of_terms = [
            self._is_used(left.column(b, k + u, self.dtype), rows.start, len(rows)) for u in range(LOOKED_AT)
        ]
        of_rows = _transposed_bits(b, of_terms)
        of_pairs = b.bit_or(of_rows, b.shift_right(of_rows, LOOKED_AT))
        return [
            b.shift_right(of_pairs if row + 1 < len(rows) else of_rows, LOOKED_AT * row)
            for row in range(0, len(rows), PAIR)
        ]

    def _bits_along(self, left: LeftTile, k: Value, rows: range) -> list[Value]:
        """The same bits as `_bits_across`, for rows whose elements are adjacent in memory."""
        b = self.b
        start = left.column(b, k, self.dtype)
        of_rows = [self._is_used(start, left.offset(row), LOOKED_AT) for row in rows]
        return [reduce(b.bit_or, of_rows[row : row + PAIR]) for row in range(0, len(rows), PAIR)]

    def _is_used(self, pointer: Pointer, position: int | Value, count: int) -> Value:
        """A bit for each of `count` elements: 1 if nonzero. The sign is ignored: -0 is zero."""
        b, bits = self.b, np.dtype(f"int{8 * self.dtype.itemsize}")
        without_sign = b.bit_and(b.load(pointer, bits, position, count), int(np.iinfo(bits).max))
        return b.mask_bits(b.not_equal(without_sign, 0))


# --- what allows skipping -------------------------------------------------------------------------------------------


def count_used(b: Builder, matrix: Pointer, shape: tuple[int, int], dtype: DType) -> Value:
    """The number of columns of a contiguous matrix that are not all zero."""
    bits, (rows, columns) = np.dtype(f"int{8 * dtype.itemsize}"), shape
    used = b.variable(b.const(0))

    def look(column: Value, lanes: int) -> None:
        seen = b.variable(b.const(0, bits, lanes))
        with b.loop(0, rows) as row:
            seen.set(b.bit_or(seen.get(), b.load(matrix, bits, row * columns + column, lanes)))
        found = b.mask_bits(b.not_equal(b.shift_left(seen.get(), 1), 0))  # without the sign: -0 is zero, too
        used.set(used.get() + b.cast(b.count_ones(found), INDEX))

    b.vector_loop(0, columns, 4 * b.lanes(dtype), look)
    return used.get()


def all_finite(b: Builder, right: RightPanel, dtype: DType, inner: int, columns: Range) -> Value:
    """Whether all elements in a range of columns of B are finite."""
    lanes = 2 * b.lanes(dtype)
    total = b.variable(b.const(0, dtype, lanes))
    rest = b.variable(b.const(0, dtype))
    with b.loop(0, inner) as row:
        start = right.row(b, row, dtype)

        def add(column: Value, width: int, start: Pointer = start) -> None:
            x = b.load(start, dtype, column, width)
            if width == lanes:
                total.set(b.multiply_add(x, b.const(0, dtype, width), total.get()))
            else:
                rest.set(rest.get() + b.reduce_add(b.mul(x, 0.0)))

        b.vector_loop(*columns, lanes, add)
    return b.equal(b.reduce_add(total.get()) + rest.get(), 0)


def _transposed_bits(b: Builder, rows: list[Value]) -> Value:
    """Transpose a matrix of 8 by 8 bits, whose rows are the lowest bytes of `rows`; row 0 becomes the lowest byte.

    Blocks of 4, 2 and 1 bits beside the diagonal are swapped (Warren, Hacker's Delight, 2003, section 7-3).
    """
    x = reduce(b.bit_or, [b.shift_left(row, LOOKED_AT * place) for place, row in enumerate(rows)])
    for distance, kept in ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0)):
        swapped = b.bit_and(b.bit_xor(x, b.shift_right(x, distance)), b.const(kept, UINT64))
        x = b.bit_xor(x, b.bit_xor(swapped, b.shift_left(swapped, distance)))
    return x
