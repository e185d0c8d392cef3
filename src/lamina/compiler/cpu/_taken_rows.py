"""Rows that are taken out of a table: those that come next are asked for while one is copied.

A table is larger than the caches, and its rows are taken in random order: of each, the processor would notice that
it is read line after line only when half of it is there.
"""

from __future__ import annotations

from lamina.compiler.cpu._cache_lines import LINE_BYTES
from lamina.compiler.emit.expressions import PullContext
from lamina.compiler.emit.scope import Scope
from lamina.compiler.llvm import Pointer, Value

__all__ = ["emit_taken_rows"]

_LINES_AHEAD = 64  # about as many as arrive in the time in which one does


def emit_taken_rows(scope: Scope) -> bool:
    """A map kernel that only takes rows of a matrix in memory; False for any other kernel."""
    if scope.kernel.kind != "map" or len(scope.kernel.members) != 1 or scope.partition.kind != "rows":
        return False
    (node,) = scope.kernel.members
    if (
        not node.is_op("take")
        or node.params["axis"] != 0
        or len(node.shape) != 2
        or len(node.inputs[1].shape) != 1
    ):
        return False
    table, indices = node.inputs
    source, numbers = scope.memory.find(table), scope.memory.find(indices)
    if source is None or numbers is None:
        return False
    b, (rows, columns) = scope.b, node.shape
    line = LINE_BYTES // node.dtype.itemsize
    ahead = -(-_LINES_AHEAD * line // max(columns, 1))

    def row_at(place: Value) -> Pointer:
        index = b.load(numbers, indices.dtype, place)
        position = (
            PullContext(scope.evaluator(1))
            .table_position(index, table.shape[0], node.params["mode"])
            .lanes(1)
        )
        return b.offset(source, position * columns, node.dtype)

    with b.loop(*scope.share("rows", rows)) as i:
        row, later = row_at(i), row_at(b.minimum(i + ahead, b.const(rows - 1)))

        def copy(column: Value, lanes: int, i: Value = i, row: Pointer = row, later: Pointer = later) -> None:
            b.prefetch(b.offset(later, column, node.dtype))
            value = b.load(row, node.dtype, column, lanes)
            for target in scope.targets[node]:
                b.store(target, value, i * columns + column)

        b.vector_loop(b.const(0), b.const(columns), line, copy)
    return True
