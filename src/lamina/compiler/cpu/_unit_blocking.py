"""Blocking of a product for a matrix unit, and the layout of its packed blocks in a thread's scratch memory."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from lamina.compiler.cpu._block_sizes import even_part
from lamina.compiler.cpu.machine import Machine
from lamina.compiler.cpu.matrix_unit import TILE_BYTES, TILE_DEPTH, TILE_ROWS
from lamina.compiler.llvm.values import FLOAT32, DType
from lamina.core.memory import whole_lines

PARTS = 3
"""The bfloat16 numbers whose sum is a float32 (see `_unit_product`)."""
BITS: DType = np.dtype(np.uint32)
BLOCK = 2 * TILE_ROWS
"""Rows and columns of a block of the result."""
SUMS_BYTES = BLOCK * BLOCK * FLOAT32.itemsize

_DEEPEST = 576  # bfloat16 terms: a packed panel of this depth stays in the first-level cache
_MOST_ROWS, _MOST_COLUMNS = 512, 2048  # whose unfinished sums take 4 MiB
_LEAST_EXTENTS = {(PARTS, PARTS): 128, (1, PARTS): 48, (1, 1): 32}
"""The minimum of rows, columns and inner dimension for which packing pays, by the numbers of parts of A and B."""
_LEAST_WORK = {PARTS: 1 << 20, 1: 1 << 19}
"""The minimum number of multiply-adds, by the number of parts of B."""


@dataclass(frozen=True)
class UnitBlocking:
    """Block sizes: first `rows` by `inner` elements of A are packed, then up to `columns` columns of B.

    B is packed by panels of 32 columns. With `keeps_sums`, the inner dimension is split, and `sums` blocks of
    unfinished sums are kept in memory.
    """

    rows: int
    inner: int
    columns: int
    left_parts: int
    right_parts: int
    keeps_sums: bool
    sums: int

    @property
    def rounds(self) -> bool:
        """Whether operands are rounded to bfloat16, that is, have a single part."""
        return self.right_parts == 1

    @property
    def steps(self) -> int:
        """The number of steps along the inner dimension, each of 32 columns of A."""
        return -(-self.inner // TILE_DEPTH)

    @property
    def left_tile_bytes(self) -> int:
        """The bytes of 32 packed rows of A."""
        return self.steps * self.left_parts * 2 * TILE_BYTES

    @property
    def panel_bytes(self) -> int:
        return self.steps * self.right_parts * 2 * TILE_BYTES

    @property
    def tiles(self) -> int:
        return -(-self.rows // BLOCK)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The offset in bytes of each section of the scratch memory, and the size of the whole.

        The sections are, in order: the packed block of A; the packed panel of B; the sums of the current block of the
        result; the stored sums of all unfinished blocks; the greatest magnitudes in A and B (see `_unit_product`).
        """
        sizes = (
            self.tiles * self.left_tile_bytes,
            self.panel_bytes,
            SUMS_BYTES,
            self.sums * SUMS_BYTES,
            whole_lines((self.tiles + 1) * BITS.itemsize),
        )
        return tuple(itertools.accumulate(sizes, initial=0))

    @property
    def scratch_bytes(self) -> int:
        return self.offsets[-1]


def choose_unit_blocking(
    machine: Machine, rows: int, inner: int, columns: int, *, left_is_short: bool = False
) -> UnitBlocking | None:
    """The blocking of a product on the matrix unit; None if there is no unit, or a vector unit is as fast."""
    right_parts = 1 if machine.rounds else PARTS
    left_parts = 1 if left_is_short else right_parts
    if not machine.has_matrix_unit or rows * inner * columns < _LEAST_WORK[right_parts]:
        return None
    if min(rows, inner, columns) < _LEAST_EXTENTS[left_parts, right_parts]:
        return None
    depth = even_part(inner, _DEEPEST // right_parts, TILE_DEPTH)
    most = machine.l2_bytes // 2 // (depth * left_parts * 2)
    block_rows = even_part(rows, min(most, _MOST_ROWS), BLOCK)
    block_columns = even_part(columns, _MOST_COLUMNS, BLOCK)
    keeps_sums = depth < inner
    return UnitBlocking(
        rows=block_rows,
        inner=depth,
        columns=block_columns,
        left_parts=left_parts,
        right_parts=right_parts,
        keeps_sums=keeps_sums,
        sums=block_rows // BLOCK * (block_columns // BLOCK) if keeps_sums else 0,
    )
