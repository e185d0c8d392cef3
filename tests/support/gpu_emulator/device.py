"""Software GPU emulator for finding kernel bugs: kernels run on the CPU, thread by thread.

Uninitialized memory is NaN. Blocks, and threads between barriers, run in a seeded random order; with `repeats` each
launch runs again in the opposite order (then in others), and must give the same bits. Asynchronous copies to shared
memory arrive when they are waited for, not before. Errors are raised as `KernelError`.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpu_emulator.host import Host, converts_float16, host_machine, object_of, runner
from gpu_emulator.runner import (
    AT_SEVERAL_BARRIERS,
    COPIES_LEFT,
    FOUND_BITS,
    LANES_APART,
    MISALIGNED,
    RECORD_WORDS,
    SOME_RETURNED,
    WARP,
)
from lamina.compiler.gpu.target import DIALECTS
from lamina.compiler.llvm.jit import link
from lamina.core.memory import aligned_empty
from lamina.device.interface import Launch, Limits, Region
from lamina.device.pool import out_of_memory

__all__ = ["Emulator", "KernelError"]

DIALECTS["host"] = lambda _: Host()

_TOTAL = 1 << 32  # bytes, as it says
_GUARD = 256  # bytes before and after each buffer, which must stay unwritten
_WHAT = {
    SOME_RETURNED: "some threads have returned while others wait at a barrier",
    AT_SEVERAL_BARRIERS: "threads wait at different barriers",
    LANES_APART: "some lanes of a warp are not where others wait for them",
    MISALIGNED: "addresses are no multiples of the size of what is copied, or read, at once",
    COPIES_LEFT: "threads have returned without waiting for copies that they began",
}


class KernelError(RuntimeError):
    """A kernel bug, such as an access out of bounds or a race."""


class EmulatedBuffer:
    """See `lamina.device.interface.Buffer`."""

    def __init__(self, device: Emulator, nbytes: int) -> None:
        self.device, self.nbytes = device, nbytes
        self.memory = aligned_empty((nbytes + 2 * _GUARD,), np.dtype(np.uint8), _GUARD)
        self.memory[:] = 255

    @property
    def contents(self) -> np.ndarray:
        """The buffer's bytes."""
        return self.memory[_GUARD : _GUARD + self.nbytes]

    def is_intact(self) -> bool:
        """Whether the guards before and after it are intact."""
        guards = self.memory[:_GUARD], self.memory[_GUARD + self.nbytes :]
        return all((guard == 255).all() for guard in guards)


class EmulatedKernel:
    """See `lamina.device.interface.Kernel`."""

    def __init__(self, module: EmulatedModule, name: str, address: int) -> None:
        self.module, self.name = module, name
        i64, pointer = ctypes.c_int64, ctypes.c_void_p
        kind = ctypes.CFUNCTYPE(i64, pointer, i64, pointer, i64, pointer, pointer, pointer)
        self.function: Any = kind(address)


class EmulatedModule:
    """See `lamina.device.interface.Module`."""

    def __init__(self, code: bytes) -> None:
        names, machine_code = object_of(code)
        self._names = set(names)
        self._code = link(host_machine(), [machine_code], tuple(runner(name) for name in names), {})

    def kernel(self, name: str) -> EmulatedKernel:
        """A kernel by its name."""
        if name not in self._names:
            raise KeyError(name)
        return EmulatedKernel(self, name, self._code[runner(name)])


class Emulator:
    """See `lamina.device.interface.Device`. `repeats`: the number of runs of each launch; `seed` determines
    the orders.
    """

    kind = "emulator"
    name = "lamina's emulator"
    dialect = "host"

    def __init__(self, number: int = 0, *, seed: int = 0, repeats: int = 1) -> None:
        self.number, self.repeats = number, repeats
        self._random = np.random.default_rng(seed)
        self._buffers: weakref.WeakSet[EmulatedBuffer] = weakref.WeakSet()
        self.limits = Limits(
            "", 1024, 4, has_float64=True, has_float16=converts_float16(), has_tensor_cores=True
        )
        self.launches = 0

    def allocate(self, nbytes: int) -> EmulatedBuffer:
        free, total = self.memory_info()
        if nbytes > free:
            raise out_of_memory(f"gpu({self.number}), {self.name},", nbytes, total - free, free, total)
        buffer = EmulatedBuffer(self, nbytes)
        self._buffers.add(buffer)
        return buffer

    def memory_info(self) -> tuple[int, int]:
        return _TOTAL - sum(buffer.nbytes for buffer in self._buffers), _TOTAL

    def release_kept_memory(self) -> None:
        """Nothing: no memory is cached."""

    def copy_in(self, target: Region, source: np.ndarray) -> None:
        self._bytes(target, source.nbytes)[:] = np.ascontiguousarray(source).reshape(-1).view(np.uint8)

    def copy_out(self, source: Region, target: np.ndarray) -> None:
        target.reshape(-1).view(np.uint8)[:] = self._bytes(source, target.nbytes)

    def copy(self, source: Region, target: Region, nbytes: int) -> None:
        self._bytes(target, nbytes)[:] = self._bytes(source, nbytes)

    def set_word(self, target: Region, value: int) -> None:
        self._bytes(target, 4).view(np.int32)[0] = value

    def load(self, code: bytes) -> EmulatedModule:
        return EmulatedModule(code)

    def launch(self, launches: Sequence[Launch]) -> None:
        for launch in launches:
            self.launches += 1
            self._launch(launch)

    def record(self, launches: Sequence[Launch]) -> EmulatedRecording:
        return EmulatedRecording(self, launches)

    def synchronize(self) -> None:
        """Nothing: launches are synchronous."""

    # --- launches ----------------------------------------------------------------------------------------------------

    def _bytes(self, region: Region, nbytes: int) -> np.ndarray:
        buffer = region.buffer
        assert isinstance(buffer, EmulatedBuffer)
        if region.offset + nbytes > buffer.nbytes:
            raise KernelError(
                f"bytes {region.offset} to {region.offset + nbytes} of a buffer of {buffer.nbytes}"
            )
        return buffer.contents[region.offset : region.offset + nbytes]

    def _launch(self, launch: Launch) -> None:
        buffers = {
            id(a.buffer): a.buffer
            for a in launch.arguments
            if isinstance(a, Region) and isinstance(a.buffer, EmulatedBuffer)
        }
        before = {key: buffer.memory.copy() for key, buffer in buffers.items()} if self.repeats > 1 else {}
        after: dict[int, np.ndarray] = {}
        orders: tuple[np.ndarray, ...] = ()
        for turn in range(self.repeats):
            orders = tuple(order[::-1].copy() for order in orders) if turn % 2 else self._orders(launch)
            if turn:
                after = after or {key: buffer.memory.copy() for key, buffer in buffers.items()}
                for key, buffer in buffers.items():
                    buffer.memory[:] = before[key]
            self._run(launch, *orders)
            for key, buffer in buffers.items():
                if turn and (buffer.memory != after[key]).any():
                    raise KernelError(
                        f"{launch.kernel.name}: what it computes depends on the order of its threads"
                    )
        if not all(buffer.is_intact() for buffer in buffers.values()):
            raise KernelError(f"{launch.kernel.name} writes beyond the end of a buffer")

    def _run(self, launch: Launch, block_order: np.ndarray, order: np.ndarray) -> None:
        kernel = launch.kernel
        assert isinstance(kernel, EmulatedKernel)
        arguments = np.array([_word(a) for a in launch.arguments], np.int64)
        blocks, threads = len(block_order), len(order)
        handles, records = np.zeros(threads, np.int64), np.zeros((threads, RECORD_WORDS), np.int64)
        addresses = [x.ctypes.data for x in (arguments, block_order, order, handles, records)]
        found = kernel.function(addresses[0], blocks, addresses[1], threads, *addresses[2:])
        if found:
            block, what = divmod(found, 1 << FOUND_BITS)
            raise KernelError(f"{kernel.name}, block {block - 1}: {_WHAT[what]}")

    def _orders(self, launch: Launch) -> tuple[np.ndarray, np.ndarray]:
        """A random order of blocks, and of a block's threads: of warps, and of the lanes in each."""
        blocks, threads = int(np.prod(launch.grid)), int(np.prod(launch.block))
        warps = [np.arange(first, min(first + WARP, threads)) for first in range(0, threads, WARP)]
        shuffled = [self._random.permutation(warps[i]) for i in self._random.permutation(len(warps))]
        return self._random.permutation(blocks), np.concatenate(shuffled)


class EmulatedRecording:
    """See `lamina.device.interface.Recording`."""

    def __init__(self, device: Emulator, launches: Sequence[Launch]) -> None:
        self._device, self._launches = device, list(launches)

    def replay(self) -> None:
        self._device.launch(self._launches)


def _word(argument: Region | int) -> int:
    if isinstance(argument, int):
        return argument
    assert isinstance(argument.buffer, EmulatedBuffer)
    return argument.buffer.contents.ctypes.data + argument.offset
