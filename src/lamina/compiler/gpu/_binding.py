"""Binding of programs to a device's memory: the step's launches with their arguments, and memory for temporaries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.compiler.emit.pointers import Layout, Slot
from lamina.compiler.gpu._loops import THREADS
from lamina.compiler.target import BoundStep, Program
from lamina.core.array import Array, renew, require_numbers
from lamina.core.interrupts import Change, Turn, make
from lamina.core.lowering import Overlap
from lamina.core.ownership import bind_buffer, release_buffers
from lamina.device.interface import Buffer, Device, DeviceArray, Launch, Recording, Region

_STEPS_A_RECORDING = 16
"""The steps in a recording, which costs little to launch; fewer steps are launched one by one."""
_ROOM = 1 << 20
"""The minimum of bytes allocated for data that changes from step to step, which makes growth rare."""


class Binding(BoundStep):
    """A program bound to a device's memory."""

    def __init__(
        self,
        device: Device,
        program: Program,
        arrays: Sequence[Array],
        arguments: Sequence[int],
        written: frozenset[int],
    ) -> None:
        super().__init__(program, arrays, arguments, written)
        self.lock, self.device = threading.RLock(), device
        self.used_slots = program.graph.used_slots
        self._read = program.graph.read_slots
        self._memory = _StepMemory(device, program)
        self._recorded: tuple[Any, Recording] | None = None

    def run(
        self,
        arguments: Sequence[Array],
        numbers: Sequence[float],
        steps: int,
        lead: tuple[int, ...],
        turn: Turn | None = None,
        then: Callable[[list[DeviceArray]], list[Change]] | None = None,
    ) -> list[DeviceArray]:
        """Launch the steps' kernels; see `BoundStep`."""
        if self._is_running:  # by an interrupted call: its memory is in use
            apart = Binding(self.device, self.program, self.arrays, self._arguments, self._written)
            return apart.run(arguments, numbers, steps, lead, turn, then)
        if turn is not None and turn.is_closed:
            return []
        self._is_running = True
        try:
            results = self._launch(arguments, numbers, steps, lead)
        finally:
            self._is_running = False
        if then is not None:
            make(iter(then(results)))
        return results

    def _launch(
        self, arguments: Sequence[Array], numbers: Sequence[float], steps: int, lead: tuple[int, ...]
    ) -> list[DeviceArray]:
        for slot, array in zip(self._arguments, arguments, strict=True):
            self.arrays[slot] = array
        self._bind_arrays(steps)
        memory = self._memory
        cells, scalars = np.zeros(len(numbers), np.uint64), self.program.graph.scalars
        self._fill(cells, numbers, scalars, range(len(scalars)))
        memory.write_numbers(cells)
        results = [
            DeviceArray.empty(self.device, lead + node.shape, node.dtype)
            for node in self.program.graph.results
        ]
        if steps < 2 * _STEPS_A_RECORDING:
            regions = self._regions(results)
            memory.set_base(0)
            self.device.launch([x for step in range(steps) for x in memory.launches(regions, step)])
        else:
            self._run_recorded(results, steps)
        return results

    def release(self, slots: Sequence[int] | None = None) -> None:
        super().release(slots)
        self._recorded = None

    # --- many steps --------------------------------------------------------------------------------------------------

    def _run_recorded(self, results: list[DeviceArray], steps: int) -> None:
        """Execute many steps by replaying a recording of a few steps.

        Between replays, only the number of the recording's first step is set. Data that changes from step to step goes
        through the step's private memory, so the recording stays valid when the next call has other rows and results.
        """
        memory = self._memory
        own = memory.results_of(steps)
        given = self._regions([])
        moving = memory.copied_rows(given, steps)
        regions = self._regions(own) | moving
        recording = self._recording(regions)
        whole = steps - steps % _STEPS_A_RECORDING if recording is not None else 0
        for first in range(0, whole, _STEPS_A_RECORDING):
            memory.set_base(first)
            assert recording is not None
            recording.replay()
        memory.set_base(0)
        self.device.launch([x for step in range(whole, steps) for x in memory.launches(regions, step)])
        for source, target in zip(own, results, strict=True):
            if target.nbytes:
                self.device.copy(source.region, target.region, target.nbytes)
        for entry in moving.keys() & {Layout.FIRST_INPUT + slot for slot in self._written}:
            self.device.copy(moving[entry], given[entry], steps * memory.layout.strides[entry])
        self.device.synchronize()  # callers of many steps measure their time

    def _recording(self, regions: dict[int, Region]) -> Recording | None:
        """The recording of launches with this memory, the latest or a new one; None if the device can't record."""
        key = sorted((entry, id(r.buffer), r.offset) for entry, r in regions.items())
        if self._recorded is None or self._recorded[0] != key:
            launches = [x for i in range(_STEPS_A_RECORDING) for x in self._memory.launches(regions, i)]
            recording = self.device.record(launches)
            if recording is None:
                return None
            self._recorded = key, recording
        return self._recorded[1]

    # --- memory ------------------------------------------------------------------------------------------------------

    def _bind_arrays(self, steps: int) -> None:
        """Bind the memory of all arrays in use; gradients that an earlier step left without a buffer get new memory."""
        changed = False
        for slot in self._read:  # before any other array is renewed
            require_numbers(self.arrays[slot])
        for slot in self.used_slots:
            array = self.arrays[slot]
            if slot not in self._read:
                renew(array)
            found = array._data
            if not isinstance(found, DeviceArray) or found.device is not self.device:
                raise Overlap("an array is not in the device's memory")
            expected = self.program.graph.inputs[slot]
            assert (found.shape, found.dtype) == expected, "the call's key has the shape and dtype"
            if found is not self.bound[slot]:
                bind_buffer(self.bound, slot, found)
                changed = True
        if changed:
            self._check_overlaps(steps)

    def _check_overlaps(self, steps: int) -> None:
        """Raise `Overlap` if a written array shares memory with another array at any step."""
        strides = self._memory.layout.strides[Layout.FIRST_INPUT :]
        ends = [
            0 if x is None else x.region.offset + x.nbytes + (steps - 1) * strides[slot]
            for slot, x in enumerate(self.bound)
        ]
        for slot in self._written:
            first = self.bound[slot]
            for other in self.used_slots:
                second = self.bound[other]
                if other == slot or first is None or second is None:
                    continue
                if (
                    first.region.buffer is second.region.buffer
                    and first.region.offset < ends[other]
                    and second.region.offset < ends[slot]
                ):
                    release_buffers(self.bound)
                    raise Overlap("an array that is written shares memory with another one")

    def _regions(self, results: Sequence[DeviceArray]) -> dict[int, Region]:
        """The memory to which each entry of the pointer table points, by the entry's number."""
        layout = self._memory.layout
        regions = {Layout.FIRST_INPUT + s: b.region for s, b in enumerate(self.bound) if b is not None}
        regions |= {layout.first_result + i: result.region for i, result in enumerate(results)}
        return regions | self._memory.regions()


class _StepMemory:
    """A step's memory besides its arrays: temporaries, scalar inputs, memory of blocks, the first step's number."""

    def __init__(self, device: Device, program: Program) -> None:
        self.device, self.code = device, program.code
        self.schedule, self.layout = program.code.schedule, program.code.layout
        self.graph = program.graph
        self._arena = device.allocate(program.plan.arena_bytes)
        self._scratch = device.allocate(self.schedule.scratch_bytes)
        self._numbers = device.allocate(8 * len(program.graph.scalars))
        self._base = device.allocate(4)
        self._base_value: int | None = None
        self._results: tuple[int, list[DeviceArray]] = 0, []
        self._rows: dict[int, Buffer] = {}
        zeros = np.zeros(self.schedule.counters_bytes, np.uint8)
        if zeros.size:
            device.copy_in(Region(self._scratch), zeros)
        kernels = {stage.name: self.code.module.kernel(stage.name) for stage in self.schedule.stages}
        self._stages = [
            (kernels[s.name], s.blocks, self.schedule.slots(s), self.schedule.moves(s))
            for s in self.schedule.stages
        ]

    def regions(self) -> dict[int, Region]:
        """The memory of temporaries, scalar inputs and scratch memory, by entry of the pointer table."""
        return {
            Layout.NUMBERS: Region(self._numbers),
            self.layout.arena: Region(self._arena),
            self.layout.scratch: Region(self._scratch),
        }

    def write_numbers(self, packed: np.ndarray) -> None:
        """Copy the scalar inputs of all steps to the device."""
        if packed.nbytes > self._numbers.nbytes:
            self._numbers = self.device.allocate(max(packed.nbytes, min(_ROOM, 64 * packed.nbytes)))
        if packed.size:
            self.device.copy_in(Region(self._numbers), packed)

    def set_base(self, step: int) -> None:
        """Set the number, stored in the device's memory, that launches add to their step numbers."""
        if step != self._base_value:
            self.device.set_word(Region(self._base), step)
            self._base_value = step

    def results_of(self, steps: int) -> list[DeviceArray]:
        """Memory for the results of many steps, which is reused from call to call."""
        if self._results[0] < steps:
            count = max(steps, _ROOM // max(sum(n.nbytes for n in self.graph.results), 1))
            arrays = [DeviceArray.empty(self.device, (count, *n.shape), n.dtype) for n in self.graph.results]
            self._results = count, arrays
        return self._results[1]

    def copied_rows(self, regions: dict[int, Region], steps: int) -> dict[int, Region]:
        """Copy the inputs that change from step to step to memory that is reused; returns the copies by entry."""
        found: dict[int, Region] = {}
        for entry, stride in enumerate(self.layout.strides):
            if not stride or entry not in regions or not self.layout.is_input(entry):
                continue
            nbytes = steps * stride
            if entry not in self._rows or self._rows[entry].nbytes < nbytes:
                self._rows[entry] = self.device.allocate(max(nbytes, _ROOM))
            found[entry] = Region(self._rows[entry])
            self.device.copy(regions[entry], found[entry], nbytes)
        return found

    def launches(self, regions: dict[int, Region], step: int) -> list[Launch]:
        """The launches of a step."""
        found: list[Launch] = []
        for kernel, blocks, slots, moves in self._stages:
            arguments: list[Region | int] = [_at(regions, slot) for slot in slots]
            if moves:
                arguments += [Region(self._base), step]
            found.append(Launch(kernel, (blocks, 1, 1), (THREADS, 1, 1), tuple(arguments)))
        return found


def _at(regions: dict[int, Region], slot: Slot) -> Region:
    region = regions[slot.entry]
    return Region(region.buffer, region.offset + slot.offset)
