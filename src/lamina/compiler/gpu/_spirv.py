"""SPIR-V for OpenCL on Intel GPUs, PoCL and Mesa's drivers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.compiler.gpu._builder import Bounds, DeviceBuilder, DeviceMachine, Dialect, parameters_of
from lamina.compiler.llvm import INDEX, Operand, Value
from lamina.compiler.llvm.jit import translated_object
from lamina.compiler.target import NotForTarget

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
        head = f"define spir_kernel void @{name}({parameters_of(pointers, numbers)}) nounwind convergent {{"
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
