"""OpenCL devices that accept SPIR-V (Intel's GPUs, PoCL, rusticl), through pyopencl (extra ``opencl``).

Memory is "coarse-grained shared virtual memory": the host never accesses it, but it has addresses, so that an array
may begin anywhere in a buffer.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lamina.device.interface import Dialect, Launch, Limits, Region
from lamina.device.pool import PooledDevice, memory_limit
from lamina.errors import ContextError, DeviceError
from lamina.support.extras import missing_packages

_NVIDIA = 0x10DE  # the PCI-SIG's number of NVIDIA


class Found(NamedTuple):
    """A device that was found: pyopencl's object, and the reason if it can't be used."""

    device: Any
    name: str
    reason: str | None
    is_gpu: bool
    is_nvidia: bool


def find() -> list[Found]:
    """The devices of all platforms. Raises `DeviceError` with the reason if there are none."""
    try:
        import pyopencl as cl
    except ImportError:
        raise DeviceError(str(missing_packages("OpenCL", ["pyopencl"]))) from None
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        raise DeviceError(f"no OpenCL driver is installed: {error}") from None
    devices: list[Found] = []
    for platform in platforms:
        try:
            own = platform.get_devices()
        except cl.Error:  # a platform without a device says so by an error
            own = []
        devices += [_described(cl, platform, one) for one in own]
    return devices


def _described(cl: Any, platform: Any, device: Any) -> Found:
    name = f"{device.name.strip()} ({platform.name.strip()})"
    is_gpu = bool(device.type & cl.device_type.GPU)
    reason = None
    if "SPIR-V" not in _asked(cl, device, "IL_VERSION", ""):
        reason = "it takes no SPIR-V"
    elif not _asked(cl, device, "SVM_CAPABILITIES", 0) & cl.device_svm_capabilities.COARSE_GRAIN_BUFFER:
        reason = "it has no shared virtual memory"
    return Found(device, name, reason, is_gpu, device.vendor_id == _NVIDIA)


def _asked(cl: Any, device: Any, name: str, default: Any) -> Any:
    """A property of the device; `default` if the device is too old to have this property."""
    try:
        return device.get_info(getattr(cl.device_info, name))
    except cl.Error:
        return default


def _said_once(error: Exception) -> str:
    r"""The driver's error messages without repetitions: pyopencl repeats the first message and appends build options.

    >>> print(_said_once(Exception("failed: X - failed: X - failed: X\n\nits log\n\n(options: -I a)")))
    failed: X
    its log
    """
    head, between, rest = str(error).partition(" - ")
    while rest.startswith(head):
        rest = rest.removeprefix(head).removeprefix(between)
    lines = f"{head}\n{rest}".split("\n")
    return "\n".join(line for line in lines if line.strip() and not line.startswith("(options: "))


class OpenCLDevice(PooledDevice):
    """An OpenCL device; implements `lamina.device.interface.Device`. All work is in one in-order queue."""

    kind = "opencl"
    dialect: Dialect = "spirv"

    def __init__(self, found: Found, number: int) -> None:
        import pyopencl as cl

        super().__init__(found.name, number)
        self._cl: Any = cl
        self._device = found.device
        self._context = self._try(lambda: cl.Context([found.device]))
        self._queue = self._try(lambda: cl.CommandQueue(self._context))
        self._blocks: dict[int, Any] = {}
        self._total = int(found.device.global_mem_size)
        self.limits = _limits(cl, found.device)
        self._options = _options(cl, found.device)
        self._limit = memory_limit(self._total)

    # --- memory --------------------------------------------------------------------------------------------------

    def copy_in(self, target: Region, source: np.ndarray) -> None:
        data = np.ascontiguousarray(source)
        if data.nbytes:
            self._copy(self._at(target, data.nbytes), self._pointer(data.ctypes.data, data.nbytes))

    def copy_out(self, source: Region, target: np.ndarray) -> None:
        if not (target.flags.c_contiguous and target.flags.writeable):
            raise ValueError("copy_out: the target must be a writeable array in C order")
        if target.nbytes:
            self._copy(self._pointer(target.ctypes.data, target.nbytes), self._at(source, target.nbytes))

    def copy(self, source: Region, target: Region, nbytes: int) -> None:
        if nbytes:
            self._copy(self._at(target, nbytes), self._at(source, nbytes), is_blocking=False)

    def as_cl_mem(self, buffer: Any) -> Any:
        """An OpenCL buffer object for memory of the pool, for libraries that don't support shared virtual memory."""
        cl = self._cl
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.USE_HOST_PTR
        block = (ctypes.c_char * buffer.size).from_address(buffer.address)
        with self:
            return self._try(lambda: cl.Buffer(self._context, flags, hostbuf=block))

    def address_of_cl_mem(self, handle: int) -> tuple[int, Any]:
        """The address of a `cl_mem`, and pyopencl's object; raises `ContextError` without an address."""
        cl = self._cl
        memory = cl.Buffer.from_int_ptr(handle, retain=True)
        if not memory.get_info(cl.mem_info.USES_SVM_POINTER):
            raise ContextError(
                f"from_dlpack: the array's memory on {self.name} is not shared virtual memory; copy it to the CPU first"
            )
        host = memory.get_host_array((memory.size,), np.dtype(np.uint8))
        return host.ctypes.data, memory

    def set_word(self, target: Region, value: int) -> None:
        pointer = self._at(target, 4)
        with self:
            word = np.array([value], np.int32)
            self._try(lambda: self._cl.enqueue_svm_memfill(self._queue, pointer, word, 4))

    def _copy(self, target: Any, source: Any, *, is_blocking: bool = True) -> None:
        with self:
            self._try(lambda: self._cl.enqueue_copy(self._queue, target, source, is_blocking=is_blocking))

    def _at(self, region: Region, nbytes: int) -> Any:
        """A memory range as pyopencl's object. It has at least one byte, since no pointer to an empty range exists."""
        region.check(nbytes)
        buffer: Any = region.buffer
        return self._pointer(buffer.address + region.offset, nbytes)

    def _pointer(self, address: int, nbytes: int) -> Any:
        return self._cl.SVM((ctypes.c_char * max(nbytes, 1)).from_address(address))

    # --- what the pool asks for ----------------------------------------------------------------------------------

    def take_memory(self, nbytes: int) -> int | None:
        cl = self._cl
        if nbytes > self._device.max_mem_alloc_size or self._taken + nbytes > self._total:
            return None
        try:
            block = cl.SVMAllocation(self._context, nbytes, _ALIGNMENT, cl.svm_mem_flags.READ_WRITE)
        except (cl.MemoryError, MemoryError):
            return None
        except cl.Error as error:
            raise DeviceError(f"{self._label} can't allocate memory: {error}") from None
        self._blocks[block.svm_ptr] = block
        return block.svm_ptr

    def free_memory(self, address: int) -> None:
        self._blocks.pop(address).release()

    def free_and_total(self) -> tuple[int, int]:
        """See `PooledDevice`. Memory used by other programs is unknown."""
        return max(self._total - self._taken, 0), self._total

    # --- code ----------------------------------------------------------------------------------------------------

    def load(self, code: bytes) -> OpenCLModule:
        """See `Device`. Errors contain the messages of the driver's compiler."""
        cl = self._cl
        with self, warnings.catch_warnings():
            warnings.simplefilter("ignore", cl.CompilerWarning)
            try:
                return OpenCLModule(self, cl.Program(self._context, code).build(self._options))
            except cl.Error as error:
                raise DeviceError(f"{self._label} can't load a program: {_said_once(error)}") from None

    def kernel_of(self, program: Any, name: str) -> Any:
        """The kernel of a program with this name; raises `KeyError` if it is missing."""
        with self:
            try:
                return self._cl.Kernel(program, name)
            except self._cl.LogicError:
                raise KeyError(name) from None

    def launch(self, launches: Sequence[Launch]) -> None:
        with self:
            for one in launches:
                kernel: Any = one.kernel
                arguments = [self._argument(x) for x in one.arguments]
                sizes = tuple(n * m for n, m in zip(one.grid, one.block, strict=True))
                self._try(partial(kernel.handle.set_args, *arguments))
                enqueue = self._cl.enqueue_nd_range_kernel
                self._try(partial(enqueue, self._queue, kernel.handle, sizes, one.block))
            self._queue.flush()

    def _argument(self, value: Region | int) -> Any:
        if not isinstance(value, Region):
            return np.int64(value) if value < 1 << 63 else np.uint64(value)
        buffer: Any = value.buffer
        return self._pointer(buffer.address + value.offset, buffer.nbytes - value.offset)

    def record(self, launches: Sequence[Launch]) -> None:
        """Return None, since few drivers have OpenCL's command buffers. See `Device`."""

    def synchronize(self) -> None:
        with self:
            self._try(self._queue.finish)

    # --- inside --------------------------------------------------------------------------------------------------

    def _try(self, call: Any) -> Any:
        """Call a function and translate OpenCL's errors. If a kernel or the driver fails, mark the device as lost."""
        cl = self._cl
        try:
            return call()
        except cl.MemoryError as error:
            raise DeviceError(f"{self._label} is out of memory: {error}") from None
        except cl.LogicError as error:
            raise DeviceError(f"{self._label} {error}") from None
        except cl.Error as error:
            raise self._lose(f"a kernel or the driver failed ({error})") from None


class OpenCLModule:
    """A built program; implements `lamina.device.interface.Module`."""

    def __init__(self, device: OpenCLDevice, program: Any) -> None:
        self._device, self._program = device, program

    def kernel(self, name: str) -> OpenCLKernel:
        return OpenCLKernel(name, self._device.kernel_of(self._program, name))


class OpenCLKernel:
    """A kernel of an `OpenCLModule`; implements `lamina.device.interface.Kernel`."""

    __slots__ = ("handle", "name")

    def __init__(self, name: str, handle: Any) -> None:
        self.name, self.handle = name, handle


_ALIGNMENT = 128  # the size of the largest type, `long16`; OpenCL guarantees no more
_UNITS_OF_GPU = 128  # float32 units per compute unit: a guess, used only by `explain`


def _options(cl: Any, device: Any) -> list[str]:
    """Build options for correctly rounded float32 division and roots, which OpenCL does not require by default."""
    rounds = cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT
    has_it = _asked(cl, device, "SINGLE_FP_CONFIG", 0) & rounds
    return ["-cl-fp32-correctly-rounded-divide-sqrt"] if has_it else []


def _limits(cl: Any, device: Any) -> Limits:
    extensions = device.extensions.split()
    clock = 1e6 * (_asked(cl, device, "MAX_CLOCK_FREQUENCY", 0) or 1000)
    units = _UNITS_OF_GPU if device.type & cl.device_type.GPU else 16
    return Limits(
        architecture="",
        block_threads=int(device.max_work_group_size),
        processors=int(device.max_compute_units),
        has_float64="cl_khr_fp64" in extensions,
        has_float16="cl_khr_fp16" in extensions,
        peak_flops=2.0 * units * device.max_compute_units * clock,
    )
