"""The interface of a device: separate memory, code in one of three dialects, and launches in call order.

Implementations exist for NVIDIA's driver and OpenCL, and in the tests' emulator (`tests/support/gpu_emulator`). Arrays
on GPUs and the compiler (`lamina.compiler.gpu`) use only this interface.

A device works in call order: a copy waits for earlier launches, a launch for earlier copies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Dialect = str
"""A device's code format: "nvptx" (PTX, text), "spirv" (a SPIR-V 1.2 module for OpenCL), or another of
`lamina.compiler.gpu.target.DIALECTS`."""
Dim = tuple[int, int, int]
"""The number of blocks or threads along x, y and z; y and z are at most 65535."""


@dataclass(frozen=True)
class Limits:
    """Limits of a device that its code depends on.

    ``architecture``  LLVM's name of the processor ("sm_90"); empty if the dialect has none
    ``block_threads`` maximum threads per block
    ``processors``    number of multiprocessors or compute units; at least as many blocks run concurrently
    ``peak_flops``    approximate peak, in float32 operations per second; for `explain`
    ``has_tensor_cores``  whether the device multiplies small matrices of tf32 and bfloat16 numbers, and copies to
                      shared memory asynchronously, as NVIDIA's GPUs do from Ampere on
    """

    architecture: str
    block_threads: int
    processors: int
    has_float64: bool
    has_float16: bool
    peak_flops: float = 1e12
    has_tensor_cores: bool = False


class Buffer(Protocol):
    """A block of device memory, freed (or kept by the device's allocator) when no object refers to it any more."""

    device: Device
    nbytes: int


@dataclass(frozen=True, slots=True)
class Region:
    """A buffer's memory from a byte offset on."""

    buffer: Buffer
    offset: int = 0

    def check(self, nbytes: int) -> None:
        """Raise `ValueError` if the buffer ends within `nbytes` bytes from the offset."""
        if self.offset < 0 or self.offset + nbytes > self.buffer.nbytes:
            raise ValueError(
                f"{nbytes} bytes at offset {self.offset} exceed a buffer of {self.buffer.nbytes} bytes"
            )


class DeviceArray:
    """An array's contents on a device (see `lamina.core.array.Value`), with the elements in C order.

    All views of the same memory, and no other arrays, share the object ``sharing``. Its reference count shows whether
    other views exist.
    """

    __slots__ = ("__weakref__", "dtype", "region", "shape", "sharing")

    def __init__(self, region: Region, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.region, self.shape, self.dtype = region, tuple(shape), np.dtype(dtype)
        self.sharing: list[None] = []

    @classmethod
    def empty(cls, device: Device, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """An array in new, uninitialized memory."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        return cls(Region(device.allocate(nbytes)), shape, dtype)

    @classmethod
    def of(cls, device: Device, numbers: np.ndarray) -> DeviceArray:
        """An array in new device memory, with a copy of `numbers`."""
        made = cls.empty(device, numbers.shape, numbers.dtype)
        if made.nbytes:
            device.copy_in(made.region, np.ascontiguousarray(numbers))
        return made

    @property
    def device(self) -> Device:
        """The device that stores the array."""
        return self.region.buffer.device

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """A copy of the values as a NumPy array, made after all earlier launches."""
        numbers = np.empty(self.shape, self.dtype)
        if numbers.nbytes:
            self.device.copy_out(self.region, numbers)
        return numbers if dtype is None else numbers.astype(dtype, copy=False)

    def part(self, first: int, shape: tuple[int, ...]) -> DeviceArray:
        """A view of this shape that begins at element `first` of the array, in C order."""
        start = self.region.offset + first * self.dtype.itemsize
        view = DeviceArray(Region(self.region.buffer, start), shape, self.dtype)
        view.sharing = self.sharing
        return view

    def copy(self) -> DeviceArray:
        """A copy of the values in new memory of the device."""
        made = DeviceArray.empty(self.device, self.shape, self.dtype)
        made.write(self)
        return made

    def shares_memory(self, other: object) -> bool:
        """Whether another value is a view of the same memory."""
        return isinstance(other, DeviceArray) and other.sharing is self.sharing

    def write(self, source: Any) -> None:
        """Copy `source`, an array of the same shape and any dtype on any device or the CPU, into this array."""
        if not self.nbytes:
            return
        if isinstance(source, DeviceArray) and source.device is self.device and source.dtype == self.dtype:
            if source.region != self.region:
                self.device.copy(source.region, self.region, self.nbytes)
            return
        numbers = np.asarray(source).astype(self.dtype, copy=False)
        self.device.copy_in(self.region, np.ascontiguousarray(np.broadcast_to(numbers, self.shape)))


class Kernel(Protocol):
    """A function of a module that can be launched on the device."""

    name: str


class Module(Protocol):
    """Code loaded on a device, which is unloaded when no object refers to it or its kernels any more."""

    def kernel(self, name: str) -> Kernel:
        """The kernel with this name; raises `KeyError` if it is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Launch:
    """A kernel on a grid of thread blocks, with its arguments: pointers and 64-bit integers."""

    kernel: Kernel
    grid: Dim
    block: Dim
    arguments: tuple[Region | int, ...]


class Recording(Protocol):
    """A recorded sequence of launches that can be replayed at low cost."""

    def replay(self) -> None:
        """Launch all kernels in order. The recording keeps their buffers alive."""


class Device(Protocol):
    """A device. Any thread may call its methods, one at a time; they raise errors of `lamina.errors`."""

    kind: str
    """The name of the device's kind, as in ``LAMINA_DEVICE``."""
    name: str
    """The device's product name."""
    number: int
    """The number of the device's context: `mx.gpu(number)`."""
    dialect: Dialect
    limits: Limits

    # memory

    def allocate(self, nbytes: int) -> Buffer:
        """Allocate `nbytes` bytes of uninitialized memory; 0 bytes are allowed."""
        ...

    def memory_info(self) -> tuple[int, int]:
        """The free bytes, including memory kept for reuse, and the total number of bytes."""
        ...

    def release_kept_memory(self) -> None:
        """Return memory kept for reuse to the driver, which makes it available to other programs."""

    def copy_in(self, target: Region, source: np.ndarray) -> None:
        """Copy from a C-ordered array, which may be changed as soon as this returns."""

    def copy_out(self, source: Region, target: np.ndarray) -> None:
        """Copy to a writable C-ordered array, which is filled when this returns."""

    def copy(self, source: Region, target: Region, nbytes: int) -> None:
        """Copy `nbytes` bytes within the device; the ranges must not overlap."""

    def set_word(self, target: Region, value: int) -> None:
        """Set 4 bytes to a 32-bit number (0 <= value < 2**31), without waiting for the device."""

    # code

    def load(self, code: bytes) -> Module:
        """Load code in the device's dialect."""
        ...

    def launch(self, launches: Sequence[Launch]) -> None:
        """Launch kernels in sequence, each after the previous kernel has ended; returns without waiting."""

    def record(self, launches: Sequence[Launch]) -> Recording | None:
        """Record launches for many replays; None if replaying would not be faster on this device."""

    def synchronize(self) -> None:
        """Wait until the device has done all work. Earlier errors are raised here at the latest."""
