"""Kernels on the processor of this process, for tests: each thread of a block is a coroutine, which a barrier suspends.

A block's threads run one after the other up to their next barrier, in an order that the caller chooses. Shared memory
is all ones at the start of each block, which as a float is NaN. Blocks run one after the other, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from lamina.compiler.gpu._dialect import Bounds, Dialect, parameters_of
from lamina.compiler.gpu._machine import DeviceMachine
from lamina.compiler.llvm import INDEX, Value
from lamina.compiler.llvm.jit import host_triple, translated

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder

__all__ = ["SOME_RETURNED", "Host", "host_machine", "object_of", "runner"]

SOME_RETURNED, AT_SEVERAL_BARRIERS = 1, 2
"""What is wrong with a block, in the lowest bits of what a runner returns; the block's number plus 1 is above them."""

_DECLARATIONS = """declare token @llvm.coro.id(i32, ptr, ptr, ptr)
declare i64 @llvm.coro.size.i64()
declare ptr @llvm.coro.begin(token, ptr)
declare i8 @llvm.coro.suspend(token, i1)
declare ptr @llvm.coro.free(token, ptr)
declare void @llvm.coro.end(ptr, i1, token)
declare void @llvm.coro.resume(ptr)
declare void @llvm.coro.destroy(ptr)
declare i1 @llvm.coro.done(ptr)
declare ptr @malloc(i64)
declare void @free(ptr)
declare void @llvm.memset.p3.i64(ptr addrspace(3), i8, i64, i1)"""


def host_machine() -> DeviceMachine:
    """The processor of this process."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features().flatten()
    return DeviceMachine(host_triple(), llvm.get_host_cpu_name(), features)


def runner(name: str) -> str:
    """The function that runs all blocks of a kernel."""
    return f"run_{name}"


def object_of(code: bytes) -> tuple[list[str], bytes]:
    """The names of the kernels in code for the emulator, and its object file."""
    names, machine_code = code.split(b"\n", 1)
    return json.loads(names), machine_code


class Host(Dialect):
    """The emulator's."""

    constant_space = 0

    @cached_property
    def machine(self) -> DeviceMachine:  # pyright: ignore[reportIncompatibleVariableOverride]
        return host_machine()

    def thread(self, b: DeviceBuilder) -> Value:
        return Value(b, "%thread", INDEX)

    def block(self, b: DeviceBuilder) -> Value:
        return Value(b, "%block", INDEX)

    def barrier(self, b: DeviceBuilder) -> None:
        resumed = b.new_label("resumed")
        b.emit(f"store i64 {b.barriers}, ptr %where")
        b.emit(_suspension(resumed, final=False))
        b.start_block(resumed)

    def kernel(
        self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds, b: DeviceBuilder
    ) -> str:
        for line in _DECLARATIONS.splitlines():
            b.module.declare(line)
        parameters = f"{parameters_of(pointers, numbers)}, i64 %block, i64 %thread, ptr %where"
        body = b.body()
        write = _coroutine if b.barriers else _function
        fill = ""
        if b.shared_bytes:
            arguments = f"ptr addrspace(3) @{b.shared_name}, i8 -1, i64 {b.shared_bytes}, i1 0"
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
        call = ", ".join([*values, "i64 %block", "i64 %thread", "ptr %where"])
        run = _RUN_COROUTINES if b.barriers else _RUN_FUNCTIONS
        for key, text in (("NAME", name), ("LOADS", "\n".join(loads)), ("FILL", fill), ("CALL", call)):
            run = run.replace(f"${key}", text)
        return write(name, parameters, body) + run

    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        found = translated(self.machine, ir, level=0, as_text=False)
        assert isinstance(found, bytes)
        return json.dumps(list(kernels)).encode() + b"\n" + found

    def assembly(self, ir: str) -> str:
        found = translated(self.machine, ir, level=0, as_text=True)
        assert isinstance(found, str)
        return found


def _suspension(resumed: str, *, final: bool) -> str:
    state = f"%state.{resumed}"
    return (
        f"{state} = call i8 @llvm.coro.suspend(token none, i1 {str(final).lower()})\n"
        f"switch i8 {state}, label %suspended [i8 0, label %{resumed} i8 1, label %cleanup]"
    )


def _function(name: str, parameters: str, body: Sequence[str]) -> str:
    return "\n".join([f"define internal void @{name}({parameters}) nounwind {{", *body, "}\n"])


def _coroutine(name: str, parameters: str, body: Sequence[str]) -> str:
    """A function that returns where it waits, with a handle by which it goes on."""
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


_HEAD = """define i64 @run_$NAME(ptr %arguments, i64 %blocks, ptr %block.order, i64 %threads, ptr %order, ptr %handles,
  ptr %places) nounwind {
entry:
  $LOADS
  br label %next.block
next.block:
  %number = phi i64 [0, %entry], [%number.next, %block.done]
  %at.block = getelementptr i64, ptr %block.order, i64 %number
  %block = load i64, ptr %at.block
  $FILL
  br label %begin
begin:
  %i = phi i64 [0, %next.block], [%i.next, %begin]
  %at.thread = getelementptr i64, ptr %order, i64 %i
  %thread = load i64, ptr %at.thread
  %where = getelementptr i64, ptr %places, i64 %thread
"""
_TAIL = """
block.done:
  %number.next = add i64 %number, 1
  %more.blocks = icmp ult i64 %number.next, %blocks
  br i1 %more.blocks, label %next.block, label %end
end:
  ret i64 0
"""
_RUN_FUNCTIONS = (
    _HEAD
    + """
  call void @$NAME($CALL)
  %i.next = add i64 %i, 1
  %more.i = icmp ult i64 %i.next, %threads
  br i1 %more.i, label %begin, label %block.done
"""
    + _TAIL
    + "}\n"
)
_RUN_COROUTINES = (
    _HEAD
    + """
  %handle = call ptr @$NAME($CALL)
  %to = getelementptr ptr, ptr %handles, i64 %thread
  store ptr %handle, ptr %to
  %i.next = add i64 %i, 1
  %more.i = icmp ult i64 %i.next, %threads
  br i1 %more.i, label %begin, label %look
look:  ; how many have returned, and do the others wait at one barrier?
  %first.place = load i64, ptr %places
  br label %count
count:
  %j = phi i64 [0, %look], [%j.next, %count]
  %ended = phi i64 [0, %look], [%ended.next, %count]
  %apart = phi i1 [false, %look], [%apart.next, %count]
  %at.j = getelementptr ptr, ptr %handles, i64 %j
  %handle.j = load ptr, ptr %at.j
  %is.done = call i1 @llvm.coro.done(ptr %handle.j)
  %one = zext i1 %is.done to i64
  %ended.next = add i64 %ended, %one
  %at.place = getelementptr i64, ptr %places, i64 %j
  %place = load i64, ptr %at.place
  %elsewhere = icmp ne i64 %place, %first.place
  %apart.next = or i1 %apart, %elsewhere
  %j.next = add i64 %j, 1
  %more.j = icmp ult i64 %j.next, %threads
  br i1 %more.j, label %count, label %decide
decide:
  %all = icmp eq i64 %ended.next, %threads
  br i1 %all, label %destroy, label %some
some:
  %none = icmp eq i64 %ended.next, 0
  br i1 %none, label %waiting, label %diverged
waiting:
  br i1 %apart.next, label %diverged, label %resume.one
resume.one:
  %k = phi i64 [0, %waiting], [%k.next, %resume.one]
  %at.k = getelementptr i64, ptr %order, i64 %k
  %thread.k = load i64, ptr %at.k
  %at.handle = getelementptr ptr, ptr %handles, i64 %thread.k
  %handle.k = load ptr, ptr %at.handle
  call void @llvm.coro.resume(ptr %handle.k)
  %k.next = add i64 %k, 1
  %more.k = icmp ult i64 %k.next, %threads
  br i1 %more.k, label %resume.one, label %look
destroy:
  %m = phi i64 [0, %decide], [%m.next, %destroy]
  %at.m = getelementptr ptr, ptr %handles, i64 %m
  %handle.m = load ptr, ptr %at.m
  call void @llvm.coro.destroy(ptr %handle.m)
  %m.next = add i64 %m, 1
  %more.m = icmp ult i64 %m.next, %threads
  br i1 %more.m, label %destroy, label %block.done
diverged:
  %kind = select i1 %none, i64 2, i64 1
  %block.one = add i64 %block, 1
  %high = shl i64 %block.one, 2
  %found = or i64 %high, %kind
  ret i64 %found
"""
    + _TAIL
    + "}\n"
)
