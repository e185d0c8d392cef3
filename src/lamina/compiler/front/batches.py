"""Execution of many batches in one call, without Python between the steps.

Step s gets the array rows whose indices are row s of an index matrix.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import getitem
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import nd
from lamina.compiler.front._arguments import Arguments, Call, rebuild, sequence_like
from lamina.compiler.front._specialization import Specialization, run_side_by_side
from lamina.core.array import Array
from lamina.core.lowering import Overlap
from lamina.core.state import state
from lamina.errors import AutogradError, ShapeError
from lamina.nd.facade import Facade, plain, shown
from lamina.nd.ndarray import NDArray

if TYPE_CHECKING:
    from lamina.compiler.front.compiled import CompiledFunction

_CHUNK_SECONDS = 0.04


def run_batches(
    compiled: CompiledFunction,
    indices: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> Any:
    """Implement `CompiledFunction.run_batches`."""
    return run_batches_side_by_side([compiled], [indices], args, kwargs, progress)[0]


def run_batches_side_by_side(
    functions: Sequence[CompiledFunction[..., Any]],
    indices: Sequence[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Any]:
    """Run several functions over many batches, each as by `CompiledFunction.run_batches`, on separate threads.

    The functions get the same arguments, and each its own row indices, for the same number of steps. They must not read
    what another one writes. Counterparts (`Counterpart`) are of the first function. Returns each function's results.

    Raises:
        ShapeError: the functions have different numbers of steps.
        ValueError: there is no function, one is there twice, or a counterpart is not of the first.

    >>> import lamina, numpy as np
    >>> from lamina import nd
    >>> def added_to(total):
    ...     def add(x):
    ...         total[:] = total + nd.sum(x)
    ...     return lamina.compile(add)
    >>> totals = nd.zeros(1), nd.zeros(1)
    >>> rows = np.array([[0], [1]]), np.array([[2], [2]])
    >>> _ = run_batches_side_by_side([added_to(x) for x in totals], rows, (nd.array([1, 2, 3]),))
    >>> [float(x.asscalar()) for x in totals]
    [3.0, 6.0]
    """
    _check_is_outside_record("run_batches")
    runs = _runs_of(functions, indices, args, kwargs or {})
    steps, done = len(runs[0].rows), 0
    while done < steps:
        compiled = [run.entry for run in runs if run.entry is not None]
        size = min(entry.steps_at_once for entry in compiled) if len(compiled) == len(runs) else 1
        size = min(size, steps - done)
        start = time.perf_counter()
        try:
            _take_steps(runs, slice(done, done + size))
        except Overlap as overlap:
            if len(runs) > 1:
                raise
            runs[0].stay_eager(str(overlap))
            continue
        seconds = (time.perf_counter() - start) / size
        done += size
        for entry in compiled:
            entry.steps_at_once = max(1, min(int(_CHUNK_SECONDS / max(seconds, 1e-9)), 4 * size, 10_000))
        if progress is not None:
            progress(done, steps)
            for run in runs:
                run.renew()
    return [run.results() for run in runs]


def _runs_of(
    functions: Sequence[CompiledFunction[..., Any]],
    indices: Sequence[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> list[_Run]:
    """The checked runs of `run_batches_side_by_side`, with their specializations."""
    if not functions or len({id(x) for x in functions}) < len(functions):
        raise ValueError("run_batches_side_by_side: needs functions, each of them once")
    arrays = Arguments([*args, *kwargs.values()], frozenset(), frozenset()).arrays
    pairs = zip(functions, indices, strict=True)
    runs = [_Run(function, _checked_rows(one, arrays), args, kwargs) for function, one in pairs]
    if len({len(run.rows) for run in runs}) > 1:
        raise ShapeError(
            f"run_batches_side_by_side: numbers of steps differ: {[len(run.rows) for run in runs]}"
        )
    for run in runs:
        run.specialize()
    entries = [run.entry for run in runs]
    if len(runs) > 1 and any(x is not None and x.first not in (None, entries[0]) for x in entries):
        raise ValueError("run_batches_side_by_side: counterparts must be of the first function")
    return runs


@dataclass
class _Run:
    """A function's run over many batches.

    `entry` is its specialization, None if it runs eagerly.
    """

    compiled: CompiledFunction
    rows: np.ndarray
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    entry: Specialization | None = None
    taken: Arguments | None = None
    parts: list[Any] = field(default_factory=list[Any])

    def specialize(self) -> None:
        """Find or compile the specialization."""
        if state.trace is None:
            call = Call(self.args, self.kwargs, batch=self.rows.shape[1])
            self.entry, self.taken = self.compiled.specialize(call)

    @property
    def numbers(self) -> Callable[[list[float]], list[float]]:
        """A function that returns the numbers of the next step, given those of the first function."""
        assert self.entry is not None and self.taken is not None
        own, values, given = self.entry.values_from, self.entry.number_values, self.taken.numbers
        return lambda of_first: own(of_first) if own is not None and of_first else values(given)

    def take_eager_step(self, number: int) -> None:
        """Run a step in Python."""
        self.parts.append(_eager_step(self.compiled.original, self.rows[number], self.args, self.kwargs))

    def stay_eager(self, reason: str) -> None:
        """Run the remaining steps eagerly, with a warning."""
        self.compiled.run_eagerly_once(reason)
        self.entry = None

    def renew(self) -> None:
        """Specialize again if the specialization has become invalid: a callback replaced a parameter, say."""
        if self.entry is not None and not self.entry.is_valid():
            self.specialize()

    def results(self) -> Any:
        """The results of all steps."""
        return joined(self.parts) if self.parts else _nothing(self.entry)


def _take_steps(runs: Sequence[_Run], some: slice) -> None:
    """Take steps of all runs: those that are compiled side by side, the others in Python."""
    compiled = [run for run in runs if run.entry is not None]
    if compiled:
        numbers = _numbers([run.numbers for run in compiled], some.stop - some.start)
        calls = [
            (run.entry, run.taken.arrays, of_run, run.rows[some])
            for run, of_run in zip(compiled, numbers, strict=True)
            if run.entry is not None and run.taken is not None
        ]
        results = run_side_by_side(calls, some.stop - some.start)
        for run, own in zip(compiled, results, strict=True):
            assert run.entry is not None
            run.parts.append(run.entry.fill(own))
    for run in runs:
        if run.entry is None:
            run.take_eager_step(some.start)


def _numbers(of_next_step: Sequence[Callable[[list[float]], list[float]]], steps: int) -> list[list[float]]:
    """Each run's numbers of all steps, step after step; a function gets the first run's numbers of the same step."""
    if len(of_next_step) == 1:
        return [[x for _ in range(steps) for x in of_next_step[0]([])]]
    numbers: list[list[float]] = [[] for _ in of_next_step]
    for _ in range(steps):
        of_first: list[float] = []
        for own, of_run in zip(of_next_step, numbers, strict=True):
            found = own(of_first)
            of_first = of_first or found
            of_run += found
    return numbers


def _check_is_outside_record(method: str) -> None:
    if state.recording:
        raise AutogradError(
            f"{method} can't be called inside autograd.record(). Compute the gradients inside the compiled function, "
            f"and call {method} outside"
        )


def _nothing(entry: Specialization | None) -> Any:
    """The results of zero steps: arrays whose first axis is empty."""
    if entry is None:
        return None
    nothing = [np.empty((0, *n.shape), n.dtype) for n in entry.captured.graph.results]
    return entry.fill([entry.target.from_numpy(x) for x in nothing])


def _checked_rows(indices: Any, arrays: list[Array]) -> np.ndarray:
    """The index matrix as int32; raises `ShapeError` if an index is out of range for an array."""
    source = indices.asnumpy() if hasattr(indices, "asnumpy") else np.asarray(indices)
    if source.ndim != 2 or source.dtype.kind not in "iuf":
        raise ShapeError(
            f"run_batches: needs an integer matrix (steps, batch), got {source.dtype} of shape {source.shape}"
        )
    if source.dtype.kind == "f" and not (source == np.floor(source)).all():
        raise ShapeError("run_batches: indices must be whole numbers")
    if not arrays:
        raise ShapeError("run_batches: needs at least one array argument to take rows from")
    shortest = min(x.shape[0] if x.shape else 0 for x in arrays)
    if source.size and (source.min() < 0 or source.max() >= shortest):
        raise ShapeError(
            f"run_batches: indices must be at least 0 and below {shortest}, the number of rows of the shortest array, "
            f"but go from {source.min()} to {source.max()}"
        )
    return np.ascontiguousarray(source, dtype=np.int32)


def _eager_step(
    function: Callable[..., Any], row: np.ndarray, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run one step in Python; the results have a new first axis of size 1."""

    def batch(array: Any) -> Any:
        return nd.take(array, nd.array(row, ctx=array.context, dtype=np.int32), axis=0)

    step_args = [rebuild(x, batch, lambda n: n) for x in args]
    step_kwargs = {k: rebuild(v, batch, lambda n: n) for k, v in kwargs.items()}
    return of_one_step(function(*step_args, **step_kwargs))


def of_one_step(result: Any) -> Any:
    """Add a first axis of size 1 to the results of one step."""
    return rebuild(result, lambda x: nd.stack(x, axis=0), lambda n: np.asarray([n]))


def joined(parts: list[Any]) -> Any:
    """Concatenate the results of consecutive steps."""
    first = parts[0] if parts else None
    if len(parts) < 2:
        return first
    if isinstance(first, Facade):
        return shown(joined([plain(part) for part in parts]))
    if isinstance(first, nd.NDArray):
        return nd.concat(*parts, dim=0)
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if isinstance(first, tuple | list):
        return sequence_like(first, [joined(list(items)) for items in zip(*parts, strict=True)])
    if isinstance(first, dict):
        return {k: joined([part[k] for part in parts]) for k in first}
    return first


# --- Many steps in one call, each with the next item of stacked arrays, and its own numbers --------------------------


def run_stacks(
    compiled: CompiledFunction,
    stacks: Sequence[Array],
    numbers: Sequence[Sequence[float]],
    arrays: Sequence[Array],
) -> Any:
    """Implement `CompiledFunction.run_stacks`."""
    _check(stacks, numbers)
    if state.trace is None:
        items = [_item(x, 0) for x in stacks]
        call = Call([*items, *numbers[0], *arrays], {}, moving=len(stacks))
        entry, taken = compiled.specialize(call)
        # A number whose value Python needs has a program for each value, and every number one for each type.
        if entry is not None and len(taken.numbers) == len(numbers[0]) and _are_alike(numbers):
            values = [value for of_step in numbers for value in entry.number_values(of_step)]
            try:
                return entry.fill(run_side_by_side([(entry, taken.arrays, values, None)], len(numbers))[0])
            except Overlap:
                pass  # the single calls below warn about it
    item: Any = _item if state.trace is None else getitem
    results = []
    for step, of_step in enumerate(numbers):
        results.append(of_one_step(compiled(*(item(x, step) for x in stacks), *of_step, *arrays)))
    return joined(results)


def _check(stacks: Sequence[Array], numbers: Sequence[Sequence[float]]) -> None:
    _check_is_outside_record("run_stacks")
    for place, stack in enumerate(stacks):
        if not isinstance(stack, Array):
            raise TypeError(f"run_stacks: stack {place} is a {type(stack).__name__}; wrap it in nd.array(…)")
    shortest = min((x.shape[0] if x.shape else 0 for x in stacks), default=0)
    if not 0 < len(numbers) <= shortest:
        raise ShapeError(
            "run_stacks: needs at least one step, and stacks with an item for each step; "
            f"got {len(numbers)} steps, and {len(stacks)} stacks of at least {shortest} items"
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
    """An item of a stack, as a view of the stack's memory, in which the next items follow."""
    data: Any = stack._data
    shape = data.shape[1:] or (1,)  # as x[step] has it
    if stack._context.is_host:
        item = NDArray(data[step : step + 1].reshape(shape), stack._context)
    else:
        item = NDArray(data.part(step * int(data.size // data.shape[0]), shape), stack._context)
    item._writes = stack._writes
    return item
