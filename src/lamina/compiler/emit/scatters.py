"""Scatter kernels: zeros, with elements added or written at positions given by data."""

from __future__ import annotations

from lamina.compiler.emit.expressions import PullContext, Reader
from lamina.compiler.emit.positions import Axis, flat_position
from lamina.compiler.emit.scope import Scope
from lamina.compiler.llvm import Builder, Pointer, Value
from lamina.core.lowering import Scatter


def emit_scatter(scope: Scope) -> None:
    """Write a scatter: in order and on one thread, since several elements may have the same target."""
    anchor = scope.kernel.main
    b = scope.b
    with scope.on_one_worker_if_serial():
        lanes, domain = b.lanes(anchor.dtype), scope.kernel.domain
        for pointer in scope.targets[anchor]:

            def clear(i: Value, width: int, pointer: Pointer = pointer) -> None:
                b.store(pointer, b.const(0, anchor.dtype, width), i)

            b.vector_loop(0, anchor.size, lanes, clear)
        if not domain:
            return
        vectors = lanes if _rows_stay_together(scope, lanes) else 1

        def row(outer: list[Axis]) -> None:
            def add(i: Value, width: int) -> None:
                _add(scope, b, [*outer, scope.axis(i, 1 if vectors > 1 else 0)], width)

            b.vector_loop(0, domain[-1], vectors, add)

        scope.nest(domain[:-1], row)


def _position(scope: Scope, b: Builder, index: list[Axis], lanes: int) -> Axis:
    anchor = scope.kernel.main
    assert isinstance(anchor.lowering, Scatter)
    values = scope.evaluator(lanes)
    values.b = b
    readers = [Reader(values, x) for x in anchor.inputs]
    target = anchor.lowering.index(PullContext(values), index, readers, **anchor.params)
    return flat_position(b, target, anchor.shape, lanes)


def _rows_stay_together(scope: Scope, lanes: int) -> bool:
    """Whether neighbours along the last axis have neighbouring targets; tested with a throw-away builder."""
    if scope.kernel.domain[-1] < lanes:
        return False
    trial = type(scope.b)(scope.b.module, {})
    index = [Axis(trial, trial.const(0)) for _ in scope.kernel.domain[:-1]]
    position = _position(scope, trial, [*index, Axis(trial, trial.const(0), 1)], lanes)
    return position.vector is None and position.step == 1


def _add(scope: Scope, b: Builder, index: list[Axis], lanes: int) -> None:
    anchor = scope.kernel.main
    assert isinstance(anchor.lowering, Scatter)
    value = scope.evaluator(lanes).vector_at(anchor.inputs[0], index)
    position = _position(scope, b, index, lanes)
    for pointer in scope.targets[anchor]:
        if anchor.lowering.adds:
            b.store(pointer, b.add(b.load(pointer, anchor.dtype, position.base, lanes), value), position.base)
        else:
            b.store(pointer, value, position.base)
