"""Gathering of a table's rows, with the next rows prefetched while one is copied.

The table exceeds the caches, and its rows are read in random order. The hardware prefetcher would detect the sequential
reads in a row only halfway through it.
"""

from __future__ import annotations

from lamina.compiler.emit.expressions import PullContext
from lamina.compiler.emit.scope import Scope, ThreadScope
from lamina.compiler.llvm import Pointer, Value
from lamina.compiler.passes.graph import Node
from lamina.core.memory import LINE_BYTES

_LINES_AHEAD = 64  # about the cache lines that arrive during the latency of one


def takes_whole_rows(node: Node) -> bool:
    """Whether a node gathers whole rows of a matrix by a vector of row indices."""
    if not node.is_op("take"):
        return False
    table, numbers = node.inputs
    return node.params["axis"] == 0 and len(table.shape) == 2 and len(numbers.shape) == 1


def row_taken(scope: Scope, node: Node, numbers: Pointer, place: Value) -> Value:
    """The index of the table row that `node`, a gather, reads for row `place` of its result.

    `numbers` points to the gather's row indices.
    """
    table, indices = node.inputs
    number = scope.b.load(numbers, indices.dtype, place)
    position = PullContext(scope.evaluator(1)).table_position(number, table.shape[0], node.params["mode"])
    return position.lanes(1)


def emit_taken_rows(scope: ThreadScope) -> bool:
    """Emit a map kernel that only gathers rows of a matrix in memory; returns False for any other kernel."""
    if scope.kernel.kind != "map" or len(scope.kernel.members) != 1 or scope.partition.kind != "rows":
        return False
    (node,) = scope.kernel.members
    if not takes_whole_rows(node):
        return False
    table, indices = node.inputs
    source, numbers = scope.memory.find(table), scope.memory.find(indices)
    if source is None or numbers is None:
        return False
    b, (rows, columns) = scope.b, node.shape
    line = LINE_BYTES // node.dtype.itemsize
    ahead = -(-_LINES_AHEAD * line // max(columns, 1))

    def row_at(place: Value) -> Pointer:
        return b.offset(source, row_taken(scope, node, numbers, place) * columns, node.dtype)

    with b.loop(*scope.share("rows", rows)) as i:
        row, later = row_at(i), row_at(b.minimum(i + ahead, b.const(rows - 1)))

        def copy(column: Value, lanes: int, i: Value = i, row: Pointer = row, later: Pointer = later) -> None:
            b.prefetch(b.offset(later, column, node.dtype))
            value = b.load(row, node.dtype, column, lanes)
            for target in scope.targets[node]:
                b.store(target, value, i * columns + column)

        b.vector_loop(b.const(0), b.const(columns), line, copy)
    return True
