"""Matrix products of unpacked operands; only panels of B that many tiles read are packed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lamina.compiler.cpu._microkernel import (
    Epilogue,
    Finish,
    FlatEpilogue,
    LeftTile,
    RightPanel,
    Tile,
    TileVariable,
    accumulate,
    zeros,
)
from lamina.compiler.cpu._packing import pack_panel, pack_transposed_panel
from lamina.compiler.cpu._paired_rows import PairedRows
from lamina.compiler.cpu._tiles import Range, cover, multiply_adds_per_cycle, vector_widths
from lamina.compiler.cpu._zero_columns import ColumnOrder, all_finite, order_columns
from lamina.compiler.llvm import Builder, Pointer, Value

if TYPE_CHECKING:
    from lamina.compiler.cpu._matrix_product import MatrixProduct

_LONG_STEP = 8
"""The cycles of a step that hides the loop's overhead; unrolling would only add code."""


@dataclass(frozen=True)
class DirectProduct:
    """The code of a direct product; `fetch(row, column, width)` prefetches the epilogue's operands of a row."""

    shape: MatrixProduct
    b: Builder
    left: Pointer
    right: Pointer
    epilogue: Epilogue
    rows: Range
    columns: Range
    scratch: Pointer | None
    fetch: Callable[[Value, Value, int], None]
    flat_epilogue: FlatEpilogue | None = None
    terms: ColumnOrder | None = None
    row_order: ColumnOrder | None = None

    def emit(self) -> None:
        """Emit the code.

        If zeros are skipped, the code skips columns of A that are zero in all rows, or, for pairs of rows, in both
        rows.
        """
        b, shape = self.b, self.shape
        if not shape.skips_zeros:
            self._emit_panels()
            return
        if shape.left_is_transposed:
            mine, others = self.rows, shape.inner
            order = self.order((b.const(0), b.const(shape.inner)), mine)
            emit_ordered = self._emit_ordered_rows
        else:
            mine, others = (b.const(0), b.const(shape.inner)), self.rows[1] - self.rows[0]
            order = self.order(self.rows, mine)
            emit_ordered = self._emit_ordered_terms
        if not shape.pairs_rows:
            emit_ordered(order)
            return
        pairs, pay = self._pairs(order), b.variable(b.equal(b.const(0), 1))
        # Where no column is zero throughout, hardly any pair has many zeros.
        with b.if_(b.less(order.first_unused, mine[1])):
            pay.set(pairs.pay((order.first_unused - mine[0]) * others))
        b.if_else(pay.get(), pairs.emit, lambda: emit_ordered(order))

    def _pairs(self, order: ColumnOrder) -> PairedRows:
        b, shape = self.b, self.shape
        assert self.scratch is not None
        return PairedRows(
            b=b,
            dtype=shape.dtype,
            shape=(shape.rows, shape.columns),
            inner=shape.inner,
            tile=shape.tile,
            panels=shape.paired_panels,
            left=LeftTile(self.left, *shape.left_strides),
            right=RightPanel(self.right, shape.right_stride),
            rows=self.rows,
            columns=self.columns,
            order=None if shape.left_is_transposed else order,
            scratch=b.offset(self.scratch, shape.ordered_bytes // shape.dtype.itemsize, shape.dtype),
            finish=Finish(b, self.epilogue, shape.long_epilogue, shape.by_columns),
            fetch=self.fetch,
            right_is_finite=shape.right_is_finite,
        )

    @property
    def _depth(self) -> int | Value:
        """The number of products in each sum."""
        return self.shape.inner if self.terms is None else self.terms.first_unused

    def _emit_panels(self) -> None:
        """Loop over panels of columns, and in each panel over tiles of rows."""
        b, shape = self.b, self.shape
        epilogue = self.epilogue if self.row_order is None else self._at_rows(self.row_order)
        flat = self.flat_epilogue if shape.tile.rows == shape.rows else None
        is_apart = shape.apart_epilogue
        finish = Finish(b, epilogue, shape.long_epilogue, shape.by_columns, is_apart, flat)

        def panel(column: Value, width: int) -> None:
            widths = vector_widths(width, b.lanes(shape.dtype))
            right = self._right_panel(column, widths)

            def tile(row: Value, height: int) -> None:
                for r in range(height):
                    order = self.row_order
                    self.fetch(row + r if order is None else order.at(b, row + r), column, width)
                initial = zeros(b, height, widths, shape.dtype, right.padded)
                sums = self._sums(row, height, widths, right, initial)
                finish(sums, widths, row, column)

            cover(b, shape.rows, shape.tile.rows, self.rows, tile)

        cover(b, shape.columns, shape.panel_width, self.columns, panel)

    def _sums(
        self, row: Value, height: int, widths: tuple[int, ...], right: RightPanel, initial: Tile
    ) -> Tile:
        """The sums of a tile. With a `row_order`, the sums of all-zero rows stay 0."""
        b, shape, order = self.b, self.shape, self.row_order
        row_stride, inner_stride = shape.left_strides
        cycles = height * len(widths) / multiply_adds_per_cycle(shape.machine)
        unroll = 1 if cycles >= _LONG_STEP else 2
        if order is None:
            pointer = b.offset(self.left, row * row_stride, shape.dtype)
            left = LeftTile(pointer, row_stride, inner_stride, columns=self.terms)
            return accumulate(b, left, right, height, widths, self._depth, initial, unroll)
        numbers = [order.at(b, row + r) for r in range(height)]
        left = LeftTile(self.left, row_stride, inner_stride, rows=numbers)
        sums = TileVariable(b, initial)
        with b.if_(b.less(row, order.first_unused)):
            sums.set(accumulate(b, left, right, height, widths, self._depth, initial, unroll))
        return sums.get()

    def _at_rows(self, order: ColumnOrder) -> Epilogue:
        """The epilogue for tiles whose rows are numbered by position in `order`; it gets the row's index instead."""

        def epilogue(b: Builder, position: Value, column: Value, value: Value) -> None:
            self.epilogue(b, order.at(b, position), column, value)

        return epilogue

    def _right_panel(self, column: Value, widths: tuple[int, ...]) -> RightPanel:
        """The columns of B from `column` on: in their original memory, or packed where many tiles read them."""
        b, shape = self.b, self.shape
        if shape.right_is_transposed and shape.packs_panels:
            assert self.scratch is not None
            turned = RightPanel(
                b.offset(self.right, column * shape.right_stride, shape.dtype), shape.right_stride
            )
            width, stride = sum(widths), shape.panel_width
            return pack_transposed_panel(b, turned, width, shape.inner, shape.dtype, self.scratch, stride)
        pointer = b.offset(self.right, column, shape.dtype)
        panel = RightPanel(pointer, shape.right_stride, rows=self.terms)
        if not shape.packs_panels:
            return panel
        assert self.scratch is not None
        return pack_panel(b, panel, widths, self._depth, shape.dtype, self.scratch, shape.panel_width)

    # --- zero columns of A ---------------------------------------------------------------------------------------

    def _emit_ordered_terms(self, order: ColumnOrder) -> None:
        """Emit the product over A's columns, in an order with all-zero columns last.

        The code skips all-zero columns if B is finite.
        """
        b, shape = self.b, self.shape
        if not shape.right_is_finite:
            unused = (order.first_unused, b.const(shape.inner))
            finite = all_finite(b, self.right, shape.right_stride, shape.dtype, unused, self.columns, order)
            order = ColumnOrder(order.numbers, b.where(finite, *unused))
        replace(self, terms=order)._emit_panels()

    def _emit_ordered_rows(self, order: ColumnOrder) -> None:
        """Emit the product for this thread's rows, in an order with all-zero rows last.

        The code skips all-zero rows if B is finite.
        """
        b, shape = self.b, self.shape
        if not shape.right_is_finite:
            terms = (b.const(0), b.const(shape.inner))
            finite = all_finite(b, self.right, shape.right_stride, shape.dtype, terms, self.columns)
            order = ColumnOrder(order.numbers, b.where(finite, order.first_unused, self.rows[1]))
        replace(self, row_order=order)._emit_panels()

    def order(self, rows: Range, columns: Range) -> ColumnOrder:
        """The order of A's columns in which columns that are nonzero in any of the rows come first."""
        b, shape = self.b, self.shape
        assert self.scratch is not None
        memory = b.offset(self.scratch, shape.panel_bytes // shape.dtype.itemsize, shape.dtype)
        return order_columns(
            b,
            self.left,
            shape.left_columns,
            shape.dtype,
            rows,
            columns,
            memory,
            used_only=shape.right_is_finite and not shape.left_is_transposed,
        )
