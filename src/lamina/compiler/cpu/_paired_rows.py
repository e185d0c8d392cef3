"""Products of few rows, computed by pairs of rows: each pair skips the columns of A that are zero in both rows.

In a batch of 64 MNIST images, 63 % of the pixels are nonzero in at least one image; in a pair of images, 29 %. So a
pair needs less than half of the multiply-adds, which outweighs reading B from the second-level cache for each pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamina.compiler.cpu._microkernel import Finish, LeftTile, RightPanel, accumulate, zeros
from lamina.compiler.cpu._packing import copy_rows
from lamina.compiler.cpu._terms import PAIR, TermLists, pairs_pay, terms_bytes
from lamina.compiler.cpu._tiles import Range, TileShape, cover, vector_widths
from lamina.compiler.cpu._zero_columns import ColumnOrder
from lamina.compiler.llvm import INT32, Builder, DType, Pointer, Value, Variable

_MOST_VECTORS = {16: 6, 32: 8}
"""The vectors per row of a pair that are kept in registers, by the number of registers."""


def paired_panels(registers: int, vectors: int, tiles: int, *, far: bool) -> int:
    """The number of tiles across a panel for row pairs; two rows accumulate the panel's columns in registers.

    `vectors` is the width of a tile; `tiles` is the number of tiles across the result. `far` is true if panels of B are
    read repeatedly from the second-level cache, where wider panels, with more work per load, are better.
    """
    wanted = 4 if far and registers == 32 and tiles % 4 == 0 else 2
    fit = _MOST_VECTORS[registers] // vectors
    return max(1, min(wanted, fit))


def paired_bytes(rows: int, inner: int, panel_bytes: int) -> int:
    """The bytes of scratch memory for a packed panel of B and for all lists of nonzero columns."""
    return panel_bytes + terms_bytes(rows + 1, inner)


@dataclass(frozen=True)
class PairedRows:
    """The code of a product by pairs of rows, for this thread's rows and columns.

    `shape` is the number of rows and columns of the whole result; for `panels` see `paired_panels`. `order` has the
    columns of A that are nonzero in any row first; None if unknown. As 0 · inf is NaN, the code checks B for infinities
    and NaNs, unless `right_is_finite`. `fetch(row, column, width)` prefetches the epilogue's operands of a row.
    """

    b: Builder
    dtype: DType
    shape: tuple[int, int]
    inner: int
    tile: TileShape
    panels: int
    left: LeftTile
    right: RightPanel
    rows: Range
    columns: Range
    order: ColumnOrder | None
    scratch: Pointer
    finish: Finish
    fetch: Callable[[Value, Value, int], None]
    right_is_finite: bool

    def pay(self, of_rows: Value) -> Value:
        """List the nonzero columns of each pair, and return whether computing by pairs is faster.

        `of_rows` is the number of multiply-adds without pairs, per column of the result.
        """
        b = self.b
        total = b.variable(b.const(0))

        def tile(row: Value, height: int) -> None:
            total.set(total.get() + self._lists.write_pairs(self._at(row), row - self.rows[0], height))

        cover(b, self.shape[0], self.tile.rows, self.rows, tile)
        self._lists.write_all(self.shape[0])
        return pairs_pay(b, total.get(), of_rows)

    def emit(self) -> None:
        """Loop over panels of columns, wide panels first, and in each panel over pairs of rows."""
        b = self.b
        first, stop = self.columns
        narrow = self.tile.vectors * b.lanes(self.dtype)
        wide = self.panels * narrow
        between = first + b.divide_positive(stop - first, wide) * wide
        with b.loop(first, between, wide) as column:
            self._panel(column, wide)
        cover(b, self.shape[1], narrow, (between, stop), self._panel)

    def _panel(self, column: Value, width: int) -> None:
        b = self.b
        widths = vector_widths(width, b.lanes(self.dtype))
        panel, is_finite = self._packed(column, widths)

        def pair(row: Value, height: int) -> None:
            for r in range(height):
                self.fetch(row + r, column, width)
            place = b.where(is_finite, row - self.rows[0], b.const(self.shape[0]))
            terms = self._lists.of_pair(place)
            left = LeftTile(
                self._at(row).pointer, self.left.row_stride, self.left.inner_stride, columns=terms
            )
            right = RightPanel(panel.pointer, panel.stride, padded=True, rows=terms)
            start = zeros(b, height, widths, self.dtype, padded=True)
            sums = accumulate(b, left, right, height, widths, terms.first_unused, start)
            self.finish(sums, widths, row, column)

        cover(b, self.shape[0], PAIR, self.rows, pair)

    def _packed(self, column: Value, widths: tuple[int, ...]) -> tuple[RightPanel, Value]:
        """A packed panel of B's columns, and whether they are finite.

        If they are finite, rows of B that are multiplied only by zeros of A are not packed.
        """
        b = self.b
        stride = len(widths) * b.lanes(self.dtype)
        source = RightPanel(
            b.offset(self.right.pointer, column, self.dtype), self.right.stride, rows=self.order
        )
        panel = RightPanel(self.scratch, stride, padded=True, rows=self.order)
        everything = b.const(0), b.const(self.inner)
        used = everything if self.order is None else (everything[0], self.order.first_unused)
        seen = [b.variable(b.const(0, self.dtype, lanes)) for lanes in widths]

        def look(index: int, value: Value) -> None:
            if not self.right_is_finite:
                seen[index].set(b.multiply_add(value, b.const(0, self.dtype, value.lanes), seen[index].get()))

        copy_rows(b, source, widths, used, self.dtype, panel, look)
        unused = used[1], everything[1]
        if self.order is None or self.right_is_finite:
            return panel, self._are_zero(seen)
        with b.loop(*unused) as k:
            row = source.row(b, k, self.dtype)
            for index, width in enumerate(widths):
                look(index, b.load(row, self.dtype, index * b.lanes(self.dtype), width))
        is_finite = self._are_zero(seen)
        with b.if_(b.logical_not(is_finite)):  # then all terms count
            copy_rows(b, source, widths, unused, self.dtype, panel)
        return panel, is_finite

    def _are_zero(self, seen: Sequence[Variable]) -> Value:
        """Whether all sums of 0 · x in `seen` are 0, that is, whether every x is finite."""
        b, total = self.b, self.b.const(0, self.dtype)
        for one in seen:
            value = one.get()
            total = total + (b.reduce_add(value) if value.lanes > 1 else value)
        return b.equal(total, 0)

    def _at(self, row: Value) -> LeftTile:
        """The left operand from row `row` on."""
        left = self.left
        start = self.b.offset(left.pointer, row * left.row_stride, self.dtype)
        return LeftTile(start, left.row_stride, left.inner_stride)

    @property
    def _lists(self) -> TermLists:
        panel = self.panels * self.inner * self.tile.vectors * self.b.lanes(self.dtype) * self.dtype.itemsize
        memory = self.b.offset(self.scratch, panel // INT32.itemsize, INT32)
        return TermLists(self.b, self.dtype, self.inner, memory)
