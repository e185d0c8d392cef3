"""Assignment of kernels to launches: independent kernels run side by side in one launch, each in separate blocks.

A launch begins when the previous launch has ended; there is no other order between blocks. Kernels that work row by row
on a product's results follow the product in the same blocks, if these compute whole rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from lamina.compiler.emit.pointers import Frame, Layout, Slot, kernel_text
from lamina.compiler.gpu._loops import Division, division_of_elements, team_for
from lamina.compiler.gpu._tiles import Cut, cut_for
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
    return Task(kernel, team_for(kernel, limits) if kernel.kind == "reduce" else division_of_elements(kernel))


def _may_follow(task: Task, kernel: Kernel) -> bool:
    """Whether a kernel works row by row on a product's results, and a single block computes each row."""
    cut, product = task.how, task.kernel
    if not isinstance(cut, Cut) or len(product.domain) != 2 or cut.across != 1:
        return False
    return kernel.is_rowwise and kernel.kept == product.domain[:1]
