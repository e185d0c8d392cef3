"""Tiling of matrix products: a tile of the result per block, and, if there are few tiles, sums in parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lamina.compiler.gpu._parts import COUNTER_BYTES, rounded
from lamina.compiler.gpu._scope import THREADS
from lamina.compiler.llvm import FLOAT32
from lamina.compiler.passes.fuse import Kernel
from lamina.core.precision import Precision
from lamina.device.interface import Limits

_LEAST_DEPTH = 64
"""The fewest terms of a sum that are worth a separate block."""
_LEAST_DEPTH_OF_TENSORS = 256
_MOST_PARTS = 16


@dataclass(frozen=True)
class Tile:
    """A block's tile: `rows` by `columns` of a result, `depth` terms at a time; a thread's share is `high` by `wide`.

    `stages`: the number of tiles (`depth` terms of both operands) in shared memory, so that some are loaded while
    others are multiplied; 1 without a pipeline. `precision`: the precision that operands are rounded to.
    """

    rows: int
    columns: int
    depth: int
    high: int
    wide: int
    stages: int = 1
    precision: Precision = "float32"

    @property
    def across(self) -> int:
        """The number of threads across a row of the tile."""
        return self.columns // self.wide

    @property
    def down(self) -> int:
        """The number of threads down a column of the tile."""
        return self.rows // self.high

    @property
    def size(self) -> int:
        """The number of elements of the result."""
        return self.rows * self.columns


SMALL = Tile(32, 32, 32, 2, 2)
MEDIUM = Tile(64, 64, 16, 4, 4)
LARGE = Tile(128, 128, 8, 8, 8)
PIPELINED = Tile(128, 128, 8, 8, 8, stages=4)
TENSOR: Mapping[Precision, Tile] = {
    precision: Tile(128, 128, 16, 8, 8, stages=2, precision=precision) for precision in ("tf32", "bfloat16")
}
"""A multiprocessor has room for two blocks with these tiles: for their registers (128 of a thread), and their shared
memory (32 KiB at most)."""


@dataclass(frozen=True)
class Cut:
    """A product (or a batch of them) divided into tiles, and each sum into `parts` parts of `part` terms."""

    tile: Tile
    batch: int
    down: int
    across: int
    parts: int
    part: int

    @property
    def tiles(self) -> int:
        """The number of tiles of all results."""
        return self.batch * self.down * self.across

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return self.tiles * self.parts

    def counters_bytes(self) -> int:
        """Bytes of the tiles' counters (of completed parts) in the blocks' common memory."""
        return rounded(self.tiles * COUNTER_BYTES) if self.parts > 1 else 0

    def sums_bytes(self, itemsize: int) -> int:
        """Bytes of partial sums in the blocks' common memory."""
        return rounded(self.blocks * self.tile.size * itemsize) if self.parts > 1 else 0


def cut_for(kernel: Kernel, limits: Limits, precision: Precision = "float32") -> Cut:
    """The largest tiles that keep all processors busy; otherwise the smallest, with sums in parts.

    `precision`: operands may be rounded to this precision for tensor cores. They are, if the tiles of tensor cores, or
    parts of their sums, keep the processors busy.
    """
    anchor = kernel.main
    rows, columns = anchor.shape[-2:]
    batch = math.prod(anchor.shape[:-2])
    left = anchor.inputs[0].shape
    inner = left[-2] if anchor.params["transpose_a"] else left[-1]

    def cut(tile: Tile, parts: int = 1, part: int | None = None) -> Cut:
        down, across = -(-rows // tile.rows), -(-columns // tile.columns)
        return Cut(tile, batch, down, across, parts, inner if part is None else part)

    is_copied = limits.has_tensor_cores and anchor.dtype == FLOAT32
    if is_copied and precision != "float32":
        tile = TENSOR[precision]
        parts = _parts(cut(tile).blocks, 2 * limits.processors, inner // _LEAST_DEPTH_OF_TENSORS)
        part = -(-inner // parts // tile.depth) * tile.depth
        found = cut(tile) if parts == 1 else cut(tile, -(-inner // part), part)
        if found.blocks >= limits.processors:
            return found
    if is_copied and cut(PIPELINED).blocks >= limits.processors:
        return cut(PIPELINED)
    tiles = [MEDIUM] if anchor.dtype.itemsize > 4 else [LARGE, MEDIUM]
    for tile in tiles:
        if _fits(tile, anchor.dtype.itemsize, limits) and cut(tile).blocks >= 2 * limits.processors:
            return cut(tile)
    whole = cut(SMALL)
    parts = _parts(whole.blocks, limits.processors, inner // _LEAST_DEPTH)
    if parts == 1:
        return whole
    part = -(-inner // parts // SMALL.depth) * SMALL.depth
    return cut(SMALL, -(-inner // part), part)


def _parts(tiles: int, wanted: int, most: int) -> int:
    """The number of parts of each sum that gives about `wanted` blocks."""
    return max(min(wanted // max(tiles, 1), most, _MOST_PARTS), 1)


def _fits(tile: Tile, itemsize: int, limits: Limits) -> bool:
    shared = (tile.rows + tile.columns + 8) * tile.depth * itemsize
    return shared <= limits.shared_bytes and tile.across * tile.down == THREADS
