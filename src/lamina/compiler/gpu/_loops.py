"""The division of kernels among blocks, and the loops of all kernels except products.

A thread computes an element, or a team of threads reduces a result's elements, and combines its partial results in
pairs. The order of a sum depends only on the shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamina.compiler.emit.maps import is_flat, scatter_target
from lamina.compiler.emit.pointers import Frame
from lamina.compiler.emit.reductions import emit_row, merged_index, store_result
from lamina.compiler.emit.scope import Axis, Scope, flat_axes
from lamina.compiler.gpu._builder import DeviceBuilder
from lamina.compiler.llvm import BOOL, INDEX, INT32, UINT64, Pointer, Value
from lamina.compiler.llvm.random import key_and_counter, numbers_in_block, philox_block, piece_of, uniform
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Node
from lamina.compiler.passes.plan import Plan
from lamina.core.lowering import Reduction, Scatter
from lamina.core.memory import rounded_up
from lamina.device.interface import Limits

ALIGNMENT = 256
"""The alignment of all memory, in bytes."""
THREADS = 256
"""The number of threads of every block, so that one launch can compute several kernels."""


@dataclass(frozen=True, kw_only=True)
class Division:
    """The division of a kernel among blocks: `tiles` groups of results, each computed in `parts` parts by other blocks.

    For each part of several, the blocks share memory for the part's `results`, of `itemsize` bytes each.
    """

    tiles: int
    parts: int = 1
    results: int = 0
    itemsize: int = 0

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return self.tiles * self.parts

    @property
    def counters_bytes(self) -> int:
        """The bytes of the tiles' counters of completed parts, in the memory that the blocks share."""
        return rounded_up(self.tiles * INT32.itemsize, ALIGNMENT) if self.parts > 1 else 0

    @property
    def sums_bytes(self) -> int:
        """The bytes of partial sums in the memory that the blocks share."""
        return rounded_up(self.blocks * self.results * self.itemsize, ALIGNMENT) if self.parts > 1 else 0


class DeviceScope(Scope):
    """A kernel in a launch, for `block`; its blocks share `scratch` and `counters`, zero outside of launches."""

    b: DeviceBuilder

    def __init__(
        self,
        b: DeviceBuilder,
        plan: Plan,
        kernel: Kernel,
        frame: Frame,
        pointers: Sequence[Pointer],
        block: Value,
        common: Sequence[Pointer],
    ) -> None:
        super().__init__(b, plan, kernel, frame, pointers)
        self.block, self.thread = block, b.thread()
        self.counters, self.scratch = common[0], common[-1]  # the same or any pointer where a task has none

    def each(self, shape: Sequence[int], body: Callable[[list[Axis]], None]) -> None:
        place = self.place()
        with self.b.if_(self.b.less(place, math.prod(shape))):
            body(self.index(place, shape))

    def place(self) -> Value:
        """The thread's number among all threads of the kernel."""
        return self.b.add(self.b.mul(self.block, THREADS), self.thread)

    def index(self, position: Value, shape: Sequence[int]) -> list[Axis]:
        """The index of the element at a flat position in an array of this shape; [] for a scalar."""
        return [self.axis(i) for i in self.b.unravel(position, shape)] if shape else []


# --- A thread for each element: maps, scatters, random numbers --------------------------------------------------------


def division_of_elements(kernel: Kernel) -> Division:
    """The division of a kernel with one thread per element."""
    if kernel.kind == "fill":
        (node,) = kernel.stores
        count = -(-node.size // numbers_in_block(node.dtype))
    elif kernel.kind == "scatter":
        count = kernel.main.size
    else:
        count = math.prod(kernel.kept if kernel.kind == "arg" else kernel.domain)
    return Division(tiles=-(-count // THREADS))


def emit_map(scope: DeviceScope) -> None:
    """Emit a map, with one thread per element."""
    domain = scope.kernel.domain
    if domain and is_flat(scope):
        scope.each((math.prod(domain),), lambda place: scope.element(flat_axes(scope.b, place[0], domain), 1))
    else:
        scope.each(domain, lambda index: scope.element(index, 1))


# --- scatters --------------------------------------------------------------------------------------------------------


def emit_scatter(scope: DeviceScope) -> None:
    """Emit a scatter, with one thread per result element.

    Each thread searches for the values to add, in order, as on the CPU. Along axes that are not scattered, a value has
    the same index as its result element. Only the other axes are searched.
    """
    b, anchor = scope.b, scope.kernel.main
    domain = scope.kernel.domain
    same = _unscattered(scope)

    def element(place: list[Axis]) -> None:
        own = scope.index(place[0].base, anchor.shape)
        total = b.variable(b.const(0, anchor.dtype))

        def visit(searched: list[Axis]) -> None:
            rest = iter(searched)
            index = [own[same[a]] if a in same else next(rest) for a in range(len(domain))]
            position = scatter_target(scope, index, 1)
            others = [a for a in range(len(own)) if a not in same.values()]
            hits = b.const(True, BOOL)
            for a in others:
                hits = b.logical_and(hits, b.equal(position[a].lanes(1), own[a].base))
            with b.if_(hits):
                value = scope.evaluator(1).at(anchor.inputs[0], index)
                adds = isinstance(anchor.lowering, Scatter) and anchor.lowering.adds
                total.set(b.add(total.get(), value) if adds else value)

        scope.nest([n for a, n in enumerate(domain) if a not in same], visit)
        for pointer in scope.targets[anchor]:
            b.store(pointer, total.get(), place[0].base)

    scope.each((anchor.size,), element)


def _unscattered(scope: DeviceScope) -> dict[int, int]:
    """The axes of the first input that are not scattered, with the corresponding axes of the result."""
    with scope.trial():
        index = [scope.axis(Value(scope.b, f"%axis{a}", INDEX)) for a in range(len(scope.kernel.domain))]
        target = scatter_target(scope, index, 1)
    return {a: target.index(axis) for a, axis in enumerate(index) if axis in target}


# --- random numbers --------------------------------------------------------------------------------------------------


def emit_fill(scope: DeviceScope) -> None:
    """Emit a random fill with a block of Philox per thread; `primitives.random` defines how words become numbers."""
    b = scope.b
    (node,) = scope.kernel.stores
    values = scope.evaluator(1)
    seed, stream = (b.bitcast(values.at(x, []), UINT64) for x in node.inputs)
    number = scope.place()
    per_block = numbers_in_block(node.dtype)
    words = philox_block(b, *key_and_counter(b, seed, stream, number))
    for i, value in enumerate(_numbers(scope, words, node.dtype)):
        position = b.add(b.mul(number, per_block), i)
        with b.if_(b.less(position, node.size)):
            for pointer in scope.targets[node]:
                b.store(pointer, value, position)


def _numbers(scope: DeviceScope, words: list[Value], dtype: np.dtype) -> list[Value]:
    """Convert a block's words to numbers of a dtype."""
    b, piece = scope.b, piece_of(dtype)
    places = range(0, 8 * UINT64.itemsize, 8 * piece.itemsize)  # the first is in the lowest bits
    pieces = [b.cast(b.shift_right(w, place) if place else w, piece) for w in words for place in places]
    return [uniform(b, x, dtype) for x in pieces]


# --- Reductions ------------------------------------------------------------------------------------------------------


_ELEMENTS_EACH = 4
_ELEMENTS_IN_PARTS = 16
_SIDE_BY_SIDE = 32
"""The number of adjacent columns that adjacent threads read at once."""


@dataclass(frozen=True, kw_only=True)
class Team(Division):
    """The threads of a block that compute a result together: `size` threads per result.

    With stride 1 the threads of a team are adjacent. With another `stride`, adjacent threads belong to adjacent results
    instead.
    """

    size: int
    stride: int


def team_for(kernel: Kernel, limits: Limits) -> Team:
    """The team for a reduction, from the number of elements per result and the number of results."""
    folded = math.prod(kernel.domain[a] for a in kernel.reduced)
    results = math.prod(kernel.kept)
    size = 1
    while size < THREADS and size * _ELEMENTS_EACH < folded:
        size *= 2
    if not kernel.is_rowwise:
        size = min(size, THREADS // (_SIDE_BY_SIDE if results >= _SIDE_BY_SIDE else 1))
    at_once = THREADS // size
    stride = 1 if kernel.is_rowwise else at_once
    team = Team(tiles=-(-results // at_once), results=at_once, size=size, stride=stride)
    parts = _parts(kernel, team, folded, limits)
    return replace(team, parts=parts, itemsize=kernel.main.dtype.itemsize) if parts > 1 else team


def _parts(kernel: Kernel, team: Team, folded: int, limits: Limits) -> int:
    """The number of parts into which each result is divided.

    There are several only if processors would be idle otherwise, the kernel has a single reduction, and it stores only
    values with one element per result.
    """
    folds = [node for node in kernel.members if isinstance(node.lowering, Reduction)]
    if folds != [kernel.anchor] or not all(kernel.spans_rows(node) for node in kernel.stores):
        return 1
    idle = limits.processors // max(team.tiles, 1)
    return max(1, min(idle, folded // (team.size * _ELEMENTS_IN_PARTS)))


def emit_rows(scope: DeviceScope, team: Team, first: Value, count: int) -> None:
    """Emit the reductions and stores of the block's `count` rows, from row `first` on."""
    b = scope.b
    end = b.minimum(b.add(first, count), math.prod(scope.kernel.kept))
    teams = _Teams(scope, team)
    if count <= team.results:
        teams.emit_row(b.add(first, teams.own), end)
        return
    with b.loop(0, count, team.results) as start:
        teams.emit_row(b.add(b.add(first, start), teams.own), end)


def emit_results(scope: DeviceScope, team: Team) -> None:
    """Emit a reduction, perhaps in parts, over any axes, which stores only values with one element per result."""
    b, kernel = scope.b, scope.kernel
    anchor, lowering = kernel.main, kernel.main.lowering
    assert isinstance(lowering, Reduction)
    results = math.prod(kernel.kept)
    teams = _Teams(scope, team)
    group, part = b.unravel(scope.block, (team.tiles, team.parts))
    number = b.add(b.mul(group, team.results), teams.own)
    is_writer = b.logical_and(b.less(number, results), b.equal(teams.member, 0))
    kept = scope.index(b.minimum(number, results - 1), kernel.kept)
    folded = math.prod(kernel.domain[a] for a in kernel.reduced)
    share = -(-folded // team.parts)
    first = b.mul(part, share)
    result = teams.fold(anchor, kept, (b.add(first, teams.member), b.minimum(b.add(first, share), folded)))
    if team.parts == 1:
        with b.if_(is_writer):
            store_result(scope, kept, 1, result)
        return

    def place(part: Value) -> Value:
        return b.add(b.mul(b.add(b.mul(group, team.parts), part), team.results), teams.own)

    with b.if_(is_writer):
        b.store(scope.scratch, result, place(part))
    is_last = is_done_last(scope, group, team.parts)
    with b.if_(b.logical_and(is_last, is_writer)):
        total = b.variable(b.const(lowering.initial(anchor.dtype), anchor.dtype))
        with b.loop(0, team.parts) as i:
            total.set(lowering.combine(b, total.get(), b.load(scope.scratch, anchor.dtype, place(i))))
        store_result(scope, kept, 1, total.get())


class _Teams:
    """The teams of a block; the emitted thread has the number `member` in the team with the number `own`."""

    def __init__(self, scope: DeviceScope, team: Team) -> None:
        self.scope, self.team = scope, team
        b, thread = scope.b, scope.thread
        if team.stride == 1:
            self.member, self.own = b.bit_and(thread, team.size - 1), b.divide_positive(thread, team.size)
        else:
            self.member = b.divide_positive(thread, team.stride)
            self.own = b.sub(thread, b.mul(self.member, team.stride))

    def emit_row(self, number: Value, end: Value) -> None:
        """Emit one row for each team.

        All threads take part in the reductions, which have barriers. Threads without a row repeat the last row, and
        store nothing.
        """
        scope, b, kernel = self.scope, self.scope.b, self.scope.kernel
        exists = b.less(number, end)
        row = scope.index(b.minimum(number, b.sub(end, 1)), kernel.kept)
        sizes = kernel.domain[len(kernel.kept) :]
        bounds = self.member, b.const(math.prod(sizes))

        def along(body: Callable[[list[Axis], int], None]) -> None:
            with b.if_(exists), b.loop(*bounds, self.team.size) as i:
                body(scope.index(i, sizes), 1)

        emit_row(
            scope,
            row,
            lambda node, known: self.fold(node, row, bounds, known),
            along,
            lambda: b.if_(b.logical_and(exists, b.equal(self.member, 0))),
        )

    def fold(
        self,
        node: Node,
        kept: list[Axis],
        bounds: tuple[Value, Value],
        known: Mapping[Node, Value] | None = None,
    ) -> Value:
        """Emit a reduction by a team whose members read every `size`-th element between their bounds."""
        scope, b, kernel, lowering = self.scope, self.scope.b, self.scope.kernel, node.lowering
        assert isinstance(lowering, Reduction)
        total = b.variable(b.const(lowering.initial(node.dtype), node.dtype))
        with b.loop(*bounds, self.team.size) as i:
            reduced = scope.index(i, [kernel.domain[a] for a in kernel.reduced])
            value = scope.evaluator(1, known).at(node.inputs[0], merged_index(kernel, kept, reduced))
            total.set(lowering.combine(b, total.get(), value))
        return self._folded(lowering, total.get())

    def _folded(self, lowering: Reduction, value: Value) -> Value:
        """Reduce the values of a team's members to one value, which every member gets."""
        b, thread, team = self.scope.b, self.scope.thread, self.team
        if team.size == 1:
            return value
        with b.shared_again():
            memory = b.shared(value.dtype, THREADS)
            b.store(memory, value, thread)
            b.barrier()
            half = team.size // 2
            while half:
                with b.if_(b.less(self.member, half)):
                    other = b.load(memory, value.dtype, b.add(thread, half * team.stride))
                    b.store(memory, lowering.combine(b, b.load(memory, value.dtype, thread), other), thread)
                b.barrier()
                half //= 2
            first = b.sub(thread, b.mul(self.member, team.stride))
            folded = b.load(memory, value.dtype, first)
            b.barrier()
        return folded


# --- Sums in parts, one per block: the last block to finish adds the other blocks' parts from memory -----------------


def is_done_last(scope: DeviceScope, number: Value, parts: int) -> Value:
    """Whether this block is the last of `parts` blocks to finish its part of result `number`.

    The answer is the same for all threads of the block. The last block sees everything that the other blocks have
    stored. The counter is then reset to 0.
    """
    b = scope.b
    b.fence()
    with b.shared_again():
        cell = b.shared(INT32, 1)
        b.barrier()
        with b.if_(b.equal(scope.thread, 0)):
            counter = b.offset(scope.counters, number, INT32)
            before = b.count_up(counter)
            b.store(cell, before)
            with b.if_(b.equal(before, parts - 1)):
                b.store(counter, b.const(0, INT32))
        b.barrier()
        is_last = b.equal(b.load(cell, INT32), parts - 1)
        b.barrier()
    b.fence()
    return is_last
