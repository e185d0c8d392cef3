"""The step function: a loop over batches that calls one function a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamina.compiler.codegen import INDEX, KERNEL_ARGUMENTS, Builder, Module, Pointer, Value
from lamina.compiler.emit.fills import emit_fill
from lamina.compiler.emit.maps import emit_map
from lamina.compiler.emit.products import (
    contraction_of,
    emit_product,
    emit_transposition,
    is_transposition,
    rounded_scratch,
)
from lamina.compiler.emit.reductions import emit_arg, emit_reduction
from lamina.compiler.emit.scatters import emit_scatter
from lamina.compiler.emit.scope import Scope
from lamina.compiler.evaluate import Evaluator, Memory
from lamina.compiler.fuse import Kernel
from lamina.compiler.graph import Constant, Graph, Input, Node, Scalar
from lamina.compiler.plan import Place, Plan

__all__ = ["Layout", "emit_program", "kernel_name"]

_BYTE = np.dtype(np.int8)


@dataclass(frozen=True)
class Layout:
    """The table of pointers that a compiled step gets, in this order:

    control (int64 first step, int64 number of steps), the steps' numbers (8 bytes each), inputs, results, arena,
    scratch. `strides` says by how many bytes an entry moves from one step to the next.
    """

    inputs: int
    results: int
    strides: tuple[int, ...]

    CONTROL = 0
    NUMBERS = 1
    FIRST_INPUT = 2

    @property
    def first_result(self) -> int:
        return self.FIRST_INPUT + self.inputs

    @property
    def arena(self) -> int:
        return self.first_result + self.results

    @property
    def scratch(self) -> int:
        return self.arena + 1

    @property
    def entries(self) -> int:
        return self.scratch + 1

    @classmethod
    def of(cls, graph: Graph, rows: dict[int, int]) -> Layout:
        """For a graph; `rows`: inputs of which each step takes the next so many bytes."""
        inputs, results = len(graph.inputs), len(graph.results)
        strides = [0, 8 * len(graph.scalars)]
        strides += [rows.get(slot, 0) for slot in range(inputs)]
        strides += [node.nbytes for node in graph.results]
        return cls(inputs, results, (*strides, 0, 0))


def kernel_name(number: int, kernel: Kernel) -> str:
    """A kernel's function name: its number, kind and main operator."""
    anchor = kernel.anchor or kernel.stores[-1]
    return f"kernel{number}_{kernel.kind}_{anchor.op.name}"


def scratch_bytes(plan: Plan) -> int:
    """The scratch memory that each thread needs."""
    return max(
        (rounded_scratch(contraction_of(k).scratch_bytes) for k in plan.kernels if k.kind == "product"),
        default=0,
    )


def emit_program(module: Module, plan: Plan, layout: Layout) -> None:
    """Write ``step``, which runs a number of steps, and a function for each kernel."""
    names = [kernel_name(i, k) for i, k in enumerate(plan.kernels)]
    for kernel, name in zip(plan.kernels, names, strict=True):
        with module.function(name, KERNEL_ARGUMENTS) as b:
            _emit_kernel(b, plan, kernel, layout)
    with module.function("step") as b:
        _emit_steps(b, plan, names, layout)


def _emit_steps(b: Builder, plan: Plan, names: Sequence[str], layout: Layout) -> None:
    arguments = b.pointer_argument("arguments")
    control = b.load_pointer(arguments, Layout.CONTROL)
    first = b.load(control, INDEX, 0)
    last = b.add(first, b.load(control, INDEX, 1))
    frame = b.stack_slot(f"[{layout.entries} x ptr]", 64)
    with b.loop(first, last) as step:
        for entry, stride in enumerate(layout.strides):
            pointer = b.load_pointer(arguments, entry)
            if stride:
                pointer = b.offset(pointer, step * stride, _BYTE)
            b.emit(f"store {pointer.typed}, {b.offset(frame, entry, None).typed}")
        for kernel, name in zip(plan.kernels, names, strict=True):
            if kernel in plan.barriers:
                b.barrier()
            b.call(name, frame, b.argument("thread"), b.argument("threads"))
        b.barrier()


def _emit_kernel(b: Builder, plan: Plan, kernel: Kernel, layout: Layout) -> None:
    frame = b.pointer_argument("arguments")
    loaded: dict[int, Pointer] = {}

    def entry(number: int) -> Pointer:
        if number not in loaded:
            loaded[number] = b.load_pointer(frame, number)
        return loaded[number]

    def pointer(place: Place) -> Pointer:
        if place.kind == "arena":
            return b.offset(entry(layout.arena), place.number, _BYTE)
        base = layout.FIRST_INPUT if place.kind == "input" else layout.first_result
        return entry(base + place.number)

    members = set(kernel.members)
    needed = _leaves(kernel, plan, members)
    pointers = {n: pointer(_place_of(n, plan)) for n in needed if not isinstance(n.op, Scalar)}
    has_numbers = any(isinstance(n.op, Scalar) for n in needed)
    numbers = _numbers(b, kernel, plan, entry(layout.NUMBERS)) if has_numbers else {}
    targets = {node: [pointer(p) for p in plan.places[node]] for node in kernel.stores}
    scope = Scope(
        b, kernel, plan.partitions[kernel], Memory(pointers), targets, numbers, entry(layout.scratch)
    )
    _dispatch(scope)


def _dispatch(scope: Scope) -> None:
    match scope.kernel.kind:
        case "product":
            emit_product(scope)
        case "reduce":
            emit_reduction(scope)
        case "arg":
            emit_arg(scope)
        case "scatter":
            emit_scatter(scope)
        case "fill":
            emit_fill(scope)
        case _:
            source = scope.kernel.members[0].inputs[0] if is_transposition(scope.kernel) else None
            pointer = None if source is None else scope.memory.find(source)
            if source is None or pointer is None or scope.partition.kind != "rows":
                emit_map(scope)
            else:
                emit_transposition(scope, source, pointer)


def _place_of(node: Node, plan: Plan) -> Place:
    return Place("input", node.op.slot) if isinstance(node.op, Input) else plan.places[node][0]


def _leaves(kernel: Kernel, plan: Plan, members: set[Node]) -> list[Node]:
    """What the kernel reads from memory, in a fixed order."""
    found: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if isinstance(node.op, Input | Scalar) or (node in plan.places and node not in members):
            found[node] = None
            return
        for x in node.inputs:
            visit(x)

    for member in kernel.members:
        visit(member)
    return list(found)


def _numbers(b: Builder, kernel: Kernel, plan: Plan, pointer: Pointer) -> dict[Node, Value]:
    """The step's numbers and all arithmetic on them alone, computed once for the kernel."""
    numbers: dict[Node, Value] = {}
    members = set(kernel.members)
    seen: set[Node] = set()

    def visit(node: Node) -> None:
        if node in seen or (node in plan.places and node not in members):
            return
        seen.add(node)
        for x in node.inputs:
            visit(x)
        if isinstance(node.op, Scalar):
            numbers[node] = b.load(pointer, node.dtype, node.op.slot)
        elif (
            node.shape == ()
            and node.inputs
            and node not in members
            and all(_is_known(x) for x in node.inputs)
        ):
            numbers[node] = Evaluator(b, Memory({}), 1, numbers).at(node, [])

    def _is_known(x: Node) -> bool:
        return x in numbers or isinstance(x.op, Constant)

    for member in kernel.members:
        visit(member)
    return numbers
