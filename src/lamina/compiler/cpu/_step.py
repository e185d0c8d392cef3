"""Emission of a plan's code: a function for each distinct kernel, and the step that calls them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lamina.compiler.cpu._builder import ThreadBuilder, ThreadModule
from lamina.compiler.cpu._outline import Outline, work_of
from lamina.compiler.cpu._products import (
    emit_product,
    emit_taken_rows,
    emit_transposition,
    is_turned,
    matrix_product_of,
)
from lamina.compiler.cpu._transpose import emit_transpose
from lamina.compiler.cpu.machine import target_machine
from lamina.compiler.emit.maps import emit_fill, emit_map, emit_scatter
from lamina.compiler.emit.pointers import Frame, Layout, Slot, kernel_names, kernel_text
from lamina.compiler.emit.reductions import emit_arg, emit_reduction
from lamina.compiler.emit.scope import ThreadScope
from lamina.compiler.llvm import BYTE, INDEX, DType, Pointer, Value
from lamina.compiler.llvm.cache import digest_of_primitives
from lamina.compiler.llvm.jit import key_on_disk
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Scalar
from lamina.compiler.passes.plan import Partition, Plan, bytes_touched
from lamina.core.memory import LINE_BYTES, rounded_up

_PAGE_BYTES = 4096
_TAKING = 10
"""The cost in operations of gathering an element from a large table, because of a cache miss."""


def outline_of(plan: Plan, rows: Mapping[int, int]) -> Outline:
    """The outline of a plan. `rows` has, by input slot, how many bytes each step advances the input's pointer."""
    scratch_bytes = _scratch_bytes(plan)
    texts = [kernel_text(kernel, plan) for kernel in plan.kernels]
    names = kernel_names(plan, texts)
    machine, primitives = target_machine(), digest_of_primitives()
    digests: dict[str, str] = {}
    for kernel, name, text in zip(plan.kernels, names, texts, strict=True):
        if name not in digests:
            context = f"{primitives}\n{_part_bytes(kernel, scratch_bytes)}"
            digests[name] = key_on_disk(machine, f"{context}\n{text}")
    return Outline(
        kernels=names,
        digests=[digests[name] for name in names],
        elsewhere={},
        layout=Layout.of(plan, rows),
        arena_bytes=plan.arena_bytes,
        held_bytes=plan.held_bytes,
        scratch_bytes=scratch_bytes,
        barriers=len(plan.barriers) + 1,
        operations=_operations(plan),
        work=work_of(plan),
        used_slots=plan.graph.used_slots,
        used_numbers=sorted({n.op.slot for n in plan.graph.nodes() if isinstance(n.op, Scalar)}),
    )


def _scratch_bytes(plan: Plan) -> int:
    """The size of each thread's scratch memory: whole pages, which share no cache line with other threads."""
    products = [k for k in plan.kernels if k.kind == "product"]
    return max((rounded_up(matrix_product_of(k).scratch_bytes, _PAGE_BYTES) for k in products), default=0)


def _part_bytes(kernel: Kernel, scratch_bytes: int) -> int:
    """The size of each thread's scratch memory if a kernel uses any, else 0: other programs may have more of it."""
    uses_it = kernel.kind == "product" and matrix_product_of(kernel).scratch_bytes
    return scratch_bytes if uses_it else 0


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
            _emit_kernel(b, plan, kernel, frame, _part_bytes(kernel, outline.scratch_bytes))
    emit_steps(module, plan, frames, outline)


def _emit_kernel(b: ThreadBuilder, plan: Plan, kernel: Kernel, frame: Frame, part_bytes: int) -> None:
    memory = b.pointer_argument("arguments")
    pointers = [b.load_pointer(memory, i) for i in range(frame.scratch)]
    scope = _PoolScope(b, plan, kernel, frame, pointers)
    scope.scratch = b.load_pointer(memory, frame.scratch)
    if part_bytes:
        # A thread's part has the same place in all kernels: without a barrier between two kernels, a thread in the
        # second one must not write to the part of a thread that is still in the first one.
        scope.scratch = b.offset(scope.scratch, b.argument("thread") * part_bytes, BYTE)
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


# --- The loop over steps, which calls the kernels' functions ---------------------------------------------------------


_FEWEST_IN_A_TABLE = 8  # calls; for fewer, a table is no shorter than the calls themselves
_WAIT = "wait"
"""The one function that is not a kernel: a barrier for the threads."""


def emit_steps(module: ThreadModule, plan: Plan, frames: Sequence[Frame], outline: Outline) -> None:
    """Emit the function ``step`` for a plan with this outline, whose kernels have these frames."""
    layout = outline.layout
    slots = [slot for frame in frames for slot in frame.slots]
    groups = groups_of(plan, module.machine.l2_bytes)
    calls = _calls(plan, outline.kernels, frames)
    with module.function(_WAIT) as b:
        b.barrier(b.argument("threads"))
    with module.function("step") as b:
        memory = b.alloca(None, len(slots), LINE_BYTES)
        copy_held(b, plan, layout, enters=True)
        _fill_frames(b, slots, memory)
        control = b.load_pointer(b.pointer_argument("arguments"), Layout.CONTROL)
        with b.loop(b.const(0), b.load(control, INDEX, Layout.STEPS)):
            for chunks, some in itertools.groupby(groups, lambda group: group.chunks):
                sequences = [calls[group.start : group.stop] for group in some]
                if chunks == 1:
                    _emit_calls(b, [one for sequence in sequences for two in sequence for one in two], memory)
                else:
                    for sequence in sequences:
                        _emit_chunks(b, [one for two in sequence for one in two], memory, chunks)
            _move_on(b, slots, memory, layout)
            b.barrier(b.argument("threads"))
        copy_held(b, plan, layout, enters=False)


@dataclass(frozen=True)
class _Call:
    """A function that the step calls, and the offset of its frame in the memory of all frames."""

    function: str
    start: int


def _calls(plan: Plan, names: Sequence[str], frames: Sequence[Frame]) -> list[list[_Call]]:
    """The calls for each kernel: of its function, after a barrier if one is needed."""
    starts = itertools.accumulate((len(frame.slots) for frame in frames), initial=0)
    return [
        [*([_Call(_WAIT, 0)] if kernel in plan.barriers else []), _Call(name, start)]
        for kernel, name, start in zip(plan.kernels, names, starts, strict=False)
    ]


def _emit_calls(b: ThreadBuilder, calls: Sequence[_Call], memory: Pointer) -> None:
    """Emit calls of functions with their frames; many calls become a loop over a constant table."""
    thread, threads = b.argument("thread"), b.argument("threads")
    if len(calls) < _FEWEST_IN_A_TABLE:
        for call in calls:
            b.call(call.function, b.offset(memory, call.start, None), thread, threads)
        return
    functions = b.addresses(f"functions{calls[-1].start}", [call.function for call in calls])
    starts = b.constants(f"starts{calls[-1].start}", [call.start for call in calls])
    with b.loop(0, len(calls)) as i:
        frame = b.offset(memory, b.load(starts, INDEX, i), None)
        b.call(b.load_pointer(functions, i), frame, thread, threads)


def _emit_chunks(b: ThreadBuilder, calls: Sequence[_Call], memory: Pointer, chunks: int) -> None:
    """Emit calls of the kernels' functions for each chunk of this thread's share, after the barrier of `calls`."""
    thread, threads = b.argument("thread"), b.argument("threads")
    if calls[0].function == _WAIT:
        b.barrier(threads)
        calls = calls[1:]
    with b.loop(0, chunks) as i:
        for call in calls:
            frame = b.offset(memory, call.start, None)
            b.call(call.function, frame, thread * chunks + i, threads * chunks)


def _fill_frames(b: ThreadBuilder, slots: Sequence[Slot], memory: Pointer) -> None:
    """Emit a loop over a constant table that stores the pointers of all frames.

    Separate stores would be most of the step's code.
    """
    table = b.pointer_argument("arguments")
    constants = b.constants("slots", [x for slot in slots for x in (slot.entry, slot.offset)])
    with b.loop(0, len(slots)) as i:
        pointer = b.load_pointer(table, b.load(constants, INDEX, i * 2))
        b.store_pointer(memory, b.offset(pointer, b.load(constants, INDEX, i * 2 + 1), BYTE), i)


def _move_on(b: ThreadBuilder, slots: Sequence[Slot], memory: Pointer, layout: Layout) -> None:
    """Emit the code that advances the frames' pointers to the next step's numbers, rows and results."""
    moving = [(i, layout.strides[slot.entry]) for i, slot in enumerate(slots) if layout.strides[slot.entry]]
    if not moving:
        return
    constants = b.constants("moving", [number for pair in moving for number in pair])
    with b.loop(0, len(moving)) as i:
        place = b.load(constants, INDEX, i * 2)
        pointer = b.load_pointer(memory, place)
        b.store_pointer(memory, b.offset(pointer, b.load(constants, INDEX, i * 2 + 1), BYTE), place)


# --- Consecutive kernels over the same rows, run chunk by chunk, so that a kernel finds its operands in the cache ----
#
# Between kernels without a barrier, each thread accesses only its own rows. So one thread can act for several: it runs
# all of the kernels for its first chunk, then for the next. The kernels' functions don't change: their number of
# threads is multiplied by the number of chunks.


_PART_OF_CACHE = 4
"""A chunk takes at most 1 / _PART_OF_CACHE of the second-level cache, which holds other data, too."""
_MOST_STEPS = 1 << 14  # of a partition, so that its split points stay below 2³¹
_MOST_CHUNKS = 64


@dataclass(frozen=True)
class Group:
    """Consecutive kernels of a plan, from index `start` to `stop`.

    Each thread divides its share into `chunks` chunks, and executes all of the kernels on a chunk before it begins the
    next chunk.
    """

    start: int
    stop: int
    chunks: int


def groups_of(plan: Plan, cache_bytes: int) -> list[Group]:
    """A plan's kernels in groups, mostly of one kernel; with several chunks only where that keeps data cached."""
    groups: list[Group] = []
    start = 0
    for stop in range(1, len(plan.kernels) + 1):
        if stop == len(plan.kernels) or not _goes_on(plan, plan.kernels[start], plan.kernels[stop]):
            groups.append(Group(start, stop, _chunks(plan, plan.kernels[start:stop], cache_bytes)))
            start = stop
    return groups


def _goes_on(plan: Plan, first: Kernel, kernel: Kernel) -> bool:
    """Whether a kernel can join the group that begins with `first`."""
    if kernel in plan.barriers or plan.partitions[kernel] != plan.partitions[first]:
        return False
    return _may_be_cut(plan, first) and _may_be_cut(plan, kernel)


def _may_be_cut(plan: Plan, kernel: Kernel) -> bool:
    """Whether a kernel can run in chunks: split into small parts by rows, and without scratch memory."""
    partition = plan.partitions[kernel]
    steps = -(-partition.extent // partition.step)
    if partition.kind != "rows" or steps > _MOST_STEPS:
        return False
    return kernel.kind != "product" or not matrix_product_of(kernel).scratch_bytes


def _chunks(plan: Plan, kernels: Sequence[Kernel], cache_bytes: int) -> int:
    if len(kernels) == 1:
        return 1
    nbytes = sum(bytes_touched(kernel, plan) for kernel in kernels)
    if nbytes <= cache_bytes // 2:
        return 1
    partition = plan.partitions[kernels[0]]
    steps = -(-partition.extent // partition.step)
    return min(-(-nbytes * _PART_OF_CACHE // cache_bytes), steps, _MOST_CHUNKS)


# --- Inputs that are copied to their transposed copies before the first of several steps, and back after the last ----


def copy_held(b: ThreadBuilder, plan: Plan, layout: Layout, *, enters: bool) -> None:
    """Emit code that copies inputs to their transposed copies if `enters` is true, else back to their buffers.

    When executed, the code copies only if the step's control numbers request this. Barriers separate the copies from
    the kernels.
    """
    if not plan.held:
        return
    table, threads = b.pointer_argument("arguments"), b.argument("threads")
    control, holding = b.load_pointer(table, Layout.CONTROL), b.load_pointer(table, layout.holding)
    wanted = b.load(control, INDEX, Layout.ENTERS if enters else Layout.LEAVES)
    with b.if_(b.less(b.const(0), wanted)):
        if not enters:
            b.barrier(threads)
        for slot, offset in plan.held.items():
            shape, dtype = plan.graph.inputs[slot]
            ends = b.load_pointer(table, Layout.FIRST_INPUT + slot), b.offset(holding, offset, BYTE)
            name = _transposed_copy(b, shape if enters else shape[::-1], dtype)
            b.call(name, *(ends if enters else ends[::-1]), b.argument("thread"), threads)
        b.barrier(threads)


def _transposed_copy(step: ThreadBuilder, shape: tuple[int, ...], dtype: DType) -> str:
    """The name of the function that copies a matrix transposed, with its columns divided among the threads."""
    rows, columns = shape
    name = f"transpose_{rows}x{columns}_{dtype.name}"
    if name not in step.module.functions:
        arguments = {"source": None, "destination": None, "thread": INDEX, "threads": INDEX}
        with step.module.function(name, arguments, internal=True) as b:
            source, destination = b.pointer_argument("source"), b.pointer_argument("destination")
            share = b.split(columns, LINE_BYTES // dtype.itemsize)
            ends = (source, columns), (destination, rows)
            emit_transpose(b, dtype, *ends, (b.const(0), b.const(rows)), share)
    return name


# --- The division of a kernel among threads: by rows or columns, never along a reduced axis --------------------------


_ROW_STEP = 8
_BLOCK_BYTES = 32  # a block of random words fills four float64 or eight float32
_COLUMN_STEP = 64
_NARROW = 128
_TALL = 4


def partition_of(kernel: Kernel, updates: int) -> Partition:
    """The partition of a kernel.

    Products are split as in `_product_partition`, other kernels by rows if possible. `updates` is the number of arrays
    that the kernel updates in place, such as a weight and its moments.
    """
    if kernel.kind == "scatter":
        return Partition("serial")
    if kernel.kind == "fill":
        (node,) = kernel.stores
        return Partition("flat", -(-node.nbytes // _BLOCK_BYTES), 1)
    if kernel.kind == "product":
        if len(kernel.domain) != 2:
            return Partition("rows", kernel.domain[0], 1)
        return _product_partition(kernel, updates)
    if kernel.kind == "map":
        return _widest(kernel)
    kept = kernel.kept
    if kept and (kernel.kind == "arg" or kernel.is_rowwise):
        if 0 not in kernel.reduced:
            return Partition("rows", kept[0], _row_step(kernel, kept))
    elif kept and len(kernel.domain) - 1 not in kernel.reduced:
        return Partition("columns", kept[-1], _COLUMN_STEP)
    return Partition("serial")


def _product_partition(kernel: Kernel, updates: int) -> Partition:
    """The partition of a product, usually by columns, which keeps each thread's share of the weights in its cache.

    Two kinds of products are split by rows:

    * products of very many samples, because with a split by columns each thread would pack all samples;
    * products that update optimizer state as well as the weight. With a split by columns, the threads' shares of each
      row alternate in memory, and hardware prefetching into another thread's share takes its cache lines away. If
      each thread would also pack all rows, products that update only the weight are split by rows, too.
    """
    rows, columns = kernel.domain
    shape, turned = matrix_product_of(kernel), is_turned(kernel.main)
    row_step, column_step = shape.row_step, shape.column_step
    if turned:
        row_step, column_step = column_step, row_step
    packs_rows = shape.is_on_unit and not turned  # a thread that computes some columns packs all rows
    is_tall = rows >= _TALL * columns
    has_state = updates >= (1 if packs_rows else 2) and rows >= _NARROW
    if columns >= _NARROW and not is_tall and not has_state:
        return Partition("columns", columns, column_step)
    return Partition("rows", rows, row_step)


def _row_step(kernel: Kernel, shape: tuple[int, ...]) -> int:
    """The step of a partition by rows. It is 1 for batches of matrices that fill whole cache lines."""
    row_bytes = math.prod(shape[1:]) * min(node.dtype.itemsize for node in kernel.stores)
    return 1 if len(kernel.domain) > 2 and row_bytes % LINE_BYTES == 0 else _ROW_STEP


def _widest(kernel: Kernel) -> Partition:
    """A partition by rows, or by columns if there are few rows."""
    domain = kernel.domain
    if len(domain) == 0:
        return Partition("serial")
    if len(domain) > 1 and domain[0] < _ROW_STEP < domain[-1]:
        return Partition("columns", domain[-1], _COLUMN_STEP)
    return Partition("rows", domain[0], _row_step(kernel, domain) if len(domain) > 1 else _COLUMN_STEP)
