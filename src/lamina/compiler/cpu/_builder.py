"""The LLVM facade for code that is executed by a thread pool."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from lamina.compiler.cpu.machine import Machine, target_machine
from lamina.compiler.llvm.mathematics import Mathematics
from lamina.compiler.llvm.module import Argument, Module
from lamina.compiler.llvm.values import INDEX, INT32, Operand, Pointer, Value
from lamina.core.denormals import FLUSHING_BITS

_MOST_STEPS = 1 << 20
"""Below this number of steps, threads' shares are computed by 32-bit division, which is faster on many processors."""

_ARGUMENTS: Mapping[str, Argument] = {"arguments": None, "thread": INDEX, "threads": INDEX}
"""The signature of a function that a thread pool can execute: `void f(void*, int64, int64)`."""


class ThreadBuilder(Mathematics):
    """A builder of functions that get the number of their thread."""

    module: ThreadModule

    def split(self, extent: Operand, step: int = 1) -> tuple[Value, Value]:
        """The (start, stop) of this thread's share of range(extent), as equal as possible in multiples of `step`."""
        extent = self.match(extent, self.const(0))[0]
        steps = self.divide_positive(self.add(extent, step - 1), step)
        thread, threads = self.argument("thread"), self.argument("threads")
        if steps.constant is not None and steps.constant < _MOST_STEPS:
            steps = self.const(steps.constant, INT32)
            thread, threads = self.cast(thread, INT32), self.cast(threads, INT32)
        bounds = [
            self.mul(self.cast(self.divide_positive(self.mul(steps, part), threads), INDEX), step)
            for part in (thread, thread + 1)
        ]
        return bounds[0], self.minimum(bounds[1], extent)

    def barrier(self, threads: Value) -> None:
        """Wait for all `threads` threads that execute the function (or 1); each then sees all earlier writes."""
        self.module.declare("declare void @lamina_barrier(i64) nounwind")
        self.call("lamina_barrier", threads)

    @contextmanager
    def flushing_denormals(self) -> Generator[None]:
        """Flush denormals to zero in the enclosed code; afterwards, restore the thread's floating-point state."""
        machine, slot = self.module.machine, self.stack_slot("i32", 4)
        if machine.architecture == "x86_64":
            self._set_control("x86.sse.stmxcsr", slot)
            before = self.load(slot, INT32)
        else:
            self.module.declare("declare i64 @llvm.aarch64.get.fpcr()")
            before = self.result("call i64 @llvm.aarch64.get.fpcr()", INDEX)

        def write(state: Value) -> None:
            if machine.architecture == "x86_64":
                self.store(slot, state)
                self._set_control("x86.sse.ldmxcsr", slot)
            else:
                self._set_control("aarch64.set.fpcr", state)

        write(self.bit_or(before, FLUSHING_BITS[machine.architecture]))
        yield
        write(before)

    def _set_control(self, intrinsic: str, operand: Value | Pointer) -> None:
        """Call an intrinsic that writes or stores the floating-point control register."""
        self.module.declare(f"declare void @llvm.{intrinsic}({operand.typed.split()[0]})")
        self.call(f"llvm.{intrinsic}", operand)


class ThreadModule(Module[ThreadBuilder]):
    """A module for the processor for which code is generated (see `machine.target_machine`)."""

    machine: Machine
    builder: type[ThreadBuilder] = ThreadBuilder
    has_runtime = True
    finite_from: int | None = None
    """Arrays in input slots from this one on have no infinities and NaNs; with None, any array may have some."""

    def __init__(self, machine: Machine | None = None) -> None:
        super().__init__(machine or target_machine(), self.builder, _ARGUMENTS)
