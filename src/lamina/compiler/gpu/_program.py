"""Emission of a program's code for a device, with a kernel for each launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lamina.compiler.emit.pointers import Slot
from lamina.compiler.emit.reductions import emit_arg
from lamina.compiler.gpu._builder import Bounds, DeviceBuilder, DeviceModule, Dialect
from lamina.compiler.gpu._loops import (
    THREADS,
    DeviceScope,
    Team,
    emit_fill,
    emit_map,
    emit_results,
    emit_rows,
    emit_scatter,
    team_for,
)
from lamina.compiler.gpu._products import emit_product
from lamina.compiler.gpu._schedule import Schedule, Stage, Task
from lamina.compiler.gpu._tiles import LARGE, Cut
from lamina.compiler.llvm import BYTE, INDEX, INT32, Pointer, Value
from lamina.compiler.passes.fuse import Kernel

STEP = "step"
"""The argument of a launch with moving pointers: the step's number, to which the number at the base is added."""
_ELEMENTS = {"map": emit_map, "arg": emit_arg, "scatter": emit_scatter, "fill": emit_fill}


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
                    team = team_for(follower, self.schedule.limits)
                    emit_rows(self.scope(task, follower), team, first_row, how.tile.rows)

            emit_product(scope, how, then)
        elif not isinstance(how, Team):
            _ELEMENTS[task.kernel.kind](scope)
        elif task.kernel.is_rowwise and how.parts == 1:
            emit_rows(scope, how, b.mul(self.block, how.results), how.results)
        else:
            emit_results(scope, how)

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
