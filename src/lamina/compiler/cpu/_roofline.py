"""The measured peak speed of one core, as a reference for kernels."""

from __future__ import annotations

import ctypes
import time
from functools import cache

from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu.run import load
from lamina.compiler.llvm.values import DType, Pointer, Value

_ACCUMULATORS = 12
"""The number of independent sums: hides a latency of 4 cycles at 2 multiply-adds per cycle, and fits the registers."""
_STEPS = 40_000
_REPEATS = 12


@cache
def peak_flops(dtype: DType) -> float:
    """The peak floating-point operations per second of one core, measured once, the best of a few milliseconds."""
    module = _multiply_adds(dtype)
    compiled = load(f"peak {dtype} {_STEPS}", lambda: module, ("multiply_adds",))
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(compiled.address("multiply_adds"))
    result = (ctypes.c_double * 64)()

    def seconds() -> float:
        start = time.perf_counter()
        function(ctypes.addressof(result))
        return time.perf_counter() - start

    lanes = module.machine.lanes(dtype)
    return 2 * _ACCUMULATORS * lanes * _STEPS / min(seconds() for _ in range(_REPEATS))


def _multiply_adds(dtype: DType) -> ThreadModule:
    module = ThreadModule()
    lanes = module.machine.lanes(dtype)
    with module.function("multiply_adds", {"result": None}) as b:
        result: Pointer = b.pointer_argument("result")
        factor: Value = b.load(result, dtype, 0, lanes)  # zeros, which the compiler doesn't know
        sums = [b.variable(b.const(float(i + 1), dtype, lanes)) for i in range(_ACCUMULATORS)]
        with b.loop(0, _STEPS):
            for total in sums:
                total.set(b.multiply_add(total.get(), factor, factor))
        value = sums[0].get()
        for total in sums[1:]:
            value = b.add(value, total.get())
        b.store(result, value)
    return module
