"""Matrix products C = A · B, with an epilogue for every finished vector while it is in a register.

Every element of C is one chain of fused multiply-adds over k = 0, 1, 2, …, whatever tile, block, tail or
thread computes it: results are the same bits for any split of the work.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lamina.compiler.codegen.blocking import BlockedProduct, Blocking, choose_blocking
from lamina.compiler.codegen.builder import Builder
from lamina.compiler.codegen.cover import Range, cover, cover_ragged
from lamina.compiler.codegen.machine import Machine, host_machine
from lamina.compiler.codegen.microkernel import Epilogue, LeftTile, RightPanel, accumulate, finish, zeros
from lamina.compiler.codegen.packing import pack_panel
from lamina.compiler.codegen.tiles import TileShape, choose_tile, vector_widths
from lamina.compiler.codegen.values import DType, Pointer, Value

__all__ = ["Contraction"]

_PACK_ROW_TILES = 8
"""So many tiles read a panel of B that a copy pays: its rows are neighbours, and begin where cache lines do.

NumPy's large arrays begin 16 bytes into a line, so that every load of B in place would touch two.
"""


@dataclass(frozen=True)
class Contraction:
    """The product of A (rows by inner) and B (inner by columns), both float32 or both float64.

    A's element (r, k) lies at r · left_strides[0] + k · left_strides[1], B's element (k, c) at
    k · right_stride + c. Strides count elements.

    `long_epilogue` says that the epilogue is much code (see `microkernel.finish`).

    Threads share the work by rows or columns in multiples of `row_step` or `column_step`
    (`b.split(rows, row_step)`), each with `scratch_bytes` of memory of its own, aligned to 64 bytes.
    """

    rows: int
    inner: int
    columns: int
    dtype: DType
    left_strides: tuple[int, int]
    right_stride: int
    machine: Machine = field(default_factory=host_machine)
    long_epilogue: bool = False

    @property
    def tile(self) -> TileShape:
        return choose_tile(self.machine, self.dtype, max(self.rows, 1), max(self.columns, 1))

    @property
    def row_step(self) -> int:
        return self.tile.rows

    @property
    def column_step(self) -> int:
        return self.tile.vectors * self.machine.lanes(self.dtype)

    @property
    def blocking(self) -> Blocking | None:
        """How operands that outgrow the caches are cut up; None where they don't."""
        return choose_blocking(self.machine, self.dtype, self.rows, self.inner, self.columns, self.tile)

    @property
    def scratch_bytes(self) -> int:
        """Memory that each thread needs while it computes its share."""
        if self.blocking is not None:
            return self.blocking.scratch_bytes
        return self.inner * self.column_step * self.dtype.itemsize if self.packs_panels else 0

    @property
    def flops(self) -> int:
        return 2 * self.rows * self.inner * self.columns

    @property
    def packs_panels(self) -> bool:
        """Whether each panel of B is copied before use: many tiles read it, and its rows lie far apart."""
        return self.rows >= _PACK_ROW_TILES * self.tile.rows and self.right_stride > self.column_step

    def emit(
        self,
        b: Builder,
        left: Pointer,
        right: Pointer,
        epilogue: Epilogue,
        *,
        rows: Range | None = None,
        columns: Range | None = None,
        inner: Value | None = None,
        right_rows: Pointer | None = None,
        scratch: Pointer | None = None,
        ragged: bool = False,
    ) -> None:
        """Write the code that computes the given rows and columns (default: all).

        The bounds of `rows` and `columns` are multiples of the steps, or the ends of the matrix. With
        `ragged`, rows may begin and end anywhere, at the price of more code. `inner` sums over less than the
        static `inner`. `right_rows` points to int32 numbers: row k of B is its row right_rows[k].
        """
        if self.scratch_bytes and scratch is None:
            raise ValueError(
                f"this product needs {self.scratch_bytes} bytes of scratch memory for each thread"
            )
        if min(self.rows, self.columns) == 0:
            return
        product = _Product(self, b, left, right, epilogue, inner, right_rows, scratch, ragged)
        product.emit(rows, columns)


@dataclass(frozen=True)
class _Product:
    """One emission of a product."""

    shape: Contraction
    b: Builder
    left: Pointer
    right: Pointer
    epilogue: Epilogue
    inner: Value | None
    right_rows: Pointer | None
    scratch: Pointer | None
    ragged: bool

    @property
    def _depth(self) -> int | Value:
        return self.shape.inner if self.inner is None else self.inner

    def emit(self, rows: Range | None, columns: Range | None) -> None:
        if self.shape.blocking is None:
            self._emit_direct(rows, columns)
        else:
            self._emit_blocked(self.shape.blocking, rows, columns)

    def _emit_blocked(self, blocking: Blocking, rows: Range | None, columns: Range | None) -> None:
        b, shape = self.b, self.shape
        assert self.scratch is not None
        product = BlockedProduct(
            b=b,
            blocking=blocking,
            tile=shape.tile,
            dtype=shape.dtype,
            rows=shape.rows,
            inner=self._depth,
            columns=shape.columns,
            left=LeftTile(self.left, *shape.left_strides),
            right=RightPanel(self.right, shape.right_stride, rows=self.right_rows),
            scratch=self.scratch,
            epilogue=self.epilogue,
            long_epilogue=shape.long_epilogue,
            ragged=self.ragged,
        )
        product.emit(
            rows or (b.const(0), b.const(shape.rows)), columns or (b.const(0), b.const(shape.columns))
        )

    def _emit_direct(self, rows: Range | None, columns: Range | None) -> None:
        """Panel of columns by panel; within one, tile by tile down the rows."""
        b, shape = self.b, self.shape

        def panel(column: Value, width: int) -> None:
            widths = vector_widths(width, b.lanes(shape.dtype))
            right = self._right_panel(column, widths)

            def tile(row: Value, height: int) -> None:
                row_stride, inner_stride = shape.left_strides
                pointer = b.offset(self.left, row * row_stride, shape.dtype)
                left = LeftTile(pointer, row_stride, inner_stride)
                initial = zeros(b, height, widths, shape.dtype, right.padded)
                result = accumulate(b, left, right, height, widths, self._depth, initial)
                finish(b, result, widths, row, column, self.epilogue, is_long=shape.long_epilogue)

            if self.ragged:
                cover_ragged(b, shape.row_step, rows or (b.const(0), b.const(shape.rows)), tile)
            else:
                cover(b, shape.rows, shape.row_step, rows, tile)

        cover(b, shape.columns, shape.column_step, columns, panel)

    def _right_panel(self, column: Value, widths: tuple[int, ...]) -> RightPanel:
        """B's columns from `column` on: where they are, or packed where many tiles read them."""
        b, shape = self.b, self.shape
        pointer = b.offset(self.right, column, shape.dtype)
        panel = RightPanel(pointer, shape.right_stride, rows=self.right_rows)
        if not shape.packs_panels:
            return panel
        assert self.scratch is not None
        return pack_panel(b, panel, widths, self._depth, shape.dtype, self.scratch, shape.column_step)
