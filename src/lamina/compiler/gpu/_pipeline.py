"""Sums of products over tiles of both operands in shared memory.

Threads load tiles through registers, which may round them, or by asynchronous copies; some tiles are loaded while
earlier ones are multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lamina.compiler.gpu._builder import SpacePointer
from lamina.compiler.gpu._multiply import FusedMultiplyAdds
from lamina.compiler.gpu._operands import Operand, Part
from lamina.compiler.gpu._scope import THREADS
from lamina.compiler.gpu._tensor_cores import TensorCores
from lamina.compiler.llvm import FLOAT32, INDEX, INT32, Pointer, Value

_VECTOR = 4


def add_products(part: Part, operands: Sequence[Operand], way: FusedMultiplyAdds | TensorCores) -> None:
    """Add the products of a part's tiles to the sums. Shared memory is free for other uses afterwards."""
    if isinstance(way, TensorCores):
        _by_two_rooms(part, way)
    elif part.tile.stages == 1:
        _by_registers(part, [_Computed(operand, way) for operand in operands], way)
    else:
        _by_copies(part, operands, way)


def _by_registers(part: Part, operands: Sequence[_Computed], way: FusedMultiplyAdds) -> None:
    """Load the next tile from memory to registers while multiplying a tile."""
    b, tile = part.scope.b, part.tile
    memories = [b.shared(x.dtype, way.elements(x.operand)) for x in operands]
    fetched = [[b.variable(value) for value in operand.read(part.begin)] for operand in operands]
    with b.loop(part.begin, part.end, tile.depth) as start:
        for operand, variables, memory in zip(operands, fetched, memories, strict=True):
            operand.put([variable.get() for variable in variables], memory)
        b.barrier()
        for operand, variables in zip(operands, fetched, strict=True):
            for variable, value in zip(variables, operand.read(b.add(start, tile.depth)), strict=True):
                variable.set(value)
        way.multiply(*memories)
        b.barrier()


def _by_two_rooms(part: Part, way: TensorCores) -> None:
    """As `_by_registers`, with two buffers: when a thread has passed the barrier before a tile, no thread reads the
    previous tile any more, and the next one can be stored there.

    Loaded values are first used after the loop's iteration: otherwise the assembler would round them right after the
    loads, and wait for them there.
    """
    b, depth = part.scope.b, part.tile.depth
    narrow, zero = b.dialect.index, b.const(0, FLOAT32)
    memories = [b.shared(INT32, part.tile.stages * tiles.words) for tiles in way.tiles]
    fetched = [[b.variable(zero) for _ in range(tiles.count)] for tiles in way.tiles]

    def fetch(start: Value) -> None:
        with b.if_(b.less(start, part.end)):
            for tiles, variables in zip(way.tiles, fetched, strict=True):
                for variable, value in zip(variables, tiles.read(start), strict=True):
                    variable.set(value)

    room = b.variable(b.const(0, narrow))
    fetch(part.begin)
    with b.loop(part.begin, part.end, depth) as start:
        rooms = [
            b.offset(memory, b.cast(b.mul(room.get(), tiles.words), INDEX), INT32)
            for memory, tiles in zip(memories, way.tiles, strict=True)
        ]
        for tiles, variables, own in zip(way.tiles, fetched, rooms, strict=True):
            tiles.put([variable.get() for variable in variables], own)
        b.barrier()
        fetch(b.add(start, depth))
        way.multiply(*rooms)
        room.set(b.sub(1, room.get()))
    b.barrier()


def _by_copies(part: Part, operands: Sequence[Operand], way: FusedMultiplyAdds) -> None:
    """Load several tiles at a time into `stages` buffers of shared memory, used in turn.

    A thread waits for its own copies of the next tile, and then for the other threads. After that no thread reads the
    previous tile, and the next copies reuse its buffer.
    """
    b, stages, depth = part.scope.b, part.tile.stages, part.tile.depth
    sources = [_source(operand, way) for operand in operands]
    sizes = [way.elements(operand) for operand in operands]
    memories = [b.shared(FLOAT32, stages * size) for size in sizes]

    narrow = b.dialect.index

    def rooms(stage: Value) -> list[Pointer]:
        return [
            b.offset(m, b.cast(b.mul(stage, n), INDEX), FLOAT32) for m, n in zip(memories, sizes, strict=True)
        ]

    for stage in range(stages - 1):
        start = b.add(part.begin, stage * depth)
        with b.if_(b.less(start, part.end)):
            for source, room in zip(sources, rooms(b.const(stage, narrow)), strict=True):
                source.bring(start, room)
        b.close_copies()
    read, written = (b.variable(b.const(stage, narrow)) for stage in (0, stages - 1))
    with b.loop(part.begin, part.end, depth) as start:
        b.wait_for_copies(stages - 2)
        b.barrier()
        ahead = b.add(start, (stages - 1) * depth)
        with b.if_(b.less(ahead, part.end)):
            for source, room in zip(sources, rooms(written.get()), strict=True):
                source.bring(ahead, room)
        b.close_copies()
        way.multiply(*rooms(read.get()))
        for stage in (read, written):
            following = b.add(stage.get(), 1)
            stage.set(b.where(b.equal(following, stages), b.const(0, narrow), following))
    b.barrier()


class _Source(Protocol):
    """A source of an operand's tiles in shared memory."""

    def bring(self, start: Value, room: Pointer) -> None:
        """Load the tile from term `start` on, or start its copies; it is complete after the next waits."""


def _source(operand: Operand, way: FusedMultiplyAdds) -> _Source:
    matrix = operand.in_memory()
    return _Computed(operand, way) if matrix is None else _Copied(operand, way, matrix)


class _Computed:
    """An operand that threads read, and may compute, element by element; neighbouring threads have neighbouring
    elements.
    """

    def __init__(self, operand: Operand, way: FusedMultiplyAdds) -> None:
        self.operand, self._way = operand, way
        self._b = operand.part.scope.b
        self.dtype = operand.part.scope.kernel.main.dtype
        self._turns = operand.size // THREADS

    def bring(self, start: Value, room: Pointer) -> None:
        """Load and store the tile. Other blocks multiply while this one waits for memory."""
        self.put(self.read(start), room)

    def read(self, start: Value) -> list[Value]:
        """This thread's elements of the tile from term `start` on."""
        b, operand = self._b, self.operand
        places = [operand.within_tile(turn) for turn in range(self._turns)]
        return [operand.element(b.add(operand.first, outer), b.add(start, term)) for outer, term in places]

    def put(self, values: Sequence[Value], room: Pointer) -> None:
        """Store them in the tile."""
        for turn, value in enumerate(values):
            self._b.store(room, value, self._way.place(self.operand, *self.operand.within_tile(turn)))


class _Copied:
    """An operand copied from memory: four elements at a time, if they stay neighbours, else one.

    Four elements take one copy if the matrix begins at a multiple of 16 bytes, which is known only at run time: arrays
    may be views that begin anywhere.
    """

    def __init__(self, operand: Operand, way: FusedMultiplyAdds, matrix: SpacePointer) -> None:
        self._operand, self._way, self._matrix = operand, way, matrix
        self._b = b = operand.part.scope.b
        self._count, self._is_aligned = 1, None
        if way.keeps_neighbours(operand) and operand.node.shape[-1] % _VECTOR == 0:
            self._count = _VECTOR
            self._is_aligned = b.equal(b.misalignment(matrix, _VECTOR * FLOAT32.itemsize), 0)

    def bring(self, start: Value, room: Pointer) -> None:
        """Begin to copy the tile from term `start` on."""
        copies = self._copies(start, room)
        if self._is_aligned is None:
            self._begin(copies, 1)
        else:
            self._b.if_else(
                self._is_aligned, lambda: self._begin(copies, _VECTOR), lambda: self._begin(copies, 1)
            )

    def _copies(self, start: Value, room: Pointer) -> list[tuple[Pointer, SpacePointer, Value | None]]:
        """The source and destination of this thread's copies, and whether there is anything to copy."""
        b, operand, count = self._b, self._operand, self._count
        outer, term = operand.within_tile(0, count)
        first = operand.position(b.add(operand.first, outer), b.add(start, term))
        source = b.address(self._matrix, first, FLOAT32)
        found: list[tuple[Pointer, SpacePointer, Value | None]] = []
        for turn in range(operand.size // (THREADS * count)):
            outer, term = operand.within_tile(turn, count)
            target = b.offset(room, self._way.place(operand, outer, term), FLOAT32)
            ahead = operand.lines_before(turn, count) * operand.node.shape[-1]
            inside = operand.inside(b.add(operand.first, outer), b.add(start, term))
            found.append((target, b.address(source, b.const(ahead), FLOAT32), inside))
        return found

    def _begin(self, copies: Sequence[tuple[Pointer, SpacePointer, Value | None]], at_once: int) -> None:
        b = self._b
        for target, source, inside in copies:
            for i in range(0, self._count, at_once):
                part = b.address(source, b.const(i), FLOAT32)
                b.begin_copy(b.offset(target, i, FLOAT32), part, at_once * FLOAT32.itemsize, inside)
