"""The operands of a matrix product, read tile by tile by a block of threads."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.compiler.emit.positions import Axis
from lamina.compiler.gpu._builder import SpacePointer
from lamina.compiler.gpu._scope import THREADS, DeviceScope
from lamina.compiler.gpu._tiles import Cut, Tile
from lamina.compiler.llvm import FLOAT32, Value
from lamina.compiler.passes.graph import Constant, Input, Node


def computes_operand(product: Node, operand: Node) -> bool:
    """Whether a product computes an operand while reading it: rows of a data set, which may be scaled."""
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
    """A block's work: the result's number in a batch, the first row and column, and the range of terms."""

    scope: DeviceScope
    cut: Cut
    batch: Value
    row: Value
    column: Value
    begin: Value
    end: Value

    @property
    def tile(self) -> Tile:
        """The tile's size and method."""
        return self.cut.tile

    def index(self) -> list[Axis]:
        """The result's number in a batch, as an index."""
        return self.scope.index(self.batch, self.scope.kernel.main.shape[:-2])


class Operand:
    """A product's operand. Its elements are numbered by `outer`, the row or column of the result, and `term` of the
    sums.

    `sums_last`: whether neighbours in memory are terms of one sum.
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
        """The elements of a tile."""
        return self.width * self.part.tile.depth

    def within_tile(self, turn: int, count: int = 1) -> tuple[Value, Value]:
        """The row or column, and the term, of the first of the thread's `count` elements of a tile in a round.

        Elements that are neighbours in memory belong to neighbouring threads.
        """
        b, depth = self.part.scope.b, self.part.tile.depth
        sizes = (self.width, depth) if self.sums_last else (depth, self.width)
        line, place = b.unravel(b.mul(self.part.scope.thread, count), sizes)
        line = b.add(line, self.lines_before(turn, count))
        return (line, place) if self.sums_last else (place, line)

    def lines_before(self, turn: int, count: int) -> int:
        """The distance, in lines of memory, of a thread's elements in a round from those in the first round."""
        lines, rest = divmod(turn * THREADS * count, self.part.tile.depth if self.sums_last else self.width)
        assert not rest, "a turn is of whole lines"
        return lines

    @property
    def is_whole(self) -> bool:
        """Whether all tiles are complete, so that no element is outside the matrix."""
        return self._has_whole_terms and self.extent % self.width == 0

    @property
    def _has_whole_terms(self) -> bool:
        depth = self.part.tile.depth
        return self.inner % depth == 0 and self.part.cut.part % depth == 0

    def inside(self, outer: Value, term: Value) -> Value | None:
        """Whether an element belongs to the part (None: always)."""
        b, depth = self.part.scope.b, self.part.tile.depth
        found = None
        if not self._has_whole_terms:
            found = b.less(b.narrowed(term, self.inner + depth), b.narrowed(self.part.end, self.inner))
        if self.extent % self.width:
            within = b.less(b.narrowed(outer, self.extent + self.width), self.extent)
            found = within if found is None else b.logical_and(found, within)
        return found

    def element(self, outer: Value, term: Value) -> Value:
        """An element, computed if necessary; 0 outside the matrix."""
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
        """An element inside the matrix, computed."""
        scope = self.part.scope
        matrix = (outer, term) if self.sums_last else (term, outer)
        return scope.evaluator(1).at(self.node, [*self.part.index(), *(scope.axis(i) for i in matrix)])

    def in_memory(self) -> SpacePointer | None:
        """The address of the matrix's first element, if memory has the product's layout."""
        scope = self.part.scope
        found = scope.memory.find(self.node)
        if found is None or scope.kernel.main.dtype != FLOAT32:
            return None
        rows, columns = self.node.shape[-2:]
        assert isinstance(found, SpacePointer)
        return scope.b.address(found, scope.b.mul(self.part.batch, rows * columns), FLOAT32)

    def position(self, outer: Value, term: Value) -> Value:
        """The position of an element in the matrix."""
        b, line = self.part.scope.b, self.node.shape[-1]
        return b.add(b.mul(outer, line), term) if self.sums_last else b.add(b.mul(term, line), outer)
