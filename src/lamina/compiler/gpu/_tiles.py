"""Tiling of matrix products: each block computes a tile of the result.

If there are few tiles, each block computes only partial sums of a tile. The code calls an index along the inner
dimension a term.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lamina.compiler.emit.scope import Axis
from lamina.compiler.gpu._loops import THREADS, DeviceScope, Division
from lamina.compiler.llvm import FLOAT32, Pointer, Value
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Constant, Input, Node
from lamina.core.precision import Precision
from lamina.device.interface import Limits

_LEAST_DEPTH = 64
"""The smallest inner dimension that is worth a separate block."""
_LEAST_DEPTH_OF_TENSORS = 256
_MOST_PARTS = 16


@dataclass(frozen=True)
class Tile:
    """The sizes of a block's tile: `rows` by `columns` of a result; a thread has `high` by `wide` elements.

    Operands are loaded in steps of `depth` along the inner dimension. `stages` is the number of buffers in shared
    memory for operands of one step, which allow loading some while others are multiplied; 1 means no pipeline. Operands
    are rounded to `precision`.
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
        """The number of result elements in the tile."""
        return self.rows * self.columns


SMALL = Tile(32, 32, 32, 2, 2)
MEDIUM = Tile(64, 64, 16, 4, 4)
LARGE = Tile(128, 128, 8, 8, 8)
PIPELINED = Tile(128, 128, 8, 8, 8, stages=4)
TENSOR: Mapping[Precision, Tile] = {
    precision: Tile(128, 128, 16, 8, 8, stages=2, precision=precision) for precision in ("tf32", "bfloat16")
}
"""A multiprocessor has room for two blocks with these tiles: for their registers (128 per thread), and their shared
memory (32 KiB at most)."""


@dataclass(frozen=True, kw_only=True)
class Cut(Division):
    """A product, or a batch, in `down` by `across` tiles for each of `batch` results; a part has `part` terms."""

    tile: Tile
    batch: int
    down: int
    across: int
    part: int


def cut_for(kernel: Kernel, limits: Limits, precision: Precision = "float32") -> Cut:
    """The largest tiles that keep all processors busy; if none do, the smallest tiles, with sums in parts.

    With a lower `precision`, operands are rounded to it and multiplied on tensor cores, provided that the tiles for
    tensor cores, or the parts of their sums, keep all processors busy.
    """
    anchor = kernel.main
    rows, columns = anchor.shape[-2:]
    batch = math.prod(anchor.shape[:-2])
    left = anchor.inputs[0].shape
    inner = left[-2] if anchor.params["transpose_a"] else left[-1]

    def cut(tile: Tile, parts: int = 1, part: int | None = None) -> Cut:
        down, across = -(-rows // tile.rows), -(-columns // tile.columns)
        return Cut(
            tiles=batch * down * across,
            parts=parts,
            results=tile.size,
            itemsize=anchor.dtype.itemsize,
            tile=tile,
            batch=batch,
            down=down,
            across=across,
            part=inner if part is None else part,
        )

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
        if cut(tile).blocks >= 2 * limits.processors:
            return cut(tile)
    whole = cut(SMALL)
    parts = _parts(whole.blocks, limits.processors, inner // _LEAST_DEPTH)
    if parts == 1:
        return whole
    part = -(-inner // parts // SMALL.depth) * SMALL.depth
    return cut(SMALL, -(-inner // part), part)


def _parts(tiles: int, wanted: int, most: int) -> int:
    """The number of parts of each sum that results in about `wanted` blocks."""
    return max(min(wanted // max(tiles, 1), most, _MOST_PARTS), 1)


# --- The operands of a matrix product, read tile by tile by a block of threads ---------------------------------------


def computes_operand(product: Node, operand: Node) -> bool:
    """Whether a product computes an operand as it loads it: selected rows of a data set, maybe cast or scaled."""
    node, operators = operand, 0
    while not isinstance(node.op, Input):
        numbers = [x for x in node.inputs if isinstance(x.op, Constant)]
        others = [x for x in node.inputs if not isinstance(x.op, Constant)]
        operators += 1
        if operators > 3 or not (node.is_op("cast", "take", "multiply", "divide") and others):
            return False
        is_take = node.is_op("take") and all(isinstance(x.op, Input) for x in others)
        if not is_take and (len(others) != 1 or len(numbers) > 1 or others[0].shape != node.shape):
            return False
        node = others[0]
    return True


@dataclass(frozen=True)
class Part:
    """A block's work: the index in the batch, the tile's first row and column, and the range of inner indices."""

    scope: DeviceScope
    cut: Cut
    batch: Value
    row: Value
    column: Value
    begin: Value
    end: Value

    @property
    def tile(self) -> Tile:
        """The tile's shape and precision."""
        return self.cut.tile

    def index(self) -> list[Axis]:
        """The index of the result in the batch."""
        return self.scope.index(self.batch, self.scope.kernel.main.shape[:-2])


class Operand:
    """A product's operand.

    An element is identified by `outer`, its row or column in the result, and `term`, its index along the inner
    dimension. `sums_last` is true if the operand is contiguous along the inner dimension.
    """

    def __init__(self, part: Part, *, is_left: bool) -> None:
        self.part, self.is_left = part, is_left
        anchor, tile = part.scope.kernel.main, part.tile
        rows, columns = anchor.shape[-2:]
        transposes = bool(anchor.params["transpose_a"]), bool(anchor.params["transpose_b"])
        if is_left:
            self.node, self.extent, self.width, self.first = anchor.inputs[0], rows, tile.rows, part.row
            self.sums_last = not transposes[0]
        else:
            self.node, self.extent, self.width, self.first = (
                anchor.inputs[1], columns, tile.columns, part.column,
            )  # fmt: skip
            self.sums_last = transposes[1]
        self.inner = self.node.shape[-1 if self.sums_last else -2]

    @property
    def size(self) -> int:
        """The number of elements in a tile."""
        return self.width * self.part.tile.depth

    def within_tile(self, turn: int, count: int = 1) -> tuple[Value, Value]:
        """The (outer, term) of the first of a thread's `count` elements in round `turn`; threads are adjacent."""
        b, depth = self.part.scope.b, self.part.tile.depth
        sizes = (self.width, depth) if self.sums_last else (depth, self.width)
        line, place = b.unravel(b.mul(self.part.scope.thread, count), sizes)
        line = b.add(line, self.lines_before(turn, count))
        return (line, place) if self.sums_last else (place, line)

    def lines_before(self, turn: int, count: int) -> int:
        """The distance between a thread's elements in round 0 and in round `turn`, in rows of the matrix in memory."""
        lines, rest = divmod(turn * THREADS * count, self.part.tile.depth if self.sums_last else self.width)
        assert not rest, "a turn is of whole lines"
        return lines

    @property
    def is_whole(self) -> bool:
        """Whether all tiles are complete, without elements outside the matrix."""
        return self._has_whole_terms and self.extent % self.width == 0

    @property
    def _has_whole_terms(self) -> bool:
        depth = self.part.tile.depth
        return self.inner % depth == 0 and self.part.cut.part % depth == 0

    def inside(self, outer: Value, term: Value) -> Value | None:
        """Whether an element is inside the matrix and the part's range of inner indices; None if it always is."""
        b, depth = self.part.scope.b, self.part.tile.depth
        found = None
        if not self._has_whole_terms:
            found = b.less(b.narrowed(term, self.inner + depth), b.narrowed(self.part.end, self.inner))
        if self.extent % self.width:
            within = b.less(b.narrowed(outer, self.extent + self.width), self.extent)
            found = within if found is None else b.logical_and(found, within)
        return found

    def element(self, outer: Value, term: Value) -> Value:
        """An element, loaded and computed if necessary; 0 outside the matrix."""
        b, dtype = self.part.scope.b, self.part.scope.kernel.main.dtype
        if self.inner == 0:
            return b.const(0, dtype)
        inside = b.less(term, self.part.end)
        if self.extent % self.width:
            inside = b.logical_and(inside, b.less(outer, self.extent))
        value = b.variable(b.const(0, dtype))
        with b.if_(inside):
            value.set(self.computed(outer, term))
        return value.get()

    def computed(self, outer: Value, term: Value) -> Value:
        """An element that is certainly inside the matrix, loaded and computed if necessary."""
        scope = self.part.scope
        matrix = (outer, term) if self.sums_last else (term, outer)
        return scope.evaluator(1).at(self.node, [*self.part.index(), *(scope.axis(i) for i in matrix)])

    def in_memory(self) -> Pointer | None:
        """The address of the matrix's first element; None if elements are computed on load, or not float32."""
        scope = self.part.scope
        found = scope.memory.find(self.node)
        if found is None or scope.kernel.main.dtype != FLOAT32:
            return None
        rows, columns = self.node.shape[-2:]
        return scope.b.address(found, scope.b.mul(self.part.batch, rows * columns), FLOAT32)

    def position(self, outer: Value, term: Value) -> Value:
        """The flat position of an element in the matrix."""
        b, line = self.part.scope.b, self.node.shape[-1]
        return b.add(b.mul(outer, line), term) if self.sums_last else b.add(b.mul(term, line), outer)
