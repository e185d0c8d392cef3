"""Matrix products: the tile of each block, and the epilogue on its elements.

The epilogue runs at the end, with neighbouring elements in neighbouring threads. If several blocks compute parts of a
sum, the last block to finish adds the parts, in order.
"""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.gpu._multiply import FusedMultiplyAdds
from lamina.compiler.gpu._operands import Operand, Part
from lamina.compiler.gpu._parts import is_done_last
from lamina.compiler.gpu._pipeline import add_products
from lamina.compiler.gpu._scope import THREADS, DeviceScope
from lamina.compiler.gpu._tensor_cores import TensorCores
from lamina.compiler.gpu._tiles import Cut
from lamina.compiler.llvm import INDEX, Value, Variable

_ROWS_AT_ONCE = (
    2  # rows of a thread: few enough for shared memory, and the pairs of `Multiplication.row_step`
)
_PAD = 4  # elements between rows of the result in shared memory, so that they begin in other banks


def emit_product(scope: DeviceScope, cut: Cut, then: Callable[[Value], None]) -> None:
    """Emit a block's part of a product. The block that finishes a tile also does `then(first row)`."""
    _Product(scope, cut, then).emit()


class _Product:
    """The code of a product."""

    def __init__(self, scope: DeviceScope, cut: Cut, then: Callable[[Value], None]) -> None:
        self.scope, self.cut, self.then = scope, cut, then
        self.b, self.tile = scope.b, cut.tile
        self.anchor = scope.kernel.main
        self.dtype = self.anchor.dtype
        self.number, self.number_of_part = _tile_and_part(scope, cut)
        self.part = self._part()
        operands = Operand(self.part, is_left=True), Operand(self.part, is_left=False)
        self.operands = operands
        way = FusedMultiplyAdds if cut.tile.precision == "float32" else TensorCores
        self.way = way(self.part, operands)

    def _part(self) -> Part:
        b, cut, anchor = self.b, self.cut, self.anchor
        batch, row_tile, column_tile = b.unravel(self.number, (cut.batch, cut.down, cut.across))
        inner = anchor.inputs[0].shape[-2 if anchor.params["transpose_a"] else -1]
        begin = b.mul(self.number_of_part, cut.part)
        end = b.minimum(b.add(begin, cut.part), inner)
        row, column = b.mul(row_tile, cut.tile.rows), b.mul(column_tile, cut.tile.columns)
        return Part(self.scope, cut, batch, row, column, begin, end)

    def emit(self) -> None:
        b, cut = self.b, self.cut
        with b.shared_again():
            add_products(self.part, self.operands, self.way)
        sums = self.way.sums
        if cut.parts == 1:
            self._finish(sums)
            return
        self._store_part(sums)
        with b.if_(is_done_last(self.scope, self.number, cut.parts)):
            self._finish(self._all_parts())

    # --- sums in parts -----------------------------------------------------------------------------------------------

    def _place_of_part(self, part: Value, element: int) -> Value:
        """The position of a thread's element of a part; neighbouring threads have neighbouring elements."""
        b = self.b
        first = b.mul(b.add(b.mul(self.number, self.cut.parts), part), self.tile.size)
        return b.add(first, b.add(self.scope.thread, element * THREADS))

    def _store_part(self, sums: list[Variable]) -> None:
        for element, total in enumerate(sums):
            place = self._place_of_part(self.number_of_part, element)
            self.b.store(self.scope.scratch, total.get(), place)

    def _all_parts(self) -> list[Variable]:
        b, memory = self.b, self.scope.scratch
        sums = [b.variable(b.const(0, self.dtype)) for _ in range(self.tile.high * self.tile.wide)]
        with b.loop(0, self.cut.parts) as part:
            for element, total in enumerate(sums):
                value = b.load(memory, self.dtype, self._place_of_part(part, element))
                total.set(b.add(total.get(), value))
        return sums

    # --- what is made of the sums ------------------------------------------------------------------------------------

    def _finish(self, sums: list[Variable]) -> None:
        """Finish the tile by groups of rows, exchanged through shared memory.

        So neighbouring threads get neighbouring elements, and the epilogue's code is emitted only a few times, whatever
        its size.
        """
        for first in range(0, self.tile.high, _ROWS_AT_ONCE):
            self._finish_rows(sums, first, min(_ROWS_AT_ONCE, self.tile.high - first))
        self.then(self.part.row)

    def _finish_rows(self, sums: list[Variable], first: int, count: int) -> None:
        """Finish each thread's rows from `first` on, which are in all parts of the tile."""
        b, tile, way = self.b, self.tile, self.way
        line = tile.columns + _PAD
        with b.shared_again():
            memory = b.shared(self.dtype, count * tile.down * line)
            for i in range(count):
                start = b.mul(b.add(way.line(), i * tile.down), line)
                for j in range(tile.wide):
                    b.store(memory, sums[(first + i) * tile.wide + j].get(), b.add(start, way.column(j)))
            b.barrier()
            with b.loop(self.scope.thread, b.const(count * tile.down * tile.columns), THREADS) as place:
                i, y, column = b.unravel(place, (count, tile.down, tile.columns))
                row = b.add(way.row(y, first), b.mul(i, way.row_step))
                start = b.mul(b.add(b.mul(i, tile.down), y), line)
                self._element(row, column, b.load(memory, self.dtype, b.add(start, column)))
            b.barrier()

    def _element(self, row: Value, column: Value, value: Value) -> None:
        """Compute and store the epilogue of an element of the tile."""
        b, part = self.b, self.part
        rows, columns = self.anchor.shape[-2:]
        row, column = b.add(part.row, row), b.add(part.column, column)
        inside = b.logical_and(b.less(row, rows), b.less(column, columns))
        with b.if_(inside):
            index = [*part.index(), self.scope.axis(row), self.scope.axis(column)]
            self.scope.compute(dict.fromkeys(self.scope.kernel.stores, index), 1, {self.anchor: value})


def _tile_and_part(scope: DeviceScope, cut: Cut) -> tuple[Value, Value]:
    """The number of a block's tile, and of its part of the tile's sums."""
    b = scope.b
    if cut.parts == 1:
        return scope.block, b.const(0, INDEX)
    number, part = b.unravel(scope.block, (cut.tiles, cut.parts))
    return number, part
