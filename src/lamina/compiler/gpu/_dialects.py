"""The languages of kernels: PTX for NVIDIA GPUs, and SPIR-V for OpenCL on Intel GPUs, PoCL and Mesa's drivers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from lamina.compiler.gpu._builder import Bounds, DeviceBuilder, DeviceMachine, Dialect, TensorBuilder
from lamina.compiler.llvm import FLOAT32, INDEX, INT32, Operand, Pointer, Value
from lamina.compiler.llvm.jit import translated_object
from lamina.compiler.target import NotForTarget

# --- PTX, assembled by the driver -----------------------------------------------------------------------------------

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
        head = f"define ptx_kernel void @{name}({self.parameters(pointers, numbers)}) nounwind convergent {sizes} {{"
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


# --- SPIR-V ----------------------------------------------------------------------------------------------------------

_MOST_TRIES = 8
"""Attempts to write a module: LLVM 20 to 22 occasionally write one in which two instructions define the same id. It
depends on addresses in memory, so that another attempt usually succeeds."""

_HEADER_WORDS = 5
_TYPES = range(19, 39)  # OpTypeVoid … OpTypePipe: they define their first operand
_WITHOUT_RESULT = frozenset({*range(2, 12), *range(13, 19), 39, 71, 72})
"""OpSource … OpExtension, OpMemoryModel … OpCapability, OpTypeForwardPointer, OpDecorate, OpMemberDecorate: they
define no id, but their first operand may equal the id of a type."""
_LABEL = 248
_BOTH_MEMORIES = 3  # CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE


class SPIRVBuilder(DeviceBuilder):
    """Writes kernels with calls of OpenCL's functions, whose names are mangled as in C++."""

    constant_space = 2

    def thread(self) -> Value:
        return self._id("_Z12get_local_idj")

    def block(self) -> Value:
        return self._id("_Z12get_group_idj")

    def _id(self, function: str) -> Value:
        self.module.declare(f"declare spir_func i64 @{function}(i32)")
        return self.result(f"call spir_func i64 @{function}(i32 0)", INDEX)

    def barrier(self) -> None:
        self.module.declare("declare spir_func void @_Z7barrierj(i32) convergent")
        self.emit(f"call spir_func void @_Z7barrierj(i32 {_BOTH_MEMORIES})")

    def wide_mul(self, x: Operand, y: Operand) -> tuple[Value, Value]:  # without a 128-bit type
        x, y = self.match(x, y)
        self.module.declare("declare spir_func i64 @_Z6mul_himm(i64, i64)")
        high = f"call spir_func i64 @_Z6mul_himm({x.typed}, {y.typed})"
        return self.mul(x, y), self.result(high, x.dtype)

    def kernel(self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds) -> str:
        head = f"define spir_kernel void @{name}({self.parameters(pointers, numbers)}) nounwind convergent {{"
        return "\n".join([head, *self.body(), "}"])


class SPIRV(Dialect):
    """SPIR-V 1.2 with 64-bit addresses; some drivers reject later versions."""

    builder = SPIRVBuilder
    machine = DeviceMachine("spirv64v1.2-unknown-unknown")

    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        for _ in range(_MOST_TRIES):
            if has_unique_ids(found := translated_object(self.machine, ir, level=self.level)):
                return found
        raise NotForTarget("in LLVM's SPIR-V two instructions define the same id")


def has_unique_ids(code: bytes) -> bool:
    """Whether no two instructions of a SPIR-V module define the same id (SPIR-V 1.6, 2.16.1).

    An instruction with a result begins with the id of the result's type; types themselves define their first operand.
    """
    words = np.frombuffer(code, "<u4").tolist()
    instructions: list[list[int]] = []
    at = _HEADER_WORDS
    while at < len(words):
        count = words[at] >> 16
        if not count:
            return False
        instructions.append([words[at] & 0xFFFF, *words[at + 1 : at + count]])
        at += count
    types = [one[1] for one in instructions if one[0] in _TYPES]
    known, others = frozenset(types), _WITHOUT_RESULT.union(_TYPES)
    results = [one[2] for one in instructions if len(one) > 2 and one[1] in known and one[0] not in others]
    results += [one[1] for one in instructions if one[0] == _LABEL]
    return len({*types, *results}) == len(types) + len(results)
