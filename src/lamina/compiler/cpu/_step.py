"""Emission of a plan's code: a function for each distinct kernel, and the step that calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

import numpy as np

from lamina.compiler.cpu._builder import ThreadBuilder, ThreadModule
from lamina.compiler.cpu._outline import Outline, share_strands, work_of
from lamina.compiler.cpu._products import (
    emit_product,
    emit_taken_rows,
    emit_transposition,
    matrix_product_of,
    rounded_scratch,
)
from lamina.compiler.cpu._steps import emit_steps
from lamina.compiler.cpu.machine import target_machine
from lamina.compiler.emit.maps import emit_fill, emit_map, emit_scatter
from lamina.compiler.emit.pointers import Frame, Layout, kernel_names, kernel_text
from lamina.compiler.emit.reductions import emit_arg, emit_reduction
from lamina.compiler.emit.scope import ThreadScope
from lamina.compiler.llvm import Value
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Scalar
from lamina.compiler.passes.plan import Plan

_BYTE = np.dtype(np.int8)
_TAKING = 10
"""The cost in operations of gathering an element from a large table, because of a cache miss."""


def outline_of(plan: Plan, rows: Mapping[int, int]) -> Outline:
    """The outline of a plan. `rows` has, by input slot, how many bytes each step advances the input's pointer."""
    work, scratch_bytes = work_of(plan), _scratch_bytes(plan)
    texts = [kernel_text(kernel, plan) for kernel in plan.kernels]
    machine = target_machine()
    return Outline(
        kernels=kernel_names(plan, texts),
        digests=[sha256(f"{machine}\n{scratch_bytes}\n{text}".encode()).hexdigest() for text in texts],
        elsewhere={},
        layout=Layout.of(plan, rows),
        arena_bytes=plan.arena_bytes,
        held_bytes=plan.held_bytes,
        scratch_bytes=scratch_bytes,
        strands=len(plan.strands),
        barriers=len(plan.barriers) + 1 if share_strands(plan, work) else 0,
        operations=_operations(plan),
        work=work,
        used_slots=plan.graph.used_slots,
        used_numbers=sorted({n.op.slot for n in plan.graph.nodes() if isinstance(n.op, Scalar)}),
    )


def _scratch_bytes(plan: Plan) -> int:
    products = [k for k in plan.kernels if k.kind == "product"]
    return max((rounded_scratch(matrix_product_of(k).scratch_bytes) for k in products), default=0)


def _operations(plan: Plan) -> int:
    taken = sum(n.size for kernel in plan.kernels for n in kernel.stores if n.is_op("take"))
    return sum(kernel.flops for kernel in plan.kernels) + _TAKING * taken


def emit_program(
    module: ThreadModule,
    plan: Plan,
    outline: Outline,
    is_elsewhere: Callable[[str, str], bool] = lambda name, digest: False,
) -> None:
    """Emit ``step``, which executes a number of steps, and a function for each distinct kernel.

    `outline` belongs to the plan. `is_elsewhere(name, digest)` returns whether the function with this name, for a
    kernel with this digest, is in another module.
    """
    names = outline.kernels
    frames = [Frame.of(plan, kernel, outline.layout) for kernel in plan.kernels]
    written: set[str] = set()
    for kernel, name, digest, frame in zip(plan.kernels, names, outline.digests, frames, strict=True):
        if name in written:
            continue
        written.add(name)
        if is_elsewhere(name, digest):
            module.take_from_elsewhere(name)
            continue
        with module.function(name) as b:
            _emit_kernel(b, plan, kernel, frame, outline.scratch_bytes)
    emit_steps(module, plan, frames, outline)


def _emit_kernel(b: ThreadBuilder, plan: Plan, kernel: Kernel, frame: Frame, part_bytes: int) -> None:
    memory = b.pointer_argument("arguments")
    pointers = [b.load_pointer(memory, i) for i in range(frame.scratch)]
    scope = _PoolScope(b, plan, kernel, frame, pointers)
    scope.scratch = b.load_pointer(memory, frame.scratch)
    if kernel.kind == "product":
        # A thread's part has the same place in all kernels: without a barrier between two kernels, a thread in the
        # second one must not write to the part of a thread that is still in the first one.
        scope.scratch = b.offset(scope.scratch, b.argument("thread") * part_bytes, _BYTE)
    if not (emit_transposition(scope) or emit_taken_rows(scope)):
        _EMITTERS[kernel.kind](scope)


class _PoolScope(ThreadScope):
    """The scope of a kernel whose workers are the pool's threads."""

    b: ThreadBuilder

    def split(self, extent: int, step: int) -> tuple[Value, Value]:
        return self.b.split(extent, step)

    def is_first(self) -> Value:
        return self.b.equal(self.b.argument("thread"), 0)


_EMITTERS: dict[str, Callable[[ThreadScope], None]] = {
    "product": emit_product,
    "reduce": emit_reduction,
    "arg": emit_arg,
    "scatter": emit_scatter,
    "fill": emit_fill,
    "map": emit_map,
}
