"""Binding of programs to memory: a table of pointers to NumPy's buffers, an arena, and scratch memory per thread."""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import struct
import sys
import threading
import time
import weakref
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate, compress, starmap
from operator import attrgetter, call, is_not
from typing import Any

import numpy as np

from lamina.compiler.cpu._holding import HOLDING, Holder
from lamina.compiler.cpu._outline import SMALL
from lamina.compiler.cpu.run import run as run_on_threads
from lamina.compiler.cpu.run import running, side_by_side
from lamina.compiler.emit import Frame, Layout
from lamina.compiler.target import BoundStep, Program
from lamina.compiler.written_checks import Names, function_of
from lamina.core.array import Array, StaleGradient, renew, require_numbers
from lamina.core.interrupts import Change, Turn
from lamina.core.lowering import Overlap
from lamina.core.memory import LARGE_BYTES, aligned_empty
from lamina.core.ownership import bind_buffer, move_to_line, release_buffers
from lamina.core.state import state
from lamina.core.threads import get_num_threads

_ALIVE: weakref.WeakSet[Binding] = weakref.WeakSet()
"""All bindings; code must hold the lock `HOLDING` to change this set or to iterate over it."""


_data_of = attrgetter("_data")
_MOST_ATTEMPTS = 100  # to run a step, since interrupts may run the same step in between


def threads_for(program: Program) -> int:
    """The number of threads on which a program runs."""
    return get_num_threads() if program.code.outline.gains_by_threads else 1


_Entered = tuple[list[np.ndarray], Sequence[np.ndarray], np.ndarray, Holder | None]
"""A call's results, buffers to be kept in memory, and packed numbers; and the holder, if buffers and step agree."""


class Binding(BoundStep):
    """A program bound to the CPU's memory."""

    def __init__(
        self, program: Program, arrays: Sequence[Array], arguments: Sequence[int], written: frozenset[int]
    ) -> None:
        super().__init__(program, arrays, arguments, written)
        outline, graph = program.code.outline, program.lowered.captured
        self.used_slots: Sequence[int] = outline.used_slots
        self._written_slots = sorted(written)
        # The addresses where each bound buffer begins and ends, including the items of all steps.
        self._ranges = [(0, 0)] * len(arrays)
        self._written_ends: tuple[Sequence[int], Sequence[int]] | None = None if written else ((), ())
        self._input_types = graph.inputs
        # Arguments that are only read: their buffers are entered at each call, and not bound, as that takes longer.
        self._entered = [x for x in arguments if x in self.used_slots and x not in written]
        self.binds_arguments = not written.isdisjoint(arguments)
        self._enter_plain = _entering(self._entered, graph.inputs, bool(written))
        lasting = [x for x in self.used_slots if x not in self._entered]
        not_held = [x for x in lasting if x not in outline.layout.held]
        self._lasting, self._not_held = ((slots, _moved(slots, arguments)) for slots in (lasting, not_held))
        self._strides = outline.layout.strides[Layout.FIRST_INPUT :]
        self._memory = _StepMemory(program)
        self._table = self._memory.table
        self._gains_by_threads = outline.gains_by_threads
        self._scalars, self._used_numbers = graph.scalars, frozenset(outline.used_numbers)
        self._number_format = struct.Struct("=" + "".join("dq"[dtype.kind == "i"] for dtype in graph.scalars))
        self._result_types = [
            (entry, node.shape, node.dtype, aligned_empty if node.nbytes >= LARGE_BYTES else np.empty)
            for entry, node in enumerate(graph.results, outline.layout.first_result)
        ]
        self._last_numbers = np.zeros(max(len(graph.scalars), 1))
        self._holder = self._make_holder()
        self.lock = threading.RLock() if self._holder is None else HOLDING
        with HOLDING:
            _ALIVE.add(self)

    def run(
        self,
        arguments: Sequence[Array],
        numbers: Sequence[float],
        steps: int,
        lead: tuple[int, ...],
        turn: Turn | None = None,
        then: Callable[[list[np.ndarray]], list[Change]] | None = None,
    ) -> list[np.ndarray]:
        """Enter this call's buffers into the pointer table, and execute the steps; see `BoundStep`."""
        is_within, self._is_running = self._is_running, True
        try:
            if is_within:  # called by an interrupt while another run is prepared
                self._start_over()
            for _ in range(_MOST_ATTEMPTS):
                own = state.turn.take(changes := [])
                if turn is not None:
                    turn.take(own)
                threads = get_num_threads() if self._gains_by_threads else 1
                results, buffers, packed, fresh = self._enter_call(arguments, numbers, steps, lead, threads)
                memory = self._memory
                changes.append(running(memory.step, memory.address, threads))
                if fresh is not None:  # buffers and step agree then: try to hold the arrays
                    changes += fresh.beginning()
                if then is not None:
                    changes += then(results)
                if list(starmap(call, own)):  # `make`
                    del buffers
                    self._last_numbers = packed  # only now, since the step read the previous numbers
                    if fresh is not None:
                        fresh.check()
                    return results
                if turn is not None and turn.is_closed:
                    return []
                self._start_over()
        finally:
            self._is_running = is_within
        raise Overlap("signal handlers interrupted each attempt to run it")

    def _enter_call(  # written out, since a call takes as long as most of what it does
        self,
        arguments: Sequence[Array],
        numbers: Sequence[float],
        steps: int,
        lead: tuple[int, ...],
        threads: int,
    ) -> _Entered:
        """Enter a call's buffers into the pointer table."""
        table, memory, holder = self._table, self._memory, self._holder
        is_fresh = holder is not None and not holder.is_ahead
        slots, moved = self._lasting if holder is None or is_fresh else self._not_held
        if moved(self.arrays, self.bound, arguments):
            found = map(_data_of, map(self.arrays.__getitem__, slots))
            moved_slots = compress(slots, map(is_not, found, map(self.bound.__getitem__, slots)))
            self._bind(list(moved_slots), steps)
        entered = None
        if steps == 1 or not self._written:
            written = self._written_ends or self._written_ranges()
            entered = self._enter_plain(self.arrays, table, written)
        entered = entered or [self._enter(slot, steps) for slot in self._entered]
        packed = self._pack(numbers) if numbers else self._last_numbers
        results: list[np.ndarray] = []
        for entry, shape, dtype, allocate in self._result_types:
            result = allocate(lead + shape, dtype)
            table[entry] = address_of(result)
            results.append(result)
        if threads > memory.threads:
            memory.make_temporary(threads)
        if holder is not None:
            memory.copies_held(before=is_fresh, after=is_fresh)
        memory.control[Layout.STEPS] = steps
        return results, entered, packed, holder if is_fresh else None

    def _start_over(self) -> None:
        """Make the next call bind all arrays again, as a nested call may have left its pointers in the table."""
        release_buffers(self.bound)
        self._memory.threads = 0

    def forget_run(self) -> None:
        """Replace the lock in a forked child, where the thread that held the lock doesn't exist."""
        if self.lock is not HOLDING:
            self.lock = threading.RLock()
            self.release()

    # --- pointers ------------------------------------------------------------------------------------------------

    def _bind(self, slots: Sequence[int], steps: int) -> None:
        """Enter the current buffers of these slots' arrays into the pointer table; none may overlap in any step."""
        try:
            without = [slot for slot in slots if self._is_without_buffer(slot)]
            with_one = [slot for slot in slots if slot not in without]
            for slot in with_one:
                self._bind_one(slot, steps)
            for slot in self._written.intersection(with_one):
                self._check_overlap(slot)
            for slot in without:  # last, so that an error leaves them unchanged
                renew(self.arrays[slot])
                self._bind_one(slot, steps)
        except BaseException:
            release_buffers(self.bound, slots)
            raise

    def _bind_one(self, slot: int, steps: int) -> None:
        if slot in self._written:
            with HOLDING:
                move_to_line(self.arrays[slot])
            self._written_ends = None
        bind_buffer(self.bound, slot, self._enter(slot, steps))

    def _enter(self, slot: int, steps: int) -> np.ndarray:
        """Enter a slot's buffer into the pointer table, and return it. Raises `Overlap` if another slot writes it."""
        array = self.arrays[slot]
        buffer: Any = array._data
        shape, dtype = self._input_types[slot]
        assert buffer.shape == shape and buffer.dtype == dtype, "the call's key has the shape and dtype"
        if buffer.__class__ is StaleGradient:
            require_numbers(array)
        if not buffer.flags.c_contiguous:
            raise Overlap("an array is not contiguous in memory")
        start = self._table[Layout.FIRST_INPUT + slot] = address_of(buffer)
        if self._written:  # without any, arrays may overlap
            self._ranges[slot] = start, start + buffer.nbytes + (steps - 1) * self._strides[slot]
            if slot not in self._written:
                self._check_overlap(slot)
        return buffer

    def _is_without_buffer(self, slot: int) -> bool:
        """Whether a slot's array is a stale gradient, which has no buffer. Raises if this step reads the gradient."""
        array = self.arrays[slot]
        if array._is_stale and slot in self.program.lowered.captured.read_slots:
            require_numbers(array)
        return array._is_stale

    def _check_overlap(self, slot: int) -> None:
        """Raise `Overlap` if a slot's buffer shares memory with another slot's, and either is written."""
        start, end = self._ranges[slot]
        if slot not in self._written:
            starts, ends = self._written_ranges()
            before = bisect_left(starts, end)
            if not before or ends[before - 1] <= start:
                return
        for other in self.used_slots if slot in self._written else self._written_slots:
            first, last = self._ranges[other]
            if first < end and start < last and other != slot and self.bound[other] is not None:
                raise Overlap("an array that is written shares memory with another array")

    def _written_ranges(self) -> tuple[Sequence[int], Sequence[int]]:
        """The addresses where written buffers begin, sorted, and where those up to each of them end at the latest."""
        if self._written_ends is None:
            starts, ends = zip(*sorted(map(self._ranges.__getitem__, self._written_slots)), strict=True)
            self._written_ends = starts, list(accumulate(ends, max))
        return self._written_ends

    def _pack(self, values: Sequence[float]) -> np.ndarray:
        packed = np.empty(len(values), np.float64)
        count, pack = len(self._scalars), self._number_format.pack_into
        try:
            for first in range(0, len(values), count):
                pack(packed.data, 8 * first, *values[first : first + count])
        except (
            struct.error,
            OverflowError,
        ):  # out of its type's range, which matters only if a kernel reads it
            self._fill(packed, values, self._scalars, self._used_numbers)
        self._table[Layout.NUMBERS] = address_of(packed)
        return packed

    # --- what is held between calls ------------------------------------------------------------------------------

    def _make_holder(self) -> Holder | None:
        """The holder of the arrays that the step keeps transposed; None if there are none, or if they are arguments."""
        held = self.program.code.outline.layout.held
        if not held or not set(held).isdisjoint(self._arguments):
            return None
        memory, program = self._memory, self.program  # and not `self`, which refers to the arrays

        def write_back() -> Change:
            memory.copies_held(before=False, after=True)
            memory.control[Layout.STEPS] = 0
            return running(memory.step, memory.address, threads_for(program))

        return Holder([self.arrays[slot] for slot in held], write_back)

    def buffers(self) -> list[Any]:
        """The buffers of the latest call by input slot; None for those that the step doesn't use."""
        found = list(self.bound)
        for slot in self._entered:
            found[slot] = self.arrays[slot]._data
        return found

    # --- measurement ---------------------------------------------------------------------------------------------

    def measure(self, repeats: int = 30) -> list[float] | None:
        """The best time of each kernel in seconds, in order, on copies of the arrays; None if one has no buffer."""
        if self._holder is not None:
            self._holder.give_back()  # to the buffers, which are copied
        buffers = self.buffers()
        if not all(isinstance(buffers[slot], np.ndarray) for slot in self.used_slots):
            return None
        program, threads = self.program, threads_for(self.program)
        copies = [np.zeros(1) if buffer is None else _copy(buffer) for buffer in buffers]
        results = [aligned_empty(n.shape, n.dtype) for n in program.graph.results]
        # Other numbers may turn weights into NaN; then zeros must not be skipped.
        pointed = [self._last_numbers.copy(), *copies, *results]
        # The step's own memory has room only for the threads that ran it, and they may be using it.
        memory = _StepMemory(program)
        memory.make_temporary(threads)
        memory.table[Layout.NUMBERS : Layout.NUMBERS + len(pointed)] = [x.ctypes.data for x in pointed]
        memory.copies_held(before=True, after=False)
        run_on_threads(memory.step, memory.address, threads)  # runs no step, only copies the held arrays
        frames = [memory.frame(kernel) for kernel in program.plan.kernels]
        codes = [program.code.module.address(name) for name in program.code.outline.kernels]
        best = [float("inf")] * len(codes)
        for _ in range(repeats):
            for i, (code, frame) in enumerate(zip(codes, frames, strict=True)):
                start = time.perf_counter()
                run_on_threads(code, ctypes.addressof(frame), threads)
                best[i] = min(best[i], time.perf_counter() - start)
        return best


class _StepMemory:
    """A step's memory besides its arrays, without references to them: pointers, control numbers, arena, scratch."""

    def __init__(self, program: Program) -> None:
        outline = program.code.outline
        self._program, self._layout = program, outline.layout
        layout = self._layout
        self.table = (ctypes.c_void_p * layout.entries)()
        self.step, self.address = program.code.step, ctypes.addressof(self.table)
        self.control = (ctypes.c_int64 * 3)()
        self.copies_held(before=True, after=True)  # without a holder, each call copies held inputs
        self.table[Layout.CONTROL] = ctypes.addressof(self.control)
        self._held = _pages(outline.held_bytes)
        self.table[layout.holding] = self._held.ctypes.data
        self._arena = self._scratch = np.empty(0, np.uint8)
        self.threads = 0

    def copies_held(self, *, before: bool, after: bool) -> None:
        """Set whether transposed inputs are copied from their buffers before the steps, and back after the steps."""
        self.control[Layout.ENTERS], self.control[Layout.LEAVES] = before, after

    def make_temporary(self, threads: int) -> None:
        """Allocate an arena, and scratch memory for each thread."""
        outline = self._program.code.outline
        arena = _pages(outline.arena_bytes)
        scratch = _pages(outline.scratch_bytes * threads)
        # Only when both are allocated: until then the table points to the previous ones.
        self._arena, self._scratch = arena, scratch
        self.table[self._layout.arena] = self._arena.ctypes.data
        self.table[self._layout.scratch] = self._scratch.ctypes.data
        self.threads = threads

    def frame(self, kernel: Any) -> Any:
        """A kernel's frame: the array of pointers that is its function's argument."""
        pointers = [pointer or 0 for pointer in self.table]
        slots = Frame.of(self._program.plan, kernel, self._layout).slots
        return (ctypes.c_void_p * len(slots))(*(pointers[slot.entry] + slot.offset for slot in slots))


# --- Steps of several bindings side by side, each by a thread of its own ----------------------------------------------
#
# Networks of an ensemble share no memory that is written. A thread that executes a binding alone waits for no other
# thread, and its cache keeps the network from one step to the next.


def run_side_by_side(
    calls: Sequence[tuple[Binding, Sequence[Array], Sequence[float]]], steps: int
) -> list[list[np.ndarray]]:
    """Execute the steps of bindings that write to different memory, given with their arguments and numbers.

    Returns each binding's results, stacked along a new first axis. Threads take bindings by turns. If they
    gain by it, all work together on those that would be left after the last whole turn. The caller holds the bindings'
    locks.
    """
    bindings = [binding for binding, _, _ in calls]
    were_running = [binding._is_running for binding in bindings]
    try:
        for binding in bindings:
            if binding._is_running:
                binding._start_over()
            binding._is_running = True
        for _ in range(_MOST_ATTEMPTS):
            own = state.turn.take(changes := [])
            operations = sum(binding.program.code.outline.operations for binding in bindings)
            threads = get_num_threads() if steps * operations >= SMALL else 1
            alone = len(calls)
            if bindings[-1]._gains_by_threads:
                alone -= alone % threads
            entered = [
                binding._enter_call(arguments, numbers, steps, (steps,), 1 if i < alone else threads)
                for i, (binding, arguments, numbers) in enumerate(calls)
            ]
            places = [x for one in bindings for x in (one._memory.step, one._memory.address)]
            job = (ctypes.c_int64 * (2 + len(places)))(len(calls), alone, *places)
            changes.append(running(side_by_side(), ctypes.addressof(job), threads))
            for *_, fresh in entered:
                changes += [] if fresh is None else fresh.beginning()
            if list(starmap(call, own)):  # `make`
                for binding, (_, _, packed, fresh) in zip(bindings, entered, strict=True):
                    binding._last_numbers = packed
                    if fresh is not None:
                        fresh.check()
                return [results for results, *_ in entered]
            for binding in bindings:
                binding._start_over()
    finally:
        for binding, was in zip(bindings, were_running, strict=True):
            binding._is_running = was
    raise Overlap("signal handlers interrupted each attempt to run it")


def _moved(slots: Sequence[int], arguments: Sequence[int]) -> Callable[..., bool]:
    """A function ``moved(arrays, bound, arguments)``: stores arguments; returns whether a buffer in `slots` changed."""
    targets = "".join(f"arrays[{slot}], " for slot in arguments)
    conditions = [f"arrays[{slot}]._data is not bound[{slot}]" for slot in slots]
    body = [f"{targets}= arguments"] if targets else []
    body.append(f"return {' or '.join(conditions) or False}")
    return function_of("moved(arrays, bound, arguments)", body, Names())


def _entering(
    slots: Sequence[int], types: Sequence[tuple[tuple[int, ...], np.dtype]], writes: bool
) -> Callable[..., tuple[np.ndarray, ...] | None]:
    """A function ``enter(arrays, table, written)`` that enters the buffers of the arrays in `slots` for one step.

    It returns the buffers, or None if some are not contiguous in memory, or not plain arrays of NumPy, or may overlap
    with the ranges `written` (see `Binding._written_ranges`), which count only if the program `writes`.
    """
    names, body = Names(), list[str]()
    if writes:
        body.append("starts, ends = written")
    for slot in slots:
        entry, (shape, dtype) = f"table[{Layout.FIRST_INPUT + slot}]", types[slot]
        body += [
            f"data{slot} = arrays[{slot}]._data",
            f"if data{slot}.__class__ is not {names.of(np.ndarray)} or not data{slot}.flags.c_contiguous: return None",
            f"{'start = ' if writes else ''}{entry} = {names.of(address_of)}(data{slot})",
        ]
        if writes:
            body += [
                f"before = {names.of(bisect_left)}(starts, start + {math.prod(shape) * dtype.itemsize})",
                "if before and ends[before - 1] > start: return None",
            ]
    body.append(f"return ({''.join(f'data{slot}, ' for slot in slots)})")
    return function_of("enter(arrays, table, written)", body, names)


def _forget_runs() -> None:
    for binding in list(_ALIVE):
        binding.forget_run()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_runs)


def _pages(nbytes: int) -> np.ndarray:
    return aligned_empty((nbytes,), np.dtype(np.uint8), mmap.PAGESIZE)


def _copy(buffer: np.ndarray) -> np.ndarray:
    copy = aligned_empty(buffer.shape, buffer.dtype)
    copy[...] = buffer
    return copy


# --- Addresses of NumPy arrays' data, read quickly because every call of a compiled function needs them --------------


_DATA = object.__basicsize__
"""The offset of the data pointer in NumPy's C structure of an array, right after the object's head."""


def _from_interface(array: np.ndarray) -> int:
    return array.ctypes.data


_pointer_at = ctypes.c_void_p.from_address


def _from_object(array: np.ndarray) -> int:
    return _pointer_at(id(array) + _DATA).value or 0


def _choose() -> Callable[[np.ndarray], int]:
    """Choose the function that returns the address of an array's data: the fast one, if it works in this Python."""
    if sys.implementation.name != "cpython":
        return _from_interface
    samples = [np.empty(3), np.empty((4, 5), np.int8)[1:, 2:], np.empty(7, np.float32)[::-1]]
    if all(_from_object(sample) == _from_interface(sample) for sample in samples):
        return _from_object
    return _from_interface


address_of = _choose()
"""The address of an array's first element."""
