"""Emission of matrix products: each block computes a tile of the result, and applies the epilogue to its elements.

The epilogue comes last, with adjacent elements in adjacent threads. If several blocks compute partial sums of a tile,
the last block to finish adds them, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from lamina.compiler.gpu._loops import THREADS, DeviceScope, is_done_last
from lamina.compiler.gpu._multiply import FusedMultiplyAdds, TensorCores
from lamina.compiler.gpu._tiles import Cut, Operand, Part
from lamina.compiler.llvm import FLOAT32, INDEX, INT32, Pointer, Value, Variable

_ROWS_AT_ONCE = 2  # neighbouring rows of a thread: few enough for shared memory
_PAD = 4  # elements between rows of the result in shared memory, so that they begin in other banks


def emit_product(scope: DeviceScope, cut: Cut, then: Callable[[Value], None]) -> None:
    """Emit a block's share of a product; the block that finishes a tile also executes ``then(its first row)``."""
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
        self.operands = Operand(self.part, is_left=True), Operand(self.part, is_left=False)
        way = FusedMultiplyAdds if cut.tile.precision == "float32" else TensorCores
        self.way = way(self.part, self.operands)

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
        """The position in scratch memory of a thread's sum `element` for a part, beside adjacent threads'."""
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
        """Apply the epilogue to the tile, by groups of rows that threads exchange through shared memory.

        So adjacent threads get adjacent elements, and the epilogue's code is emitted once per group, instead of once
        for each of a thread's elements.
        """
        for first in range(0, self.tile.high, _ROWS_AT_ONCE):
            self._finish_rows(sums, first, min(_ROWS_AT_ONCE, self.tile.high - first))
        self.then(self.part.row)

    def _finish_rows(self, sums: list[Variable], first: int, count: int) -> None:
        """Apply the epilogue to `count` rows of each thread, from its number `first` on, spread over the whole tile."""
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
                row = b.add(way.row(y, first), i)
                start = b.mul(b.add(b.mul(i, tile.down), y), line)
                self._element(row, column, b.load(memory, self.dtype, b.add(start, column)))
            b.barrier()

    def _element(self, row: Value, column: Value, value: Value) -> None:
        """Compute and store the results of the epilogue for an element of the tile."""
        b, part = self.b, self.part
        rows, columns = self.anchor.shape[-2:]
        row, column = b.add(part.row, row), b.add(part.column, column)
        inside = b.logical_and(b.less(row, rows), b.less(column, columns))
        with b.if_(inside):
            index = [*part.index(), self.scope.axis(row), self.scope.axis(column)]
            self.scope.element(index, 1, {self.anchor: value})


def _tile_and_part(scope: DeviceScope, cut: Cut) -> tuple[Value, Value]:
    """The number of a block's tile, and the number of the part of the inner dimension that the block sums."""
    b = scope.b
    if cut.parts == 1:
        return scope.block, b.const(0, INDEX)
    number, part = b.unravel(scope.block, (cut.tiles, cut.parts))
    return number, part


# --- Sums of products over tiles of both operands in shared memory ---------------------------------------------------
#
# Threads load tiles to registers, may round them there, and store them; or they copy tiles asynchronously. Some tiles
# are loaded while earlier ones are multiplied.


_VECTOR = 4


def add_products(part: Part, operands: Sequence[Operand], way: FusedMultiplyAdds | TensorCores) -> None:
    """Add the products of all tiles in a part to the sums. Afterwards, shared memory is free for other uses."""
    if isinstance(way, TensorCores):
        _by_two_rooms(part, way)
    elif part.tile.stages == 1:
        _by_registers(part, [_Computed(operand, way) for operand in operands], way)
    else:
        _by_copies(part, operands, way)


def _by_registers(part: Part, operands: Sequence[_Computed], way: FusedMultiplyAdds) -> None:
    """Multiply tile by tile, while the next tile is loaded from memory to registers."""
    b, tile = part.scope.b, part.tile
    memories = [b.shared(x.dtype, way.elements(x.operand)) for x in operands]
    fetched = [b.variables(operand.read(part.begin)) for operand in operands]
    with b.loop(part.begin, part.end, tile.depth) as start:
        for operand, variables, memory in zip(operands, fetched, memories, strict=True):
            operand.put(variables.get(), memory)
        b.barrier()
        for operand, variables in zip(operands, fetched, strict=True):
            variables.set(operand.read(b.add(start, tile.depth)))
        way.multiply(*memories)
        b.barrier()


def _by_two_rooms(part: Part, way: TensorCores) -> None:
    """Multiply tile by tile as `_by_registers` does, with two buffers in shared memory, used in turn.

    When a thread has passed the barrier before a tile, no thread reads the previous tile any more, and the next tile
    can be stored in its buffer. Loaded values are rounded and stored only at the start of the next iteration: otherwise
    the assembler would place the conversions right after the loads, where threads would wait for memory.
    """
    b, depth = part.scope.b, part.tile.depth
    narrow, zero = b.index, b.const(0, FLOAT32)
    memories = [b.shared(INT32, part.tile.stages * tiles.words) for tiles in way.tiles]
    fetched = [b.variables([zero] * tiles.count) for tiles in way.tiles]

    def fetch(start: Value) -> None:
        with b.if_(b.less(start, part.end)):
            for tiles, variables in zip(way.tiles, fetched, strict=True):
                variables.set(tiles.read(start))

    room = b.variable(b.const(0, narrow))
    fetch(part.begin)
    with b.loop(part.begin, part.end, depth) as start:
        rooms = [
            b.offset(memory, b.cast(b.mul(room.get(), tiles.words), INDEX), INT32)
            for memory, tiles in zip(memories, way.tiles, strict=True)
        ]
        for tiles, variables, own in zip(way.tiles, fetched, rooms, strict=True):
            tiles.put(variables.get(), own)
        b.barrier()
        fetch(b.add(start, depth))
        way.multiply(*rooms)
        room.set(b.sub(1, room.get()))
    b.barrier()


def _by_copies(part: Part, operands: Sequence[Operand], way: FusedMultiplyAdds) -> None:
    """Multiply tile by tile, while the next tiles are copied to `stages` buffers of shared memory, used in turn.

    A thread waits for its copies of the next tile, and then for the other threads. After that no thread reads the
    previous tile, and the next copies reuse its buffer.
    """
    b, stages, depth = part.scope.b, part.tile.stages, part.tile.depth
    sources = [_source(operand, way) for operand in operands]
    sizes = [way.elements(operand) for operand in operands]
    memories = [b.shared(FLOAT32, stages * size) for size in sizes]

    narrow = b.index

    def rooms(stage: Value) -> list[Pointer]:
        return [
            b.offset(m, b.cast(b.mul(stage, n), INDEX), FLOAT32) for m, n in zip(memories, sizes, strict=True)
        ]

    for stage in range(stages - 1):
        start = b.add(part.begin, stage * depth)
        with b.if_(b.less(start, part.end)):
            for source, room in zip(sources, rooms(b.const(stage, narrow)), strict=True):
                source.bring(start, room)
        b.tensors.close_copies()
    read, written = (b.variable(b.const(stage, narrow)) for stage in (0, stages - 1))
    with b.loop(part.begin, part.end, depth) as start:
        b.tensors.wait_for_copies(stages - 2)
        b.barrier()
        ahead = b.add(start, (stages - 1) * depth)
        with b.if_(b.less(ahead, part.end)):
            for source, room in zip(sources, rooms(written.get()), strict=True):
                source.bring(ahead, room)
        b.tensors.close_copies()
        way.multiply(*rooms(read.get()))
        for stage in (read, written):
            following = b.add(stage.get(), 1)
            stage.set(b.where(b.equal(following, stages), b.const(0, narrow), following))
    b.barrier()


def _source(operand: Operand, way: FusedMultiplyAdds) -> _Computed | _Copied:
    """A loader of an operand's tiles, which are complete after the next wait and barrier."""
    matrix = operand.in_memory()
    return _Computed(operand, way) if matrix is None else _Copied(operand, way, matrix)


class _Computed:
    """An operand whose elements threads load or compute one by one; adjacent threads have adjacent elements."""

    def __init__(self, operand: Operand, way: FusedMultiplyAdds) -> None:
        self.operand, self._way = operand, way
        self._b = operand.part.scope.b
        self.dtype = operand.part.scope.kernel.main.dtype
        self._turns = operand.size // THREADS

    def bring(self, start: Value, room: Pointer) -> None:
        """Load the tile and store it in `room`. Other blocks multiply while this block waits for memory."""
        self.put(self.read(start), room)

    def read(self, start: Value) -> list[Value]:
        """Load this thread's elements of the tile that begins at index `start` of the inner dimension."""
        b, operand = self._b, self.operand
        places = [operand.within_tile(turn) for turn in range(self._turns)]
        return [operand.element(b.add(operand.first, outer), b.add(start, term)) for outer, term in places]

    def put(self, values: Sequence[Value], room: Pointer) -> None:
        """Store this thread's elements in the tile's buffer `room`."""
        for turn, value in enumerate(values):
            self._b.store(room, value, self._way.place(self.operand, *self.operand.within_tile(turn)))


class _Copied:
    """An operand copied from memory, four elements at a time if possible, otherwise one by one.

    Four elements take one copy if they are adjacent in the tile, too, and the matrix begins at a multiple of 16 bytes.
    The code checks the alignment at run time, since arrays may be views that begin anywhere.
    """

    def __init__(self, operand: Operand, way: FusedMultiplyAdds, matrix: Pointer) -> None:
        self._operand, self._way, self._matrix = operand, way, matrix
        self._b = b = operand.part.scope.b
        self._count, self._is_aligned = 1, None
        if way.keeps_neighbours(operand) and operand.node.shape[-1] % _VECTOR == 0:
            self._count = _VECTOR
            self._is_aligned = b.equal(b.misalignment(matrix, _VECTOR * FLOAT32.itemsize), 0)

    def bring(self, start: Value, room: Pointer) -> None:
        """Begin to copy the tile that begins at index `start` of the inner dimension."""
        copies = self._copies(start, room)
        if self._is_aligned is None:
            self._begin(copies, 1)
        else:
            begin = partial(self._begin, copies)
            self._b.if_else(self._is_aligned, lambda: begin(_VECTOR), lambda: begin(1))

    def _copies(self, start: Value, room: Pointer) -> list[tuple[Pointer, Pointer, Value | None]]:
        """The target and source of each of this thread's copies, and whether it is inside the matrix (None: always)."""
        b, operand, count = self._b, self._operand, self._count
        outer, term = operand.within_tile(0, count)
        first = operand.position(b.add(operand.first, outer), b.add(start, term))
        source = b.address(self._matrix, first, FLOAT32)
        found: list[tuple[Pointer, Pointer, Value | None]] = []
        for turn in range(operand.size // (THREADS * count)):
            outer, term = operand.within_tile(turn, count)
            target = b.offset(room, self._way.place(operand, outer, term), FLOAT32)
            ahead = operand.lines_before(turn, count) * operand.node.shape[-1]
            inside = operand.inside(b.add(operand.first, outer), b.add(start, term))
            found.append((target, b.address(source, b.const(ahead), FLOAT32), inside))
        return found

    def _begin(self, copies: Sequence[tuple[Pointer, Pointer, Value | None]], at_once: int) -> None:
        b = self._b
        for target, source, inside in copies:
            for i in range(0, self._count, at_once):
                part = b.address(source, b.const(i), FLOAT32)
                b.tensors.begin_copy(b.offset(target, i, FLOAT32), part, at_once * FLOAT32.itemsize, inside)
