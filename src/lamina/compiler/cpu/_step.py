"""The step function: a loop over batches that calls one function a kernel."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lamina.compiler.cpu._builder import ThreadBuilder, ThreadModule
from lamina.compiler.cpu._cache_lines import LINE_BYTES
from lamina.compiler.cpu._chunks import Group, groups_of
from lamina.compiler.cpu._products import (
    emit_product,
    emit_transposition,
    matrix_product_of,
    rounded_scratch,
)
from lamina.compiler.cpu._taken_rows import emit_taken_rows
from lamina.compiler.cpu._transpose import emit_transpose
from lamina.compiler.emit.expressions import Memory, step_numbers
from lamina.compiler.emit.fills import emit_fill
from lamina.compiler.emit.maps import emit_map
from lamina.compiler.emit.pointers import Frame, Layout, Slot, kernel_names
from lamina.compiler.emit.reductions import emit_arg, emit_reduction
from lamina.compiler.emit.scatters import emit_scatter
from lamina.compiler.emit.scope import Scope
from lamina.compiler.llvm import INDEX, Pointer, Value
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Scalar
from lamina.compiler.passes.plan import Plan

__all__ = ["emit_program", "scratch_bytes"]

_BYTE = np.dtype(np.int8)
_FEWEST_IN_A_TABLE = 8  # calls: fewer are no more code without one


def scratch_bytes(plan: Plan) -> int:
    """The scratch memory that each thread needs."""
    products = [k for k in plan.kernels if k.kind == "product"]
    return max((rounded_scratch(matrix_product_of(k).scratch_bytes) for k in products), default=0)


def emit_program(
    module: ThreadModule, plan: Plan, layout: Layout, names: Sequence[str] | None = None
) -> None:
    """Write ``step``, which runs a number of steps, and a function for each kind of kernel.

    `names`: the plan's `kernel_names`, for a caller that has them.
    """
    names = kernel_names(plan) if names is None else names
    frames = [Frame.of(plan, kernel, layout) for kernel in plan.kernels]
    written: set[str] = set()
    part_bytes = scratch_bytes(plan)
    for kernel, name, frame in zip(plan.kernels, names, frames, strict=True):
        if name not in written:
            written.add(name)
            with module.function(name) as b:
                _emit_kernel(b, plan, kernel, frame, part_bytes)
    written.clear()
    for rows, columns, dtype in sorted({_held_type(plan, slot) for slot in plan.held}):
        for shape in dict.fromkeys([(rows, columns), (columns, rows)]):
            if (name := _transposed_copy(*shape, dtype)) not in written:
                written.add(name)
                _emit_transposed_copy(module, name, *shape, dtype)
    with module.function(_WAIT.function) as b:
        b.barrier()
    with module.function("step") as b:
        _emit_steps(b, plan, names, frames, layout, groups_of(plan, module.machine.l2_bytes))


def _emit_steps(
    b: ThreadBuilder,
    plan: Plan,
    names: Sequence[str],
    frames: Sequence[Frame],
    layout: Layout,
    groups: Sequence[Group],
) -> None:
    table = b.pointer_argument("arguments")
    control = b.load_pointer(table, Layout.CONTROL)
    last = b.load(control, INDEX, Layout.STEPS)
    slots = [slot for frame in frames for slot in frame.slots]
    memory = b.alloca(None, len(slots), LINE_BYTES)
    _copy_held(b, plan, layout, enters=True)
    _fill_frames(b, table, slots, memory)
    starts = itertools.accumulate((len(frame.slots) for frame in frames), initial=0)
    calls = [_Call(name, start) for name, start in zip(names, starts, strict=False)]
    with b.loop(b.const(0), last):
        for chunks, some in itertools.groupby(groups, lambda group: group.chunks):
            sequence: list[_Call] = []
            for group in some:
                waits = plan.kernels[group.start] in plan.barriers
                sequence += [*([_WAIT] if waits else []), *calls[group.start : group.stop]]
                if chunks > 1:
                    _emit_chunks(b, sequence, memory, chunks)
                    sequence = []
            if chunks == 1:
                _emit_calls(b, sequence, memory)
        _move_on(b, slots, memory, layout)
        b.barrier()
    _copy_held(b, plan, layout, enters=False)


@dataclass(frozen=True)
class _Call:
    """A function that the step calls, and where in the memory of all frames its own begins."""

    function: str
    start: int


_WAIT = _Call("wait", 0)
"""No kernel: the threads wait for each other."""


def _emit_calls(b: ThreadBuilder, sequence: Sequence[_Call], memory: Pointer) -> None:
    """Call functions with their frames: many of them by a loop over a table."""
    thread, threads = b.argument("thread"), b.argument("threads")
    if len(sequence) < _FEWEST_IN_A_TABLE:
        for call in sequence:
            if call is _WAIT:
                b.barrier()
            else:
                b.call(call.function, b.offset(memory, call.start, None), thread, threads)
        return
    number = next(call.start for call in sequence if call is not _WAIT)
    functions = b.addresses(f"functions{number}", [call.function for call in sequence])
    starts = b.constants(f"starts{number}", [call.start for call in sequence])
    with b.loop(0, len(sequence)) as i:
        frame = b.offset(memory, b.load(starts, INDEX, i), None)
        b.call(b.load_pointer(functions, i), frame, thread, threads)


def _emit_chunks(b: ThreadBuilder, sequence: Sequence[_Call], memory: Pointer, chunks: int) -> None:
    """Call kernels' functions, chunk by chunk of this thread's share, after a wait if it begins with one."""
    thread, threads = b.argument("thread"), b.argument("threads")
    if sequence[0] is _WAIT:
        b.barrier()
    with b.loop(0, chunks) as i:
        for call in sequence:
            if call is not _WAIT:
                frame = b.offset(memory, call.start, None)
                b.call(call.function, frame, thread * chunks + i, threads * chunks)


def _fill_frames(b: ThreadBuilder, table: Pointer, slots: Sequence[Slot], memory: Pointer) -> None:
    """Write the pointers of all frames, by a loop over constants: a store each would be most of the step's code."""
    constants = b.constants("slots", [number for slot in slots for number in (slot.entry, slot.offset)])
    with b.loop(0, len(slots)) as i:
        pointer = b.load_pointer(table, b.load(constants, INDEX, i * 2))
        pointer = b.offset(pointer, b.load(constants, INDEX, i * 2 + 1), _BYTE)
        b.store_pointer(memory, pointer, i)


def _move_on(b: ThreadBuilder, slots: Sequence[Slot], memory: Pointer, layout: Layout) -> None:
    """Point the frames to what the next step reads and writes: its numbers, its rows, its results."""
    moving = [(i, layout.strides[slot.entry]) for i, slot in enumerate(slots) if layout.strides[slot.entry]]
    if not moving:
        return
    constants = b.constants("moving", [number for pair in moving for number in pair])
    with b.loop(0, len(moving)) as i:
        place = b.load(constants, INDEX, i * 2)
        pointer = b.load_pointer(memory, place)
        b.store_pointer(memory, b.offset(pointer, b.load(constants, INDEX, i * 2 + 1), _BYTE), place)


def _copy_held(b: ThreadBuilder, plan: Plan, layout: Layout, *, enters: bool) -> None:
    """Transpose the held inputs from their buffers into the arena, or back, where the caller asks for it."""
    if not plan.held:
        return
    table = b.pointer_argument("arguments")
    control, arena = b.load_pointer(table, Layout.CONTROL), b.load_pointer(table, layout.arena)
    wanted = b.load(control, INDEX, Layout.ENTERS if enters else Layout.LEAVES)
    with b.if_(b.less(b.const(0), wanted)):
        for slot, offset in plan.held.items():
            buffer = b.load_pointer(table, Layout.FIRST_INPUT + slot)
            inside = b.offset(arena, offset, _BYTE)
            rows, columns, dtype = _held_type(plan, slot)
            source, destination = (buffer, inside) if enters else (inside, buffer)
            shape = (rows, columns) if enters else (columns, rows)
            name = _transposed_copy(*shape, dtype)
            b.call(name, source, destination, b.argument("thread"), b.argument("threads"))
        b.barrier()


def _held_type(plan: Plan, slot: int) -> tuple[int, int, str]:
    (rows, columns), dtype = plan.graph.inputs[slot]
    return rows, columns, dtype.str


def _transposed_copy(rows: int, columns: int, dtype: str) -> str:
    """The name of the function that copies a matrix of this type transposed."""
    return f"transpose_{rows}x{columns}_{np.dtype(dtype).name}"


def _emit_transposed_copy(module: ThreadModule, name: str, rows: int, columns: int, dtype: str) -> None:
    """A function that copies a matrix transposed, shared among the threads by its columns."""
    arguments = {"source": None, "destination": None, "thread": INDEX, "threads": INDEX}
    kind = np.dtype(dtype)
    with module.function(name, arguments, internal=True) as b:
        source, destination = b.pointer_argument("source"), b.pointer_argument("destination")
        share = b.split(columns, LINE_BYTES // kind.itemsize)
        emit_transpose(b, kind, source, columns, destination, rows, (b.const(0), b.const(rows)), share)


def _emit_kernel(b: ThreadBuilder, plan: Plan, kernel: Kernel, frame: Frame, part_bytes: int) -> None:
    memory = b.pointer_argument("arguments")
    leaves = {node: b.load_pointer(memory, i) for i, node in enumerate(frame.leaves)}
    targets = {node: [b.load_pointer(memory, i) for i in where] for node, where in frame.targets.items()}
    numbers = step_numbers(b, kernel, plan, leaves)
    buffers = Memory({node: p for node, p in leaves.items() if not isinstance(node.op, Scalar)})
    scratch = b.load_pointer(memory, frame.scratch)
    if kernel.kind == "product":
        # A thread's part is at the same place in all kernels: without a barrier between them, the thread that is in the
        # next kernel already must not write to the part of one that is still in this one.
        scratch = b.offset(scratch, b.argument("thread") * part_bytes, _BYTE)
    scope = ThreadScope(b, kernel, plan.partitions[kernel], buffers, targets, numbers, scratch)
    if not (emit_transposition(scope) or emit_taken_rows(scope)):
        _EMITTERS[kernel.kind](scope)


class ThreadScope(Scope):
    """A kernel whose workers are the threads of the pool."""

    b: ThreadBuilder

    def split(self, extent: int, step: int) -> tuple[Value, Value]:
        """A thread's share, as even as can be."""
        return self.b.split(extent, step)

    def is_first(self) -> Value:
        """Whether it is thread 0."""
        return self.b.equal(self.b.argument("thread"), 0)


_EMITTERS: dict[str, Callable[[Scope], None]] = {
    "product": emit_product,
    "reduce": emit_reduction,
    "arg": emit_arg,
    "scatter": emit_scatter,
    "fill": emit_fill,
    "map": emit_map,
}
