"""PTX for NVIDIA GPUs, assembled by the driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamina.compiler.gpu._dialect import Bounds, DeviceMachine, TensorDialect, parameters_of
from lamina.compiler.llvm import FLOAT32, INDEX, INT32, Pointer, Value
from lamina.compiler.llvm.jit import translated

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder

_KNOWN = (80, 86, 89, 90)
"""Architectures for which code is generated. Another GPU executes code of the latest earlier architecture."""


_FRAGMENTS = {"tf32": "m16n8k8.row.col.tf32", "bfloat16": "m16n8k16.row.col.bf16"}


class NVPTX(TensorDialect):
    """PTX for an architecture from ``sm_80`` on."""

    index = INT32
    constant_space = 4

    def __init__(self, architecture: str) -> None:
        number = int(architecture.removeprefix("sm_").rstrip("af"))
        known = max((n for n in _KNOWN if n <= number), default=_KNOWN[0])
        self.machine = DeviceMachine("nvptx64-nvidia-cuda", f"sm_{known}")

    def thread(self, b: DeviceBuilder) -> Value:
        return self._register(b, "tid")

    def block(self, b: DeviceBuilder) -> Value:
        return self._register(b, "ctaid")

    def _register(self, b: DeviceBuilder, name: str) -> Value:
        function = f"llvm.nvvm.read.ptx.sreg.{name}.x"
        b.module.declare(f"declare i32 @{function}()")
        return b.cast(b.result(f"call i32 @{function}()", INT32), INDEX)

    def barrier(self, b: DeviceBuilder) -> None:
        b.module.declare("declare void @llvm.nvvm.barrier0() convergent")
        b.emit("call void @llvm.nvvm.barrier0()")

    def begin_copy(
        self, b: DeviceBuilder, target: Pointer, source: Pointer, nbytes: int, inside: Value | None
    ) -> None:
        # Copies of 16 bytes bypass the first-level cache, where nothing would read them; smaller copies can't.
        name = {16: "cg.shared.global.16", 4: "ca.shared.global.4"}[nbytes]
        if inside is None:
            self._do(b, f"cp.async.{name}", target, source)
        else:
            self._do(b, f"cp.async.{name}.s", target, source, b.where(inside, b.const(nbytes, INT32), 0))

    def close_copies(self, b: DeviceBuilder) -> None:
        self._do(b, "cp.async.commit.group")

    def wait_for_copies(self, b: DeviceBuilder, left: int) -> None:
        self._do(b, "cp.async.wait.group", b.const(left, INT32))

    def load_four(self, b: DeviceBuilder, source: Pointer) -> list[Value]:
        # LLVM would split its own load instruction if another path loads the same numbers one by one.
        four = "{float, float, float, float}"
        load = '"ld.global.v4.f32 {$0, $1, $2, $3}, [$4];", "=f,=f,=f,=f,l,~{memory}"'
        found = b.result(f"call {four} asm sideeffect {load}({source.typed})", FLOAT32)
        return [b.result(f"extractvalue {four} {found.name}, {i}", FLOAT32) for i in range(4)]

    def unknown(self, b: DeviceBuilder, number: Value) -> Value:
        bits = 8 * number.dtype.itemsize
        register = {32: "r", 64: "l"}[bits]
        copy = f'asm sideeffect "mov.b{bits} $0, $1;", "={register},{register}"'
        return b.result(f"call {number.type} {copy}({number.typed})", number.dtype)

    def to_tf32(self, b: DeviceBuilder, x: Value) -> Value:
        b.module.declare("declare i32 @llvm.nvvm.f2tf32.rna(float)")
        return b.result(f"call i32 @llvm.nvvm.f2tf32.rna({x.typed})", INT32)

    def to_bfloat16(self, b: DeviceBuilder, low: Value, high: Value) -> Value:
        b.module.declare("declare <2 x bfloat> @llvm.nvvm.ff2bf16x2.rn(float, float)")
        pair = b.result(f"call <2 x bfloat> @llvm.nvvm.ff2bf16x2.rn({high.typed}, {low.typed})", INT32)
        return b.result(f"bitcast <2 x bfloat> {pair.name} to i32", INT32)

    def multiply_fragments(
        self,
        b: DeviceBuilder,
        precision: str,
        left: Sequence[Value],
        right: Sequence[Value],
        sums: Sequence[Value],
    ) -> list[Value]:
        name = f"llvm.nvvm.mma.{_FRAGMENTS[precision]}"
        operands, four = [*left, *right, *sums], "{float, float, float, float}"
        b.module.declare(f"declare {four} @{name}({', '.join(x.type for x in operands)})")
        found = b.result(f"call {four} @{name}({', '.join(x.typed for x in operands)})", FLOAT32)
        return [b.result(f"extractvalue {four} {found.name}, {i}", FLOAT32) for i in range(len(sums))]

    def _do(self, b: DeviceBuilder, name: str, *operands: Pointer | Value) -> None:
        """Call an LLVM intrinsic for NVIDIA GPUs that has no result."""
        types = ", ".join(x.typed.rpartition(" ")[0] for x in operands)
        b.module.declare(f"declare void @llvm.nvvm.{name}({types})")
        b.call(f"llvm.nvvm.{name}", *operands)

    def kernel(
        self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds, b: DeviceBuilder
    ) -> str:
        sizes = f'"nvvm.maxntid"="{bounds.threads}" "nvvm.minctasm"="{bounds.blocks}"'
        attributes = f"nounwind convergent {sizes}"
        head = f"define ptx_kernel void @{name}({parameters_of(pointers, numbers)}) {attributes} {{"
        return "\n".join([head, *b.body(), "}"])

    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        return self.assembly(ir).encode()

    def assembly(self, ir: str) -> str:
        found = translated(self.machine, ir, level=2, as_text=True)
        assert isinstance(found, str)
        return found
