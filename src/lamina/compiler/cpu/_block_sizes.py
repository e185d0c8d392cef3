"""Choice of block sizes for a product's operands, from the product's shape and the caches."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lamina.compiler.cpu._terms import LOOKED_AT, PAIR, terms_bytes
from lamina.compiler.cpu._tiles import TileShape
from lamina.compiler.cpu.machine import Machine
from lamina.compiler.cpu.matrix_unit import TILE_BYTES, TILE_DEPTH, TILE_ROWS
from lamina.compiler.llvm.values import FLOAT32, DType
from lamina.core.memory import rounded_up

if TYPE_CHECKING:
    from lamina.compiler.cpu._matrix_product import MatrixProduct

_INNER_BYTES = 2048  # of a row of A's block; a row of up to twice that is not split, to store no sums
_SKIPPED = 2  # where zeros are skipped, 1 / _SKIPPED of a sum's terms are expected to be nonzero
_RIGHT_BLOCK_BYTES = 2 << 20
_OUTER_ROWS = 1024
_FEWEST_ROW_TILES = 4  # below, packing costs more than it saves
_PACK_ROW_TILES = 8
_FEWEST_PAIRED = 2  # tiles of rows; with fewer, looking at all of B costs as much as it saves
_PAIR_VECTORS = 7  # of B, and of each of two rows of the result, in registers


_MOST_VECTORS = {16: 6, 32: 8}
"""The vectors per row of a pair that are kept in registers, by the number of registers; for operands that fit the
caches."""


@dataclass(frozen=True)
class Blocking:
    """Block sizes of a product C = A · B: `rows` by `inner` of A, `inner` by `columns` of B.

    The code completes `outer_rows` by `columns` elements of C before it begins the next elements. With `is_whole`, the
    product is a single block: A is read in place, and so is B, unless `packs_right`; memory for packed panels holds one
    panel, of `columns` columns.

    With `keeps_sums`, the summed dimension is split, and partial sums are stored in memory. `pair_width` is the number
    of columns per panel when rows are computed in pairs, which skip zeros; 0 if they never are.
    """

    rows: int
    inner: int
    columns: int
    outer_rows: int
    itemsize: int
    keeps_sums: bool = False
    pair_width: int = 0
    is_whole: bool = False
    packs_right: bool = True

    @property
    def offsets(self) -> tuple[int, ...]:
        """The offsets in bytes of packed A, packed panels of B, unfinished sums and lists of terms; the whole size."""
        sizes = (
            0 if self.is_whole else self.rows * self.inner * self.itemsize,
            self.inner * self.columns * self.itemsize,
            self.outer_rows * self.columns * self.itemsize if self.keeps_sums else 0,
            terms_bytes(self.rows + self.is_whole, self.inner) if self.pair_width else 0,
        )
        return tuple(itertools.accumulate(map(rounded_up, sizes), initial=0))

    @property
    def scratch_bytes(self) -> int:
        return self.offsets[-1]


def choose_blocking(product: MatrixProduct, tile: TileShape) -> Blocking | None:
    """The block sizes for a product with this tile; None if the operands fit the caches or A has few rows."""
    machine, dtype, skips_zeros = product.machine, product.dtype, product.skips_zeros
    rows, inner, columns = product.rows, product.inner, product.columns
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
    pair_width = 0
    if skips_zeros and LOOKED_AT <= depth == inner and columns <= block_columns:
        # Whole tiles, since a thread's share of the columns is tiles.
        pair_width = even_part(columns, max(1, _PAIR_VECTORS // tile.vectors) * width, width)
        block_columns = max(block_columns, -(-columns // pair_width) * pair_width)
    outer_rows = even_part(rows, _OUTER_ROWS, block_rows)
    return Blocking(block_rows, depth, block_columns, outer_rows, itemsize, depth < inner, pair_width)


def single_block(product: MatrixProduct, tile: TileShape, *, packs_right: bool) -> Blocking:
    """The whole product as one block. Where zeros are skipped, rows may be computed in pairs, from packed panels."""
    machine, dtype, skips_zeros = product.machine, product.dtype, product.skips_zeros
    rows, inner, columns = product.rows, product.inner, product.columns
    width = tile.vectors * machine.lanes(dtype)
    skips = (
        skips_zeros and inner >= LOOKED_AT and tile.rows % PAIR == 0 and rows >= _FEWEST_PAIRED * tile.rows
    )
    far = inner * width * dtype.itemsize > machine.l1_bytes
    pair_width = width * _paired_panels(machine, tile, columns // width, far=far) if skips else 0
    return Blocking(
        rows,
        inner,
        max(pair_width, width if packs_right else 0),
        rows,
        dtype.itemsize,
        pair_width=pair_width,
        is_whole=True,
        packs_right=packs_right,
    )


def packs_many(rows: int, tile: TileShape) -> bool:
    """Whether enough tiles read a panel of B to make packing pay.

    Packed rows are neighbours, and begin at cache lines. NumPy's large arrays begin 16 bytes into a line, so that every
    load from an unpacked B would touch two lines.
    """
    return rows >= _PACK_ROW_TILES * tile.rows


def _paired_panels(machine: Machine, tile: TileShape, tiles: int, *, far: bool) -> int:
    """The tiles across a panel for pairs of rows: more where panels are `far`, re-read from the second-level cache."""
    wanted = 4 if far and machine.vector_registers == 32 and tiles % 4 == 0 else 2
    fit = _MOST_VECTORS[machine.vector_registers] // tile.vectors
    return max(1, min(wanted, fit, tiles))


def even_part(extent: int, most: int, step: int) -> int:
    """The part size, a multiple of `step`, that splits `extent` evenly into the fewest parts of at most `most`."""
    parts = max(1, -(-extent // max(most, step)))
    return -(-extent // (parts * step)) * step


# --- Blocking of a product for a matrix unit, and the layout of its packed blocks in a thread's scratch memory -------


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

    B is packed by panels of 32 columns. If the inner dimension is split, `sums` blocks of unfinished sums are kept in
    memory; else `sums` is 0.
    """

    rows: int
    inner: int
    columns: int
    left_parts: int
    right_parts: int
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
        """The offsets of packed A, packed panel, current sums, stored sums, greatest magnitudes; the whole size."""
        sizes = (
            self.tiles * self.left_tile_bytes,
            self.panel_bytes,
            SUMS_BYTES,
            self.sums * SUMS_BYTES,
            rounded_up((self.tiles + 1) * BITS.itemsize),
        )
        return tuple(itertools.accumulate(sizes, initial=0))

    @property
    def scratch_bytes(self) -> int:
        return self.offsets[-1]


def choose_unit_blocking(product: MatrixProduct) -> UnitBlocking | None:
    """The blocking of a product on the matrix unit; None if there is no unit, or a vector unit is as fast."""
    machine, rows, inner, columns = product.machine, product.rows, product.inner, product.columns
    right_parts = 1 if machine.rounds else PARTS
    left_parts = 1 if product.left_is_short else right_parts
    if not (machine.has_matrix_unit or machine.rounds) or rows * inner * columns < _LEAST_WORK[right_parts]:
        return None
    if min(rows, inner, columns) < _LEAST_EXTENTS[left_parts, right_parts]:
        return None
    depth = even_part(inner, _DEEPEST // right_parts, TILE_DEPTH)
    most = machine.l2_bytes // 2 // (depth * left_parts * 2)
    block_rows = even_part(rows, min(most, _MOST_ROWS), BLOCK)
    block_columns = even_part(columns, _MOST_COLUMNS, BLOCK)
    sums = block_rows // BLOCK * (block_columns // BLOCK) if depth < inner else 0
    return UnitBlocking(block_rows, depth, block_columns, left_parts, right_parts, sums)
