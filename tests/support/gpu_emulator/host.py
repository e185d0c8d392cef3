"""Kernels on this process's CPU, for tests: each thread of a block is a coroutine that barriers suspend.

A block's threads run one after the other up to their next barrier, in an order that the caller chooses (see
`gpu_emulator.runner`). Shared memory is all ones at the start of each block, which as a float is NaN. Blocks run one
after the other, too.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from functools import cached_property

from gpu_emulator.runner import (
    COPIES,
    DECLARATIONS,
    EXCHANGE,
    EXCHANGED,
    TURN,
    WARP,
    WRONG,
    run_coroutines,
    run_functions,
)
from gpu_emulator.warps import LEFT, SUMS, as_bfloat16, as_tf32, multiplying
from lamina.compiler.gpu._builder import Bounds, DeviceMachine, Dialect, TensorBuilder
from lamina.compiler.llvm import FLOAT32, INDEX, Pointer, Value
from lamina.compiler.llvm.jit import host_triple, translated_object
from lamina.compiler.llvm.processor import named_processor, requested

__all__ = ["Host", "HostBuilder", "converts_float16", "host_machine", "object_of", "runner"]

_RECORD = Pointer("%record")
"""The thread's record: see `gpu_emulator.runner`."""


def host_machine() -> DeviceMachine:
    """This process's CPU, or a lower level named by ``LAMINA_CPU``."""
    processor = named_processor(requested())
    return DeviceMachine(host_triple(), processor.cpu, processor.changes)


def converts_float16() -> bool:
    """Whether that CPU converts float16. Otherwise LLVM calls library functions that may be missing."""
    processor = named_processor(requested())
    return processor.architecture != "x86_64" or "f16c" in processor.features


def runner(name: str) -> str:
    """The function that runs all blocks of a kernel."""
    return f"run_{name}"


def object_of(code: bytes) -> tuple[list[str], bytes]:
    """The names of the kernels in the emulator's code, and its object file."""
    names, machine_code = code.split(b"\n", 1)
    return json.loads(names), machine_code


class HostBuilder(TensorBuilder):
    """Writes kernels for the emulator."""

    constant_space = 0
    waits = 0
    """The number of places where threads wait for each other."""

    def thread(self) -> Value:
        return Value(self, "%thread", INDEX)

    def block(self) -> Value:
        return Value(self, "%block", INDEX)

    def barrier(self) -> None:
        self._wait(1)

    def _wait(self, sign: int) -> None:
        """Suspend the thread at a new place: see `gpu_emulator.runner` for what the sign of its number means."""
        self.waits += 1
        resumed = self.new_label("resumed")
        self.emit(f"store i64 {sign * self.waits}, {_RECORD.typed}")
        self.emit(_suspension(resumed, final=False))
        self.start_block(resumed)

    def begin_copy(self, target: Pointer, source: Pointer, nbytes: int, inside: Value | None) -> None:
        self.module.functions.update(COPIES)
        taken = (
            self.const(nbytes) if inside is None else self.where(inside, self.const(nbytes), self.const(0))
        )
        self.call("begin_copy", _RECORD, target, source, self.const(nbytes), taken)

    def close_copies(self) -> None:
        self.call("close_copies", _RECORD)

    def wait_for_copies(self, left: int) -> None:
        self.call("wait_for_copies", _RECORD, self.const(left))

    def load_four(self, source: Pointer) -> list[Value]:
        over = self.misalignment(source, 4 * FLOAT32.itemsize)
        self.store(_RECORD, self.bit_or(self.load(_RECORD, INDEX, WRONG), over), WRONG)
        return [self.load(source, FLOAT32, i) for i in range(4)]

    def unknown(self, number: Value) -> Value:
        return number

    def to_tf32(self, x: Value) -> Value:
        return as_tf32(self, x)

    def to_bfloat16(self, low: Value, high: Value) -> Value:
        return self.bit_or(as_bfloat16(self, low), self.shift_left(as_bfloat16(self, high), 16))

    def multiply_fragments(self, precision: str, *fragments: Sequence[Value]) -> list[Value]:
        function = multiplying(self, precision)
        turn = self.load(_RECORD, INDEX, TURN)
        # Not where this lane left its word at the turn before: the others may still read it.
        self.store(_RECORD, self.sub(1, turn), TURN)
        own = self.offset(_RECORD, self.add(self.mul(turn, EXCHANGED), EXCHANGE), INDEX)
        for number, word in enumerate(itertools.chain(*fragments)):
            self.store(own, word, LEFT + number)
        self._wait(-1)
        self.call(function, own, self.bit_and(self.thread(), WARP - 1))
        return [self.load(own, FLOAT32, SUMS + i) for i in range(4)]

    def kernel(self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds) -> str:
        for line in DECLARATIONS.splitlines():
            self.module.declare(line)
        parameters = f"{self.parameters(pointers, numbers)}, i64 %block, i64 %thread, {_RECORD.typed}"
        body = self.body()
        write, run = (_coroutine, run_coroutines) if self.waits else (_function, run_functions)
        fill = ""
        if self.shared_bytes:
            arguments = f"ptr addrspace(3) @{self.shared_name}, i8 -1, i64 {self.shared_bytes}, i1 0"
            fill = f"call void @llvm.memset.p3.i64({arguments})"
        parts = [f"ptr addrspace(1)@p{i}" for i in range(pointers)] + [f"i64@{n}" for n in numbers]
        loads, values = [], []
        for i, part in enumerate(parts):
            type_, argument = part.split("@")
            loads += [
                f"%at.{argument} = getelementptr i64, ptr %arguments, i64 {i}",
                f"%{argument} = load {type_}, ptr %at.{argument}",
            ]
            values.append(f"{type_} %{argument}")
        call = ", ".join([*values, "i64 %block", "i64 %thread", _RECORD.typed])
        runs = run({"NAME": name, "LOADS": "\n".join(loads), "FILL": fill, "CALL": call})
        return write(name, parameters, body) + runs


class Host(Dialect):
    """The emulator's dialect."""

    builder = HostBuilder

    @cached_property
    def machine(self) -> DeviceMachine:  # pyright: ignore[reportIncompatibleVariableOverride]
        return host_machine()

    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        return (
            json.dumps(list(kernels)).encode() + b"\n" + translated_object(self.machine, ir, level=self.level)
        )


def _suspension(resumed: str, *, final: bool) -> str:
    state = f"%state.{resumed}"
    return (
        f"{state} = call i8 @llvm.coro.suspend(token none, i1 {str(final).lower()})\n"
        f"switch i8 {state}, label %suspended [i8 0, label %{resumed} i8 1, label %cleanup]"
    )


def _function(name: str, parameters: str, body: Sequence[str]) -> str:
    return "\n".join([f"define internal void @{name}({parameters}) nounwind {{", *body, "}\n"])


def _coroutine(name: str, parameters: str, body: Sequence[str]) -> str:
    """A coroutine: it returns when it waits, with a handle for resuming it."""
    entry, *lines, _return = body
    return "\n".join(
        [
            f"define internal ptr @{name}({parameters}) presplitcoroutine noinline nounwind {{",
            entry,
            "%coroutine = call token @llvm.coro.id(i32 16, ptr null, ptr null, ptr null)",
            "%bytes = call i64 @llvm.coro.size.i64()",
            "%memory = call ptr @malloc(i64 %bytes)",
            "%handle = call ptr @llvm.coro.begin(token %coroutine, ptr %memory)",
            *lines,
            f"store i64 0, {_RECORD.typed}",
            _suspension("ended", final=True),
            "ended:",
            "unreachable",
            "cleanup:",
            "%frame = call ptr @llvm.coro.free(token %coroutine, ptr %handle)",
            "call void @free(ptr %frame)",
            "br label %suspended",
            "suspended:",
            "call void @llvm.coro.end(ptr %handle, i1 false, token none)",
            "ret ptr %handle",
            "}\n",
        ]
    )
