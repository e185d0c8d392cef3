"""Matrix products whose operands outgrow the caches: blocks of both are copied into the order of use.

The scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): a block of A
stays in the second-level cache, a panel of B in the first. Sums over a part of the summed dimension wait in
memory for the next part, so that an element is still one chain of multiply-adds.
"""

from __future__ import annotations

from dataclasses import dataclass

from lamina.compiler.cpu._cache_lines import LINE_BYTES, whole_lines
from lamina.compiler.cpu._cover import Body, Range, cover
from lamina.compiler.cpu._microkernel import Finish, LeftTile, RightPanel, Tile, accumulate, zeros
from lamina.compiler.cpu._packing import pack_panel, pack_tile
from lamina.compiler.cpu._tiles import TileShape, vector_widths
from lamina.compiler.cpu.machine import Machine
from lamina.compiler.llvm import Builder, DType, Pointer, Value

__all__ = ["BlockedProduct", "Blocking", "choose_blocking", "even_part"]

_INNER_BYTES = 2048  # of a row of A's block; up to twice as many stay whole, so that no sums wait
_RIGHT_BLOCK_BYTES = 2 << 20
_OUTER_ROWS = 1024
_FEWEST_ROW_TILES = 4  # below, packing costs more than it saves
_FAR_APART = 8  # so many lines of one cache set fit the first-level cache


@dataclass(frozen=True)
class Blocking:
    """Sizes of the blocks: `rows` by `inner` of A, `inner` by `columns` of B.

    `outer_rows` rows of C by `columns` are finished before the next ones begin.
    """

    rows: int
    inner: int
    columns: int
    outer_rows: int
    itemsize: int
    keeps_sums: bool  # whether the summed dimension is cut, so that sums wait in memory

    @property
    def left_bytes(self) -> int:
        return whole_lines(self.rows * self.inner * self.itemsize)

    @property
    def right_bytes(self) -> int:
        return whole_lines(self.inner * self.columns * self.itemsize)

    @property
    def scratch_bytes(self) -> int:
        sums = self.outer_rows * self.columns * self.itemsize if self.keeps_sums else 0
        return self.left_bytes + self.right_bytes + whole_lines(sums)


def choose_blocking(
    machine: Machine, dtype: DType, rows: int, inner: int, columns: int, tile: TileShape
) -> Blocking | None:
    """The blocks of a product, by its shape and the caches; None where the operands fit them as they are."""
    itemsize = dtype.itemsize
    left_fits = rows * inner * itemsize <= machine.l2_bytes // 2
    right_fits = inner * columns * itemsize <= 4 * machine.l2_bytes
    if (left_fits and right_fits) or rows < _FEWEST_ROW_TILES * tile.rows:
        return None
    most = _INNER_BYTES // itemsize
    depth = inner if inner <= 2 * most else even_part(inner, most, machine.lanes(dtype))
    width = tile.vectors * machine.lanes(dtype)
    block_rows = even_part(rows, machine.l2_bytes // 2 // (depth * itemsize), tile.rows)
    return Blocking(
        rows=block_rows,
        inner=depth,
        columns=even_part(columns, _RIGHT_BLOCK_BYTES // (depth * itemsize), width),
        outer_rows=even_part(rows, _OUTER_ROWS, block_rows),
        itemsize=itemsize,
        keeps_sums=depth < inner,
    )


def even_part(extent: int, most: int, step: int) -> int:
    """The smallest multiple of `step` that covers `extent` in as few parts as parts of at most `most` do."""
    parts = max(1, -(-extent // max(most, step)))
    return -(-extent // (parts * step)) * step


@dataclass(frozen=True)
class BlockedProduct:
    """One emission of a blocked product. Bounds of rows and columns are as in `MatrixProduct.emit`."""

    b: Builder
    blocking: Blocking
    tile: TileShape
    dtype: DType
    rows: int
    inner: int
    columns: int
    left: LeftTile
    right: RightPanel
    scratch: Pointer
    finish: Finish

    def emit(self, row_bounds: Range, column_bounds: Range) -> None:
        b, blocking = self.b, self.blocking
        with (
            b.loop(*row_bounds, blocking.outer_rows) as first_row,
            b.loop(*column_bounds, blocking.columns) as first_column,
        ):
            rows = first_row, b.minimum(first_row + blocking.outer_rows, row_bounds[1])
            columns = first_column, b.minimum(first_column + blocking.columns, column_bounds[1])
            # Even an empty sum has one part: its zeros go to the epilogue.
            with b.loop(0, b.maximum(b.const(1), self.inner), blocking.inner) as first_k:
                depth = b.minimum(blocking.inner, b.sub(self.inner, first_k))
                with b.loop(*rows, blocking.rows) as block_row:
                    block = block_row, b.minimum(block_row + blocking.rows, rows[1])
                    self._pack_left(block, first_k, depth)
                    self._multiply(rows, block, columns, first_k, depth)

    def _cover_rows(self, bounds: Range, body: Body) -> None:
        cover(self.b, self.rows, self.tile.rows, bounds, body)

    @property
    def _panel_width(self) -> int:
        return self.tile.vectors * self.b.lanes(self.dtype)

    def _pack_left(self, block: Range, first_k: Value, depth: Value) -> None:
        """Pack a block of A: a few elements of the summed dimension at a time where they lie far apart."""
        b = self.b
        chunk = _FAR_APART if self.left.row_stride == 1 else self.blocking.inner

        with b.loop(0, depth, chunk) as start:
            part = start, b.minimum(start + chunk, depth)

            def pack(row: Value, height: int) -> None:
                offset = row * self.left.row_stride + first_k * self.left.inner_stride
                pointer = b.offset(self.left.pointer, offset, self.dtype)
                source = LeftTile(pointer, self.left.row_stride, self.left.inner_stride)
                pack_tile(b, source, height, part, self.dtype, self._left_tile(row - block[0]))

            self._cover_rows(block, pack)

    def _source(self, first_k: Value, column: Value) -> RightPanel:
        """B from a row and a column on."""
        b, right = self.b, self.right
        return RightPanel(b.offset(right.pointer, first_k * right.stride + column, self.dtype), right.stride)

    def _right_panel(self, column: Value) -> Pointer:
        start = self.b.offset(self.scratch, self.blocking.left_bytes // self.dtype.itemsize, self.dtype)
        return self.b.offset(start, column * self.blocking.inner, self.dtype)

    def _left_tile(self, row: Value) -> Pointer:
        return self.b.offset(self.scratch, row * self.blocking.inner, self.dtype)

    def _sums(self, row: Value, column: Value, height: int) -> Pointer:
        """Where the unfinished sums of a tile wait; position counted from the outer block's."""
        skipped = (self.blocking.left_bytes + self.blocking.right_bytes) // self.dtype.itemsize
        start = self.b.offset(self.scratch, skipped, self.dtype)
        return self.b.offset(start, row * self.blocking.columns + column * height, self.dtype)

    def _multiply(self, rows: Range, block: Range, columns: Range, first_k: Value, depth: Value) -> None:
        """Multiply a packed block of A with panel after panel of B.

        The first block of A comes when its panel of B is still where the user left it, mostly far away in memory.
        It packs the panel, and while it multiplies it asks for the next one's cache lines.
        """
        b = self.b
        is_first = b.equal(block[0], rows[0])

        def panel(column: Value, width: int) -> None:
            widths = vector_widths(width, b.lanes(self.dtype))
            packed = self._right_panel(column - columns[0])
            with b.if_(is_first):
                source = self._source(first_k, column)
                pack_panel(b, source, widths, depth, self.dtype, packed, self._panel_width)
            right = RightPanel(packed, self._panel_width, padded=True)
            following = self._following_panel(column + width, columns, first_k, depth)

            def tile(row: Value, height: int) -> None:
                with b.if_(is_first):
                    self._prefetch(following, row - rows[0], height)
                left = LeftTile(self._left_tile(row - block[0]), 1, height)
                sums = self._sums(row - rows[0], column - columns[0], height)
                initial = self._initial(sums, height, widths, first_k)
                result = accumulate(b, left, right, height, widths, depth, initial)
                self._store_or_finish(result, sums, widths, row, column, first_k + depth)

            self._cover_rows(block, tile)

        cover(b, self.columns, self._panel_width, columns, panel)

    def _following_panel(self, column: Value, columns: Range, first_k: Value, depth: Value) -> RightPanel:
        """The panel that is packed after the one that ends before `column`."""
        b = self.b
        wraps = b.greater_equal(column, columns[1])
        next_k = b.where(wraps, first_k + depth, first_k)
        return self._source(next_k, b.where(wraps, columns[0], column))

    def _prefetch(self, panel: RightPanel, row: Value, height: int) -> None:
        """Ask for a share of a panel's rows: all tiles of a block of A together cover it."""
        b = self.b
        share = -(-self.blocking.inner // self.blocking.rows)
        line = LINE_BYTES // self.dtype.itemsize
        with b.loop(row * share, (row + height) * share) as k:
            start = panel.row(b, k, self.dtype)
            for last in range(line - 1, self._panel_width, line):  # it may begin anywhere in its first line
                b.prefetch(b.offset(start, last, self.dtype))

    def _initial(self, sums: Pointer, height: int, widths: tuple[int, ...], first_k: Value) -> Tile:
        """Zeros for the first part of the summed dimension, then what was summed up so far."""
        b = self.b
        start = zeros(b, height, widths, self.dtype, padded=True)
        if not self.blocking.keeps_sums:
            return start
        variables = [[b.variable(value) for value in row] for row in start]
        with b.if_(b.greater(first_k, 0)):
            for position, variable in enumerate(variable for row in variables for variable in row):
                lanes = variable.get().lanes
                variable.set(b.load(sums, self.dtype, position * b.lanes(self.dtype), lanes))
        return [[variable.get() for variable in row] for row in variables]

    def _store_or_finish(
        self, tile: Tile, sums: Pointer, widths: tuple[int, ...], row: Value, column: Value, next_k: Value
    ) -> None:
        b = self.b

        def store() -> None:
            for position, value in enumerate(value for values in tile for value in values):
                b.store(sums, value, position * b.lanes(self.dtype))

        def complete() -> None:
            self.finish(tile, widths, row, column)

        if self.blocking.keeps_sums:
            b.if_else(b.less(next_k, self.inner), store, complete)
        else:
            complete()
