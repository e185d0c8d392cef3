"""SPIR-V as OpenCL takes it: Intel's processors, PoCL, Mesa's drivers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamina.compiler.gpu._dialect import Bounds, Dialect, parameters_of
from lamina.compiler.gpu._machine import DeviceMachine
from lamina.compiler.llvm import INDEX, Value
from lamina.compiler.llvm.jit import translated

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder

__all__ = ["SPIRV"]

_BOTH_MEMORIES = 3  # CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE


class SPIRV(Dialect):
    """SPIR-V 1.2 with 64-bit addresses. Later versions are refused by some drivers.

    LLVM writes it from functions that have OpenCL's names, mangled as C++'s.
    """

    constant_space = 2

    def __init__(self) -> None:
        self.machine = DeviceMachine("spirv64v1.2-unknown-unknown")

    def thread(self, b: DeviceBuilder) -> Value:
        return self._id(b, "_Z12get_local_idj")

    def block(self, b: DeviceBuilder) -> Value:
        return self._id(b, "_Z12get_group_idj")

    def _id(self, b: DeviceBuilder, function: str) -> Value:
        b.module.declare(f"declare spir_func i64 @{function}(i32)")
        return b.result(f"call spir_func i64 @{function}(i32 0)", INDEX)

    def barrier(self, b: DeviceBuilder) -> None:
        b.module.declare("declare spir_func void @_Z7barrierj(i32) convergent")
        b.emit(f"call spir_func void @_Z7barrierj(i32 {_BOTH_MEMORIES})")

    def wide_mul(self, b: DeviceBuilder, x: Value, y: Value) -> tuple[Value, Value]:
        b.module.declare("declare spir_func i64 @_Z6mul_himm(i64, i64)")
        return b.mul(x, y), b.result(f"call spir_func i64 @_Z6mul_himm({x.typed}, {y.typed})", x.dtype)

    def kernel(
        self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds, b: DeviceBuilder
    ) -> str:
        head = f"define spir_kernel void @{name}({parameters_of(pointers, numbers)}) nounwind convergent {{"
        return "\n".join([head, *b.body(), "}"])

    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        found = translated(self.machine, ir, level=0, as_text=False)
        assert isinstance(found, bytes)
        return found

    def assembly(self, ir: str) -> str:
        found = translated(self.machine, ir, level=0, as_text=True)
        assert isinstance(found, str)
        return found
