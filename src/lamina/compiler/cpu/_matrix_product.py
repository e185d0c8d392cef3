"""Matrix products C = A · B, with an epilogue for every finished vector while it is in a register.

Every element of C is one chain of fused multiply-adds over k = 0, 1, 2, …, for any tile, block, tail or thread: results
have the same bits for any division of the work. On a matrix unit (`_unit_product`), and with vectors along the
inner dimension (`_lane_sums`), sums have another order, which does not depend on the division either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lamina.compiler.cpu import _block_sizes as block_sizes
from lamina.compiler.cpu._block_sizes import BLOCK, Blocking, UnitBlocking
from lamina.compiler.cpu._blocking import BlockedProduct
from lamina.compiler.cpu._lane_sums import LaneSums, LaneTile, choose_lane_tile
from lamina.compiler.cpu._microkernel import Epilogue, FlatEpilogue, Read
from lamina.compiler.cpu._terms import count_used
from lamina.compiler.cpu._tiles import Range, TileShape, choose_tile, step_cycles
from lamina.compiler.cpu._unit_product import UnitProduct
from lamina.compiler.cpu.machine import Machine, target_machine
from lamina.compiler.llvm import FLOAT32, Builder, DType, Pointer

_UNIT_TILE = TileShape(8, 2)
_FEWEST_DENSE_ROWS = 256
"""Below this number of rows, the vector unit, which skips zero columns, may be as fast as the matrix unit."""
_STAYS_IN_CACHE = 4
"""An array smaller than 1 / _STAYS_IN_CACHE of the second-level cache is assumed to be still in this cache."""
_MOVE_CYCLES = 1.5
"""Cycles to load a vector of B and store it in the packed panel."""


@dataclass(frozen=True)
class MatrixProduct:
    """The product of A (rows by inner) and B (inner by columns), both float32 or both float64.

    Element (r, k) of A is at r · left_strides[0] + k · left_strides[1]. Element (k, c) of B is at k · right_stride + c,
    or, with `right_is_transposed`, at c · right_stride + k. Strides count elements.

    With `long_epilogue`, the epilogue is a lot of code. It gets vectors along the rows of the result, or, with
    `by_columns`, along the columns, for a transposed result.

    With `skips_zeros`, the code skips values of k at which all rows of a tile of A, or both of a pair of rows, are
    zero. The result has the same bits, except on a matrix unit (see `_unit_product`).

    With `left_is_short`, A's elements are integers of at most 8 bits, which are exact as single bfloat16 parts. With
    `right_is_finite`, B has no infinities and NaNs. With `sums_lanes`, A and B are both contiguous along k, and the
    product uses vectors along k (see `_lane_sums`). With `right_dtype`, B's elements have that type, and are
    converted as they are loaded.

    Threads share the work by rows or columns in multiples of `row_step` or `column_step` (`b.split(rows, row_step)`).
    Each has `scratch_bytes` of memory, aligned to 64 bytes.
    """

    rows: int
    inner: int
    columns: int
    dtype: DType
    left_strides: tuple[int, int]
    right_stride: int
    machine: Machine = field(default_factory=target_machine)
    long_epilogue: bool = False
    skips_zeros: bool = False
    by_columns: bool = False
    left_is_short: bool = False
    right_is_finite: bool = False
    right_is_transposed: bool = False
    sums_lanes: bool = False
    right_dtype: DType | None = None

    @cached_property
    def way(self) -> UnitBlocking | Blocking | LaneTile:
        """The strategy: the matrix unit, the vector unit by blocks, or vectors along the inner dimension."""
        if self.sums_lanes:
            return choose_lane_tile(self.machine, self.dtype, self.rows, self.inner, self.columns)
        is_thin = self.skips_zeros and not self.left_is_short and self.left_rows < _FEWEST_DENSE_ROWS
        if self.dtype == FLOAT32 and not is_thin and not self.right_is_transposed:
            unit = block_sizes.choose_unit_blocking(self)
            if unit is not None:
                return unit
        return self._blocks(self._vector_tile)

    def _blocks(self, tile: TileShape) -> Blocking:
        """The blocks on the vector unit: a single one if the operands fit the caches, or B is transposed."""
        found = None if self.right_is_transposed else block_sizes.choose_blocking(self, tile)
        width = tile.vectors * self.machine.lanes(self.dtype)
        pays = block_sizes.packs_many(self.rows, tile) and self.right_stride > width
        packs_right = self.inner > 0 and (self.right_is_transposed or pays)
        return found or block_sizes.single_block(self, tile, packs_right=packs_right)

    @property
    def vector_blocks(self) -> Blocking:
        """The blocks on the vector unit of a product that may run on the matrix unit."""
        return self._blocks(self.tile)

    @property
    def is_whole(self) -> bool:
        """Whether the product runs on the vector unit as a single block."""
        return isinstance(self.way, Blocking) and self.way.is_whole

    @property
    def cycles(self) -> float:
        """The estimated cycles of one core for an unblocked product with vectors along the columns."""
        cycles = step_cycles(self.machine, self.dtype, self.rows, self.columns) * self.inner
        if self.right_is_transposed:
            lanes = self.machine.lanes(self.dtype)
            cycles += self.columns * self.inner / lanes * (lanes.bit_length() - 1 + _MOVE_CYCLES)
        return cycles

    @property
    def is_on_unit(self) -> bool:
        """Whether the product runs on a matrix unit."""
        return isinstance(self.way, UnitBlocking)

    @property
    def rounds(self) -> bool:
        """Whether the product's operands are rounded to bfloat16."""
        return isinstance(self.way, UnitBlocking) and self.way.rounds

    @property
    def _vector_tile(self) -> TileShape:
        return choose_tile(self.machine, self.dtype, max(self.rows, 1), max(self.columns, 1))

    @cached_property
    def tile(self) -> TileShape:
        # Beside a matrix unit, threads share the work in its blocks.
        return _UNIT_TILE if self.is_on_unit else self._vector_tile

    @property
    def row_step(self) -> int:
        if isinstance(self.way, LaneTile):
            return self.way.rows
        return BLOCK if self.is_on_unit else self.tile.rows

    @property
    def column_step(self) -> int:
        if isinstance(self.way, LaneTile):
            return self.way.columns
        return BLOCK if self.is_on_unit else self.panel_width

    @property
    def panel_width(self) -> int:
        """The number of columns of a tile on the vector unit."""
        return self.tile.vectors * self.machine.lanes(self.dtype)

    @property
    def only_packs_left(self) -> bool:
        """Whether A is read only to pack it; then the packing code can compute A's elements instead of loading them."""
        return self.is_on_unit and (self.left_is_short or not self.skips_zeros)

    @property
    def scratch_bytes(self) -> int:
        """The bytes of scratch memory that each thread needs."""
        if isinstance(self.way, LaneTile):
            return 0
        dense = self.vector_blocks.scratch_bytes if self.is_on_unit and not self.only_packs_left else 0
        return max(self.way.scratch_bytes, dense)

    @property
    def can_convert_right(self) -> bool:
        """Whether B may have elements of another type: each is then loaded once, or by a few rows, and not packed."""
        way, is_one_tile = self.way, self.rows <= self.tile.rows
        return isinstance(way, Blocking) and way.is_whole and not way.packs_right and is_one_tile

    @property
    def panel_bytes(self) -> int:
        """The bytes of a packed panel of B; 0 if none is packed."""
        return self.way.offsets[2] if isinstance(self.way, Blocking) else 0

    @property
    def left_is_transposed(self) -> bool:
        """Whether A's columns in memory belong to rows of the result, and not to values of k."""
        return self.left_strides[0] == 1 and self.left_strides[1] != 1

    @property
    def left_rows(self) -> int:
        """The number of rows of A in its memory layout."""
        return self.inner if self.left_is_transposed else self.rows

    @property
    def left_columns(self) -> int:
        """The number of columns of A in its memory layout."""
        return self.rows if self.left_is_transposed else self.inner

    def emit(
        self,
        b: Builder,
        left: Pointer | Read,
        right: Pointer,
        epilogue: Epilogue,
        *,
        rows: Range | None = None,
        columns: Range | None = None,
        scratch: Pointer | None = None,
        reads: Sequence[Pointer] = (),
        flat: FlatEpilogue | None = None,
    ) -> None:
        """Emit the code that computes the given rows and columns, by default all.

        The bounds of `rows` and `columns` are multiples of the steps, or the ends of the matrix. `reads` are matrices
        with the result's shape that the epilogue reads element for element; large matrices are prefetched. `flat` does
        the same as `epilogue` for a result that is stored transposed, and may replace it.

        With `only_packs_left`, `left` may be a function that computes A.

        A product for the matrix unit is computed by the vector unit if more than half of A's columns are zero. The code
        decides at run time. It looks at all of A, whichever share of the result this thread computes.
        """
        if self.scratch_bytes and scratch is None:
            raise ValueError(
                f"this product needs {self.scratch_bytes} bytes of scratch memory for each thread: pass scratch"
            )
        if min(self.rows, self.columns) == 0:
            return
        if not isinstance(left, Pointer) and not self.only_packs_left:
            raise ValueError("this product can't compute A as it loads A: store A in memory")
        prefetched = reads if self._outgrow_cache(len(reads)) else ()
        given = b, self, left, right, epilogue, scratch, prefetched, flat
        bounds = rows or (b.const(0), b.const(self.rows)), columns or (b.const(0), b.const(self.columns))
        way = self.way
        if isinstance(way, LaneTile):
            LaneSums(*given, way).emit(*bounds)
        elif isinstance(way, Blocking):
            BlockedProduct(*given, way).emit(*bounds)
        elif self.only_packs_left:
            UnitProduct(*given, way).emit(*bounds)
        else:
            assert isinstance(left, Pointer)
            used = count_used(b, left, (self.left_rows, self.left_columns), self.dtype)
            b.if_else(
                b.less(used * 2, self.left_columns),
                lambda: BlockedProduct(*given, self.vector_blocks).emit(*bounds),
                lambda: UnitProduct(*given, way).emit(*bounds),
            )

    def _outgrow_cache(self, matrices: int) -> bool:
        """Whether `matrices` arrays of the result's size may exceed the second-level cache."""
        nbytes = matrices * self.rows * self.columns * self.dtype.itemsize
        return nbytes >= self.machine.l2_bytes // _STAYS_IN_CACHE
