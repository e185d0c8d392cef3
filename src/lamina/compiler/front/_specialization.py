"""A specialization: the compiled step for one set of argument types, called like the original function."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from lamina.compiler.front._arguments import Derived, Shown, mapped, sequence_like
from lamina.compiler.front._capture import Captured, Result, Returned, context_of, on_device
from lamina.compiler.front._explain import describe, show_graph, show_program
from lamina.compiler.front._walk import Guards
from lamina.compiler.front.graphs import built
from lamina.compiler.targets import target_of
from lamina.compiler.written_checks import Names, function_of
from lamina.core.array import Array, StaleGradient, placed
from lamina.core.labels import look_at_labels
from lamina.core.state import flush_pending, pending
from lamina.device.context import Context
from lamina.nd.ndarray import NDArray
from lamina.support.messages import debug_level, show

_KEPT_ROWS_BYTES = 1 << 16

Counterparts = tuple[Mapping[int, Array], Mapping[int, object]]
"""An object's arrays, by the ids of another object's; and objects with methods that give numbers, in the same way."""


class Specialization:
    """A captured function, compiled, and bound to the arrays that it found outside.

    `arguments` are the input slots of a call's arrays. `rows` has, by input slot, how many bytes each step advances the
    input's pointer. `guards` watch the objects that the function found outside; ``is_valid()`` checks that they are
    unchanged.
    """

    def __init__(
        self,
        captured: Captured,
        arguments: Sequence[int],
        guards: Guards,
        rows: Mapping[int, int] | None = None,
    ) -> None:
        self.captured, self.guards = captured, guards
        self.target = target_of(context_of(captured.arrays))
        self.program = built(captured.graph, self.target, rows, show_graph if debug_level() else None)
        show_program(self.program)
        writes = frozenset(captured.graph.writes)
        self.step = self.target.bind(self.program, captured.arrays, arguments, writes)
        self._result, self._numbers, self._labels = captured.result, captured.numbers, captured.labels
        self._has_run, self._must_note = False, True
        self.steps_at_once = 1  # of `run_batches`, for about as long as Ctrl-C may wait
        self._arguments = tuple(arguments)
        self._arrays = self.step.arrays
        self.is_valid = _validity(guards, captured, self._arrays)
        self.number_values = _numbers_of(self._numbers)
        self._rows: np.ndarray | None = None
        self._positions = {slot: i for i, slot in enumerate(arguments)}
        self._stale, self._after_run = list(captured.stale), captured.after_run
        self._counterparts: dict[object, Specialization] = {}
        self.first: Specialization | None = None  # whose counterpart this is
        self.values_from: Callable[[Sequence[float]], list[float]] | None = None
        written = [*captured.graph.writes, *self._stale]
        self._written = [self._arrays[slot] for slot in written if slot not in self._positions]
        self._always_notes = bool(written or self._after_run or self._labels)
        self._written_arguments = [self._positions[slot] for slot in written if slot in self._positions]

    def counterpart(self, function: object, counterparts: Callable[[], Counterparts]) -> Specialization:
        """This program for the arrays that a counterpart of the function finds outside; kept for each counterpart.

        Its `values_from` takes this specialization's values: other ones come only from methods of objects that have a
        counterpart.

        Raises:
            LookupError: an array that the function found outside has no counterpart.
        """
        if function not in self._counterparts:
            arrays, objects = counterparts()
            written = set(map(id, self._written))

            def own(array: Array) -> Array:
                if id(array) in arrays:
                    return arrays[id(array)]
                name = self.guards.name_of(array)
                if name is None and id(array) not in written:  # a constant that the function made
                    return array
                raise LookupError(f"{name or 'an array that is written'} has no counterpart")

            def source_of(slot: int, source: Any) -> Any:
                of = objects.get(id(getattr(source, "__self__", None)))
                if of is not None:
                    return getattr(of, source.__name__)
                return source if isinstance(source, Derived) else slot

            assert not self._after_run
            other, arguments = copy.copy(self), self._positions
            found = [x if slot in arguments else own(x) for slot, x in enumerate(self._arrays)]
            writes = frozenset(self.captured.graph.writes)
            other.step = self.target.bind(self.program, found, self._arguments, writes)
            other._arrays, other._written = other.step.arrays, list(map(own, self._written))
            values = _numbers_of(list(itertools.starmap(source_of, enumerate(self._numbers))))
            other.values_from = values
            other.number_values = lambda numbers: values(self.number_values(numbers))
            other._rows, other._counterparts, other.first = None, {}, self
            self._counterparts[function] = other
        return self._counterparts[function]

    def forget_arguments(self) -> None:
        """Drop the last calls' arguments, also those of counterparts."""
        for one in (self, *list(self._counterparts.values())):
            one.step.forget_arguments()

    # --- calls ---------------------------------------------------------------------------------------------------

    def run(self, arrays: Sequence[Array], numbers: Sequence[float]) -> Any:
        """Run one step, and return the function's return value."""
        flush_pending()
        step = self.step
        with step.lock:
            results = step.run(arrays, self.number_values(numbers) if self._numbers else (), 1, ())
            if self._must_note:
                self.note_run(arrays)
            return self._filled(self._result, results, arrays)

    def entered(self, arrays: Sequence[Array], rows: np.ndarray | None) -> Sequence[Array]:
        """The step's arguments: the first row of `rows`, if given, and the arrays."""
        return arrays if rows is None else [self._first_row(rows, context_of(arrays)), *arrays]

    def _first_row(self, rows: np.ndarray, context: Context) -> NDArray:
        """The first row of a matrix as an array, before the others; a small matrix reuses the last call's memory."""
        if not context.is_host:
            return NDArray(placed(rows, context).part(0, rows.shape[1:]), context)
        if rows.nbytes > _KEPT_ROWS_BYTES:
            return on_device(rows[0], context)
        if self._rows is None or len(self._rows) < len(rows):
            self._rows = np.empty_like(rows)
            self._row = on_device(self._rows[0], context)
        self._rows[: len(rows)] = rows
        return self._row

    def _array(self, slot: int, arguments: Sequence[Array]) -> Array:
        """The array in an input slot during a call; arguments are in `arguments`, not in the step's list."""
        position = self._positions.get(slot)
        return self._arrays[slot] if position is None else arguments[position]

    def note_run(self, arguments: Sequence[Array], steps: int = 1, rows: np.ndarray | None = None) -> None:
        """Count writes to the arrays that the step wrote, mark consumed gradients as stale, and check labels."""
        Array._note_writes(self._written, steps)
        if self._written_arguments:
            Array._note_writes([arguments[i] for i in self._written_arguments], steps)
        for slot in self._stale:
            array: Any = self._arrays[slot] if slot not in self._positions else self._array(slot, arguments)
            if array.__class__ is not NDArray or array._data.__class__ is not StaleGradient:
                array._data = StaleGradient(array.shape, array._data.dtype)
        for function in self._after_run:
            function()
        if not self._has_run:
            self._has_run, self._must_note = True, self._always_notes
            if debug_level() >= 2:
                show(self.explain())
        for slot, are_rows, classes, who in self._labels:
            look_at_labels(self._array(slot, arguments), classes, who, rows if are_rows else None)

    def fill(self, results: Sequence[Any]) -> Any:
        """The function's return value, with these results in place of the placeholders."""
        return self._filled(self._result, results, ())

    def _filled(self, template: Any, results: Sequence[Any], arguments: Sequence[Array]) -> Any:
        if isinstance(template, Result):
            value = results[template.number]
            if template.context is not None:
                return NDArray(value, template.context)
            number = self.target.to_numpy(value)  # of many steps an array of numbers
            return number if number.ndim else number.item()
        if isinstance(template, Returned):
            return self._array(template.slot, arguments)
        if isinstance(template, tuple | list):
            return sequence_like(template, [self._filled(x, results, arguments) for x in template])
        if isinstance(template, Shown | dict):
            return mapped(template, lambda x: self._filled(x, results, arguments))
        return template

    # --- words ---------------------------------------------------------------------------------------------------

    def explain(self) -> str:
        """Describe the kernels, with times measured on copies of the current buffers if the step has run."""
        return describe(self.program, self._names(), self.step.measure() if self._has_run else None)

    def _names(self) -> dict[int, str]:
        """The user's name of the array in each input slot: arguments by number, others by their variables."""
        names = {slot: f"argument{i}" for i, slot in enumerate(self._arguments)}
        by_gradient: dict[int, str] = {}
        for slot, array in enumerate(self._arrays):
            name = self.guards.name_of(array)
            if name is not None:
                names[slot] = name
                if array._leaf is not None:
                    by_gradient[id(array._leaf.grad)] = f"{name}.grad"
        for slot, array in enumerate(self._arrays):
            names.setdefault(slot, by_gradient.get(id(array), f"input{slot}"))
        return names


def run_side_by_side(
    calls: Sequence[tuple[Specialization, Sequence[Array], Sequence[float], np.ndarray | None]], steps: int
) -> list[list[Any]]:
    """Run several steps of specializations for the same target, which write to different arrays.

    Each call has the arrays, the values of all scalar slots, step after step, and a matrix (steps, batch) of indices of
    the arrays' rows, or None: each step takes the rows of one of its lines. Returns for each call the results, stacked
    along a new first axis.
    """
    flush_pending()
    with ExitStack() as locks:
        each = {call[0].step.lock for call in calls}
        # One order for all threads; `pending.lock` last, as a step takes it while it holds its own.
        for lock in sorted(each, key=lambda lock: (lock is pending.lock, id(lock))):
            locks.enter_context(lock)
        given = [(entry, entry.entered(arrays, rows), values) for entry, arrays, values, rows in calls]
        target = calls[0][0].target
        results = target.run_steps([(entry.step, arrays, values) for entry, arrays, values in given], steps)
        for (entry, arrays, _), (*_, rows) in zip(given, calls, strict=True):
            entry.note_run(arrays, steps, rows)
        return results


def _numbers_of(sources: Sequence[Any]) -> Callable[[Sequence[float]], list[float]]:
    """Generate a function that maps a call's numbers to the values of all scalar slots for the next step."""
    names = Names()
    lines: list[str] = []
    for slot, source in enumerate(sources):
        if isinstance(source, int):
            value = f"numbers[{source}]"
        elif isinstance(source, Derived):
            value = source.written(names, [f"value{i}" for i in range(slot)])
        else:
            value = f"{names.of(source)}()"
        lines.append(f"value{slot} = {value}")
    lines.append(f"return [{', '.join(f'value{i}' for i in range(len(sources)))}]")
    return function_of("number_values(numbers)", lines, names)


def _validity(guards: Guards, captured: Captured, arrays: list[Array]) -> Callable[[], bool]:
    """A function that checks all guards, and whether replaceable arrays are still the captured `arrays`."""
    if not captured.sources:
        return guards.hold
    names = Names()
    known = names.of(arrays)
    found = [
        f"len(arrays := {names.of(owner)}.{name} or ()) > {position} and arrays[{position}] is {known}[{slot}]"
        for slot, (owner, name, position) in captured.sources.items()
    ]
    conditions = " and ".join([f"{names.of(guards.hold)}()", *found])
    return function_of("is_valid()", [f"return {conditions}"], names)
