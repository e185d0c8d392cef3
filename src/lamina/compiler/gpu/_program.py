"""Emission of a program's code for a device, with a kernel for each launch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.compiler.emit.pointers import Slot
from lamina.compiler.emit.reductions import emit_arg
from lamina.compiler.gpu._builder import Bounds, DeviceBuilder, DeviceModule, Dialect
from lamina.compiler.gpu._elements import emit_fill, emit_map, emit_scatter
from lamina.compiler.gpu._products import emit_product
from lamina.compiler.gpu._reductions import Team, emit_results, emit_rows, team_for
from lamina.compiler.gpu._schedule import Schedule, Stage, Task
from lamina.compiler.gpu._scope import THREADS, DeviceScope
from lamina.compiler.gpu._tiles import LARGE, Cut
from lamina.compiler.llvm import INDEX, INT32, Pointer, Value
from lamina.compiler.passes.fuse import Kernel

STEP = "step"
"""The argument of a launch with moving pointers: the step's number, to which the number at the base is added."""
_BYTE = np.dtype(np.int8)
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
                pointers[slot] = b.offset(pointer, b.mul(step, stride), _BYTE) if stride else pointer
        _emit_groups(b, schedule, schedule.groups(stage), pointers, b.block())


def _emit_groups(
    b: DeviceBuilder,
    schedule: Schedule,
    groups: Sequence[Sequence[Task]],
    pointers: dict[Slot, Pointer],
    block: Value,
) -> None:
    """Emit each group of tasks for its blocks.

    Groups are nested branches with no code after them, as some compilers duplicate code that follows a barrier in a
    branch.
    """
    first, *others = groups
    if not others:
        _emit_group(b, schedule, first, pointers, block)
        return
    blocks = first[0].how.blocks * len(first)

    def own() -> None:
        _emit_group(b, schedule, first, pointers, block)

    def rest() -> None:
        _emit_groups(b, schedule, others, pointers, b.sub(block, blocks))

    b.if_else(b.less(block, blocks), own, rest)


def _emit_group(
    b: DeviceBuilder, schedule: Schedule, group: Sequence[Task], pointers: dict[Slot, Pointer], block: Value
) -> None:
    """Emit the code of equal tasks once; each block selects the pointers of its task."""
    task = group[0]
    if len(group) > 1:
        number = b.divide_positive(block, task.how.blocks)
        block = b.sub(block, b.mul(number, task.how.blocks))
        is_it = [b.equal(number, i) for i in range(1, len(group))]
        pointers = {
            slots[0]: _chosen(b, is_it, [pointers[slot] for slot in slots])
            for slots in zip(*map(schedule.task_slots, group), strict=True)
        }
    _emit_task(b, schedule, task, pointers, block)


def _chosen(b: DeviceBuilder, is_it: Sequence[Value], pointers: Sequence[Pointer]) -> Pointer:
    """Select the pointer whose condition is true, or the first pointer, which has no condition."""
    found = pointers[0]
    for condition, pointer in zip(is_it, pointers[1:], strict=True):
        if pointer is not pointers[0]:
            found = b.where_address(condition, pointer, found)
    return found


def _emit_task(
    b: DeviceBuilder, schedule: Schedule, task: Task, pointers: dict[Slot, Pointer], block: Value
) -> None:
    common: Sequence[Pointer] = [pointers[slot] for slot in schedule.task_slots(task)[-2:]]
    scope = _scope(b, schedule, task.kernel, pointers, block, common)
    if isinstance(task.how, Cut):
        rows = task.how.tile.rows

        def then(first_row: Value) -> None:
            for follower in task.followers:
                b.barrier()
                own = _scope(b, schedule, follower, pointers, block, common)
                emit_rows(own, team_for(follower, schedule.limits), first_row, rows)

        emit_product(scope, task.how, then)
    elif isinstance(task.how, Team):
        if task.kernel.is_rowwise and task.how.parts == 1:
            emit_rows(scope, task.how, b.mul(block, task.how.results), task.how.results)
        else:
            emit_results(scope, task.how)
    else:
        _ELEMENTS[task.kernel.kind](scope)


def _scope(
    b: DeviceBuilder,
    schedule: Schedule,
    kernel: Kernel,
    pointers: dict[Slot, Pointer],
    block: Value,
    common: Sequence[Pointer],
) -> DeviceScope:
    frame = schedule.frame(kernel)
    own = [pointers[slot] for slot in frame.slots[: frame.scratch]]
    return DeviceScope(b, schedule.plan, kernel, frame, own, block, common)
