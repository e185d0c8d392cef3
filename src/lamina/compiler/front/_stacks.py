"""Many steps in one call, each with the next item of stacked arrays, and its own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina.compiler.front._arguments import Call
from lamina.compiler.front._batches import joined, of_one_step
from lamina.compiler.target import Overlap
from lamina.core.array import Array
from lamina.core.state import state
from lamina.errors import AutogradError, ShapeError
from lamina.nd.ndarray import NDArray

if TYPE_CHECKING:
    from lamina.compiler.front.compiled import CompiledFunction


def run_stacks(
    compiled: CompiledFunction,
    stacks: Sequence[Array],
    numbers: Sequence[Sequence[float]],
    arrays: Sequence[Array],
) -> Any:
    """See `CompiledFunction.run_stacks`."""
    _check(stacks, numbers)
    if state.trace is None:
        items = [_item(x, 0) for x in stacks]
        call = Call([*items, *numbers[0], *arrays], {}, moving=len(stacks))
        entry, taken = compiled.specialize(call)
        # A number whose value Python needs has a program for each value, and every number one for each type.
        if entry is not None and len(taken.numbers) == len(numbers[0]) and _are_alike(numbers):
            values = [value for of_step in numbers for value in entry.number_values(of_step)]
            try:
                return entry.fill(entry.run_steps(taken.arrays, values, len(numbers)))
            except Overlap:
                pass  # the single calls below warn about it
    item = _item if state.trace is None else _traced_item
    return joined(
        [
            of_one_step(compiled(*(item(x, step) for x in stacks), *of_step, *arrays))
            for step, of_step in enumerate(numbers)
        ]
    )


def _check(stacks: Sequence[Array], numbers: Sequence[Sequence[float]]) -> None:
    if state.recording:
        raise AutogradError(
            "run_stacks: its steps are not recorded. Compute the gradients inside the compiled function, and call it "
            "outside of autograd.record()"
        )
    for place, stack in enumerate(stacks):
        if not isinstance(stack, Array):
            raise TypeError(f"run_stacks: stack {place} is a {type(stack).__name__}; give nd.array(…) of it")
    shortest = min((x.shape[0] if x.shape else 0 for x in stacks), default=0)
    if not 0 < len(numbers) <= shortest:
        raise ShapeError(
            f"run_stacks: {len(numbers)} steps, but the shortest of {len(stacks)} stacks has {shortest} items"
        )
    for step, of_step in enumerate(numbers):
        if len(of_step) != len(numbers[0]):
            raise ShapeError(
                f"run_stacks: step {step} has {len(of_step)} numbers, but step 0 has {len(numbers[0])}"
            )


def _are_alike(numbers: Sequence[Sequence[float]]) -> bool:
    """Whether the numbers of all steps have the same types."""
    first = [type(x) for x in numbers[0]]
    return all([type(x) for x in of_step] == first for of_step in numbers)


def _item(stack: Array, step: int) -> NDArray:
    """One item of a stack, as a view of its memory, followed by the others."""
    data: Any = stack._data
    shape = data.shape[1:] or (1,)  # as x[step] has it
    if stack._context.is_host:
        item = NDArray(data[step : step + 1].reshape(shape), stack._context)
    else:
        item = NDArray(data.part(step * int(data.size // data.shape[0]), shape), stack._context)
    item._writes = stack._writes
    return item


def _traced_item(stack: Any, step: int) -> Any:
    """An item of a stack with unknown contents."""
    return stack[step]
