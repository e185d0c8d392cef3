"""NVIDIA's GPUs (Ampere and later) as devices.

lamina needs only the driver, which assembles kernels from PTX.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from lamina.device.interface import Dialect, Launch, Limits, Region
from lamina.device.pool import PooledDevice, memory_limit
from lamina.errors import DeviceError

_OLDEST = (8, 0)


class GPU(NamedTuple):
    """A GPU that was found: its name, and the reason if it can't be used."""

    name: str
    reason: str | None


@cache
def _driver() -> CudaDriver:
    """The initialized driver. Raises `DeviceError` if there is no driver or no GPU."""
    driver = CudaDriver(open_library())
    driver("cuInit", 0)
    return driver


def find() -> list[GPU]:
    """The GPUs, in the driver's order. Raises `DeviceError` with the reason if there are none."""
    driver, count = _driver(), c_int()
    driver("cuDeviceGetCount", byref(count))
    return [_found(driver, i) for i in range(count.value)]


def _found(driver: CudaDriver, ordinal: int) -> GPU:
    handle, name = c_int(), ctypes.create_string_buffer(256)
    driver("cuDeviceGet", byref(handle), ordinal)
    driver("cuDeviceGetName", name, len(name), handle)
    capability = _capability(driver, handle.value)
    reason = None
    if capability < _OLDEST:
        reason = f"its compute capability is {capability[0]}.{capability[1]}; needed is 8.0, Ampere, or later"
    return GPU(name.value.decode(errors="replace"), reason)


def _capability(driver: CudaDriver, handle: int) -> tuple[int, int]:
    return driver.attribute(Attribute.MAJOR, handle), driver.attribute(Attribute.MINOR, handle)


class CudaDevice(PooledDevice):
    """An NVIDIA GPU; implements `lamina.device.interface.Device`, with all work in one stream, in call order."""

    kind = "cuda"
    dialect: Dialect = "nvptx"

    def __init__(self, ordinal: int, number: int) -> None:
        self._call = driver = _driver()
        handle = c_int()
        driver("cuDeviceGet", byref(handle), ordinal)
        self._handle = handle.value
        super().__init__(_found(driver, ordinal).name, number)
        self._context = driver.handle("cuDevicePrimaryCtxRetain", self._handle)
        driver("cuCtxSetCurrent", self._context)
        self._stream = driver.handle("cuStreamCreate", _NON_BLOCKING)
        self.limits = _limits(driver, self._handle)
        self._limit = memory_limit(self.free_and_total()[1])

    # --- memory --------------------------------------------------------------------------------------------------

    def copy_in(self, target: Region, source: np.ndarray) -> None:
        """See `Device`. Waits for the copy, since the driver may read unpinned memory after the call."""
        with self:
            data = np.ascontiguousarray(source)
            target.check(data.nbytes)
            self._do("cuMemcpyHtoDAsync_v2", _address(target), data.ctypes.data, data.nbytes, self._stream)
            self._wait()

    def copy_out(self, source: Region, target: np.ndarray) -> None:
        with self:
            source.check(target.nbytes)
            if not (target.flags.c_contiguous and target.flags.writeable):
                raise ValueError("copy_out: the target must be a writeable array in C order")
            address, nbytes = target.ctypes.data, target.nbytes
            self._do("cuMemcpyDtoHAsync_v2", address, _address(source), nbytes, self._stream)
            self._wait()

    def copy(self, source: Region, target: Region, nbytes: int) -> None:
        with self:
            source.check(nbytes)
            target.check(nbytes)
            self._do("cuMemcpyDtoDAsync_v2", _address(target), _address(source), nbytes, self._stream)

    def set_word(self, target: Region, value: int) -> None:
        with self:
            target.check(4)
            self._do("cuMemsetD32Async", _address(target), value, 1, self._stream)

    # --- what the pool asks for ----------------------------------------------------------------------------------

    def take_memory(self, nbytes: int) -> int | None:
        address = c_uint64()
        code = self._call.code("cuMemAlloc_v2", byref(address), nbytes)
        if code == OUT_OF_MEMORY:
            return None
        self._check(code, "cuMemAlloc_v2")
        return address.value

    def free_memory(self, address: int) -> None:
        self._do("cuMemFree_v2", address)

    def free_and_total(self) -> tuple[int, int]:
        free, total = c_size_t(), c_size_t()
        self._do("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    # --- code ----------------------------------------------------------------------------------------------------

    def load(self, code: bytes) -> CudaModule:
        """See `Device`. Errors contain the messages of the driver's assembler."""
        with self:
            log = ctypes.create_string_buffer(_LOG_BYTES)
            options = (c_int * 2)(_ERROR_LOG_BUFFER, _ERROR_LOG_BYTES)
            values = (c_void_p * 2)(ctypes.addressof(log), _LOG_BYTES)
            text, module = ctypes.create_string_buffer(code), c_void_p()
            failed = self._call.code("cuModuleLoadDataEx", byref(module), text, 2, options, values)
            if failed and log.value:
                said = log.value.decode(errors="replace")
                raise DeviceError(f"{self._label} can't load a program: {self._call.words(failed)}\n{said}")
            self._check(failed, "cuModuleLoadDataEx")
            return CudaModule(self, module)

    def free(self, function: str, handle: c_void_p) -> None:
        """Free a module or a graph by the driver's `function`. No launch of its kernels may be pending."""
        if self._is_here:
            with self:
                self._call.code(function, handle)

    def function(self, module: c_void_p, name: str) -> c_void_p:
        """A handle of the module's function `name`; raises `KeyError` if the function is missing."""
        with self:
            found = c_void_p()
            code = self._call.code("cuModuleGetFunction", byref(found), module, name.encode())
            if code == _NOT_FOUND:
                raise KeyError(name)
            self._check(code, "cuModuleGetFunction")
            return found

    def launch(self, launches: Sequence[Launch]) -> None:
        with self:
            function = self._call.functions["cuLaunchKernel"]
            for one in launches:
                kernel: Any = one.kernel
                sizes = (*one.grid, *one.block, 0)  # no shared memory beside what the kernel declares
                code = function(kernel.handle, *sizes, self._stream, _packed(one.arguments), None)
                if code:
                    what = f"cuLaunchKernel of {kernel.name}, {one.grid} blocks of {one.block} threads"
                    self._check(code, what)

    def record(self, launches: Sequence[Launch]) -> CudaGraph:
        """See `Device`. The launches become a CUDA graph."""
        with self:
            self._do("cuStreamBeginCapture_v2", self._stream, _CAPTURE_OF_THIS_THREAD)
            graph = c_void_p()
            try:
                self.launch(launches)
            finally:
                code = self._call.code("cuStreamEndCapture", self._stream, byref(graph))
            self._check(code, "cuStreamEndCapture")
            try:
                executable = self._call.handle("cuGraphInstantiateWithFlags", graph, 0)
            finally:
                self._call.code("cuGraphDestroy", graph)
            return CudaGraph(self, executable, launches)

    def replay(self, executable: c_void_p) -> None:
        with self:
            self._do("cuGraphLaunch", executable, self._stream)

    def synchronize(self) -> None:
        with self:
            self._wait()

    # --- other libraries on the same device ----------------------------------------------------------------------

    @property
    def ordinal(self) -> int:
        """The device's number for the driver and for other libraries."""
        return self._handle

    @property
    def stream(self) -> int:
        """The handle of the device's stream, for libraries that make this stream wait for theirs (DLPack)."""
        return self._stream.value or 0

    def wait_in(self, stream: int) -> None:
        """Make another library's stream wait for all work submitted to this device so far."""
        with self:
            event = self._call.handle("cuEventCreate", _NO_TIMING)
            try:
                self._do("cuEventRecord", event, self._stream)
                self._do("cuStreamWaitEvent", stream, event, 0)
            finally:
                self._call.code("cuEventDestroy_v2", event)

    # --- inside --------------------------------------------------------------------------------------------------

    def __enter__(self) -> None:
        """Lock the device for this thread, and make it current: another library may have changed that."""
        super().__enter__()
        try:
            self._do("cuCtxSetCurrent", self._context)
        except BaseException:
            self._lock.release()
            raise

    def _do(self, name: str, *arguments: Any) -> None:
        self._check(self._call.code(name, *arguments), name)

    def _wait(self) -> None:
        self._do("cuStreamSynchronize", self._stream)

    def _check(self, code: int, what: str) -> None:
        """Raise the error for an error code. After some errors, the driver can't be used any more in this process."""
        if not code:
            return
        why = f"{what}: {self._call.words(code)}"
        if code in _DEADLY:
            raise self._lose(f"a kernel or the driver failed ({why})")
        raise DeviceError(f"{self._label} {why}")


class CudaModule:
    """A loaded module; implements `lamina.device.interface.Module`."""

    def __init__(self, device: CudaDevice, handle: c_void_p) -> None:
        self._device, self._handle = device, handle

    def kernel(self, name: str) -> CudaKernel:
        return CudaKernel(self, name, self._device.function(self._handle, name))

    def __del__(self) -> None:
        self._device.free("cuModuleUnload", self._handle)


class CudaKernel:
    """A kernel of a `CudaModule`; implements `lamina.device.interface.Kernel`."""

    def __init__(self, module: CudaModule, name: str, handle: c_void_p) -> None:
        self._module, self.name, self.handle = module, name, handle


class CudaGraph:
    """A recorded sequence of launches; implements `lamina.device.interface.Recording`."""

    def __init__(self, device: CudaDevice, executable: c_void_p, launches: Sequence[Launch]) -> None:
        self._device, self._executable, self._launches = device, executable, tuple(launches)

    def replay(self) -> None:
        self._device.replay(self._executable)

    def __del__(self) -> None:
        self._device.free("cuGraphExecDestroy", self._executable)


def _address(region: Region) -> int:
    buffer: Any = region.buffer
    return buffer.address + region.offset


def _packed(arguments: Sequence[Region | int]) -> Any:
    """An array of pointers to the arguments, in the form that `cuLaunchKernel` reads during its call."""
    values = [_address(x) if isinstance(x, Region) else x & (1 << 64) - 1 for x in arguments]
    cells = (c_uint64 * max(len(values), 1))(*values)
    first = ctypes.addressof(cells)
    pointers = (c_void_p * max(len(values), 1))(*range(first, first + 8 * len(values), 8))
    pointers._cells = cells  # pyright: ignore[reportAttributeAccessIssue] - which must live as long
    return pointers


_CORES = {(8, 0): 64}
"""float32 units per multiprocessor, 128 if not listed (CUDA C Programming Guide, compute capabilities)."""


def _limits(driver: CudaDriver, handle: int) -> Limits:
    def attribute(number: int) -> int:
        return driver.attribute(number, handle)

    capability = _capability(driver, handle)
    processors = attribute(Attribute.MULTIPROCESSORS)
    cores = processors * _CORES.get(capability, 128)
    return Limits(
        architecture=f"sm_{capability[0]}{capability[1]}",
        block_threads=attribute(Attribute.BLOCK_THREADS),
        processors=processors,
        has_float64=True,
        has_float16=True,
        peak_flops=2.0 * cores * 1e3 * attribute(Attribute.CLOCK_KHZ),
        has_tensor_cores=True,
    )


_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING: other libraries' default stream and this one don't wait for each other."""
_NO_TIMING = 2  # CU_EVENT_DISABLE_TIMING
_CAPTURE_OF_THIS_THREAD = 1
"""CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: calls by other threads don't disturb the capture."""
_ERROR_LOG_BUFFER, _ERROR_LOG_BYTES = 5, 6  # CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
_LOG_BYTES = 16 << 10
_NOT_FOUND = 500
_DEADLY = frozenset((4, 201, 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999))
"""Errors after which a context is unusable: driver unloaded, device failure, kernel aborted."""

# --- NVIDIA's driver through its C interface: the library, function types, and error messages ------------------------
#
# Names and types are those of `cuda.h` (CUDA Driver API, https://docs.nvidia.com/cuda/cuda-driver-api), versions 11.4
# and later. Nothing is compiled, and no package is needed: the library comes with the driver.


_HANDLE = c_void_p  # a context, module, function, stream, event or graph
_TO_HANDLE = POINTER(c_void_p)
_ADDRESS = c_uint64

_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDevicePrimaryCtxRetain": (_TO_HANDLE, c_int),
    "cuCtxSetCurrent": (_HANDLE,),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAlloc_v2": (POINTER(_ADDRESS), c_size_t),
    "cuMemFree_v2": (_ADDRESS,),
    "cuMemcpyHtoDAsync_v2": (_ADDRESS, c_void_p, c_size_t, _HANDLE),
    "cuMemcpyDtoHAsync_v2": (c_void_p, _ADDRESS, c_size_t, _HANDLE),
    "cuMemcpyDtoDAsync_v2": (_ADDRESS, _ADDRESS, c_size_t, _HANDLE),
    "cuMemsetD32Async": (_ADDRESS, c_uint, c_size_t, _HANDLE),
    "cuModuleLoadDataEx": (_TO_HANDLE, c_void_p, c_uint, POINTER(c_int), POINTER(c_void_p)),
    "cuModuleUnload": (_HANDLE,),
    "cuModuleGetFunction": (_TO_HANDLE, _HANDLE, c_char_p),
    "cuStreamCreate": (_TO_HANDLE, c_uint),
    "cuStreamSynchronize": (_HANDLE,),
    "cuStreamWaitEvent": (_HANDLE, _HANDLE, c_uint),
    "cuLaunchKernel": (_HANDLE, *[c_uint] * 7, _HANDLE, POINTER(c_void_p), POINTER(c_void_p)),
    "cuStreamBeginCapture_v2": (_HANDLE, c_int),
    "cuStreamEndCapture": (_HANDLE, _TO_HANDLE),
    "cuGraphInstantiateWithFlags": (_TO_HANDLE, _HANDLE, c_uint64),
    "cuGraphLaunch": (_HANDLE, _HANDLE),
    "cuGraphDestroy": (_HANDLE,),
    "cuGraphExecDestroy": (_HANDLE,),
    "cuEventCreate": (_TO_HANDLE, c_uint),
    "cuEventRecord": (_HANDLE, _HANDLE),
    "cuEventDestroy_v2": (_HANDLE,),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
}

OUT_OF_MEMORY = 2


class Attribute:
    """Attribute numbers of ``CUdevice_attribute``."""

    BLOCK_THREADS = 1
    CLOCK_KHZ = 13
    MULTIPROCESSORS = 16
    MAJOR = 75
    MINOR = 76


def open_library() -> Any:
    """Load the driver's library. Raises `DeviceError`, with the names of the files that were tried."""
    names = ["nvcuda.dll"] if sys.platform == "win32" else ["libcuda.so.1", "libcuda.so"]
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise DeviceError(f"{names[0]} was not found")


class CudaDriver:
    """The driver's functions: ``driver("cuInit", 0)`` calls a function, and raises `DeviceError` if it fails."""

    def __init__(self, library: Any) -> None:
        self.functions: dict[str, Any] = {}
        for name, types in _SIGNATURES.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                raise DeviceError(
                    f"the driver is older than CUDA 11.4: it has no {name}; install a newer driver"
                ) from None
            function.argtypes, function.restype = types, c_int
            self.functions[name] = function

    def __call__(self, name: str, *arguments: Any) -> None:
        code = self.functions[name](*arguments)
        if code:
            raise DeviceError(f"{name}: {self.words(code)}")

    def code(self, name: str, *arguments: Any) -> int:
        """Call a function and return its error number, which is 0 for success."""
        return self.functions[name](*arguments)

    def words(self, code: int) -> str:
        """The driver's description of an error code."""
        text = c_char_p()
        self.functions["cuGetErrorString"](code, ctypes.byref(text))
        return f"{(text.value or b'an unknown error').decode()} (error {code})"

    def attribute(self, number: int, device: int) -> int:
        """The value of a device's attribute; `number` is one of `Attribute`."""
        value = c_int()
        self("cuDeviceGetAttribute", ctypes.byref(value), number, device)
        return value.value

    def handle(self, name: str, *arguments: Any) -> c_void_p:
        """Call a function that returns a handle through its first argument."""
        made = c_void_p()
        self(name, ctypes.byref(made), *arguments)
        return made
