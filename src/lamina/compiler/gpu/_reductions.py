"""Reductions: each result is the work of a team of threads, who fold their parts and then, in pairs, each other's.

The order of a sum depends on the shape alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lamina.compiler.emit.positions import Axis
from lamina.compiler.emit.reductions import merged_index, row_index, store_result
from lamina.compiler.gpu._scope import THREADS, DeviceScope
from lamina.compiler.llvm import Value
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Node
from lamina.core.lowering import Reduction

__all__ = ["Team", "emit_columns", "emit_rows", "team_for"]

_ELEMENTS_EACH = 4
_SIDE_BY_SIDE = 32
"""So many neighbouring columns are read by neighbouring threads, at once."""


@dataclass(frozen=True)
class Team:
    """How the threads of a block share results: `size` work on each. They are neighbours, unless `stride` says
    otherwise: then neighbours work on neighbouring results."""

    size: int
    stride: int = 1

    @property
    def results(self) -> int:
        """The results that a block computes at a time."""
        return THREADS // self.size


def team_for(kernel: Kernel) -> Team:
    """The team for a reduction, by how much there is to fold and how many results there are."""
    folded = math.prod(kernel.domain[a] for a in kernel.reduced)
    results = math.prod(kernel.kept)
    size = 1
    while size < THREADS and size * _ELEMENTS_EACH < folded:
        size *= 2
    if kernel.is_rowwise:
        return Team(size)
    beside = _SIDE_BY_SIDE if results >= _SIDE_BY_SIDE else 1
    size = min(size, THREADS // beside)
    return Team(size, THREADS // size)


def emit_rows(scope: DeviceScope, team: Team, first: Value, count: int) -> None:
    """The `count` rows from `first` on that a block computes, and all that is stored for each of their elements."""
    b = scope.b
    end = b.minimum(b.add(first, count), math.prod(scope.kernel.kept))
    member = b.bit_and(scope.thread, team.size - 1)
    own = b.divide_positive(scope.thread, team.size)
    if count <= team.results:
        _emit_row(scope, team, b.add(first, own), end, member)
        return
    with b.loop(0, count, team.results) as start:
        _emit_row(scope, team, b.add(b.add(first, start), own), end, member)


def _emit_row(scope: DeviceScope, team: Team, number: Value, end: Value, member: Value) -> None:
    """One row, by a team. All threads take part in the folds, where they wait for each other; who has no row has the
    last one, and stores nothing."""
    b, kernel = scope.b, scope.kernel
    exists = b.less(number, end)
    row = scope.index(b.minimum(number, b.sub(end, 1)), kernel.kept)
    known: dict[Node, Value] = {}
    elements: list[Node] = []
    for node in kernel.members:
        if isinstance(node.lowering, Reduction):
            known[node] = _fold_row(scope, team, node, row, member, known)
        elif kernel.spans_rows(node):
            known[node] = scope.evaluator(1, known).at(node, row_index(scope, node.shape, row))
        elif node in kernel.stores:
            elements.append(node)
    is_writer = b.logical_and(exists, b.equal(member, 0))
    for node in kernel.stores:
        if node in known:
            with b.if_(is_writer):
                scope.store(node, known[node], row_index(scope, node.shape, row), 1)
    if elements:

        def body(column: list[Axis]) -> None:
            scope.compute(dict.fromkeys(elements, [*row, *column]), 1, known)

        with b.if_(exists):
            _along_row(scope, team, member, body)


def _along_row(scope: DeviceScope, team: Team, member: Value, body: Callable[[list[Axis]], None]) -> None:
    """Loop over a team member's elements of a row."""
    sizes = scope.kernel.domain[len(scope.kernel.kept) :]
    with scope.b.loop(member, scope.b.const(math.prod(sizes)), team.size) as i:
        body(scope.index(i, sizes))


def _fold_row(
    scope: DeviceScope, team: Team, node: Node, row: list[Axis], member: Value, known: dict[Node, Value]
) -> Value:
    b, lowering = scope.b, node.lowering
    assert isinstance(lowering, Reduction)
    total = b.variable(b.const(lowering.initial(node.dtype), node.dtype))

    def body(column: list[Axis]) -> None:
        value = scope.evaluator(1, known).at(node.inputs[0], [*row, *column])
        total.set(lowering.combine(b, total.get(), value))

    _along_row(scope, team, member, body)
    return _fold_team(scope, team, lowering, total.get(), member)


def emit_columns(scope: DeviceScope, team: Team) -> None:
    """A reduction over axes of which some kept one comes after: results that have their place in the block."""
    b, kernel = scope.b, scope.kernel
    anchor, lowering = kernel.main, kernel.main.lowering
    assert isinstance(lowering, Reduction)
    results = math.prod(kernel.kept)
    member = b.divide_positive(scope.thread, team.stride)
    own = b.sub(scope.thread, b.mul(member, team.stride))
    number = b.add(b.mul(scope.block, team.results), own)
    exists = b.less(number, results)
    kept = scope.index(b.minimum(number, results - 1), kernel.kept)
    sizes = [kernel.domain[a] for a in kernel.reduced]
    total = b.variable(b.const(lowering.initial(anchor.dtype), anchor.dtype))
    with b.loop(member, b.const(math.prod(sizes)), team.size) as i:
        index = merged_index(kernel, kept, scope.index(i, sizes))
        value = scope.evaluator(1).at(anchor.inputs[0], index)
        total.set(lowering.combine(b, total.get(), value))
    folded = _fold_team(scope, team, lowering, total.get(), member)
    with b.if_(b.logical_and(exists, b.equal(member, 0))):
        store_result(scope, kept, 1, folded)


def _fold_team(scope: DeviceScope, team: Team, lowering: Reduction, value: Value, member: Value) -> Value:
    """The values of a team's members folded, for each of them to know."""
    if team.size == 1:
        return value
    b = scope.b
    with b.shared_again():
        memory = b.shared(value.dtype, THREADS)
        thread = scope.thread
        b.store(memory, value, thread)
        b.barrier()
        half = team.size // 2
        while half:
            with b.if_(b.less(member, half)):
                other = b.load(memory, value.dtype, b.add(thread, half * team.stride))
                b.store(memory, lowering.combine(b, b.load(memory, value.dtype, thread), other), thread)
            b.barrier()
            half //= 2
        first = b.sub(thread, b.mul(member, team.stride))
        folded = b.load(memory, value.dtype, first)
        b.barrier()
    return folded
