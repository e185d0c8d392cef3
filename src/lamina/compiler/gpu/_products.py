"""Matrix products: tiles of both operands in shared memory, a small square of the result in a thread's registers.

What the kernel does with the elements is done at the end, while neighbouring threads have neighbouring elements. Where
a sum is computed in parts, by several blocks, the last one to finish adds them, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lamina.compiler.emit.positions import Axis
from lamina.compiler.gpu._parts import is_done_last
from lamina.compiler.gpu._scope import THREADS, DeviceScope
from lamina.compiler.gpu._tiles import Cut
from lamina.compiler.llvm import INDEX, Pointer, Value, Variable
from lamina.compiler.passes.graph import Constant, Input, Node

__all__ = ["computes_operand", "emit_product"]

_UNROLL = 8
_VECTOR = 4
_ROWS_AT_ONCE = 2  # of each thread: few enough for shared memory, and a divisor of _VECTOR
_PAD = 4  # elements between rows of a tile in shared memory, so that they begin in other banks


def computes_operand(product: Node, operand: Node) -> bool:
    """Whether a product computes an operand itself while it reads it: rows of a data set, scaled perhaps."""
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


def emit_product(scope: DeviceScope, cut: Cut, then: Callable[[Value], None]) -> None:
    """One block's part of a product. `then(first row)` is done by the block that has finished a tile."""
    _Product(scope, cut, then).emit()


@dataclass(frozen=True)
class _Operand:
    """An operand's tile: how it is read, and where it lies in shared memory, a row for each term of the sums."""

    node: Node
    memory: Pointer
    extent: int  # of rows or columns of the result, in the whole matrix
    width: int  # and in a tile
    is_left: bool
    sums_last: bool  # whether terms of a sum are neighbours in memory

    @property
    def stride(self) -> int:
        return self.width + _PAD


class _Product:
    """One emission."""

    def __init__(self, scope: DeviceScope, cut: Cut, then: Callable[[Value], None]) -> None:
        self.scope, self.cut, self.then = scope, cut, then
        self.b, self.tile = scope.b, cut.tile
        anchor = self.anchor = scope.kernel.main
        self.dtype = anchor.dtype
        self.rows, self.columns = anchor.shape[-2:]
        self.transposes = bool(anchor.params["transpose_a"]), bool(anchor.params["transpose_b"])
        self.inner = anchor.inputs[0].shape[-2 if self.transposes[0] else -1]

    def emit(self) -> None:
        b, cut = self.b, self.cut
        number, part = _tile_and_part(self.scope, cut)
        self.batch, row_tile, column_tile = b.unravel(number, (cut.batch, cut.down, cut.across))
        self.first_row, self.first_column = (
            b.mul(row_tile, self.tile.rows),
            b.mul(column_tile, self.tile.columns),
        )
        self.y = b.divide_positive(self.scope.thread, self.tile.across)
        self.x = b.sub(self.scope.thread, b.mul(self.y, self.tile.across))
        with b.shared_again():
            sums = self._sums(part)
        if cut.parts == 1:
            self._finish(sums)
            return
        self._store_part(sums, number, part)
        with b.if_(is_done_last(self.scope, number, cut.parts)):
            self._finish(self._all_parts(number))

    # --- sums ------------------------------------------------------------------------------------------------------

    def _sums(self, part: Value) -> list[Variable]:
        """The sums of this thread's elements over this block's part of the terms.

        While a tile is multiplied, the next one is under way from memory to registers.
        """
        b, tile = self.b, self.tile
        zero = b.const(0, self.dtype)
        sums = [b.variable(zero) for _ in range(tile.high * tile.wide)]
        left, right = self._operands()
        begin = b.mul(part, self.cut.part)
        end = b.minimum(b.add(begin, self.cut.part), self.inner)
        elements = [(operand, turn) for operand in (left, right) for turn in range(self._turns(operand))]
        fetched = [b.variable(zero) for _ in elements]

        def fetch(start: Value) -> None:
            for (operand, turn), variable in zip(elements, fetched, strict=True):
                variable.set(self._fetch(operand, turn, start, end))

        fetch(begin)
        with b.loop(begin, end, tile.depth) as start:
            for (operand, turn), variable in zip(elements, fetched, strict=True):
                outer, term = self._own_place(operand, turn)
                b.store(operand.memory, variable.get(), b.add(b.mul(term, operand.stride), outer))
            b.barrier()
            fetch(b.add(start, tile.depth))
            with b.loop(0, tile.depth, min(_UNROLL, tile.depth)) as term:
                for i in range(min(_UNROLL, tile.depth)):
                    self._multiply(left, right, b.add(term, i), sums)
            b.barrier()
        return sums

    def _operands(self) -> tuple[_Operand, _Operand]:
        b, tile = self.b, self.tile
        left_memory = b.shared(self.dtype, tile.depth * (tile.rows + _PAD))
        right_memory = b.shared(self.dtype, tile.depth * (tile.columns + _PAD))
        left, right = self.anchor.inputs
        return (
            _Operand(left, left_memory, self.rows, tile.rows, True, not self.transposes[0]),
            _Operand(right, right_memory, self.columns, tile.columns, False, self.transposes[1]),
        )

    def _turns(self, operand: _Operand) -> int:
        """How many elements of a tile each thread fetches."""
        return operand.width * self.tile.depth // THREADS

    def _own_place(self, operand: _Operand, turn: int) -> tuple[Value, Value]:
        """Which element of a tile this thread fetches at a turn: row or column of the result, and term. Neighbours in
        memory are neighbouring threads'."""
        b = self.b
        flat = b.add(self.scope.thread, turn * THREADS)
        if operand.sums_last:
            outer, term = b.unravel(flat, (operand.width, self.tile.depth))
        else:
            term, outer = b.unravel(flat, (self.tile.depth, operand.width))
        return outer, term

    def _fetch(self, operand: _Operand, turn: int, start: Value, end: Value) -> Value:
        """An element of an operand, 0 beyond its edges."""
        b = self.b
        outer, term = self._own_place(operand, turn)
        first = self.first_row if operand.is_left else self.first_column
        outer, term = b.add(first, outer), b.add(start, term)
        inside = b.less(term, end)
        if operand.extent % operand.width:
            inside = b.logical_and(inside, b.less(outer, operand.extent))
            outer = b.minimum(outer, operand.extent - 1)
        term = b.minimum(term, b.const(max(self.inner - 1, 0)))
        matrix = (outer, term) if operand.sums_last else (term, outer)
        index = [*self._batch_index(), *(self.scope.axis(i) for i in matrix)]
        if self.inner == 0:
            return b.const(0, self.dtype)
        value = b.variable(b.const(0, self.dtype))
        with b.if_(inside):
            value.set(self.scope.evaluator(1).at(operand.node, index))
        return value.get()

    def _batch_index(self) -> list[Axis]:
        return self.scope.index(self.batch, self.anchor.shape[:-2])

    def _multiply(self, left: _Operand, right: _Operand, term: Value, sums: list[Variable]) -> None:
        """Add one term to all sums of a thread."""
        tile = self.tile
        rows = self._strip(left, term, self.y, tile.down, tile.high)
        columns = self._strip(right, term, self.x, tile.across, tile.wide)
        for i, u in enumerate(rows):
            for j, v in enumerate(columns):
                total = sums[i * tile.wide + j]
                total.set(self.b.multiply_add(u, v, total.get()))

    def _strip(self, operand: _Operand, term: Value, place: Value, threads: int, count: int) -> list[Value]:
        """A thread's rows or columns of a term: a few neighbours, and as many further on, so that the threads of a
        warp read neighbouring ones."""
        b = self.b
        width = min(count, _VECTOR)
        found: list[Value] = []
        for group in range(count // width):
            position = b.add(b.mul(term, operand.stride), b.add(b.mul(place, width), group * threads * width))
            found += b.load_vector(operand.memory, self.dtype, position, width)
        return found

    def _own(self, place: Value, number: int, threads: int, count: int) -> Value:
        """Which row or column of the tile is a thread's of this number (see `_strip`)."""
        b, width = self.b, min(count, _VECTOR)
        return b.add(b.mul(place, width), number // width * threads * width + number % width)

    # --- sums in parts -----------------------------------------------------------------------------------------------

    def _place_of_part(self, number: Value, part: Value, element: int) -> Value:
        """Where a thread's element of a part lies: neighbours are neighbouring threads'."""
        b = self.b
        first = b.mul(b.add(b.mul(number, self.cut.parts), part), self.tile.size)
        return b.add(first, b.add(self.scope.thread, element * THREADS))

    def _store_part(self, sums: list[Variable], number: Value, part: Value) -> None:
        memory = self.scope.scratch
        for element, total in enumerate(sums):
            self.b.store(memory, total.get(), self._place_of_part(number, part, element))

    def _all_parts(self, number: Value) -> list[Variable]:
        b, memory = self.b, self.scope.scratch
        sums = [b.variable(b.const(0, self.dtype)) for _ in range(self.tile.high * self.tile.wide)]
        with b.loop(0, self.cut.parts) as part:
            for element, total in enumerate(sums):
                value = b.load(memory, self.dtype, self._place_of_part(number, part, element))
                total.set(b.add(total.get(), value))
        return sums

    # --- what is made of the sums ------------------------------------------------------------------------------------

    def _finish(self, sums: list[Variable]) -> None:
        """Some rows after the other by way of shared memory, so that neighbouring threads have neighbouring elements,
        and that what is made of them is written few times, however much it is."""
        for first in range(0, self.tile.high, _ROWS_AT_ONCE):
            self._finish_rows(sums, first, min(_ROWS_AT_ONCE, self.tile.high - first))
        self.then(self.first_row)

    def _finish_rows(self, sums: list[Variable], first: int, count: int) -> None:
        """Each thread's rows from `first` on, that is rows of all parts of the tile."""
        b, tile = self.b, self.tile
        with b.shared_again():
            memory = b.shared(self.dtype, count * tile.down * tile.columns)
            for i in range(count):
                line = b.mul(b.add(self.y, i * tile.down), tile.columns)
                for j in range(tile.wide):
                    total = sums[(first + i) * tile.wide + j]
                    b.store(memory, total.get(), b.add(line, self._own(self.x, j, tile.across, tile.wide)))
            b.barrier()
            with b.loop(self.scope.thread, b.const(count * tile.down * tile.columns), THREADS) as place:
                i, y, column = b.unravel(place, (count, tile.down, tile.columns))
                row = b.add(self._own(y, first, tile.down, tile.high), i)
                self._element(row, column, b.load(memory, self.dtype, place))
            b.barrier()

    def _element(self, row: Value, column: Value, value: Value) -> None:
        """Compute and store what the kernel makes of an element of the tile."""
        b = self.b
        row, column = b.add(self.first_row, row), b.add(self.first_column, column)
        inside = b.logical_and(b.less(row, self.rows), b.less(column, self.columns))
        with b.if_(inside):
            index = [*self._batch_index(), self.scope.axis(row), self.scope.axis(column)]
            self.scope.compute(dict.fromkeys(self.scope.kernel.stores, index), 1, {self.anchor: value})


def _tile_and_part(scope: DeviceScope, cut: Cut) -> tuple[Value, Value]:
    """The number of the tile, and of the part of its sums, that a block computes."""
    b = scope.b
    if cut.parts == 1:
        return scope.block, b.const(0, INDEX)
    number, part = b.unravel(scope.block, (cut.tiles, cut.parts))
    return number, part
