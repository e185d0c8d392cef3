"""Many steps in one go, each with the next item of stacked arrays and numbers of its own."""

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

__all__ = ["run_stacks"]


def run_stacks(
    compiled: CompiledFunction,
    stacks: Sequence[Array],
    numbers: Sequence[Sequence[float]],
    arrays: Sequence[Array],
) -> Any:
    """See `CompiledFunction.run_stacks`."""
    _check(stacks, numbers)
    if state.trace is None:
        call = Call([*(_item(x, 0) for x in stacks), *numbers[0], *arrays], {}, moving=len(stacks))
        entry, taken = compiled.specialize(call)
        # Of a number that Python needs to know, each value has a program of its own.
        if entry is not None and len(taken.numbers) == len(numbers[0]):
            values = [value for of_step in numbers for value in entry.number_values(of_step)]
            try:
                return entry.fill(entry.run_steps(taken.arrays, values, len(numbers)))
            except Overlap:
                pass  # single calls tell of it
    steps = [
        compiled(*(_item(x, step) for x in stacks), *of_step, *arrays) for step, of_step in enumerate(numbers)
    ]
    return joined([of_one_step(x) for x in steps])


def _check(stacks: Sequence[Array], numbers: Sequence[Sequence[float]]) -> None:
    if state.recording:
        raise AutogradError(
            "run_stacks: its steps are not recorded. Compute the gradients inside the compiled function, and call it "
            "outside of autograd.record()"
        )
    shortest = min((x.shape[0] if x.shape else 0 for x in stacks), default=0)
    if not 0 < len(numbers) <= shortest:
        raise ShapeError(
            f"run_stacks: {len(numbers)} steps, but the shortest of {len(stacks)} stacks has {shortest} items"
        )


def _item(stack: Array, step: int) -> NDArray:
    """One item of a stack, in the stack's memory, where the others follow."""
    data: Any = stack._data
    if stack._context.is_host:
        return NDArray(data[step], stack._context)
    shape = data.shape[1:]
    return NDArray(data.part(step * int(data.size // data.shape[0]), shape), stack._context)
