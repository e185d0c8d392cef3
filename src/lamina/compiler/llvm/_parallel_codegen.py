"""Parallel code generation: several threads compile modules, each in its own LLVM context.

LLVM contexts share no state, but llvmlite holds a lock around every call. Only code generation, the slow call, runs
without the lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import queue
import struct
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi

MakeTarget = Callable[[], llvm.TargetMachine]
Clean = Callable[[llvm.TargetMachine, llvm.ModuleRef], llvm.ModuleRef]


class Team:
    """Threads that compile modules to object files, in order, while more modules arrive.

    One of the threads is the caller's, which joins in `objects`; the others start when there is work, and stop when
    there is none. `target` makes a code generator, one per thread; `clean` prepares a module for it.
    """

    def __init__(self, threads: int, target: MakeTarget, clean: Clean) -> None:
        self._make_target, self._clean = target, clean
        self._waiting: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._objects: list[bytes] = []
        self._errors: list[BaseException] = []
        self._most = threads - 1
        self._others: list[threading.Event] = []
        """An event for each thread's end: an interrupted `Thread.join` marks live threads as ended (bpo-45274)."""

    def give(self, ir: str) -> None:
        """Queue LLVM assembly for compilation by a free thread."""
        self._objects.append(b"")
        self._waiting.put((len(self._objects) - 1, ir))
        if len(self._others) < self._most:
            self._begin_another()

    def objects(self) -> list[bytes]:
        """The object files of all queued modules, when they are done."""
        try:
            self._end()
            self._work()
            self._wait()
        except BaseException:  # Ctrl-C: LLVM's lock must be free when this process forks or ends
            self.dismiss()
            raise
        if self._errors:
            raise self._errors[0]
        return self._objects

    def dismiss(self) -> None:
        """Stop the threads, whatever is still queued, for a caller that gives up."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        self._end()
        self._wait()

    def _begin_another(self) -> None:
        ended = threading.Event()
        name = f"lamina-llvm-{len(self._others) + 1}"
        try:
            threading.Thread(target=self._work_apart, args=(ended,), name=name, daemon=True).start()
        except RuntimeError:  # the system allows no more threads: the existing ones do all the work
            self._most = len(self._others)
        else:
            self._others.append(ended)

    def _work_apart(self, ended: threading.Event) -> None:
        try:
            self._work()
        finally:
            ended.set()

    def _wait(self) -> None:
        for ended in self._others:
            ended.wait()

    def _end(self) -> None:
        for _ in range(len(self._others) + 1):
            self._waiting.put(None)

    def _work(self) -> None:
        target = None
        while (given := self._waiting.get()) is not None:
            if self._errors:
                continue  # never used
            number, ir = given
            try:
                target = target or self._make_target()
                self._objects[number] = self._object(target, ir)
            except BaseException as error:
                self._errors.append(error)

    def _object(self, target: llvm.TargetMachine, ir: str) -> bytes:
        with llvm.create_context() as context, llvm.parse_assembly(ir, context) as module:
            return emitted(target, self._clean(target, module))


def emitted(target: llvm.TargetMachine, module: llvm.ModuleRef) -> bytes:
    """The object file of a module; its context and the target must not be used concurrently."""
    with ffi.OutputString() as problem:
        buffer = _emit()(target, module, 1, problem)
        if not buffer:
            raise RuntimeError(str(problem))
    pointer = ctypes.cast(buffer, ffi.LLVMMemoryBufferRef)
    try:
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(pointer), ffi.lib.LLVMPY_GetBufferSize(pointer))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(pointer)


@cache
def _emit() -> Any:
    """llvmlite's code generation function, without the lock."""
    function = ctypes.CDLL(ffi.lib._name)["LLVMPY_TargetMachineEmitToMemory"]
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    function.restype = ctypes.c_void_p
    return function


def joined(parts: Sequence[bytes]) -> bytes:
    """Object files packed into one: their number, lengths, and contents."""
    return struct.pack(f"<{len(parts) + 1}Q", len(parts), *map(len, parts)) + b"".join(parts)


def separated(code: bytes) -> list[bytes]:
    """The object files packed by `joined`."""
    (count,) = struct.unpack_from("<Q", code)
    start, parts = 8 * (count + 1), []
    for length in struct.unpack_from(f"<{count}Q", code, 8):
        parts.append(code[start : start + length])
        start += length
    return parts
