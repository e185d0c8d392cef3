"""Multiplication of two tiles in shared memory by a block of threads, with multiply-adds or tensor cores.

The code calls an index along the inner dimension a term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from lamina.compiler.gpu._builder import DeviceBuilder
from lamina.compiler.gpu._loops import THREADS
from lamina.compiler.gpu._tiles import Operand, Part
from lamina.compiler.llvm import FLOAT32, INDEX, INT32, Pointer, Value, Variable

_UNROLL = 8
_UNROLL_BESIDE_COPIES = 1  # more would take over 128 registers of a thread, which copies, too
_UNROLL_OF_WHOLE_TILES = 4  # where copies need no bounds checks
_VECTOR = 4
_PAD = 4  # elements between rows of a tile in shared memory, so that they begin in other banks


class Multiplication:
    """A method for multiplying tiles: `multiply` adds the product of two tiles in shared memory to the sums.

    Each thread has `high` by `wide` elements of the result's tile, in `sums`, row by row. The block's threads are
    arranged in a grid; `line` is this thread's row in the grid. A thread's row `number`, for a row of the grid, and
    this thread's column `number` are at ``row(line, number)`` and ``column(number)`` of the tile.
    """

    def __init__(self, part: Part) -> None:
        self.part, self.b, self.tile = part, part.scope.b, part.tile
        zero = self.b.const(0, part.scope.kernel.main.dtype)
        self.sums: list[Variable] = [self.b.variable(zero) for _ in range(self.tile.high * self.tile.wide)]


class FusedMultiplyAdds(Multiplication):
    """Multiplication by scalar multiply-adds, term by term, on tiles stored with a row for each term."""

    def __init__(self, part: Part, operands: tuple[Operand, Operand]) -> None:
        super().__init__(part)
        self.operands = operands
        self.y, self.x = self._place_of_thread()

    def _place_of_thread(self) -> tuple[Value, Value]:
        """The thread's row and column in a grid of 16 by 16 threads, in which a warp has 4 by 8.

        So a warp reads 4 + 8 vectors of shared memory per index of the inner dimension, instead of 2 + 16 for 2 by 16
        threads. Lanes that differ in the lowest bit have the same columns; lanes that differ in the next bit have the
        same rows. If adjacent lanes read the same vectors, half of a warp reads vectors of 16 bytes at once, otherwise
        a quarter.
        """
        b, thread = self.b, self.part.scope.thread
        assert (self.tile.down, self.tile.across) == (16, 16)
        warp, lane = b.unravel(thread, (THREADS // 32, 32))
        far, x, near = b.unravel(lane, (2, 8, 2))
        warp_down, warp_across = b.unravel(warp, (4, 2))
        y = b.add(b.mul(warp_down, 4), b.add(b.mul(far, 2), near))
        return y, b.add(b.mul(warp_across, 8), x)

    def elements(self, operand: Operand) -> int:
        """The number of elements of an operand's tile in shared memory, including padding."""
        return self.tile.depth * (operand.width + _PAD)

    def place(self, operand: Operand, outer: Value, term: Value) -> Value:
        """The position of an element of an operand's tile in shared memory."""
        return self.b.add(self.b.mul(term, operand.width + _PAD), outer)

    def keeps_neighbours(self, operand: Operand) -> bool:
        """Whether four elements adjacent in memory, aligned to 16 bytes, are also adjacent in the shared tile."""
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
        """The unroll factor of the loop over the inner dimension."""
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
        """Load a thread's elements for `term`, in groups whose spacing makes a warp read contiguous memory."""
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
        """The index in the tile of a thread's row or column `number`; see `_strip`."""
        b, vector = self.b, min(count, _VECTOR)
        return b.add(b.mul(place, vector), number // vector * threads * vector + number % vector)


# --- Tiles multiplied by tensor cores: by each warp, in fragments of 16 by 8 sums, of operands in tf32 or bfloat16 ---
#
# A warp has 64 by 32 elements of the result's tile. An instruction may take any terms together, as long as they are
# the same for both operands, and a fragment may have any rows and columns, as long as the results are stored
# accordingly. So both are chosen to suit memory; see `_rounded_tiles`. (PTX ISA, "Matrix Fragments for mma.m16n8k8"
# and "mma.m16n8k16".)


# --- An operand's tiles for tensor cores: loaded to registers, rounded there, and stored in fragment order -----------
#
# The words that a lane passes to an instruction are adjacent in shared memory, and so are those of a warp's lanes:
# they are loaded at once, from all banks, into the consecutive registers that the instruction requires.
#
# A tile has 16 terms of 128 lines: rows of the left operand, columns of the right one. Lines are paired, since the
# left operand's fragments have two lines for each group of lanes. Of each 32 lines, group g has lines 4g to 4g + 3:
# two pairs, of two fragments. So the four neighbours of a term that a thread loads go to one place. Lane t of a group
# has terms 4t to 4t + 3, in two halves.

GROUPS, QUAD = 8, 4
"""The number of groups of a warp's lanes, and the lanes of each group."""
NEIGHBOURS = 4
"""The number of consecutive lines of a group, and of elements read at once."""
_STRETCH = GROUPS * NEIGHBOURS
_PAIR = 128  # words from one pair of lines to the next


@dataclass(frozen=True)
class _Order:
    """Strides in words of shared memory.

    A line is a row of the left operand or a column of the right; a term is an index along the inner dimension.

    Attributes:
        lane: The stride between the lanes of a warp.
        line: The stride between the two lines of a pair.
        half: The stride between the halves of a lane's terms.
        word: The stride between the words of a half. In bfloat16 a half is one word, of two terms.
    """

    lane: int
    line: int
    half: int
    word: int = 0


_ORDERS = {
    ("tf32", True): _Order(4, 1, 1024, 2),
    ("tf32", False): _Order(4, 2, 1024, 1),
    ("bfloat16", True): _Order(4, 1, 2),
    ("bfloat16", False): _Order(2, 64, 1),
}
"""The order by precision, and whether the operand is the left one. An instruction multiplies half of the terms in tf32,
all in bfloat16."""


class RoundedTiles:
    """The rounded tiles of one operand.

    Each thread loads two vectors of four elements, one from each of two adjacent rows in memory. In the methods, a line
    is a row of the left operand, or a column of the right operand.
    """

    count = 2 * NEIGHBOURS
    """The number of elements that a thread loads."""

    def __init__(self, operand: Operand) -> None:
        self._operand, self._b = operand, operand.part.scope.b
        precision = operand.part.tile.precision
        assert operand.size == self.count * THREADS
        self._round, self._order = _ROUNDED[precision], _ORDERS[precision, operand.is_left]
        self.steps = 2 if precision == "tf32" else 1
        self.words = self.steps * operand.width // 2 * _PAIR // GROUPS
        self._has_four_terms = operand.sums_last
        self._line, self._term, self._place = self._of_thread()
        self._matrix = operand.in_memory()
        self._is_in_fours = operand.node.shape[-1] % NEIGHBOURS == 0

    def _of_thread(self) -> tuple[Value, Value, Value]:
        """The line and term at which a thread loads, and where it stores, in another bank than the others."""
        b, thread, stretches = self._b, self._operand.part.scope.thread, self._operand.width // _STRETCH
        if self._has_four_terms:
            far, pair, group, quad = b.unravel(thread, (stretches, 2, GROUPS, QUAD))
            half = b.const(0)
        else:
            far, high, half, quad, low = b.unravel(thread, (stretches, GROUPS // 2, 2, QUAD, 2))
            pair, group = b.const(0), b.add(b.mul(high, 2), low)
        line = b.add(b.mul(far, _STRETCH), b.add(b.mul(group, NEIGHBOURS), b.mul(pair, 2)))
        term = b.add(b.mul(quad, NEIGHBOURS), b.mul(half, NEIGHBOURS // 2))
        place = self.start(b.add(b.mul(far, 2), pair), b.add(b.mul(group, QUAD), quad))
        return line, term, b.add(place, b.mul(half, self._order.half))

    # in shared memory

    def start(self, pair: Value, lane: Value) -> Value:
        """The offset of a lane's words for a pair of rows of the left operand, or columns of the right operand."""
        return self._b.add(self._b.mul(pair, _PAIR), self._b.mul(lane, self._order.lane))

    def put(self, values: Sequence[Value], room: Pointer) -> None:
        """Round the loaded values, and store them in shared memory at `room`."""
        first, second = values[:NEIGHBOURS], values[NEIGHBOURS:]
        lines = [first, second] if self._has_four_terms else zip(first, second, strict=True)
        words: dict[int, Value] = {}
        for number, terms in enumerate(lines):
            pair, line = divmod(number, 2)
            rounded = self._round(self._b, terms)
            halves = 2 if self._has_four_terms else 1
            for i, word in enumerate(rounded):
                half, within = divmod(i, len(rounded) // halves)
                order = self._order
                words[_PAIR * pair + order.line * line + order.half * half + order.word * within] = word
        for run in _runs(words):
            self._b.store_vector(room, [words[i] for i in run], self._b.add(self._place, run[0]))

    def factors(self, room: Pointer, start: Value, pair: int, step: int) -> list[list[Value]]:
        """The two words a lane passes to an instruction for each line of a pair, counted from offset `start`."""
        order = self._order
        second = order.half if self.steps == 1 else order.word
        first = _PAIR * pair + order.half * step
        places = [[first + order.line * line + i for i in (0, second)] for line in (0, 1)]
        found: dict[int, Value] = {}
        for run in _runs([i for line in places for i in line]):
            values = self._b.load_vector(room, INT32, self._b.add(start, run[0]), len(run))
            found.update(zip(run, values, strict=True))
        return [[found[i] for i in line] for line in places]

    # from memory to registers

    def read(self, start: Value) -> list[Value]:
        """Load the thread's elements of the tile that begins at inner index `start`, with zeros outside the matrix."""
        b, operand = self._b, self._operand
        line, term = self._first_place(start)
        second = (b.add(line, 1), term) if self._has_four_terms else (line, b.add(term, 1))
        vectors = [self._neighbours(line, term), self._neighbours(*second)]
        found = [b.variable(b.const(0, FLOAT32)) for _ in range(self.count)]

        # If the row length in memory is a multiple of four, either all four neighbours are inside the matrix, or none.
        at_once = NEIGHBOURS if self._is_in_fours else 1

        def bring(read: Callable[[int, range], Iterable[Value]]) -> None:
            for number, places in enumerate(vectors):
                for first in range(0, NEIGHBOURS, at_once):
                    inside, own = operand.inside(*places[first]), range(first, first + at_once)
                    with nullcontext() if inside is None else b.if_(inside):
                        for i, value in zip(own, read(number, own), strict=True):
                            found[number * NEIGHBOURS + i].set(value)

        if self._matrix is None:
            bring(lambda number, which: [operand.computed(*vectors[number][i]) for i in which])
            return [value.get() for value in found]
        source = b.address(self._matrix, operand.position(line, term), FLOAT32)
        sources = [source, b.address(source, b.const(operand.node.shape[-1]), FLOAT32)]

        def by_one() -> None:
            bring(lambda number, which: [b.load(sources[number], FLOAT32, i) for i in which])

        def by_four() -> None:
            bring(lambda number, _: b.tensors.load_four(sources[number]))

        if self._is_in_fours:  # but views may begin anywhere
            misalignment = b.misalignment(self._matrix, NEIGHBOURS * FLOAT32.itemsize)
            b.if_else(b.equal(misalignment, 0), by_four, by_one)
        else:
            by_one()
        return [value.get() for value in found]

    def _first_place(self, start: Value) -> tuple[Value, Value]:
        """The row (or column) and the inner index of the thread's first element."""
        b, operand = self._b, self._operand
        line, term = b.add(operand.first, self._line), b.add(start, self._term)
        if operand.is_whole:
            return line, term
        # Bounds are checked anew each time, since few registers are left to keep the results.
        narrow = b.narrowed(line, operand.extent + operand.width)
        return b.cast(b.tensors.unknown(narrow), INDEX), term

    def _neighbours(self, line: Value, term: Value) -> list[tuple[Value, Value]]:
        """The indices (line, term) of an element and of the three elements that follow it in memory."""
        steps = range(NEIGHBOURS)
        if self._has_four_terms:
            return [(line, self._b.add(term, i)) for i in steps]
        return [(self._b.add(line, i), term) for i in steps]


def _runs(places: Iterable[int]) -> list[list[int]]:
    """Group numbers into sequences of consecutive numbers, in order."""
    runs: list[list[int]] = []
    for place in sorted(places):
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _in_tf32(b: DeviceBuilder, values: Sequence[Value]) -> list[Value]:
    return [b.tensors.to_tf32(x) for x in values]


def _in_bfloat16(b: DeviceBuilder, values: Sequence[Value]) -> list[Value]:
    pairs = zip(values[::2], values[1::2], strict=True)
    return [b.tensors.to_bfloat16(low, high) for low, high in pairs]


_ROUNDED: Mapping[str, Callable[[DeviceBuilder, Sequence[Value]], list[Value]]] = {
    "tf32": _in_tf32,
    "bfloat16": _in_bfloat16,
}

# ---------------------------------------------------------------------------------------------------------------------

_WARPS_ACROSS = 4
_LANES = GROUPS * QUAD


class TensorCores(Multiplication):
    """Multiplication by tensor cores: a lane has two groups of four consecutive rows, and eight consecutive columns."""

    def __init__(self, part: Part, operands: tuple[Operand, Operand]) -> None:
        super().__init__(part)
        b, tile = self.b, self.tile
        self.tiles = RoundedTiles(operands[0]), RoundedTiles(operands[1])
        warp, lane = b.unravel(part.scope.thread, (tile.down * tile.across // _LANES, _LANES))
        group, self._quad = b.unravel(lane, (GROUPS, QUAD))
        self._rows, self._columns = tile.high * GROUPS, tile.wide // 2 * GROUPS  # of a warp
        down, self._across = b.unravel(warp, (tile.rows // self._rows, _WARPS_ACROSS))
        self._line = b.add(b.mul(down, GROUPS), group)
        pairs = b.mul(down, tile.high // 2), b.mul(self._across, tile.wide // 4)
        self._starts = [own.start(pair, lane) for own, pair in zip(self.tiles, pairs, strict=True)]

    def multiply(self, left: Pointer, right: Pointer) -> None:
        for step in range(self.tiles[0].steps):
            columns: list[list[Value]] = []
            for pair in range(self.tile.wide // 4):
                columns += self.tiles[1].factors(right, self._starts[1], pair, step)
            for pair in range(self.tile.high // 2):
                rows = self.tiles[0].factors(left, self._starts[0], pair, step)
                own = [row[i] for i in (0, 1) for row in rows]
                for number, column in enumerate(columns):
                    self._add(own, column, self._fragment(pair, number))

    def _fragment(self, pair: int, number: int) -> list[int]:
        """The positions of a fragment's sums among the thread's sums."""
        lines = [(2 * pair + line) * self.tile.wide for line in (0, 1)]
        return [line + NEIGHBOURS * i + number for line in lines for i in (0, 1)]

    def _add(self, left: list[Value], right: list[Value], places: list[int]) -> None:
        """Add a product to the fragment of sums at these positions."""
        sums = [self.sums[place].get() for place in places]
        found = self.b.tensors.multiply_fragments(self.tile.precision, left, right, sums)
        for place, value in zip(places, found, strict=True):
            self.sums[place].set(value)

    # the tile of the result

    def line(self) -> Value:
        return self._line

    def row(self, line: Value, number: int) -> Value:
        b = self.b
        down, group = b.unravel(line, (self.tile.down // GROUPS, GROUPS))
        first = b.add(b.mul(down, self._rows), b.mul(group, NEIGHBOURS))
        return b.add(first, number // NEIGHBOURS * NEIGHBOURS * GROUPS + number % NEIGHBOURS)

    def column(self, number: int) -> Value:
        b = self.b
        return b.add(b.add(b.mul(self._across, self._columns), b.mul(self._quad, self.tile.wide)), number)
