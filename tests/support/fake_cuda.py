# ruff: noqa: N802 - the driver's names
"""A stand-in for NVIDIA's driver: a library whose functions are called through C's calling conventions.

The types are written down here a second time, from `cuda.h`, so that a wrong type in lamina shows. Nothing that is told
a stream happens before the stream is waited for, so that a copy whose source is changed too early shows. Kernels are
functions of Python: ``cuda.kernels[name](memory, grid, block, arguments)``.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Sequence
from ctypes import c_char_p, c_int, c_size_t, c_uint, c_ulonglong, c_void_p
from typing import Any

__all__ = ["FakeCuda"]

Kernel = Callable[["FakeCuda", tuple[int, ...], tuple[int, ...], list[int]], None]

_POINTER, _HANDLE, _ADDRESS = c_void_p, c_void_p, c_ulonglong  # pointers to results arrive as addresses
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (_POINTER,),
    "cuDeviceGetCount": (_POINTER,),
    "cuDeviceGet": (_POINTER, c_int),
    "cuDeviceGetName": (_POINTER, c_int, c_int),
    "cuDeviceGetAttribute": (_POINTER, c_int, c_int),
    "cuDevicePrimaryCtxRetain": (_POINTER, c_int),
    "cuCtxSetCurrent": (_HANDLE,),
    "cuMemGetInfo_v2": (_POINTER, _POINTER),
    "cuMemAlloc_v2": (_POINTER, c_size_t),
    "cuMemFree_v2": (_ADDRESS,),
    "cuMemcpyHtoDAsync_v2": (_ADDRESS, _POINTER, c_size_t, _HANDLE),
    "cuMemcpyDtoHAsync_v2": (_POINTER, _ADDRESS, c_size_t, _HANDLE),
    "cuMemcpyDtoDAsync_v2": (_ADDRESS, _ADDRESS, c_size_t, _HANDLE),
    "cuMemsetD32Async": (_ADDRESS, c_uint, c_size_t, _HANDLE),
    "cuModuleLoadDataEx": (_POINTER, _POINTER, c_uint, _POINTER, _POINTER),
    "cuModuleUnload": (_HANDLE,),
    "cuModuleGetFunction": (_POINTER, _HANDLE, c_char_p),
    "cuStreamCreate": (_POINTER, c_uint),
    "cuStreamSynchronize": (_HANDLE,),
    "cuStreamWaitEvent": (_HANDLE, _HANDLE, c_uint),
    "cuLaunchKernel": (_HANDLE, *[c_uint] * 7, _HANDLE, _POINTER, _POINTER),
    "cuStreamBeginCapture_v2": (_HANDLE, c_int),
    "cuStreamEndCapture": (_HANDLE, _POINTER),
    "cuGraphInstantiateWithFlags": (_POINTER, _HANDLE, c_ulonglong),
    "cuGraphLaunch": (_HANDLE, _HANDLE),
    "cuGraphDestroy": (_HANDLE,),
    "cuGraphExecDestroy": (_HANDLE,),
    "cuEventCreate": (_POINTER, c_uint),
    "cuEventRecord": (_HANDLE, _HANDLE),
    "cuEventDestroy_v2": (_HANDLE,),
    "cuGetErrorString": (c_int, _POINTER),
}
_NEEDS_NO_CONTEXT = ("cuInit", "cuDriver", "cuDevice", "cuCtxSetCurrent", "cuGetErrorString")
_WORDS = {
    2: b"out of memory",
    46: b"CUDA-capable device(s) is/are busy or unavailable",
    201: b"invalid device context",
    218: b"a PTX JIT compilation failed",
    400: b"invalid resource handle",
    500: b"named symbol not found",
    700: b"an illegal memory access was encountered",
    701: b"too many resources requested for launch",
    719: b"unspecified launch failure",
    900: b"operation not permitted when stream is capturing",
}


class FakeCuda:
    """`capabilities`: one GPU for each. ``calls``: what was called, in order. ``fail[name]``: errors to come."""

    def __init__(self, capabilities: Sequence[tuple[int, int]] = ((9, 0),), total: int = 1 << 26) -> None:
        self.capabilities, self.total = list(capabilities), total
        self.calls: list[str] = []
        self.fail: dict[str, deque[int]] = {}
        self.kernels: dict[str, Kernel] = {}
        self.memory: dict[int, Any] = {}
        self.modules: dict[int, list[str]] = {}
        self.functions: dict[int, str] = {}
        self.pending: list[Callable[[], int]] = []
        self.recorded: list[Callable[[], int]] | None = None
        self.graphs: dict[int, list[Callable[[], int]]] = {}
        self.executables: dict[int, list[Callable[[], int]]] = {}
        self.broken = 0
        self.other_programs = 0  # bytes that they hold
        self._next = 1000
        self._current: dict[int, int] = {}  # by thread
        self._words = {code: ctypes.create_string_buffer(text) for code, text in _WORDS.items()}
        for name, types in _PROTOTYPES.items():
            setattr(self, name, ctypes.CFUNCTYPE(c_int, *types)(self._wrapped(name)))

    def _wrapped(self, name: str) -> Callable[..., int]:
        body = getattr(self, f"_{name}")

        def call(*arguments: Any) -> int:
            self.calls.append(name)
            if self.fail.get(name):
                return self.fail[name].popleft()
            if not name.startswith(_NEEDS_NO_CONTEXT):
                if self.broken:
                    return self.broken
                if not self._current.get(threading.get_ident()):
                    return 201
            return body(*arguments) or 0

        return call

    def _handle(self) -> int:
        self._next += 8
        return self._next

    # --- devices and memory --------------------------------------------------------------------------------------

    def _cuInit(self, flags: int) -> int:
        return 0 if not flags else 1

    def _cuDriverGetVersion(self, out: int) -> None:
        c_int.from_address(out).value = 12040

    def _cuDeviceGetCount(self, out: int) -> None:
        c_int.from_address(out).value = len(self.capabilities)

    def _cuDeviceGet(self, out: int, ordinal: int) -> None:
        c_int.from_address(out).value = ordinal

    def _cuDeviceGetName(self, out: int, size: int, device: int) -> None:
        text = f"Stand-in {device}".encode()[: size - 1] + b"\0"
        ctypes.memmove(out, text, len(text))

    def _cuDeviceGetAttribute(self, out: int, number: int, device: int) -> None:
        major, minor = self.capabilities[device]
        known = {1: 1024, 8: 49152, 10: 32, 13: 1_700_000, 16: 132, 75: major, 76: minor, 97: 232448}
        c_int.from_address(out).value = known[number]

    def _cuDevicePrimaryCtxRetain(self, out: int, device: int) -> None:
        c_void_p.from_address(out).value = 100 + device

    def _cuCtxSetCurrent(self, context: int | None) -> None:
        self._current[threading.get_ident()] = context or 0

    def _cuMemGetInfo_v2(self, free: int, total: int) -> None:
        c_size_t.from_address(free).value = self.free
        c_size_t.from_address(total).value = self.total

    @property
    def free(self) -> int:
        """Bytes that are left."""
        return self.total - self.other_programs - sum(map(len, self.memory.values()))

    def _cuMemAlloc_v2(self, out: int, nbytes: int) -> int:
        if self.recorded is not None:
            return 900
        if nbytes > self.free or not nbytes:
            return 2 if nbytes else 1
        block = (ctypes.c_ubyte * nbytes)()
        address = ctypes.addressof(block)
        ctypes.memset(address, 0xFF, nbytes)  # which is NaN
        self.memory[address] = block
        c_ulonglong.from_address(out).value = address
        return 0

    def _cuMemFree_v2(self, address: int) -> int:
        self._run_pending()
        return 0 if self.memory.pop(address, None) is not None else 1

    # --- copies --------------------------------------------------------------------------------------------------

    def _later(self, work: Callable[[], Any]) -> int:
        if self.recorded is not None:
            return 900
        self.pending.append(lambda: 0 * bool(work()))
        return 0

    def _within(self, address: int, nbytes: int) -> bool:
        return any(a <= address and address + nbytes <= a + len(block) for a, block in self.memory.items())

    def _cuMemcpyHtoDAsync_v2(self, target: int, source: int, nbytes: int, stream: int) -> int:
        if nbytes and not self._within(target, nbytes):
            return 1
        return self._later(lambda: ctypes.memmove(target, source, nbytes))

    def _cuMemcpyDtoHAsync_v2(self, target: int, source: int, nbytes: int, stream: int) -> int:
        if nbytes and not self._within(source, nbytes):
            return 1
        return self._later(lambda: ctypes.memmove(target, source, nbytes))

    def _cuMemcpyDtoDAsync_v2(self, target: int, source: int, nbytes: int, stream: int) -> int:
        if nbytes and not (self._within(source, nbytes) and self._within(target, nbytes)):
            return 1
        return self._later(lambda: ctypes.memmove(target, source, nbytes))

    def _cuMemsetD32Async(self, target: int, value: int, count: int, stream: int) -> int:
        if not self._within(target, 4 * count):
            return 1
        return self._later(lambda: ctypes.memmove(target, (c_uint * count)(*[value] * count), 4 * count))

    # --- code ----------------------------------------------------------------------------------------------------

    def _cuModuleLoadDataEx(self, out: int, code: int, count: int, options: int, values: int) -> int:
        text = ctypes.string_at(code).decode()
        given = {
            c_int.from_address(options + 4 * i).value: c_void_p.from_address(values + 8 * i).value
            for i in range(count)
        }
        if ".version" not in text:
            log = b"ptxas error: line 1; no .version directive\0"
            if 5 in given and (given[6] or 0) >= len(log):
                ctypes.memmove(given[5], log, len(log))
            return 218
        handle = self._handle()
        self.modules[handle] = [line.split()[1] for line in text.splitlines() if line.startswith(".entry")]
        c_void_p.from_address(out).value = handle
        return 0

    def _cuModuleUnload(self, module: int) -> int:
        return 0 if self.modules.pop(module, None) is not None else 400

    def _cuModuleGetFunction(self, out: int, module: int, name: bytes) -> int:
        if name.decode() not in self.modules[module]:
            return 500
        handle = self._handle()
        self.functions[handle] = name.decode()
        c_void_p.from_address(out).value = handle
        return 0

    def _cuStreamCreate(self, out: int, flags: int) -> None:
        assert flags == 1
        c_void_p.from_address(out).value = self._handle()

    def _cuStreamSynchronize(self, stream: int) -> int:
        if self.recorded is not None:
            return 900
        return self._run_pending()

    def _run_pending(self) -> int:
        work, self.pending = self.pending, []
        for one in work:
            code = one()
            if code:
                self.broken = code
                return code
        return 0

    def _cuStreamWaitEvent(self, stream: int, event: int, flags: int) -> None: ...

    def _cuLaunchKernel(self, function: int, *rest: Any) -> int:
        *sizes, shared, _stream, parameters, _extra = rest
        name = self.functions[function]
        grid, block = tuple(sizes[:3]), tuple(sizes[3:])
        if shared > 49152 or block[0] * block[1] * block[2] > 1024:
            return 701
        count = ARGUMENTS.get(name, 2)
        # Read now, as the driver does: afterwards the caller may use the memory for others.
        pointers = [c_void_p.from_address(parameters + 8 * i).value or 0 for i in range(count)]
        arguments = [c_ulonglong.from_address(p).value for p in pointers]

        def run() -> int:
            return self.kernels[name](self, grid, block, arguments) or 0

        (self.pending if self.recorded is None else self.recorded).append(run)
        return 0

    # --- graphs and events ---------------------------------------------------------------------------------------

    def _cuStreamBeginCapture_v2(self, stream: int, mode: int) -> None:
        self.recorded = []

    def _cuStreamEndCapture(self, stream: int, out: int) -> None:
        handle = self._handle()
        assert self.recorded is not None
        self.graphs[handle], self.recorded = self.recorded, None
        c_void_p.from_address(out).value = handle

    def _cuGraphInstantiateWithFlags(self, out: int, graph: int, flags: int) -> None:
        handle = self._handle()
        self.executables[handle] = list(self.graphs[graph])
        c_void_p.from_address(out).value = handle

    def _cuGraphLaunch(self, executable: int, stream: int) -> None:
        self.pending += self.executables[executable]

    def _cuGraphDestroy(self, graph: int) -> int:
        return 0 if self.graphs.pop(graph, None) is not None else 400

    def _cuGraphExecDestroy(self, executable: int) -> int:
        return 0 if self.executables.pop(executable, None) is not None else 400

    def _cuEventCreate(self, out: int, flags: int) -> None:
        c_void_p.from_address(out).value = self._handle()

    def _cuEventRecord(self, event: int, stream: int) -> None: ...

    def _cuEventDestroy_v2(self, event: int) -> None: ...

    def _cuGetErrorString(self, code: int, out: int) -> int:
        text = self._words.get(code)
        if text is None:
            return 1
        c_void_p.from_address(out).value = ctypes.addressof(text)
        return 0


ARGUMENTS = {"double_all": 2}
"""How many arguments a kernel takes, where they are not two."""
