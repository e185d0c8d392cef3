"""Emission of reductions over rows or columns, with all elementwise work on a row, and of argmin and argmax."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial, reduce

from lamina.compiler.emit.scope import Axis, Scope, ThreadScope, moved_ones
from lamina.compiler.llvm import INDEX, Value, Variable
from lamina.compiler.llvm.reductions import row_lanes
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Node
from lamina.core.lowering import ArgReduction, Reduction

_COLUMN_VECTORS = 4
"""The number of adjacent vectors of columns summed side by side, which hides the latency of additions."""


def emit_reduction(scope: ThreadScope) -> None:
    """Emit the loops for a reduction: over rows, over vectors of columns, or over single elements."""
    kernel = scope.kernel
    if kernel.is_rowwise:
        along = partial(_along_row, scope)
        scope.each(kernel.kept, lambda row: emit_row(scope, row, partial(_reduce_row, scope, row), along))
    elif len(kernel.domain) - 1 not in kernel.reduced:
        with scope.on_one_worker_if_serial(), scope.undivided("columns", kernel.kept[-1]) as columns:
            _emit_columns(scope, columns)
    else:  # over the last axis and other, non-adjacent axes
        scope.each(kernel.kept, lambda row: _column(scope, row, 1))


# --- rows --------------------------------------------------------------------------------------------------------


def emit_row(
    scope: Scope,
    row: list[Axis],
    fold: Callable[[Node, dict[Node, Value]], Value],
    along: Callable[[Callable[[list[Axis], int], None]], None],
    once: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Emit the reductions of a row, in order, and the stores of the row's results and of its elements.

    ``fold(reduction, earlier results)`` emits a reduction, and ``along(body)`` calls ``body(index, lanes)`` for the
    row's elements. Where several threads have a row together, one of them stores the results, in ``once()``.
    """
    kernel = scope.kernel
    known: dict[Node, Value] = {}
    elements: list[Node] = []
    for member in kernel.members:
        if isinstance(member.lowering, Reduction):
            known[member] = fold(member, known)
        elif kernel.spans_rows(member):
            known[member] = scope.evaluator(1, known).at(member, _row_index(scope, member.shape, row))
        elif member in kernel.stores:
            elements.append(member)
    with once():  # after all results are computed, as a store may overwrite another result's input
        for member in kernel.stores:
            if member in known:
                scope.store(member, known[member], _row_index(scope, member.shape, row), 1)
    if elements:
        along(lambda column, lanes: scope.compute({node: [*row, *column] for node in elements}, lanes, known))


def _along_row(scope: ThreadScope, body: Callable[[list[Axis], int], None]) -> None:
    """Emit loops over the reduced axes, with vectors along the last axis."""
    kernel = scope.kernel
    sizes = kernel.domain[len(kernel.domain) - len(kernel.reduced) :]
    lanes = scope.vector_lanes(kernel.members, sizes[-1])

    def last(outer: list[Axis]) -> None:
        scope.b.vector_loop(0, sizes[-1], lanes, lambda i, width: body([*outer, scope.axis(i, 1)], width))

    scope.nest(sizes[:-1], last)


def _reduce_row(scope: ThreadScope, row: list[Axis], member: Node, known: dict[Node, Value]) -> Value:
    """Reduce a row: accumulate elements into lanes, the remainder into further lanes, then reduce the lanes.

    The order is fixed, and the number of lanes depends only on the row (`row_lanes`). So the sum has the same bits on
    CPUs with shorter vectors, which use several vectors for the lanes.
    """
    b = scope.b
    lowering = member.lowering
    assert isinstance(lowering, Reduction)
    (x,) = member.inputs
    initial = lowering.initial(member.dtype)
    kernel = scope.kernel
    sizes = kernel.domain[len(kernel.domain) - len(kernel.reduced) :]
    lanes = row_lanes(member.dtype, sizes[-1])
    width = min(lanes, scope.vector_lanes(kernel.members, sizes[-1]))
    rest = sizes[-1] % lanes
    whole = sizes[-1] - rest
    combine = partial(lowering.combine, b)
    count = lanes // width if whole else 0
    vectors = [b.variable(b.const(initial, member.dtype, width)) for _ in range(count)]
    tail = [b.variable(b.const(initial, member.dtype, rest))] if rest else []

    def add(total: Variable, outer: list[Axis], i: Value, width: int) -> None:
        value = scope.evaluator(width, known).vector_at(x, [*row, *outer, scope.axis(i, 1)])
        total.set(combine(total.get(), value))

    def last(outer: list[Axis]) -> None:
        if whole:
            with b.loop(0, whole, lanes) as i:
                for n, total in enumerate(vectors):
                    add(total, outer, i + n * width, width)
        if rest:
            add(tail[0], outer, b.const(whole), rest)

    scope.nest(sizes[:-1], last)
    parts = [b.reduce(total.get(), combine) for total in vectors]
    while len(parts) > 1:
        parts = [combine(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    parts += [b.reduce(total.get(), combine) for total in tail]
    return reduce(combine, parts) if parts else b.const(initial, member.dtype)


def _row_index(scope: Scope, shape: tuple[int, ...], row: list[Axis]) -> list[Axis]:
    """The row's index into a node of this shape, which differs from the kept axes only by axes of size 1."""
    return moved_ones(scope.b, row, scope.kernel.kept, shape)


# --- columns -----------------------------------------------------------------------------------------------------


def _emit_columns(scope: ThreadScope, bounds: tuple[Value, Value]) -> None:
    """Emit a reduction that keeps the last axis: vectors of neighbouring results, accumulated in order."""
    kept = scope.kernel.kept
    lanes = scope.b.lanes(max((n.dtype for n in scope.kernel.members), key=lambda d: d.itemsize))
    if kept[-1] >= _COLUMN_VECTORS * lanes:
        lanes *= _COLUMN_VECTORS
    is_whole = scope.is_whole("columns", kept[-1], lanes)

    def last(outer: list[Axis]) -> None:
        def column(i: Value, width: int) -> None:
            _column(scope, [*outer, scope.axis(i, 1)], width)

        scope.b.vector_loop(*bounds, lanes, column, is_whole=is_whole)

    scope.nest(kept[:-1], last)


def _column(scope: Scope, kept: list[Axis], lanes: int) -> None:
    b, kernel = scope.b, scope.kernel
    anchor, lowering = kernel.main, kernel.main.lowering
    assert isinstance(lowering, Reduction)
    accumulator = b.variable(b.const(lowering.initial(anchor.dtype), anchor.dtype, lanes))

    def body(reduced: list[Axis]) -> None:
        index = merged_index(kernel, kept, reduced)
        value = scope.evaluator(lanes).vector_at(anchor.inputs[0], index)
        accumulator.set(lowering.combine(b, accumulator.get(), value))

    scope.nest([kernel.domain[a] for a in kernel.reduced], body)
    store_result(scope, kept, lanes, accumulator.get())


def merged_index(kernel: Kernel, kept: list[Axis], reduced: list[Axis]) -> list[Axis]:
    """The index into the domain, merged from the indices along the kept and the reduced axes."""
    outer, inner = iter(kept), iter(reduced)
    return [next(inner) if a in kernel.reduced else next(outer) for a in range(len(kernel.domain))]


def store_result(scope: Scope, kept: list[Axis], lanes: int, result: Value) -> None:
    """Store the main reduction's result, and all results computed from it, at an index along the kept axes."""
    indices = {node: _row_index(scope, node.shape, kept) for node in scope.kernel.stores}
    scope.compute(indices, lanes, {scope.kernel.main: result})


# --- positions ---------------------------------------------------------------------------------------------------


def emit_arg(scope: Scope) -> None:
    """Emit an argmin or argmax along an axis. NaN is more extreme than any number, as in NumPy."""
    scope.each(scope.kernel.kept, lambda row: _find_extremum(scope, row))


def _find_extremum(scope: Scope, row: list[Axis]) -> None:
    """Emit the search of one row for the position of its largest or smallest element."""
    b, kernel = scope.b, scope.kernel
    anchor, lowering = kernel.main, kernel.main.lowering
    assert isinstance(lowering, ArgReduction)
    (x,) = anchor.inputs
    best = b.variable(b.const(0, x.dtype))
    place = b.variable(b.const(-1, INDEX))
    with b.loop(0, kernel.domain[kernel.reduced[0]]) as i:
        index = merged_index(kernel, row, [scope.axis(i)])
        value = scope.evaluator(1).at(x, index)
        better = b.logical_or(lowering.better(b, value, best.get()), b.less(place.get(), 0))
        if x.dtype.kind == "f":
            new_nan = b.logical_and(b.isnan(value), b.logical_not(b.isnan(best.get())))
            better = b.logical_or(new_nan, better)
        best.set(b.where(better, value, best.get()))
        place.set(b.where(better, i, place.get()))
    store_result(scope, row, 1, b.cast(place.get(), anchor.dtype))
