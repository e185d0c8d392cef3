"""Emission of a plan's code: a function for each distinct kernel, and the step that calls them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from lamina.compiler.cpu._builder import ThreadBuilder, ThreadModule
from lamina.compiler.cpu._outline import Outline, share_strands, work_of
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
    work, scratch_bytes = work_of(plan), _scratch_bytes(plan)
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
        strands=len(plan.strands),
        barriers=len(plan.barriers) + 1 if share_strands(plan, work) else 0,
        operations=_operations(plan),
        work=work,
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


# --- The loop over steps, which calls the functions of each strand's kernels -----------------------------------------
#
# Strands are independent sets of a step's kernels. Each is executed by one thread. So no thread waits for another, and
# the thread's caches keep the strand's data. Large strands that remain when each thread has had an equal number are
# executed by all threads together.


_FEWEST_IN_A_TABLE = 8  # calls; for fewer, a table is no shorter than the calls themselves
_WAIT = "wait"
"""The one function that is not a kernel: a barrier for the threads of a team."""


def emit_steps(module: ThreadModule, plan: Plan, frames: Sequence[Frame], outline: Outline) -> None:
    """Emit the function ``step`` for a plan with this outline, whose kernels have these frames."""
    names, layout = outline.kernels, outline.layout
    strands = [
        _Strand(plan, names[start:stop], frames[start:stop], groups)
        for start, stop in itertools.pairwise([0, *plan.strands])
        for groups in [groups_of(plan, range(start, stop), module.machine.l2_bytes)]
    ]
    together = outline.barriers > 0
    bytes_of_each = {layout.arena: plan.arena_bytes, layout.scratch: outline.scratch_bytes}
    with module.function(_WAIT) as b:
        b.barrier(b.argument("threads"))
    with module.function("step") as b:
        b.is_worth_trouble = len(strands) < 2  # an ensemble's is long, and is nothing beside its kernels
        memory = b.alloca(None, max(len(strand.slots) for strand in strands), LINE_BYTES)
        copy_held(b, plan, layout, enters=True)
        for number, strand in enumerate(strands):
            with _team(b, number, len(strands), together=together) as team:
                _fill_frames(b, strand, memory, bytes_of_each, team)
                _emit_strand(b, strand, memory, layout, team)
        copy_held(b, plan, layout, enters=False)


@dataclass(frozen=True)
class _Strand:
    """The kernels of a strand, divided into groups, with their functions and frames."""

    plan: Plan
    names: Sequence[str]
    frames: Sequence[Frame]
    groups: Sequence[Group]

    @property
    def first(self) -> int:
        """The index of the strand's first kernel in the plan."""
        return self.groups[0].start if self.groups else 0

    @cached_property
    def slots(self) -> list[Slot]:
        """The pointers of all frames, one frame after the other."""
        return [slot for frame in self.frames for slot in frame.slots]

    @cached_property
    def _starts(self) -> list[int]:
        """The position of each frame's first pointer in `slots`."""
        return list(itertools.accumulate((len(frame.slots) for frame in self.frames), initial=0))

    def calls(self, group: Group) -> list[_Call]:
        """The calls of a group's kernels, after a barrier if one is needed."""
        waits = self.plan.kernels[group.start] in self.plan.barriers
        own = range(group.start - self.first, group.stop - self.first)
        return [*([_Call(_WAIT, 0)] if waits else []), *(_Call(self.names[i], self._starts[i]) for i in own)]


@dataclass(frozen=True)
class _Call:
    """A function that the step calls, and the offset of its frame in the memory of all frames."""

    function: str
    start: int


@dataclass(frozen=True)
class _Team:
    """The threads that execute a strand: all threads, or one.

    Attributes:
        thread: this thread's number in the team.
        threads: the team's size.
        place: the number of the arena that the team uses.
    """

    thread: Value
    threads: Value
    place: Value


@contextmanager
def _team(b: ThreadBuilder, number: int, strands: int, *, together: bool) -> Generator[_Team]:
    """Emit the enclosed code for the team that executes a strand.

    The team is the strand's owner thread. With `together`, all threads execute the strands that remain after each
    thread has had the same number.
    """
    thread, threads = b.argument("thread"), b.argument("threads")
    if strands == 1:
        yield _Team(thread, threads, b.const(0))
        return
    owner = b.sub(number, b.mul(b.divide_positive(b.const(number), threads), threads))
    if not together:
        with b.if_(b.equal(owner, thread)):
            yield _Team(b.const(0), b.const(1), thread)
        return
    owned = b.mul(b.divide_positive(b.const(strands), threads), threads)
    is_own = b.less(number, owned)
    with b.if_(b.logical_or(b.logical_not(is_own), b.equal(owner, thread))):
        team = _Team(b.where(is_own, 0, thread), b.where(is_own, 1, threads), b.where(is_own, thread, 0))
        b.barrier(team.threads)  # other threads may still use the first thread's temporary memory
        yield team


def _emit_strand(b: ThreadBuilder, strand: _Strand, memory: Pointer, layout: Layout, team: _Team) -> None:
    """Emit all steps of a strand."""
    control = b.load_pointer(b.pointer_argument("arguments"), Layout.CONTROL)
    with b.loop(b.const(0), b.load(control, INDEX, Layout.STEPS)):
        for chunks, some in itertools.groupby(strand.groups, lambda group: group.chunks):
            sequences = [strand.calls(group) for group in some]
            if chunks == 1:
                name = f"{strand.first}_{sequences[0][-1].start}"
                _emit_calls(b, name, [call for sequence in sequences for call in sequence], memory, team)
            else:
                for sequence in sequences:
                    _emit_chunks(b, sequence, memory, chunks, team)
        _move_on(b, strand, memory, layout)
        b.barrier(team.threads)


def _emit_calls(b: ThreadBuilder, name: str, calls: Sequence[_Call], memory: Pointer, team: _Team) -> None:
    """Emit calls of functions with their frames; many calls become a loop over a constant table, named after `name`."""
    if len(calls) < _FEWEST_IN_A_TABLE:
        for call in calls:
            b.call(call.function, b.offset(memory, call.start, None), team.thread, team.threads)
        return
    functions = b.addresses(f"functions{name}", [call.function for call in calls])
    starts = b.constants(f"starts{name}", [call.start for call in calls])
    with b.loop(0, len(calls)) as i:
        frame = b.offset(memory, b.load(starts, INDEX, i), None)
        b.call(b.load_pointer(functions, i), frame, team.thread, team.threads)


def _emit_chunks(b: ThreadBuilder, calls: Sequence[_Call], memory: Pointer, chunks: int, team: _Team) -> None:
    """Emit calls of the kernels' functions for each chunk of this thread's share, after the barrier of `calls`."""
    if calls[0].function == _WAIT:
        b.barrier(team.threads)
        calls = calls[1:]
    with b.loop(0, chunks) as i:
        for call in calls:
            frame = b.offset(memory, call.start, None)
            b.call(call.function, frame, team.thread * chunks + i, team.threads * chunks)


def _fill_frames(
    b: ThreadBuilder, strand: _Strand, memory: Pointer, bytes_of_each: Mapping[int, int], team: _Team
) -> None:
    """Emit a loop over a constant table that stores the pointers of a strand's frames.

    Separate stores would be most of the step's code. `bytes_of_each` has, for each table entry, the bytes from one
    team's memory to the next team's.
    """
    table = b.pointer_argument("arguments")
    numbers = [(slot.entry, slot.offset, bytes_of_each.get(slot.entry, 0)) for slot in strand.slots]
    constants = b.constants(f"slots{strand.first}", [x for three in numbers for x in three])
    with b.loop(0, len(numbers)) as i:
        pointer = b.load_pointer(table, b.load(constants, INDEX, i * 3))
        own = b.load(constants, INDEX, i * 3 + 2) * team.place
        pointer = b.offset(pointer, b.load(constants, INDEX, i * 3 + 1) + own, BYTE)
        b.store_pointer(memory, pointer, i)


def _move_on(b: ThreadBuilder, strand: _Strand, memory: Pointer, layout: Layout) -> None:
    """Emit the code that advances the frames' pointers to the next step's numbers, rows and results."""
    slots = strand.slots
    moving = [(i, layout.strides[slot.entry]) for i, slot in enumerate(slots) if layout.strides[slot.entry]]
    if not moving:
        return
    constants = b.constants(f"moving{strand.first}", [number for pair in moving for number in pair])
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


def groups_of(plan: Plan, strand: range, cache_bytes: int) -> list[Group]:
    """A strand's kernels in groups, mostly of one kernel; with several chunks only where that keeps data cached."""
    groups: list[Group] = []
    start = strand.start
    for stop in range(strand.start + 1, strand.stop + 1):
        if stop == strand.stop or not _goes_on(plan, plan.kernels[start], plan.kernels[stop]):
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
