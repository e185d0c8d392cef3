"""Joined arrays: a loop for each part, instead of a selection among all parts for every element."""

from __future__ import annotations

import math
from collections.abc import Mapping

from lamina.compiler.emit.flat import flat_axes, is_made_of_flat
from lamina.compiler.emit.positions import Axis
from lamina.compiler.emit.scope import Scope
from lamina.compiler.llvm import Value
from lamina.compiler.passes.graph import Node
from lamina.core.lowering import Reshape

_FEWEST_PARTS = 3


def emit_join(scope: Scope) -> bool:
    """Write a kernel that joins arrays along an axis, with its elementwise work; False for other kernels.

    Selecting among a few parts is cheap if all lanes agree, as along all axes but the last.
    """
    joins = [node for node in scope.kernel.members if node.is_op("concat")]
    if len(joins) != 1 or joins[0].shape != scope.kernel.domain:
        return False
    (joined,) = joins
    is_last = joined.params["axis"] == len(joined.shape) - 1
    if len(joined.inputs) < _FEWEST_PARTS and not is_last:
        return False
    with scope.on_one_worker_if_serial():
        shares = {
            kind: scope.share(kind, n)
            for kind, n in (("rows", joined.shape[0]), ("columns", joined.shape[-1]))
        }
        start = 0
        for part in joined.inputs:
            if part.size:
                _emit_part(scope, joined, part, start, shares)
            start += part.shape[joined.params["axis"]]
    return True


def _emit_part(
    scope: Scope, joined: Node, part: Node, start: int, shares: Mapping[str, tuple[Value, Value]]
) -> None:
    """Copy or compute one part at its offset along the axis, with the elementwise work.

    `shares`: the worker's parts of the rows and columns of the whole.
    """
    axis, shape = joined.params["axis"], part.shape
    last = len(shape) - 1

    def share(kind: str, of: int) -> tuple[Value, Value]:
        return _inside(scope, shares[kind], start, shape[of]) if of == axis else shares[kind]

    rows = share("rows", 0)
    source = part
    while isinstance(source.lowering, Reshape) and scope.memory.find(source) is None:
        source = source.inputs[0]
    if (
        axis == 0
        and scope.kernel.stores == [joined]
        and scope.partition.kind != "columns"
        and is_made_of_flat([source], source.shape, scope.memory)
    ):
        _flat_part(scope, joined, source, start, rows)
        return

    def along_last(outer: list[Axis]) -> None:
        def body(i: Value, width: int) -> None:
            index = [*outer, scope.axis(i, 1)]
            value = scope.evaluator(width).at(part, index)
            index[axis] = index[axis] + start
            scope.compute(dict.fromkeys(scope.kernel.stores, index), width, {joined: value})

        columns = share("columns", last) if last else rows
        scope.b.vector_loop(*columns, scope.vector_lanes(scope.kernel.members, shape[last]), body)

    scope.nest(shape[:-1], along_last, first=rows if last else None)


def _flat_part(scope: Scope, joined: Node, source: Node, start: int, rows: tuple[Value, Value]) -> None:
    inner = math.prod(joined.shape[1:])

    def body(i: Value, width: int) -> None:
        position = scope.axis(i, 1)
        value = scope.evaluator(width).at(source, flat_axes(scope.b, position, source.shape))
        scope.store(joined, value, flat_axes(scope.b, position + start * inner, joined.shape), width)

    lanes = scope.vector_lanes([joined, source], source.size)
    scope.b.vector_loop(rows[0] * inner, rows[1] * inner, lanes, body)


def _inside(scope: Scope, bounds: tuple[Value, Value], start: int, length: int) -> tuple[Value, Value]:
    """The worker's part of range(start, start + length), relative to its start."""
    b = scope.b
    first, stop = (b.maximum(b.minimum(b.sub(bound, start), length), 0) for bound in bounds)
    return first, stop
