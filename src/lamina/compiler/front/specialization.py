"""A specialization: the machine code for one set of argument types, bound to the buffers that it reads and writes."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.compiler.cpu.addresses import address_of
from lamina.compiler.cpu.holding import HOLDING, Holder
from lamina.compiler.cpu.ownership import move_to_line
from lamina.compiler.cpu.run import get_num_threads
from lamina.compiler.cpu.run import run as run_on_threads
from lamina.compiler.front import debug
from lamina.compiler.front.arguments import Overlap, sequence_like
from lamina.compiler.front.capture import Captured, Result, Returned
from lamina.compiler.front.guards import Guards
from lamina.compiler.front.numbers import Derived
from lamina.compiler.front.unrolled import Names, function_of
from lamina.compiler.passes.graph import Scalar
from lamina.compiler.program import Program
from lamina.core.array import Array, StaleGradient
from lamina.core.memory import LARGE_BYTES, aligned_empty
from lamina.nd.ndarray import NDArray

__all__ = ["Specialization"]

_ALIVE: weakref.WeakSet[Specialization] = weakref.WeakSet()
"""All specializations; changed and looked through under `HOLDING`."""


class _Watched:
    """Slots whose arrays may get other buffers from one call to the next.

    ``moved(arrays, bound, arguments)`` puts the arguments into their slots among `arrays`, and says whether any watched
    one has another buffer than the one that is bound.
    """

    def __init__(self, slots: Sequence[int], arguments: Sequence[int]) -> None:
        self.slots = slots
        targets = "".join(f"arrays[{slot}], " for slot in arguments)
        conditions = [f"arrays[{slot}]._data is not bound[{slot}]" for slot in slots]
        body = [f"{targets}= arguments"] if targets else []
        body.append(f"return {' or '.join(conditions) or False}")
        self.moved = function_of("moved(arrays, bound, arguments)", body, Names())


class Specialization:
    """A program with its arrays.

    `arguments`: how many of the first input slots are arguments. `numbers`: for each number slot where it comes from.
    ``is_valid()``: whether all that the function found outside is still what it was.
    """

    def __init__(
        self, program: Program, captured: Captured, arguments: Sequence[int], guards: Guards
    ) -> None:
        self.program, self.captured, self.guards = program, captured, guards
        self._slots = tuple(arguments)
        self._arrays: list[Array] = list(captured.arrays)
        self._bound: list[np.ndarray | None] = [None] * len(self._arrays)
        used = _used_slots(program)
        self._used = _Watched(used, self._slots)
        self._not_held = _Watched([slot for slot in used if slot not in program.plan.held], self._slots)
        self.is_valid = _validity(guards, captured, self._arrays)
        self._written, self._stale = list(captured.written), list(captured.stale)
        self._table = (ctypes.c_void_p * program.layout.entries)()
        self._address = ctypes.addressof(self._table)
        self._control = (ctypes.c_int64 * 3)(0, True, True)
        self._table[0] = ctypes.addressof(self._control)
        self._arena = _pages(program.plan.arena_bytes)
        self._table[program.layout.arena] = self._arena.ctypes.data
        self._step, self._is_small = program.step, program.is_small
        used_numbers = {n.op.slot for n in program.graph.nodes() if isinstance(n.op, Scalar)}
        self._is_number_used = tuple(slot in used_numbers for slot in range(len(program.graph.scalars)))
        self._is_whole = tuple(dtype.kind == "i" for dtype in program.graph.scalars)
        self._result_types = [
            (entry, node.shape, node.dtype, aligned_empty if node.nbytes >= LARGE_BYTES else np.empty)
            for entry, node in enumerate(program.graph.results, program.layout.first_result)
        ]
        self._scratch = np.empty(0, np.uint8)
        self._scratch_threads = 0
        self._holder = self._make_holder()
        self._lock = threading.Lock() if self._holder is None else HOLDING
        self.runs = 0
        with HOLDING:
            _ALIVE.add(self)

    @property
    def used_slots(self) -> Sequence[int]:
        """The input slots that the step reads or writes."""
        return self._used.slots

    def forget_run(self) -> None:
        """In a forked child: a thread that was running the step stayed in the parent, with the lock."""
        if self._lock is not HOLDING:
            self._lock = threading.Lock()
            self._bound[:] = [None] * len(self._bound)

    def forget_arguments(self) -> None:
        """Let go of the last call's arrays, unless a call is under way: the next one brings its own."""
        if self._lock.acquire(blocking=False):
            try:
                for slot in self._slots:
                    self._arrays[slot], self._bound[slot] = self.captured.arrays[slot], None
            finally:
                self._lock.release()

    def run(self, arrays: Sequence[Array], numbers: Sequence[float]) -> Any:
        """One step. Returns what the function returns."""
        with self._lock:
            values = self.number_values(numbers) if self.captured.numbers else ()
            return fill_template(self.captured.result, self._execute(arrays, values, 1, ()), self._arrays)

    def run_with(self, arrays: Sequence[Array], values: Sequence[float]) -> Any:
        """One step with the step's numbers given."""
        with self._lock:
            return fill_template(self.captured.result, self._execute(arrays, values, 1, ()), self._arrays)

    def number_values(self, numbers: Sequence[float]) -> list[float]:
        """The numbers of the next step: arguments, and what Python computes anew."""
        values: list[float] = []
        for source in self.captured.numbers:
            if isinstance(source, int):
                values.append(numbers[source])
            elif isinstance(source, Derived):
                values.append(source.value(values))
            else:
                values.append(source())
        return values

    def run_steps(self, arrays: Sequence[Array], values: Sequence[float], steps: int) -> list[np.ndarray]:
        """Several steps; `values` are their numbers, one step after the other. Results have a new first axis."""
        with self._lock:
            return self._execute(arrays, values, steps, (steps,))

    # --- pointers ------------------------------------------------------------------------------------------------

    def _execute(
        self, arrays: Sequence[Array], values: Sequence[float], steps: int, lead: tuple[int, ...]
    ) -> list[np.ndarray]:
        """Point the table to this call's buffers, and run. `lead`: axes that come before those of each result."""
        table, holder = self._table, self._holder
        watched = self._used if holder is None or not holder.is_ahead else self._not_held
        if watched.moved(self._arrays, self._bound, arrays):
            self._bind([x for x in watched.slots if self._arrays[x]._data is not self._bound[x]])
        packed = self._pack(values) if values else None
        results: list[np.ndarray] = []
        for entry, shape, dtype, allocate in self._result_types:
            result = allocate(lead + shape, dtype)
            table[entry] = address_of(result)
            results.append(result)
        threads = 1 if self._is_small else get_num_threads()
        if threads > self._scratch_threads:
            self._make_scratch(threads)
        if holder is None:
            self._control[0] = steps
            run_on_threads(self._step, self._address, threads)
        else:
            self._run_holding(holder, steps, threads)
        del packed  # was read until here
        self.runs += 1
        if self._written or self._stale:
            self._note_writes()
        if self.runs == 1 and debug.level() >= 2:
            debug.show(self.explain())
        return results

    def _bind(self, slots: Sequence[int]) -> None:
        """Point the table to the buffers that these slots' arrays hold now."""
        try:
            for slot in slots:
                self._bind_one(slot, self._arrays[slot])
            for slot in slots:
                self._check_overlap(slot)
        except BaseException:
            for slot in slots:
                self._bound[slot] = None
            raise

    def _bind_one(self, slot: int, array: Array) -> None:
        self._prepare(slot, array)
        buffer = array._data
        assert isinstance(buffer, np.ndarray)
        expected = self.program.graph.inputs[slot]
        assert (buffer.shape, buffer.dtype) == expected, "the key of a call says its types"
        if not buffer.flags.c_contiguous:
            raise Overlap("an array is not contiguous in memory")
        self._bound[slot] = buffer
        self._table[2 + slot] = address_of(buffer)

    def _prepare(self, slot: int, array: Array) -> None:
        """Give a gradient a buffer again that an earlier step left without, and what is written a good place."""
        is_written = slot in self.captured.written
        if isinstance(array._data, StaleGradient):
            if not is_written:
                array._data.__array__()  # raises
            array._data = aligned_empty(array.shape, np.dtype(array.dtype))
        elif is_written:
            with HOLDING:
                move_to_line(array, _bindings)

    def _check_overlap(self, slot: int) -> None:
        """Raise `Overlap` if this buffer shares memory with another one and one of the two is written."""
        written, buffer = self.captured.written, self._bound[slot]
        assert buffer is not None
        for other in self._used.slots:
            bound = self._bound[other]
            if other == slot or bound is None or (slot not in written and other not in written):
                continue
            if np.may_share_memory(buffer, bound) and buffer.size and bound.size:
                raise Overlap("an array that is written shares memory with another one")

    def _pack(self, values: Sequence[float]) -> Any:
        packed = np.zeros(len(values), np.float64)
        is_whole, is_used = self._is_whole, self._is_number_used
        whole = packed.view(np.int64) if True in is_whole else packed
        for i, value in enumerate(values):
            if not is_used[i % len(is_used)]:
                continue
            try:
                (whole if is_whole[i % len(is_whole)] else packed)[i] = value
            except OverflowError:
                raise Overlap(f"the integer {value} is beyond ±2**63, where machine code ends") from None
        self._table[1] = packed.ctypes.data
        return packed

    def _make_scratch(self, threads: int) -> None:
        self._scratch = _pages(self.program.scratch_bytes * threads)
        self._table[self.program.layout.scratch] = self._scratch.ctypes.data
        self._scratch_threads = threads

    # --- what is held between calls --------------------------------------------------------------------------------

    def _make_holder(self) -> Holder | None:
        """For the arrays that the step holds transposed; None if there are none, or other ones at each call."""
        held = self.program.plan.held
        if not held or not set(held).isdisjoint(self._slots):
            return None
        write_back = _write_back_of(self.program, self._table, self._control, self._arena)
        return Holder([self._arrays[slot] for slot in held], write_back)

    def _run_holding(self, holder: Holder, steps: int, threads: int) -> None:
        """Run steps on what is held, or on what the arrays hold themselves; then try to hold it."""
        fresh = not holder.is_ahead
        self._control[:] = steps, fresh, fresh
        run_on_threads(self._step, self._address, threads)
        if fresh:
            holder.begin(_bindings)

    # --- results -------------------------------------------------------------------------------------------------

    def _note_writes(self) -> None:
        for slot in self._written:
            self._arrays[slot]._note_write()
        for slot in self._stale:
            array = self._arrays[slot]
            if isinstance(array._data, np.ndarray):
                array._data = StaleGradient(array.shape, array._data.dtype)

    # --- measurement ---------------------------------------------------------------------------------------------

    def explain(self) -> str:
        """The kernels, with times measured on copies of the current buffers if the step has run."""
        from lamina.compiler.front.explain import describe

        if self._holder is not None:
            self._holder.give_back()  # to measure, the kernels run in the step's own memory
        is_bound = all(self._bound[slot] is not None for slot in self._used.slots)
        seconds = self._measure() if self.runs and is_bound else None
        threads = 1 if self.program.is_small else get_num_threads()
        return describe(self.program, self._names(), seconds, threads)

    def _names(self) -> dict[int, str]:
        """What the user calls the arrays: arguments by number, others by their variables."""
        names = {slot: f"argument{i}" for i, slot in enumerate(self._slots)}
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

    def _measure(self, repeats: int = 30) -> list[float]:
        """The best time of each kernel, run in order on copies, so that nothing of the user's changes."""
        from lamina.compiler.emit import Frame, kernel_names

        program = self.program
        layout, plan = program.layout, program.plan
        copies = [np.zeros(1) if b is None else _copy(b) for b in self._bound]
        results = [aligned_empty(n.shape, n.dtype) for n in program.graph.results]
        numbers = np.zeros(max(len(program.graph.scalars), 1))
        entries = [0, numbers.ctypes.data, *(x.ctypes.data for x in [*copies, *results])]
        entries += [self._table[layout.arena] or 0, self._table[layout.scratch] or 0]
        kernels: list[tuple[int, Any]] = []
        for kernel, name in zip(plan.kernels, kernel_names(plan), strict=True):
            slots = Frame.of(plan, kernel, layout).slots
            frame = (ctypes.c_void_p * len(slots))(*(entries[slot.entry] + slot.offset for slot in slots))
            kernels.append((program.module.address(name), frame))
        threads = 1 if program.is_small else get_num_threads()
        best = [float("inf")] * len(kernels)
        for _ in range(repeats):
            for i, (code, frame) in enumerate(kernels):
                start = time.perf_counter()
                run_on_threads(code, ctypes.addressof(frame), threads)
                best[i] = min(best[i], time.perf_counter() - start)
        return best


def _validity(guards: Guards, captured: Captured, arrays: list[Array]) -> Callable[[], bool]:
    """Whether the guards hold, and arrays that may be replaced are still those in `arrays`."""
    if not captured.getters:
        return guards.hold
    names = Names()
    known = names.of(arrays)
    found = [f"{names.of(getter)}() is {known}[{slot}]" for slot, getter in captured.getters.items()]
    return function_of(
        "is_valid()", [f"return {' and '.join([f'{names.of(guards.hold)}()', *found])}"], names
    )


def _write_back_of(program: Program, table: Any, control: Any, arena: np.ndarray) -> Callable[[], None]:
    """What copies that which a step holds into the arrays' buffers, without any reference to the arrays."""

    def write_back() -> None:
        table[program.layout.arena] = arena.ctypes.data
        control[:] = 0, False, True
        threads = 1 if program.is_small else get_num_threads()
        run_on_threads(program.step, ctypes.addressof(table), threads)

    return write_back


def _bindings() -> Counter[int]:
    """How many references all specializations keep to each buffer, by the buffer's id."""
    return Counter(id(buffer) for entry in list(_ALIVE) for buffer in entry._bound)


def _forget_runs() -> None:
    for entry in list(_ALIVE):
        entry.forget_run()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_runs)


def fill_template(template: Any, results: Sequence[np.ndarray], inputs: Sequence[Array]) -> Any:
    """The function's result with arrays in their places: `results`, and those `inputs` that it returns."""
    if isinstance(template, Result):
        value = results[template.number]
        if template.context is None:  # a number; of many steps an array of numbers
            return value if value.ndim else value.item()
        return NDArray(value, template.context)
    if isinstance(template, Returned):
        return inputs[template.slot]
    if isinstance(template, tuple | list):
        return sequence_like(template, [fill_template(x, results, inputs) for x in template])
    if isinstance(template, dict):
        return {k: fill_template(v, results, inputs) for k, v in template.items()}
    return template


def _used_slots(program: Program) -> list[int]:
    from lamina.compiler.passes.graph import Input

    read = {n.op.slot for n in program.graph.nodes() if isinstance(n.op, Input)}
    return sorted(read | set(program.graph.writes))


def _pages(nbytes: int) -> np.ndarray:
    """Memory of a step's own."""
    return aligned_empty((nbytes,), np.dtype(np.uint8), mmap.PAGESIZE)


def _copy(buffer: np.ndarray) -> np.ndarray:
    copy = aligned_empty(buffer.shape, buffer.dtype)
    copy[...] = buffer
    return copy
