"""Kernel languages: the machine, the builder of kernels, the translation to the device's code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.compiler.llvm import DType
from lamina.compiler.llvm.jit import translated

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder


@dataclass(frozen=True)
class DeviceMachine:
    """A device as LLVM's machine; implements `lamina.compiler.llvm.processor.Machine`.

    A thread computes with scalars, that is, vectors of one lane.
    """

    triple: str
    cpu: str = ""
    features: str = ""
    function_attributes: str = ""
    has_fused_multiply_add: bool = True
    has_masked_moves: bool = False

    def lanes(self, dtype: DType) -> int:
        return 1


@dataclass(frozen=True)
class Bounds:
    """A kernel's number of threads per block, and the minimum number of concurrent blocks per multiprocessor.

    The blocks share the multiprocessor's registers.
    """

    threads: int
    blocks: int = 1


class Dialect(ABC):
    """A kernel language: NVPTX, SPIR-V or the emulator's."""

    machine: DeviceMachine
    builder: type[DeviceBuilder]
    """Writes kernels; its methods say what a thread's number, a barrier or a copy is in this language."""
    level = 0
    """LLVM's optimisation level."""

    @abstractmethod
    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        """Translate LLVM assembly to the code that the device loads."""

    def assembly(self, ir: str) -> str:
        """Translate LLVM assembly to the device's code in readable form."""
        return translated(self.machine, ir, level=self.level)


def parameters_of(pointers: int, numbers: Sequence[str]) -> str:
    """A kernel's parameters in LLVM's syntax.

    No parameter is `noalias`: LLVM would then read buffers that are updated in place through a cache that isn't
    coherent with writes.
    """
    parts = [f"ptr addrspace(1) %p{i}" for i in range(pointers)]
    return ", ".join([*parts, *(f"i64 %{name}" for name in numbers)])
