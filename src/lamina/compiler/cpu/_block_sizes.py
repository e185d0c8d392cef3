"""Choice of block sizes for a product's operands, from the product's shape and the caches."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.compiler.cpu._terms import terms_bytes
from lamina.compiler.cpu._tiles import TileShape
from lamina.compiler.cpu.machine import Machine
from lamina.compiler.llvm import DType
from lamina.core.memory import whole_lines

_INNER_BYTES = 2048  # of a row of A's block; a row of up to twice that is not split, to store no sums
_SKIPPED = 2  # where zeros are skipped, 1 / _SKIPPED of a sum's terms are expected to be nonzero
_RIGHT_BLOCK_BYTES = 2 << 20
_OUTER_ROWS = 1024
_FEWEST_ROW_TILES = 4  # below, packing costs more than it saves
_PAIR_VECTORS = 7  # of B, and of each of two rows of the result, in registers


@dataclass(frozen=True)
class Blocking:
    """Block sizes of a product C = A · B: `rows` by `inner` of A, `inner` by `columns` of B.

    The code completes `outer_rows` by `columns` elements of C before it begins the next elements.
    """

    rows: int
    inner: int
    columns: int
    outer_rows: int
    itemsize: int
    keeps_sums: bool  # whether the summed dimension is split, and partial sums are stored in memory
    skips_zeros: bool = False
    pair_width: int = 0  # columns per panel when rows are computed in pairs; 0: they are not

    @property
    def left_bytes(self) -> int:
        return whole_lines(self.rows * self.inner * self.itemsize)

    @property
    def right_bytes(self) -> int:
        return whole_lines(self.inner * self.columns * self.itemsize)

    @property
    def scratch_bytes(self) -> int:
        return self.left_bytes + self.right_bytes + self.sums_bytes + self.terms_bytes

    @property
    def sums_bytes(self) -> int:
        return whole_lines(self.outer_rows * self.columns * self.itemsize) if self.keeps_sums else 0

    @property
    def terms_bytes(self) -> int:
        """The bytes of scratch memory for the lists of nonzero elements per row."""
        return terms_bytes(self.rows, self.inner) if self.skips_zeros else 0


def choose_blocking(
    machine: Machine,
    dtype: DType,
    rows: int,
    inner: int,
    columns: int,
    tile: TileShape,
    *,
    skips_zeros: bool = False,
) -> Blocking | None:
    """The block sizes for a product of this shape; None if the operands fit the caches or A has few rows."""
    itemsize = dtype.itemsize
    left_fits = rows * inner * itemsize <= machine.l2_bytes // 2
    right_fits = inner * columns * itemsize <= 4 * machine.l2_bytes
    if (left_fits and right_fits) or rows < _FEWEST_ROW_TILES * tile.rows:
        return None
    most = _INNER_BYTES // itemsize
    whole = 2 * most * (_SKIPPED if skips_zeros else 1)
    depth = inner if inner <= whole else even_part(inner, most, machine.lanes(dtype))
    width = tile.vectors * machine.lanes(dtype)
    block_rows = even_part(rows, machine.l2_bytes // 2 // (depth * itemsize), tile.rows)
    block_columns = even_part(columns, _RIGHT_BLOCK_BYTES // (depth * itemsize), width)
    pair_width = even_part(columns, _PAIR_VECTORS * machine.lanes(dtype), machine.lanes(dtype))
    has_pairs = skips_zeros and depth == inner and columns <= block_columns
    if has_pairs:
        block_columns = max(block_columns, -(-columns // pair_width) * pair_width)
    return Blocking(
        rows=block_rows,
        inner=depth,
        columns=block_columns,
        outer_rows=even_part(rows, _OUTER_ROWS, block_rows),
        itemsize=itemsize,
        keeps_sums=depth < inner,
        skips_zeros=skips_zeros,
        pair_width=pair_width if has_pairs else 0,
    )


def even_part(extent: int, most: int, step: int) -> int:
    """The part size, a multiple of `step`, that splits `extent` evenly into the fewest parts of at most `most`."""
    parts = max(1, -(-extent // max(most, step)))
    return -(-extent // (parts * step)) * step
