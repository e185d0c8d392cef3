"""The processor's arithmetic peak: fused multiply-adds on registers alone, on all threads at once."""

from __future__ import annotations

import ctypes
import threading
import time
from functools import cache

import numpy as np

from lamina.compiler.codegen.builder import Module
from lamina.compiler.codegen.jit import CompiledModule, load
from lamina.compiler.codegen.machine import host_machine
from lamina.compiler.codegen.values import FLOAT32

__all__ = ["peak_flops"]

_CHAINS = 12
"""Independent sums: as many as fill two units with a latency of four or five cycles, and fit 16 registers."""
_ROUNDS = 4_000_000


def peak_flops(threads: int, attempts: int = 3) -> float:
    """Floating-point operations per second in float32 that so many threads reach together, the best of a few tries."""
    flops = threads * _ROUNDS * _CHAINS * host_machine().lanes(FLOAT32) * 2.0
    return max(flops / _seconds(threads) for _ in range(attempts))


def _seconds(threads: int) -> float:
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        _code().address("multiply_add")
    )
    memory = np.full(1024, 0.5, np.float32)
    jobs = [threading.Thread(target=function, args=(memory.ctypes.data, i, threads)) for i in range(threads)]
    start = time.perf_counter()
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    return time.perf_counter() - start


@cache
def _code() -> CompiledModule:
    module = Module()
    with module.function("multiply_add") as b:
        memory, lanes = b.pointer_argument("arguments"), b.lanes(FLOAT32)
        factor = b.load(memory, FLOAT32, 0, lanes)
        sums = [b.variable(b.load(memory, FLOAT32, i * lanes, lanes)) for i in range(_CHAINS)]
        with b.loop(0, _ROUNDS):
            for total in sums:
                total.set(b.fma(total.get(), factor, factor))
        with b.if_(b.less(b.argument("threads"), 0)):  # never, but the sums have to be computed
            for i, total in enumerate(sums):
                b.store(memory, total.get(), i * lanes)
    return load(f"benchmark peak {_CHAINS} {_ROUNDS}", lambda: module, ("multiply_add",))
