"""Assignment of kernels to launches, which compute independent kernels in separate blocks; and emission of their code.

A launch begins when the previous launch has ended; there is no other order between blocks. Kernels that work row by row
on a product's results follow the product in the same blocks, if these compute whole rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from lamina.compiler.emit.pointers import Frame, Layout, Slot, kernel_text
from lamina.compiler.emit.reductions import emit_arg
from lamina.compiler.gpu import _loops as loops
from lamina.compiler.gpu._builder import Bounds, DeviceBuilder, DeviceModule, Dialect
from lamina.compiler.gpu._loops import THREADS, DeviceScope, Division, Team
from lamina.compiler.gpu._products import emit_product
from lamina.compiler.gpu._tiles import LARGE, Cut, cut_for
from lamina.compiler.llvm import BYTE, INDEX, INT32, Pointer, Value
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.plan import Partition, Plan, Touch, memory_reads, touches
from lamina.core.precision import Precision
from lamina.device.interface import Limits

_MOST_POINTERS = 96
"""The most arguments of a kernel, since some drivers allow only 1024 bytes."""


@dataclass(eq=False)
class Task:
    """A kernel, its division among blocks, and the kernels that follow it in the same blocks, if any.

    `counters` and `sums` are the offsets of its counters and of its partial sums in the memory that blocks share.
    """

    kernel: Kernel
    how: Division
    followers: list[Kernel] = field(default_factory=list)
    counters: int = 0
    sums: int = 0

    @property
    def kernels(self) -> list[Kernel]:
        """All kernels of the task, in order."""
        return [self.kernel, *self.followers]


@dataclass(eq=False)
class Stage:
    """The tasks of one launch."""

    tasks: list[Task] = field(default_factory=list)
    name: str = ""

    @property
    def blocks(self) -> int:
        """The number of blocks of all tasks."""
        return sum(task.how.blocks for task in self.tasks)


class Schedule:
    """The launches of a plan, in order."""

    def __init__(self, plan: Plan, layout: Layout, limits: Limits) -> None:
        self.plan, self.layout, self.limits = plan, layout, limits
        tasks, levels = _levels(plan, limits)
        self.stages: list[Stage] = []
        for level in range(max(levels, default=-1) + 1):
            self._add_stages([t for t, own in zip(tasks, levels, strict=True) if own == level])
        self._place_common_memory()
        names: dict[str, str] = {}
        for number, stage in enumerate(self.stages):
            stage.name = names.setdefault(self._text(stage), f"stage{number}")

    # --- launches ----------------------------------------------------------------------------------------------------

    def _add_stages(self, tasks: Sequence[Task]) -> None:
        """Add a launch for these tasks, or several launches if the tasks have too many pointers."""
        stage = Stage()
        for task in tasks:
            longer = Stage([*stage.tasks, task])
            if stage.tasks and len(self.slots(longer)) > _MOST_POINTERS:
                self.stages.append(stage)
                longer = Stage([task])
            stage = longer
        if stage.tasks:
            self.stages.append(stage)

    def frame(self, kernel: Kernel) -> Frame:
        """The pointers of a kernel. The last pointer, to scratch memory, is not used."""
        return Frame.of(self.plan, kernel, self.layout)

    def task_slots(self, task: Task) -> list[Slot]:
        """The pointers of a task: to its kernels' memory, then to its counters and partial sums."""
        slots = [slot for kernel in task.kernels for slot in self.frame(kernel).slots[:-1]]
        if task.how.parts > 1:
            slots += [Slot(self.layout.scratch, task.counters), Slot(self.layout.scratch, task.sums)]
        return slots

    def slots(self, stage: Stage) -> list[Slot]:
        """The distinct pointers of a launch."""
        return list(dict.fromkeys(slot for task in stage.tasks for slot in self.task_slots(task)))

    def groups(self, stage: Stage) -> list[list[Task]]:
        """The tasks of a launch, grouped by code that is equal but for pointers; an ensemble has many such tasks."""
        found: dict[str, list[Task]] = {}
        for task in stage.tasks:
            found.setdefault(self._task_text(task, self.task_slots(task)), []).append(task)
        return list(found.values())

    def moves(self, stage: Stage) -> bool:
        """Whether pointers of a launch advance from step to step."""
        return any(self.layout.strides[slot.entry] for slot in self.slots(stage))

    def _text(self, stage: Stage) -> str:
        """A text with everything on which the code of a launch depends."""
        slots = self.slots(stage)
        strides = [self.layout.strides[slot.entry] for slot in slots]
        return "\n".join([repr(strides), *(self._task_text(task, slots) for task in stage.tasks)])

    def _task_text(self, task: Task, slots: Sequence[Slot]) -> str:
        """A text with everything on which a task's code depends; its pointers are positions in `slots`."""
        own = [slots.index(slot) for slot in self.task_slots(task)]
        return "\n".join([repr((task.how, own)), *(kernel_text(k, self.plan) for k in task.kernels)])

    # --- memory that blocks have in common -------------------------------------------------------------------

    def _place_common_memory(self) -> None:
        """Set the offsets of all tasks' counters and partial sums.

        All launches use the same memory for counters, since each launch resets them. The memory after the counters is
        used for the partial sums of each launch in turn.
        """
        for stage in self.stages:
            start = 0
            for task in stage.tasks:
                task.counters, start = start, start + task.how.counters_bytes
        for stage in self.stages:
            start = self.counters_bytes
            for task in stage.tasks:
                task.sums, start = start, start + task.how.sums_bytes

    @cached_property
    def counters_bytes(self) -> int:
        """The bytes of counters, which must be zero before the first step."""
        return max((sum(t.how.counters_bytes for t in s.tasks) for s in self.stages), default=0)

    @cached_property
    def scratch_bytes(self) -> int:
        """The bytes of the whole scratch memory: counters, then partial sums."""
        sums = max((sum(t.how.sums_bytes for t in s.tasks) for s in self.stages), default=0)
        return self.counters_bytes + sums


# --- what waits for what ---------------------------------------------------------------------------------------------


def _levels(plan: Plan, limits: Limits) -> tuple[list[Task], list[int]]:
    """The tasks of a plan, and for each task the number of the earliest possible launch."""
    tasks: list[Task] = []
    levels: list[int] = []
    touched: list[list[Touch]] = []  # by each task's kernels together
    for kernel in plan.kernels:
        task = _task(kernel, limits, plan.graph.precision)
        if not task.how.blocks:
            continue
        own = _touches(plan, kernel)
        waits = [i for i, other in enumerate(touched) if _meetings(own, other)]
        level = max((levels[i] + 1 for i in waits), default=0)
        latest = [i for i in waits if levels[i] == level - 1]
        may_follow = len(latest) == 1 and _may_follow(tasks[latest[0]], kernel)
        if may_follow and all(x.shares(y) for x, y in _meetings(own, touched[latest[0]])):
            tasks[latest[0]].followers.append(kernel)
            touched[latest[0]] += own
            continue
        tasks.append(task)
        levels.append(level)
        touched.append(own)
    return tasks, levels


def _touches(plan: Plan, kernel: Kernel) -> list[Touch]:
    """A kernel's accesses to memory; blocks share it by rows of its domain."""
    rows = kernel.domain[:1]
    reads = memory_reads(kernel, plan.places)
    return touches(plan, kernel, reads, Partition("rows"), lambda node: node.shape[:1] == rows != ())


def _meetings(own: Sequence[Touch], others: Sequence[Touch]) -> list[tuple[Touch, Touch]]:
    """The pairs of accesses that must keep their order."""
    return [(x, y) for x in own for y in others if x.meets(y)]


def _task(kernel: Kernel, limits: Limits, precision: Precision) -> Task:
    if kernel.kind == "product":
        return Task(kernel, cut_for(kernel, limits, precision))
    is_team = kernel.kind == "reduce"
    return Task(kernel, loops.team_for(kernel, limits) if is_team else loops.division_of_elements(kernel))


def _may_follow(task: Task, kernel: Kernel) -> bool:
    """Whether a kernel works row by row on a product's results, and a single block computes each row."""
    cut, product = task.how, task.kernel
    if not isinstance(cut, Cut) or len(product.domain) != 2 or cut.across != 1:
        return False
    return kernel.is_rowwise and kernel.kept == product.domain[:1]


# --- code: a kernel for each launch ---------------------------------------------------------------------------------

STEP = "step"
"""The argument of a launch with moving pointers: the step's number, to which the number at the base is added."""
_ELEMENTS = {"map": loops.emit_map, "arg": emit_arg, "scatter": loops.emit_scatter, "fill": loops.emit_fill}


def emit_program(dialect: Dialect, schedule: Schedule) -> DeviceModule:
    """Emit a kernel for each launch; equal launches share a kernel."""
    module = DeviceModule(dialect)
    for stage in schedule.stages:
        if stage.name not in module.functions:
            _emit_stage(module, schedule, stage)
    return module


def _emit_stage(module: DeviceModule, schedule: Schedule, stage: Stage) -> None:
    slots = schedule.slots(stage)
    moves = schedule.moves(stage)
    count = len(slots) + moves  # the last pointer is the base
    tiles = [task.how.tile for task in stage.tasks if isinstance(task.how, Cut)]
    bounds = Bounds(THREADS, 1 if LARGE in tiles else 2)
    with module.kernel(stage.name, count, [STEP] if moves else [], bounds) as b:
        pointers: dict[Slot, Pointer] = {s: b.pointer_argument(f"p{i}") for i, s in enumerate(slots)}
        if moves:
            base = b.load(b.pointer_argument(f"p{len(slots)}"), INT32)
            step = b.add(b.argument(STEP), b.cast(base, INDEX))
            for slot, pointer in pointers.items():
                stride = schedule.layout.strides[slot.entry]
                pointers[slot] = b.offset(pointer, b.mul(step, stride), BYTE) if stride else pointer
        _Blocks(b, schedule, pointers, b.block()).emit_groups(schedule.groups(stage))


@dataclass(frozen=True)
class _Blocks:
    """The blocks of some of a launch's tasks, with the pointers of their slots; `block` numbers the emitted one."""

    b: DeviceBuilder
    schedule: Schedule
    pointers: dict[Slot, Pointer]
    block: Value

    def emit_groups(self, groups: Sequence[Sequence[Task]]) -> None:
        """Emit each group of tasks for its blocks.

        Groups are nested branches with no code after them, as some compilers duplicate code that follows a barrier in a
        branch.
        """
        first, *others = groups
        if not others:
            self.emit_group(first)
            return
        b, blocks = self.b, first[0].how.blocks * len(first)
        b.if_else(
            b.less(self.block, blocks),
            lambda: self.emit_group(first),
            lambda: replace(self, block=b.sub(self.block, blocks)).emit_groups(others),
        )

    def emit_group(self, group: Sequence[Task]) -> None:
        """Emit the code of equal tasks once; each block selects the pointers of its task."""
        task, b = group[0], self.b
        if len(group) == 1:
            self.emit_task(task)
            return
        number = b.divide_positive(self.block, task.how.blocks)
        block = b.sub(self.block, b.mul(number, task.how.blocks))
        is_it = [b.equal(number, i) for i in range(1, len(group))]
        pointers = {
            slots[0]: _chosen(b, is_it, [self.pointers[slot] for slot in slots])
            for slots in zip(*map(self.schedule.task_slots, group), strict=True)
        }
        replace(self, pointers=pointers, block=block).emit_task(task)

    def emit_task(self, task: Task) -> None:
        b, how, scope = self.b, task.how, self.scope(task, task.kernel)
        if isinstance(how, Cut):

            def then(first_row: Value) -> None:
                for follower in task.followers:
                    b.barrier()
                    team = loops.team_for(follower, self.schedule.limits)
                    loops.emit_rows(self.scope(task, follower), team, first_row, how.tile.rows)

            emit_product(scope, how, then)
        elif not isinstance(how, Team):
            _ELEMENTS[task.kernel.kind](scope)
        elif task.kernel.is_rowwise and how.parts == 1:
            loops.emit_rows(scope, how, b.mul(self.block, how.results), how.results)
        else:
            loops.emit_results(scope, how)

    def scope(self, task: Task, kernel: Kernel) -> DeviceScope:
        """The scope of one of a task's kernels."""
        frame = self.schedule.frame(kernel)
        own = [self.pointers[slot] for slot in frame.slots[: frame.scratch]]
        common = [self.pointers[slot] for slot in self.schedule.task_slots(task)[-2:]]
        return DeviceScope(self.b, self.schedule.plan, kernel, frame, own, self.block, common)


def _chosen(b: DeviceBuilder, is_it: Sequence[Value], pointers: Sequence[Pointer]) -> Pointer:
    """Select the pointer whose condition is true, or the first pointer, which has no condition."""
    found = pointers[0]
    for condition, pointer in zip(is_it, pointers[1:], strict=True):
        if pointer is not pointers[0]:
            found = b.where_address(condition, pointer, found)
    return found
