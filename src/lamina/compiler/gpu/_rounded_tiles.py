"""An operand's tiles for tensor cores: loaded to registers, rounded there, and stored in fragment order.

The words that a lane passes to an instruction are adjacent in shared memory, and so are those of a warp's lanes: they
are loaded at once, from all banks, into the consecutive registers that the instruction requires.

A tile has 16 terms of 128 lines: rows of the left operand, columns of the right one. Lines are paired, since the left
operand's fragments have two lines for each group of lanes. Of each 32 lines, group g has lines 4g to 4g + 3: two pairs,
of two fragments. So the four neighbours of a term that a thread loads go to one place. Lane t of a group has terms 4t
to 4t + 3, in two halves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from lamina.compiler.gpu._builder import DeviceBuilder
from lamina.compiler.gpu._operands import Operand
from lamina.compiler.gpu._scope import THREADS
from lamina.compiler.llvm import FLOAT32, INDEX, INT32, Pointer, Value, Variable

GROUPS, QUAD = 8, 4
"""The number of groups of a warp's lanes, and the lanes of each group."""
NEIGHBOURS = 4
"""The consecutive lines of a group, which is also the number of elements read at once."""
_STRETCH = GROUPS * NEIGHBOURS
_PAIR = 128  # words from one pair of lines to the next


@dataclass(frozen=True)
class _Order:
    """Strides in words of shared memory: between lanes of a warp, lines of a pair, halves of a lane's terms, and words
    of a half (in bfloat16 there is one, of two terms).
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
    """The tiles of one operand, rounded. Each thread loads two vectors of four elements, one from each of two
    neighbouring lines in memory.
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
        """A thread's first line and term of a tile, and the offset of its first word.

        Threads that store at the same time have different lanes of a group, different halves, and neighbouring groups,
        so that they use different banks.
        """
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
        """The offset of a lane's words of a pair."""
        return self._b.add(self._b.mul(pair, _PAIR), self._b.mul(lane, self._order.lane))

    def put(self, values: Sequence[Value], room: Pointer) -> None:
        """Store the loaded values, rounded."""
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
        """The two words per line that the lane with this offset passes to an instruction, for a pair further on."""
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
        """The thread's elements of the tile from term `start` on; zeros outside the matrix."""
        b, operand = self._b, self._operand
        line, term = self._first_place(start)
        second = (b.add(line, 1), term) if self._has_four_terms else (line, b.add(term, 1))
        vectors = [self._neighbours(line, term), self._neighbours(*second)]
        found = [b.variable(b.const(0, FLOAT32)) for _ in range(self.count)]

        def bring(read: Callable[[int, range], Iterable[Value]]) -> None:
            for number, places in enumerate(vectors):
                own = found[number * NEIGHBOURS : (number + 1) * NEIGHBOURS]
                self._set_inside(places, own, partial(read, number))

        if self._matrix is None:
            bring(lambda number, which: [operand.computed(*vectors[number][i]) for i in which])
            return [value.get() for value in found]
        source = b.address(self._matrix, operand.position(line, term), FLOAT32)
        sources = [source, b.address(source, b.const(operand.node.shape[-1]), FLOAT32)]

        def by_one() -> None:
            bring(lambda number, which: [b.load(sources[number], FLOAT32, i) for i in which])

        def by_four() -> None:
            bring(lambda number, _: b.tensor_dialect.load_four(b, sources[number]))

        if self._is_in_fours:  # but views may begin anywhere
            misalignment = b.misalignment(self._matrix, NEIGHBOURS * FLOAT32.itemsize)
            b.if_else(b.equal(misalignment, 0), by_four, by_one)
        else:
            by_one()
        return [value.get() for value in found]

    def _first_place(self, start: Value) -> tuple[Value, Value]:
        """The line and the term of the thread's first element."""
        b, operand = self._b, self._operand
        line, term = b.add(operand.first, self._line), b.add(start, self._term)
        if operand.is_whole:
            return line, term
        # Bounds are checked anew each time, since few registers are left to keep the results.
        narrow = b.narrowed(line, operand.extent + operand.width)
        return b.cast(b.tensor_dialect.unknown(b, narrow), INDEX), term

    def _neighbours(self, line: Value, term: Value) -> list[tuple[Value, Value]]:
        """The lines and terms of an element and of the three that follow it in memory."""
        steps = range(NEIGHBOURS)
        if self._has_four_terms:
            return [(line, self._b.add(term, i)) for i in steps]
        return [(self._b.add(line, i), term) for i in steps]

    def _set_inside(
        self,
        places: Sequence[tuple[Value, Value]],
        found: Sequence[Variable],
        read: Callable[[range], Iterable[Value]],
    ) -> None:
        """Load the elements of four neighbours that are inside: all or none, if lines in memory are multiples of four
        long.
        """
        count = NEIGHBOURS if self._is_in_fours else 1
        for first in range(0, NEIGHBOURS, count):
            inside, own = self._operand.inside(*places[first]), range(first, first + count)
            with nullcontext() if inside is None else self._b.if_(inside):
                for i, value in zip(own, read(own), strict=True):
                    found[i].set(value)


def _runs(places: Iterable[int]) -> list[list[int]]:
    """Runs of consecutive places, in order."""
    runs: list[list[int]] = []
    for place in sorted(places):
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _in_tf32(b: DeviceBuilder, values: Sequence[Value]) -> list[Value]:
    return [b.tensor_dialect.to_tf32(b, x) for x in values]


def _in_bfloat16(b: DeviceBuilder, values: Sequence[Value]) -> list[Value]:
    pairs = zip(values[::2], values[1::2], strict=True)
    return [b.tensor_dialect.to_bfloat16(b, low, high) for low, high in pairs]


_ROUNDED: Mapping[str, Callable[[DeviceBuilder, Sequence[Value]], list[Value]]] = {
    "tf32": _in_tf32,
    "bfloat16": _in_bfloat16,
}
