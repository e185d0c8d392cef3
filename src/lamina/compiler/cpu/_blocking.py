"""Matrix products on the vector unit: loops over blocks of both operands, panels of B, and tiles of the result.

Operands that exceed the caches are cut into blocks, which are copied in the order in which they are read. The scheme is
that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): a block of A stays in the
second-level cache, a panel of B in the first. Where the inner dimension is split, unfinished sums are stored, and
continued with the next block. So each element is still a single chain of multiply-adds.

Other products are a single block: A is read in place, and so is B, or its panels are packed one after the other into
the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from lamina.compiler.cpu._block_sizes import Blocking
from lamina.compiler.cpu._microkernel import LeftTile, ProductCode, RightPanel, Tile, accumulate, zeros
from lamina.compiler.cpu._terms import PAIR, TermLists, all_finite, count_used, pairs_pay
from lamina.compiler.cpu._tiles import Body, Range, cover, unrolled_steps, vector_widths
from lamina.compiler.cpu._transpose import call_transpose, transpose_vectors
from lamina.compiler.llvm import INT32, Builder, Pointer, Value, Variable
from lamina.core.memory import LINE_BYTES

_FAR_APART = 8  # lines of one cache set in the first-level cache
_ROW_VECTORS, _MANY_REGISTERS = 16, 32
"""The vectors of a single row that are accumulated at once, and the registers that this needs."""


@dataclass(frozen=True)
class _Part:
    """A block of A, and the elements of the result to which the block contributes.

    The block has the rows `block`, and `depth` columns from `first_k` on. `rows` by `columns` elements of the result
    are completed together.
    """

    rows: Range
    block: Range
    columns: Range
    first_k: Value
    depth: Value

    @property
    def next_k(self) -> Value:
        return self.first_k + self.depth

    def is_first(self, b: Builder) -> Value:
        """Whether this is the first block of its rows."""
        return b.equal(self.block[0], self.rows[0])


@dataclass(frozen=True)
class _Panel:
    """A panel of B: `width` columns from `column` on, as vectors with `widths` used lanes.

    `is_finite` is whether zeros of A may be skipped; None if this is known for all of B, or no zeros are skipped.
    """

    right: RightPanel
    column: Value
    width: int
    widths: tuple[int, ...]
    is_finite: Value | None = None


@dataclass(frozen=True)
class BlockedProduct(ProductCode):
    """The code of a product. Bounds of rows and columns are as in `MatrixProduct.emit`.

    Where zeros are skipped, each pair of rows of A has a list of its columns that are nonzero in either row. For
    example, if the rows of A are images, two thirds of the pixels are 0 in two rows, and half in all eight rows of a
    tile. As 0 · inf is NaN, the code looks for infinities and NaNs in B, unless `right_is_finite`: in all of B before
    it cuts blocks, or in each panel of a single block.
    """

    blocking: Blocking

    def emit(self, rows: Range, columns: Range) -> None:
        b, blocking, inner = self.b, self.blocking, self.shape.inner
        may_skip, by_pairs = self._may_skip(columns), b.variable(b.equal(b.const(0), 1))
        if blocking.is_whole:
            self._multiply(_Part(rows, rows, columns, b.const(0), b.const(inner)), may_skip, by_pairs)
            return
        with b.loop(*rows, blocking.outer_rows) as row, b.loop(*columns, blocking.columns) as column:
            some_rows = row, b.minimum(row + blocking.outer_rows, rows[1])
            some_columns = columns  # maybe constants
            if blocking.columns < self.shape.columns:
                some_columns = column, b.minimum(column + blocking.columns, columns[1])
            # Even an empty sum has one part: its zeros go to the epilogue.
            with b.loop(0, b.maximum(b.const(1), inner), blocking.inner) as first_k:
                depth = b.minimum(blocking.inner, b.sub(inner, first_k))
                with b.loop(*some_rows, blocking.rows) as block_row:
                    block = block_row, b.minimum(block_row + blocking.rows, some_rows[1])
                    self._multiply(_Part(some_rows, block, some_columns, first_k, depth), may_skip, by_pairs)

    def _cover_rows(self, bounds: Range, body: Body) -> None:
        cover(self.b, self.shape.rows, self.shape.tile.rows, bounds, body)

    @property
    def _panel_width(self) -> int:
        return self.shape.tile.vectors * self.b.lanes(self.dtype)

    @property
    def _panels_of_a_row(self) -> int:
        """The panels of B, in place, that are multiplied at once: more for a single row, to read B in its order."""
        blocking, shape = self.blocking, self.shape
        reads_in_order = shape.rows == 1 and blocking.is_whole and not blocking.packs_right
        if not reads_in_order or shape.machine.vector_registers < _MANY_REGISTERS:
            return 1
        return min(_ROW_VECTORS, -(-shape.columns // self.b.lanes(self.dtype))) // shape.tile.vectors

    def _multiply(self, part: _Part, may_skip: Value | None, by_pairs: Variable) -> None:
        """Multiply a block of A with B, by tiles, or by pairs of rows if this skips enough zeros to be faster.

        The first block of the rows decides, since panels of B are packed for all blocks. Several blocks' tiles are
        packed, their pairs only if the elements of a row are far apart.
        """
        b, is_whole = self.b, self.blocking.is_whole
        packs_first = not is_whole and (may_skip is None or self.left_tile.inner_stride != 1)
        if packs_first:
            self._pack_left(part)
        if may_skip is None:
            self._by_tiles(part)
            return

        def by_tiles() -> None:
            if not (packs_first or is_whole):
                self._pack_left(part)
            self._by_tiles(part)

        is_first = part.is_first(b)
        with b.if_(b.logical_and(may_skip, b.logical_or(is_first, by_pairs.get()))):
            total = self._list_pairs(part, packs_first)
            with b.if_(is_first):
                by_pairs.set(pairs_pay(b, total, (part.block[1] - part.block[0]) * part.depth))
        b.if_else(by_pairs.get(), partial(self._by_pairs, part, packs_first), by_tiles)

    def _by_tiles(self, part: _Part) -> None:
        b, is_whole = self.b, self.blocking.is_whole

        def tile(panel: _Panel, row: Value, height: int) -> None:
            left = self._left(part, row, height, not is_whole)
            sums = self._sums(row - part.rows[0], panel.column - part.columns[0], height)
            self._fetch(row, height, panel, part)
            initial = self._initial(sums, height, panel, part.first_k)
            result = self._accumulated(left, panel, height, part.depth, initial)
            finish = partial(self.finish, result, panel.widths, row, panel.column)
            if sums is None:
                finish()
                return
            b.if_else(b.less(part.next_k, self.shape.inner), lambda: self._keep(result, sums), finish)

        self._by_panels(part, tile, of_pairs=False)

    def _by_pairs(self, part: _Part, is_packed: bool) -> None:
        """Multiply the nonzero elements of each pair of rows by many columns of B at once; each pair reads B once."""
        b = self.b

        def tile(panel: _Panel, row: Value, height: int) -> None:
            whole = self._left(part, row, height, is_packed)

            def rows_of_tile(first: Value, size: int) -> None:
                place = row - part.block[0] + first
                if panel.is_finite is not None:
                    place = b.where(panel.is_finite, place, b.const(self.shape.rows))
                order = self._lists.at(place)
                if is_packed:
                    left = replace(whole, pointer=b.offset(whole.pointer, first, self.dtype), columns=order)
                else:
                    left = replace(self._in_place(row + first), columns=order)
                self._fetch(row + first, size, panel, part)
                start = zeros(b, size, panel.widths, self.dtype, padded=True)
                result = self._accumulated(left, panel, size, part.depth, start)
                self.finish(result, panel.widths, row + first, panel.column)

            if self.blocking.is_whole:  # the tile is a pair
                rows_of_tile(b.const(0), height)
            else:
                cover(b, height, PAIR, (b.const(0), b.const(height)), rows_of_tile)

        self._by_panels(part, tile, of_pairs=True)

    def _accumulated(self, left: LeftTile, panel: _Panel, height: int, depth: Value, initial: Tile) -> Tile:
        """The sums of a tile over all terms, or over those that `left` lists."""
        order, widths = left.columns, panel.widths
        right = replace(panel.right, rows=order)
        terms = depth if order is None else order.count
        unroll = unrolled_steps(self.shape.machine, height, len(widths))
        return accumulate(self.b, left, right, height, widths, terms, initial, unroll)

    def _by_panels(self, part: _Part, tile: Callable[[_Panel, Value, int], None], *, of_pairs: bool) -> None:
        """Loop over panels of B, for each over tiles or pairs of rows; the first block's loop packs and prefetches."""
        b, is_whole = self.b, self.blocking.is_whole
        is_first = None if is_whole else part.is_first(b)
        step = PAIR if of_pairs and is_whole else self.shape.tile.rows
        nominal = self.blocking.pair_width if of_pairs else self._panel_width * self._panels_of_a_row

        def one(column: Value, width: int) -> None:
            panel = self._packed(part, column, width, is_first, of_pairs)
            following = None if is_whole else self._following_panel(column + width, part)

            def rows(row: Value, height: int) -> None:
                if is_first is not None and following is not None:
                    with b.if_(is_first):
                        self._prefetch(following, row - part.rows[0], height, nominal)
                tile(panel, row, height)

            cover(b, self.shape.rows, step, part.block, rows)

        bounds = part.columns
        is_all = (bounds[0].constant, bounds[1].constant) == (0, self.shape.columns)
        if nominal > self._panel_width and not is_all:
            # Bounds are multiples of the tile's width only.
            between = bounds[0] + b.divide_positive(bounds[1] - bounds[0], nominal) * nominal
            with b.loop(bounds[0], between, nominal) as column:
                one(column, nominal)
            bounds, nominal = (between, bounds[1]), self._panel_width
        cover(b, self.shape.columns, nominal, bounds, one)

    # --- zeros of A ----------------------------------------------------------------------------------------------

    def _may_skip(self, columns: Range) -> Value | None:
        """Whether zeros of A may be skipped; None if the product skips none.

        In a single block: whether any column of A is zero throughout, as hardly any pair has many zeros elsewhere. In
        several blocks: whether B is finite.
        """
        b, left = self.b, self.left_tile
        if not self.blocking.pair_width:
            return None
        if self.blocking.is_whole:
            rows, inner = self.shape.rows, self.shape.inner
            shape = (inner, rows) if left.row_stride == 1 else (rows, inner)
            return b.less(count_used(b, left.pointer, shape, self.dtype), shape[1])
        if self.shape.right_is_finite:
            return b.equal(b.const(0), 0)
        return all_finite(b, self.right_panel, self.dtype, self.shape.inner, columns)

    def _list_pairs(self, part: _Part, is_packed: bool) -> Value:
        """List the nonzero columns of each pair of a block's rows; returns the total length of the lists."""
        b = self.b
        total = b.variable(b.const(0))

        def write(row: Value, height: int) -> None:
            tile = self._left(part, row, height, is_packed)
            found = self._lists.write(tile, row - part.block[0], height, part.depth)
            total.set(total.get() + found)

        self._cover_rows(part.block, write)
        if self.blocking.is_whole:
            self._lists.write_all(self.shape.rows)
        return total.get()

    @property
    def _lists(self) -> TermLists:
        memory = self.memory(self.blocking.offsets[3], INT32)
        return TermLists(self.b, self.dtype, self.blocking.inner, memory)

    # --- parts of both operands ----------------------------------------------------------------------------------

    def _pack_left(self, part: _Part) -> None:
        """Pack a block of A, in chunks of a few columns if the elements of a row are far apart in memory."""
        b, block, first_k, depth = self.b, part.block, part.first_k, part.depth
        chunk = _FAR_APART if self.left_tile.row_stride == 1 else self.blocking.inner

        with b.loop(0, depth, chunk) as start:
            terms = start, b.minimum(start + chunk, depth)

            def pack(row: Value, height: int) -> None:
                source = self._in_place(row, first_k)
                self._pack_tile(source, height, terms, self._packed_tile(row - block[0]))

            self._cover_rows(block, pack)

    def _packed(
        self, part: _Part, column: Value, width: int, is_first: Value | None, of_pairs: bool
    ) -> _Panel:
        """A panel of B. It is packed for the first block of A, if panels are packed at all."""
        b, dtype, blocking = self.b, self.dtype, self.blocking
        widths = vector_widths(width, b.lanes(dtype))
        if not (blocking.packs_right or of_pairs):
            return _Panel(self._source(part.first_k, column), column, width, widths)
        place = 0 if blocking.is_whole else (column - part.columns[0]) * blocking.inner
        memory = b.offset(self.memory(blocking.offsets[1], dtype), place, dtype)
        packed = RightPanel(memory, len(widths) * b.lanes(dtype), padded=True)
        panel = _Panel(packed, column, width, widths)
        if is_first is not None:
            with b.if_(is_first):
                self._pack_panel(self._source(part.first_k, column), widths, part.depth, packed)
        elif self.shape.right_is_transposed:
            turned = b.offset(self.right_panel.pointer, column * self.right_panel.stride, dtype)
            self._pack_transposed_panel(replace(self.right_panel, pointer=turned), width, packed)
        else:
            looks = of_pairs and not self.shape.right_is_finite
            source = self._source(part.first_k, column)
            finite = self._pack_panel(source, widths, part.depth, packed, looks=looks)
            return replace(panel, is_finite=finite)
        return panel

    def _source(self, first_k: Value, column: Value) -> RightPanel:
        """The elements of B from row `first_k` and column `column` on."""
        b, right = self.b, self.right_panel
        stored = right.stored or self.dtype
        return replace(right, pointer=b.offset(right.pointer, first_k * right.stride + column, stored))

    def _packed_tile(self, row: Value) -> Pointer:
        return self.b.offset(self.memory(0, self.dtype), row * self.blocking.inner, self.dtype)

    def _left(self, part: _Part, row: Value, height: int, is_packed: bool) -> LeftTile:
        """A tile of A, packed or in place. In place, the block must have all columns of A."""
        if is_packed:
            return LeftTile(self._packed_tile(row - part.block[0]), 1, height)
        return self._in_place(row)

    def _in_place(self, row: Value, first_k: Value | int = 0) -> LeftTile:
        """Rows of A in their original memory, from row `row` and column `first_k` on."""
        left = self.left_tile
        offset = row * left.row_stride + first_k * left.inner_stride
        return replace(left, pointer=self.b.offset(left.pointer, offset, self.dtype))

    def _following_panel(self, column: Value, part: _Part) -> RightPanel:
        """The panel to pack after the one that ends before `column`: the next, or the first of the next part."""
        b = self.b
        wraps = b.greater_equal(column, part.columns[1])
        next_k = b.where(wraps, part.next_k, part.first_k)
        return self._source(next_k, b.where(wraps, part.columns[0], column))

    def _prefetch(self, panel: RightPanel, row: Value, height: int, width: int) -> None:
        """Prefetch a share of a panel's rows; the tiles of a block of A together prefetch the whole panel."""
        b = self.b
        share = -(-self.blocking.inner // self.blocking.rows)
        line = LINE_BYTES // self.dtype.itemsize
        with b.loop(row * share, (row + height) * share) as k:
            start = panel.row(b, k, self.dtype)
            for last in range(line - 1, width, line):  # it may begin anywhere in its first line
                b.prefetch(b.offset(start, last, self.dtype))

    # --- sums ----------------------------------------------------------------------------------------------------

    def _fetch(self, first: Value, height: int, panel: _Panel, part: _Part) -> None:
        """Prefetch the epilogue's operands for a tile, if this part completes the sums."""
        b, is_whole = self.b, self.blocking.is_whole
        with nullcontext() if is_whole else b.if_(b.greater_equal(part.next_k, self.shape.inner)):
            for row in range(height):
                self.fetch(first + row, panel.column, panel.width)

    def _sums(self, row: Value, column: Value, height: int) -> Pointer | None:
        """The address of a tile's unfinished sums, counted from the part's start; None if all terms are one part."""
        if not self.blocking.keeps_sums:
            return None
        start = self.memory(self.blocking.offsets[2], self.dtype)
        return self.b.offset(start, row * self.blocking.columns + column * height, self.dtype)

    def _initial(self, sums: Pointer | None, height: int, panel: _Panel, first_k: Value) -> Tile:
        """A tile's initial sums: zeros for the first part of the inner dimension, the stored sums for later parts."""
        b = self.b
        start = zeros(b, height, panel.widths, self.dtype, panel.right.padded)
        if sums is None:
            return start
        variables = [[b.variable(value) for value in row] for row in start]
        with b.if_(b.greater(first_k, 0)):
            for position, variable in enumerate(variable for row in variables for variable in row):
                lanes = variable.get().lanes
                variable.set(b.load(sums, self.dtype, position * b.lanes(self.dtype), lanes))
        return [[variable.get() for variable in row] for row in variables]

    def _keep(self, tile: Tile, sums: Pointer) -> None:
        """Store a tile's unfinished sums."""
        for position, value in enumerate(chain(*tile)):
            self.b.store(sums, value, position * self.b.lanes(self.dtype))

    # --- copies of blocks of both operands, in the order in which the innermost loop reads them ------------------

    def _pack_panel(
        self, right: RightPanel, widths: Sequence[int], depth: Value, packed: RightPanel, looks: bool = False
    ) -> Value | None:
        """Copy the first `depth` rows of a panel of B; with `looks`, returns whether all their elements are finite."""
        b, dtype = self.b, self.dtype
        # A sum of 0 · x is 0 if every x is finite.
        seen = [b.variable(b.const(0, dtype, width)) for width in (widths if looks else ())]
        with b.loop(b.const(0), depth) as k:
            source, destination = right.row(b, k, dtype), packed.row(b, k, dtype)
            for index, width in enumerate(widths):
                offset = index * b.lanes(dtype)
                value = right.load(b, source, dtype, offset, width)
                b.store(destination, value, offset)
                if looks:
                    terms = b.narrow(value, width)
                    seen[index].set(b.multiply_add(terms, b.const(0, dtype, width), seen[index].get()))
        if not looks:
            return None
        total = b.const(0, dtype)
        for one in seen:
            total = total + b.reduce_add(one.get())
        return b.equal(total, 0)

    def _pack_transposed_panel(self, right: RightPanel, width: int, packed: RightPanel) -> None:
        """Copy `width` columns of a transposed B. Element (k, c) of B is at c · stride + k."""
        b, dtype, inner, whole = self.b, self.dtype, self.shape.inner, 0
        if width % b.lanes(dtype) == 0:
            line = LINE_BYTES // dtype.itemsize
            whole = inner // line * line
        if whole:
            source, destination = (right.pointer, right.stride), (packed.pointer, packed.stride)
            call_transpose(b, dtype, source, destination, (0, width), (0, whole))
        columns, target = LeftTile(right.pointer, right.stride, 1), LeftTile(packed.pointer, 1, packed.stride)
        if whole < inner:
            self._pack_rows(columns, width, (b.const(whole), b.const(inner)), target)

    def _pack_tile(self, left: LeftTile, rows: int, inner: Range, tile: Pointer) -> None:
        """Copy `rows` rows and a range of columns of A to `tile`. Element (r, k) goes to position k · rows + r."""
        b, dtype = self.b, self.dtype
        if left.row_stride != 1:
            self._pack_rows(left, rows, inner, LeftTile(tile, 1, rows))
            return
        with b.loop(*inner) as k:
            b.store(tile, b.load(left.column(b, k, dtype), dtype, 0, rows), k * rows)

    def _pack_rows(self, left: LeftTile, count: int, inner: Range, packed: LeftTile) -> None:
        """Transpose `count` rows of A into a packed tile, a vector of each row at a time, a block of rows at a time."""
        b, dtype, lanes = self.b, self.dtype, self.b.lanes(self.dtype)
        for first in range(0, count, lanes):
            rows = range(first, min(first + lanes, count))
            height = 1 << (len(rows) - 1).bit_length()  # the transposition wants a power of two

            def block(k: Value, width: int, rows: range = rows, height: int = height) -> None:
                base = left.column(b, k, dtype)
                if width < lanes:
                    with b.loop(0, width) as i:
                        places = [i * left.inner_stride + left.offset(r) for r in rows]
                        column = b.gather_lanes([b.load(base, dtype, at) for at in places])
                        b.store(packed.pointer, column, (k + i) * packed.inner_stride + rows.start)
                    return
                loaded = [b.load_strided(base, dtype, left.offset(r), left.inner_stride, width) for r in rows]
                loaded += [loaded[-1]] * (height - len(rows))
                for index, column in enumerate(transpose_vectors(b, loaded)):
                    place = (k + index) * packed.inner_stride + rows.start
                    b.store(packed.pointer, b.narrow(column, len(rows)), place)

            b.vector_loop(*inner, lanes, block)
