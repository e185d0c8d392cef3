"""Execution of compiled functions on a pool of persistent threads.

Workers stay in native code (`runtime`), entered once through ctypes, and therefore hold no GIL. If the pool is busy
with another Python thread's job, the calling thread executes the job alone: compiled functions give the same bits for
any number of threads.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from lamina.core.interrupts import Change, make
from lamina.core.threads import available_cores, get_num_threads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.compiler.llvm.jit import CompiledModule, Fetched, MakeIR

_SPIN_SECONDS = 5e-6  # the time that a waiting thread spins before it yields its core to others
_CROWDED_SPIN_SECONDS = 1e-6  # where there are more threads than cores
_IDLE_YIELDS = 400  # yields, of a third to half a microsecond each, before an idle worker sleeps
_BUSY_YIELDS = 2000  # yields before a thread sleeps that waits for another thread's part of the work
_LONG_YIELD_SECONDS = 200e-6  # a longer yield went to another process, not to our own threads

_NAMES = "ticks spin barrier transpose acquire release run side_by_side worker stop configure"
RUNTIME_FUNCTIONS = tuple(f"lamina_{name}" for name in _NAMES.split())
"""The pool's native functions, which `_runtime` writes."""


class Runtime:
    """The pool's native functions, compiled or read from the cache once per process."""

    def __init__(self) -> None:
        from lamina.compiler.cpu.machine import host_machine
        from lamina.compiler.llvm import jit

        system, machine = platform.system(), host_machine()

        def ir() -> str:
            from lamina.compiler.cpu._runtime import runtime_ir

            return runtime_ir(machine, system)

        module = jit.load(machine, f"runtime {system}", ir, RUNTIME_FUNCTIONS)
        module.keep_forever()  # threads may still be in it while the interpreter shuts down
        i32, i64, pointer = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p

        def native(name: str, result: Any, *arguments: Any) -> Any:
            return ctypes.CFUNCTYPE(result, *arguments)(module.address(name))

        self.run_address = module.address("lamina_run")
        self.side_by_side = module.address("lamina_side_by_side")
        self.called = {name: module.address(name) for name in ("lamina_barrier", "lamina_transpose")}
        self.run = native("lamina_run", None, pointer, pointer, i64)
        self.worker = native("lamina_worker", None, i64, i32)
        self.acquire = native("lamina_acquire", i32)
        self.release = native("lamina_release", None)
        self.stop = native("lamina_stop", None)
        self.configure = native("lamina_configure", i32, i64, i64, i64, i64, i64, i64)
        spin, ticks = native("lamina_spin", None, i64), native("lamina_ticks", i64)
        self.pause_seconds, self.tick_seconds = _measured(spin, ticks)


def _measured(spin: Any, ticks: Any) -> tuple[float, float]:
    """The seconds of a spin iteration and of a tick of the CPU's clock, each the best of a few measurements."""
    turns = 200

    def measure() -> tuple[float, int]:
        start, first = time.perf_counter(), ticks()
        spin(turns)
        last = ticks()
        return time.perf_counter() - start, last - first

    seconds, passed = min(measure() for _ in range(5))
    return max(seconds / turns, 1e-10), max(seconds / max(passed, 1), 1e-11)


_runtime = cache(Runtime)


class _Pool:
    """The worker threads of this process."""

    def __init__(self) -> None:
        self._resizing = threading.RLock()
        self._workers: list[threading.Thread] = []
        self._stopped = False
        self.threads = 1

    def resize(self, threads: int) -> None:
        """Set the number of workers to `threads` - 1. A busy pool stays as it is: the caller executes its job alone."""
        runtime = _runtime()
        with self._resizing:
            if threads == self.threads or self._stopped or not runtime.acquire():
                return
            try:
                self._stop_workers(runtime)
                self._start_workers(runtime, threads)
            finally:
                runtime.release()

    def _start_workers(self, runtime: Runtime, threads: int) -> None:
        fits = threads <= available_cores()
        spins = int((_SPIN_SECONDS if fits else _CROWDED_SPIN_SECONDS) / runtime.pause_seconds)
        long = int(_LONG_YIELD_SECONDS / runtime.tick_seconds)
        generation = runtime.configure(threads - 1, spins, _IDLE_YIELDS, _BUSY_YIELDS, long, fits)
        for index in range(1, threads):
            name, own = f"lamina-{index}", (index, generation)
            worker = threading.Thread(target=runtime.worker, args=own, name=name, daemon=True)
            worker.start()
            self._workers.append(worker)
        self.threads = threads

    def _stop_workers(self, runtime: Runtime) -> None:
        if self._workers:
            runtime.stop()
            for worker in self._workers:
                worker.join()
        self._workers.clear()
        runtime.configure(0, 0, 0, 0, 0, 0)
        self.threads = 1

    def pause(self) -> None:
        """Stop the workers until the next job, unless the pool is busy."""
        if self.threads > 1:
            self.resize(1)

    def close(self) -> None:
        """Stop the workers permanently, before the interpreter exits."""
        self.pause()
        self._stopped = True

    def forget(self) -> None:
        """Drop the workers in a forked child, where they don't exist."""
        self._resizing = threading.RLock()
        if self.threads > 1:
            _runtime().configure(0, 0, 0, 0, 0, 0)
            _runtime().release()
        self._workers.clear()
        self.threads = 1


_pool = _Pool()
atexit.register(_pool.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pool.pause, after_in_child=_pool.forget)


def run(function: int, arguments: int | None, threads: int | None = None) -> None:
    """Run compiled code `void f(void *arguments, int64 thread, int64 threads)` on every thread, and wait.

    `function` and `arguments` are addresses; `threads` defaults to `get_num_threads()`. Denormals are flushed to zero
    inside; the caller's floating-point state is restored.
    """
    make(iter([running(function, arguments, get_num_threads() if threads is None else threads)]))


def running(function: int, arguments: int | None, threads: int) -> Change:
    """A call of `run` as an atomic change (see `lamina.core.interrupts`)."""
    if threads > 1:
        ready(threads)
    return _runtime().run, function, arguments, threads


def side_by_side() -> int:
    """The address of the native function that executes steps of several bindings (see `_runtime`)."""
    return _runtime().side_by_side


def ready(threads: int) -> int:
    """Start that many threads, and return the address of the native ``run``, for compiled code to call."""
    if threads != _pool.threads:
        _pool.resize(threads)
    return _runtime().run_address


def load(key: str, make_ir: MakeIR, functions: tuple[str, ...]) -> CompiledModule:
    """Compile or load code that may call the runtime; see `llvm.jit.load`."""
    from lamina.compiler.cpu.machine import target_machine
    from lamina.compiler.llvm import jit

    return linked(jit.fetched(target_machine(), key, make_ir), functions)


def linked(
    found: Fetched,
    functions: tuple[str, ...],
    elsewhere: Mapping[str, tuple[CompiledModule, str]] | None = None,
    missing: Iterable[str] = (),
) -> CompiledModule:
    """Link fetched code with the runtime and other modules; code that needs functions in `missing` must not run."""
    called = _runtime().called
    return found.linked(functions, dict.fromkeys(missing, called["lamina_barrier"]) | called, elsewhere)
