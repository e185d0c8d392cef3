"""Multiplication of two tiles in shared memory by a block of threads: the interface, and the standard method."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lamina.compiler.gpu._operands import Operand, Part
from lamina.compiler.gpu._scope import THREADS
from lamina.compiler.llvm import Pointer, Value, Variable

_UNROLL = 8
_UNROLL_BESIDE_COPIES = 1  # more would take over 128 registers of a thread, which copies, too
_UNROLL_OF_WHOLE_TILES = 4  # where copies need no bounds checks
_VECTOR = 4
_PAD = 4  # elements between rows of a tile in shared memory, so that they begin in other banks


class Multiplication(ABC):
    """A multiplication method. Each thread has `high` by `wide` elements of the result's tile: its `sums`,
    row by row.
    """

    row_step: int
    """The distance between a thread's rows 2i and 2i + 1."""

    def __init__(self, part: Part) -> None:
        self.part, self.b, self.tile = part, part.scope.b, part.tile
        zero = self.b.const(0, part.scope.kernel.main.dtype)
        self.sums: list[Variable] = [self.b.variable(zero) for _ in range(self.tile.high * self.tile.wide)]

    @abstractmethod
    def multiply(self, left: Pointer, right: Pointer) -> None:
        """Add the product of two tiles to the sums."""

    # the tile of the result

    @abstractmethod
    def line(self) -> Value:
        """The number of this thread's line; the block's threads form a grid of lines."""

    @abstractmethod
    def row(self, line: Value, number: int) -> Value:
        """The tile's row for row `number` of the threads of a line."""

    @abstractmethod
    def column(self, number: int) -> Value:
        """The tile's column for column `number` of this thread."""


class FusedMultiplyAdds(Multiplication):
    """Scalar multiply-adds, with a row of shared memory for each term; a thread adds a term to all its sums."""

    row_step = 1

    def __init__(self, part: Part, operands: tuple[Operand, Operand]) -> None:
        super().__init__(part)
        self.operands = operands
        self.y, self.x = self._place_of_thread()

    def _place_of_thread(self) -> tuple[Value, Value]:
        """The thread's line (of 16), and its position there: a warp is arranged as 4 by 8 threads.

        So a warp reads 4 + 8 vectors of shared memory per term, instead of 2 + 16 for 2 by 16 threads. Lanes that
        differ in the lowest bit have the same columns; lanes that differ in the next bit have the same rows. If pairs
        of neighbours read the same vectors, a half of a warp reads vectors of 16 bytes at once, otherwise a quarter.
        """
        b, thread = self.b, self.part.scope.thread
        assert (self.tile.down, self.tile.across) == (16, 16)
        warp, lane = b.unravel(thread, (THREADS // 32, 32))
        far, x, near = b.unravel(lane, (2, 8, 2))
        warp_down, warp_across = b.unravel(warp, (4, 2))
        y = b.add(b.mul(warp_down, 4), b.add(b.mul(far, 2), near))
        return y, b.add(b.mul(warp_across, 8), x)

    def elements(self, operand: Operand) -> int:
        """The size in shared memory of an operand's tile, in elements."""
        return self.tile.depth * (operand.width + _PAD)

    def place(self, operand: Operand, outer: Value, term: Value) -> Value:
        """The position of an element of an operand's tile in shared memory."""
        return self.b.add(self.b.mul(term, operand.width + _PAD), outer)

    def keeps_neighbours(self, operand: Operand) -> bool:
        """Whether four neighbours in memory, aligned to 16 bytes, are also neighbours in the shared tile."""
        return not operand.sums_last

    def multiply(self, left: Pointer, right: Pointer) -> None:
        b, tile = self.b, self.tile
        at_once = min(self._unroll(), tile.depth)
        with b.loop(0, tile.depth, at_once) as first:
            for i in range(at_once):
                term = b.add(first, i)
                rows = self._strip(left, tile.rows, term, self.y, tile.down, tile.high)
                columns = self._strip(right, tile.columns, term, self.x, tile.across, tile.wide)
                self._add_term(rows, columns)

    def _unroll(self) -> int:
        """The unroll factor of the loop over terms."""
        if self.tile.stages == 1:
            return _UNROLL
        is_whole = all(x.is_whole and x.node.shape[-1] % _VECTOR == 0 for x in self.operands)
        if not is_whole:
            return _UNROLL_BESIDE_COPIES
        # If both operands are copied in fours, the second path for unaligned views leaves fewer registers.
        in_fours = all(map(self.keeps_neighbours, self.operands))
        return _UNROLL_OF_WHOLE_TILES // 2 if in_fours else _UNROLL_OF_WHOLE_TILES

    def _add_term(self, rows: list[Value], columns: list[Value]) -> None:
        for i, u in enumerate(rows):
            for j, v in enumerate(columns):
                total = self.sums[i * self.tile.wide + j]
                total.set(self.b.multiply_add(u, v, total.get()))

    def _strip(
        self, memory: Pointer, width: int, term: Value, place: Value, threads: int, count: int
    ) -> list[Value]:
        """A thread's rows or columns of a term: groups of neighbours, spaced so that the threads of a warp read
        contiguous memory.
        """
        b = self.b
        vector = min(count, _VECTOR)
        found: list[Value] = []
        for group in range(count // vector):
            position = b.add(b.mul(term, width + _PAD), b.add(b.mul(place, vector), group * threads * vector))
            found += b.load_vector(memory, self.sums[0].get().dtype, position, vector)
        return found

    def line(self) -> Value:
        return self.y

    def row(self, line: Value, number: int) -> Value:
        return self._own(line, number, self.tile.down, self.tile.high)

    def column(self, number: int) -> Value:
        return self._own(self.x, number, self.tile.across, self.tile.wide)

    def _own(self, place: Value, number: int, threads: int, count: int) -> Value:
        """See `_strip`."""
        b, vector = self.b, min(count, _VECTOR)
        return b.add(b.mul(place, vector), number // vector * threads * vector + number % vector)
