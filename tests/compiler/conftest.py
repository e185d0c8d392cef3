"""What all tests of the compiler share: the graph is verified after each pass, threads are as they were, and ways to
run generated code on NumPy arrays."""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from graphs import verify

import lamina
from lamina.compiler import program
from lamina.compiler.cpu import run, standalone
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu.machine import compiling_for, host_machine
from lamina.compiler.gpu import target as gpu
from lamina.compiler.llvm import Builder, Value

Emit = Callable[..., Value]


@pytest.fixture(autouse=True)
def verified_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    lower = program.lower

    def verified(captured: Any, target: Any, watch: Callable[[str, Any], None] | None = None) -> Any:
        def look(name: str, graph: Any) -> None:
            verify(graph)
            if watch is not None:
                watch(name, graph)

        return lower(captured, target, look)

    for module in (program, standalone, gpu):
        monkeypatch.setattr(module, "lower", verified)


@pytest.fixture(autouse=True)
def threads_restored() -> Iterator[None]:
    before = lamina.get_num_threads()
    yield
    lamina.set_num_threads(before)


def _execute(address: int, arrays: Sequence[np.ndarray], threads: int = 1) -> None:
    pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    run.run(address, ctypes.addressof(pointers), threads)


@pytest.fixture
def execute():
    """`execute(address, arrays, threads)` runs compiled code with an array of pointers as its arguments."""
    return _execute


@pytest.fixture
def elementwise():
    """`elementwise(emit, *arrays, lanes=…)`: apply `emit(b, *values)` to arrays of one length."""

    def apply(emit: Emit, *arrays: np.ndarray, lanes: int = 1, result: np.dtype | None = None) -> np.ndarray:
        out = np.empty(arrays[0].shape, result or arrays[0].dtype)
        count = arrays[0].size

        def make() -> ThreadModule:
            module = ThreadModule()
            with module.function("step") as b:
                _emit_loop(b, emit, arrays, count, lanes)
            return module

        ir = make().ir()
        module = run.load(ir, lambda: ir, ("step",))
        _execute(module.address("step"), [*arrays, out])
        return out

    return apply


@pytest.fixture
def without_fused_multiply_add():
    """Generate code as for a processor that lacks this instruction; any processor runs it."""
    lacking = dataclasses.replace(host_machine(), architecture="x86_64", vector_bits=128, vector_registers=16)
    assert not lacking.has_fused_multiply_add
    with compiling_for(lacking):
        yield


def _emit_loop(b: Builder, emit: Emit, arrays: Sequence[np.ndarray], count: int, lanes: int) -> None:
    arguments = b.pointer_argument("arguments")
    pointers = [b.load_pointer(arguments, i) for i in range(len(arrays) + 1)]

    def body(i: Value, width: int) -> None:
        values = [b.load(p, a.dtype, i, width) for p, a in zip(pointers, arrays, strict=False)]
        b.store(pointers[-1], emit(b, *values), i)

    b.vector_loop(0, count, lanes, body)
