"""One compiled step run by threads that are only simulated, in an order that a test chooses.

Between two barriers every thread does its share of all kernels alone, one thread after the other. If a thread needs
what another one computes in the same stretch, some order of threads gives another result: a race is found every
time, and not once in a million runs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.compiler.emit import Frame

__all__ = ["simulated_step"]


def simulated_step(entry: Any, threads: Sequence[int], numbers: Sequence[float] = ()) -> list[np.ndarray]:
    """Run the step of a `Specialization` that has run before, on copies of its buffers; `threads` gives their order.

    Returns the results and then all input buffers, as they are afterwards.
    """
    program = entry.program
    count = len(threads)
    buffers = [np.zeros(1) if b is None else np.array(b) for b in entry.step.bound]
    results = [np.zeros(n.shape, n.dtype) for n in program.graph.results]
    packed = np.array([*numbers, 0.0])
    whole = packed.view(np.int64)
    for i, dtype in enumerate(program.graph.scalars):
        if dtype.kind == "i":
            whole[i] = int(packed[i])
    arena = np.full(program.plan.arena_bytes + 64, 0x7F, np.uint8)
    scratch = np.zeros(program.code.outline.scratch_bytes * count + 4096, np.uint8)
    table = [0, packed.ctypes.data, *(x.ctypes.data for x in [*buffers, *results])]
    held = np.full(program.plan.held_bytes + 64, 0x7F, np.uint8)
    table += [_aligned(held, 64), _aligned(arena, 64), _aligned(scratch, 4096)]
    for stretch in _stretches(program):
        for thread in threads:
            for name, frame in ((n, _frame(program, k, table)) for k, n in stretch):
                _call(program, name, frame, thread, count)
    return [*results, *buffers]


def _stretches(program: Any) -> list[list[Any]]:
    """The kernels with their names, cut at the barriers and where strands begin."""
    found: list[list[Any]] = [[]]
    for i, (kernel, name) in enumerate(zip(program.plan.kernels, program.code.outline.kernels, strict=True)):
        if kernel in program.plan.barriers or i in program.plan.strands:
            found.append([])
        found[-1].append((kernel, name))
    return found


def _frame(program: Any, kernel: Any, table: list[int]) -> Any:
    slots = Frame.of(program.plan, kernel, program.code.outline.layout).slots
    return (ctypes.c_void_p * len(slots))(*(table[slot.entry] + slot.offset for slot in slots))


def _call(program: Any, name: str, frame: Any, thread: int, threads: int) -> None:
    code = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        program.code.module.address(name)
    )
    code(ctypes.addressof(frame), thread, threads)


def _aligned(buffer: np.ndarray, alignment: int) -> int:
    return -(-buffer.ctypes.data // alignment) * alignment
