"""PTX for NVIDIA GPUs, assembled by the driver."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lamina.compiler.gpu._builder import Bounds, DeviceMachine, Dialect, TensorBuilder, parameters_of
from lamina.compiler.llvm import FLOAT32, INDEX, INT32, Pointer, Value

_KNOWN = (80, 86, 89, 90)
"""Architectures for which code is generated. Another GPU executes code of the latest earlier architecture."""


_FRAGMENTS = {"tf32": "m16n8k8.row.col.tf32", "bfloat16": "m16n8k16.row.col.bf16"}


class NVPTXBuilder(TensorBuilder):
    """Writes kernels with NVIDIA's intrinsics."""

    index = INT32
    constant_space = 4

    def thread(self) -> Value:
        return self._sreg("tid")

    def block(self) -> Value:
        return self._sreg("ctaid")

    def _sreg(self, name: str) -> Value:
        function = f"llvm.nvvm.read.ptx.sreg.{name}.x"
        self.module.declare(f"declare i32 @{function}()")
        return self.cast(self.result(f"call i32 @{function}()", INT32), INDEX)

    def barrier(self) -> None:
        self.module.declare("declare void @llvm.nvvm.barrier0() convergent")
        self.emit("call void @llvm.nvvm.barrier0()")

    def begin_copy(self, target: Pointer, source: Pointer, nbytes: int, inside: Value | None) -> None:
        # Copies of 16 bytes bypass the first-level cache, where nothing would read them; smaller copies can't.
        name = {16: "cg.shared.global.16", 4: "ca.shared.global.4"}[nbytes]
        if inside is None:
            self._do(f"cp.async.{name}", target, source)
        else:
            self._do(f"cp.async.{name}.s", target, source, self.where(inside, self.const(nbytes, INT32), 0))

    def close_copies(self) -> None:
        self._do("cp.async.commit.group")

    def wait_for_copies(self, left: int) -> None:
        self._do("cp.async.wait.group", self.const(left, INT32))

    def load_four(self, source: Pointer) -> list[Value]:
        # LLVM would split its own load instruction if another path loads the same numbers one by one.
        four = "{float, float, float, float}"
        load = '"ld.global.v4.f32 {$0, $1, $2, $3}, [$4];", "=f,=f,=f,=f,l,~{memory}"'
        found = self.result(f"call {four} asm sideeffect {load}({source.typed})", FLOAT32)
        return [self.result(f"extractvalue {four} {found.name}, {i}", FLOAT32) for i in range(4)]

    def unknown(self, number: Value) -> Value:
        bits = 8 * number.dtype.itemsize
        register = {32: "r", 64: "l"}[bits]
        copy = f'asm sideeffect "mov.b{bits} $0, $1;", "={register},{register}"'
        return self.result(f"call {number.type} {copy}({number.typed})", number.dtype)

    def to_tf32(self, x: Value) -> Value:
        self.module.declare("declare i32 @llvm.nvvm.f2tf32.rna(float)")
        return self.result(f"call i32 @llvm.nvvm.f2tf32.rna({x.typed})", INT32)

    def to_bfloat16(self, low: Value, high: Value) -> Value:
        self.module.declare("declare <2 x bfloat> @llvm.nvvm.ff2bf16x2.rn(float, float)")
        pair = self.result(f"call <2 x bfloat> @llvm.nvvm.ff2bf16x2.rn({high.typed}, {low.typed})", INT32)
        return self.result(f"bitcast <2 x bfloat> {pair.name} to i32", INT32)

    def multiply_fragments(self, precision: str, *fragments: Sequence[Value]) -> list[Value]:
        name = f"llvm.nvvm.mma.{_FRAGMENTS[precision]}"
        operands, four = [*itertools.chain(*fragments)], "{float, float, float, float}"
        self.module.declare(f"declare {four} @{name}({', '.join(x.type for x in operands)})")
        found = self.result(f"call {four} @{name}({', '.join(x.typed for x in operands)})", FLOAT32)
        return [self.result(f"extractvalue {four} {found.name}, {i}", FLOAT32) for i in range(4)]

    def _do(self, name: str, *operands: Pointer | Value) -> None:
        """Call an LLVM intrinsic for NVIDIA GPUs that has no result."""
        types = ", ".join(x.typed.rpartition(" ")[0] for x in operands)
        self.module.declare(f"declare void @llvm.nvvm.{name}({types})")
        self.call(f"llvm.nvvm.{name}", *operands)

    def kernel(self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds) -> str:
        sizes = f'"nvvm.maxntid"="{bounds.threads}" "nvvm.minctasm"="{bounds.blocks}"'
        head = f"define ptx_kernel void @{name}({parameters_of(pointers, numbers)}) nounwind convergent {sizes} {{"
        return "\n".join([head, *self.body(), "}"])


class NVPTX(Dialect):
    """PTX for an architecture from ``sm_80`` on."""

    builder = NVPTXBuilder
    level = 2

    def __init__(self, architecture: str) -> None:
        number = int(architecture.removeprefix("sm_").rstrip("af"))
        known = max((n for n in _KNOWN if n <= number), default=_KNOWN[0])
        self.machine = DeviceMachine("nvptx64-nvidia-cuda", f"sm_{known}")

    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        return self.assembly(ir).encode()
