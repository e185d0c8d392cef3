"""Map kernels: every element of the result on its own."""

from __future__ import annotations

import math

from lamina.compiler.emit.expressions import Memory
from lamina.compiler.emit.flat import flat_axes, is_made_of_flat
from lamina.compiler.emit.joins import emit_join
from lamina.compiler.emit.positions import Axis
from lamina.compiler.emit.scope import Scope
from lamina.compiler.llvm import Value
from lamina.compiler.passes.fuse import Kernel


def emit_map(scope: Scope) -> None:
    """Loops over the domain, the last axis in vectors; one flat loop if all operands have the domain's shape."""
    kernel = scope.kernel
    domain = kernel.domain
    if len(domain) == 0:
        with scope.on_one_worker_if_serial():
            _element(scope, [], 1)
        return
    if emit_join(scope):
        return
    first = scope.share("rows", domain[0])
    if scope.partition.kind == "rows" and len(domain) > 1 and is_flat(kernel, scope.memory):
        inner = math.prod(domain[1:])
        _flat_loop(scope, first[0] * inner, first[1] * inner)
        return
    lanes = scope.vector_lanes(kernel.members, domain[-1])
    if len(domain) == 1:
        _last_axis(scope, [], first, lanes, is_whole=scope.is_whole("rows", domain[0], lanes))
        return
    columns, is_whole = scope.share("columns", domain[-1]), scope.is_whole("columns", domain[-1], lanes)
    scope.nest(
        domain[:-1], lambda outer: _last_axis(scope, outer, columns, lanes, is_whole=is_whole), first=first
    )


def _last_axis(
    scope: Scope, outer: list[Axis], bounds: tuple[Value, Value], lanes: int, *, is_whole: bool
) -> None:
    def body(i: Value, width: int) -> None:
        _element(scope, [*outer, scope.axis(i, 1)], width)

    scope.b.vector_loop(*bounds, lanes, body, is_whole=is_whole)


def _element(scope: Scope, index: list[Axis], lanes: int) -> None:
    """The value that the kernel stores at an index, and in the lanes after it."""
    scope.compute(dict.fromkeys(scope.kernel.stores, index), lanes)


def _flat_loop(scope: Scope, start: Value, stop: Value) -> None:
    """The domain as one long row: every node's index is the position in memory."""
    kernel = scope.kernel
    lanes = scope.vector_lanes(kernel.members, 1 << 20)

    def body(i: Value, width: int) -> None:
        _element(scope, flat_axes(scope.b, scope.axis(i, 1), kernel.domain), width)

    is_whole = scope.is_whole("rows", math.prod(kernel.domain), lanes)
    scope.b.vector_loop(start, stop, lanes, body, is_whole=is_whole)


def is_flat(kernel: Kernel, memory: Memory) -> bool:
    """Whether a kernel's domain can be treated as one long row."""
    return is_made_of_flat(kernel.stores, kernel.domain, memory)
