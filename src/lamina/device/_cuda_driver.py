"""NVIDIA's driver through its C interface: the library, function types, and error messages.

Names and types are those of `cuda.h` (CUDA Driver API, https://docs.nvidia.com/cuda/cuda-driver-api), versions 11.4 and
later. Nothing is compiled, and no package is needed: the library comes with the driver.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

from lamina.errors import DeviceError

_HANDLE = c_void_p  # a context, module, function, stream, event or graph
_TO_HANDLE = POINTER(c_void_p)
_ADDRESS = c_uint64

_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
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
    "cuFuncSetAttribute": (_HANDLE, c_int, c_int),
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
    "cuEventElapsedTime": (POINTER(c_float), _HANDLE, _HANDLE),
    "cuEventDestroy_v2": (_HANDLE,),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
}

OUT_OF_MEMORY = 2


class Attribute:
    """Numbers of `CUdevice_attribute`."""

    BLOCK_THREADS = 1
    SHARED_BYTES = 8
    WARP = 10
    CLOCK_KHZ = 13
    MULTIPROCESSORS = 16
    MAJOR = 75
    MINOR = 76


def open_library() -> Any:
    """Load the driver's library. Raises `DeviceError`, which names the files that were tried."""
    names = ["nvcuda.dll"] if sys.platform == "win32" else ["libcuda.so.1", "libcuda.so"]
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise DeviceError(f"{names[0]} was not found")


class CudaDriver:
    """The driver's functions: ``driver("cuInit", 0)`` calls one, and raises `DeviceError` if it fails."""

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
        """Call a function and return its error number, 0 for success."""
        return self.functions[name](*arguments)

    def words(self, code: int) -> str:
        """The description of an error."""
        text = c_char_p()
        self.functions["cuGetErrorString"](code, ctypes.byref(text))
        return f"{(text.value or b'an unknown error').decode()} (error {code})"

    def attribute(self, number: int, device: int) -> int:
        """An attribute of a device, by its number in `Attribute`."""
        value = c_int()
        self("cuDeviceGetAttribute", ctypes.byref(value), number, device)
        return value.value

    def handle(self, name: str, *arguments: Any) -> c_void_p:
        """Call a function that returns a handle through its first argument."""
        made = c_void_p()
        self(name, ctypes.byref(made), *arguments)
        return made
