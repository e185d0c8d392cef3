"""The differences between the languages of kernels: thread numbers, barriers, the last translation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.compiler.llvm import INDEX, DType, Pointer, Value

if TYPE_CHECKING:
    from lamina.compiler.gpu._builder import DeviceBuilder

__all__ = ["Bounds", "DeviceMachine", "Dialect", "TensorDialect", "parameters_of"]


@dataclass(frozen=True)
class DeviceMachine:
    """See `lamina.compiler.llvm.module.Machine`. A thread computes with single numbers: it is itself a lane."""

    triple: str
    cpu: str = ""
    features: str = ""
    function_attributes: str = ""
    has_fused_multiply_add: bool = True
    has_masked_moves: bool = False

    def lanes(self, dtype: DType) -> int:
        """One, whatever the type."""
        return 1


@dataclass(frozen=True)
class Bounds:
    """The threads per block of a kernel, and the least number of blocks resident on a multiprocessor, which share its
    registers."""

    threads: int
    blocks: int = 1


class Dialect(ABC):
    """One of NVPTX, SPIR-V and the emulator's."""

    machine: DeviceMachine
    index: DType = INDEX
    """The integers in which a thread's number is taken apart, where they are large enough."""

    constant_space: int
    """The address space of tables that come with the code."""

    @abstractmethod
    def thread(self, b: DeviceBuilder) -> Value:
        """The number of the thread in its block."""

    @abstractmethod
    def block(self, b: DeviceBuilder) -> Value:
        """The number of the block."""

    @abstractmethod
    def barrier(self, b: DeviceBuilder) -> None:
        """Wait for all threads of the block; their writes are visible afterwards."""

    def fence(self, b: DeviceBuilder) -> None:
        """Make this thread's writes visible to other blocks before its next writes."""
        b.emit('fence syncscope("device") acq_rel')

    def wide_mul(self, b: DeviceBuilder, x: Value, y: Value) -> tuple[Value, Value] | None:
        """The lower and upper half of the product of two 64-bit numbers, where 128-bit ones do not exist; else None."""
        return None

    @abstractmethod
    def kernel(
        self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds, b: DeviceBuilder
    ) -> str:
        """The text of a kernel with this body."""

    @abstractmethod
    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        """The code that the device loads."""

    @abstractmethod
    def assembly(self, ir: str) -> str:
        """The same for people to read."""


class TensorDialect(Dialect):
    """The dialect of processors with tensor cores and asynchronous copies."""

    @abstractmethod
    def begin_copy(
        self, b: DeviceBuilder, target: Pointer, source: Pointer, nbytes: int, inside: Value | None
    ) -> None:
        """Begin to copy 4 or 16 bytes to shared memory from memory; zeros where the place is not `inside`, and then
        nothing is read. Both addresses are multiples of `nbytes`."""

    @abstractmethod
    def close_copies(self, b: DeviceBuilder) -> None:
        """The thread's copies since the last time are a group, which may be empty."""

    @abstractmethod
    def wait_for_copies(self, b: DeviceBuilder, left: int) -> None:
        """Wait until the thread's copies are done, but those of its `left` latest groups. The thread sees them then;
        others see them after a barrier."""

    @abstractmethod
    def load_four(self, b: DeviceBuilder, source: Pointer) -> list[Value]:
        """Four float32 numbers of memory, from a multiple of 16 bytes on, by one instruction whatever is near it."""

    @abstractmethod
    def unknown(self, b: DeviceBuilder, number: Value) -> Value:
        """The number, hidden from LLVM's loop-invariant code motion: what is computed from it stays inside the loop,
        instead of taking registers across it."""

    @abstractmethod
    def to_tf32(self, b: DeviceBuilder, x: Value) -> Value:
        """A float32 number rounded to tf32, which has 10 bits behind the first, as 32 bits."""

    @abstractmethod
    def to_bfloat16(self, b: DeviceBuilder, low: Value, high: Value) -> Value:
        """Two float32 numbers rounded to bfloat16, which has 7 bits behind the first, as the halves of 32 bits."""

    @abstractmethod
    def multiply_fragments(
        self,
        b: DeviceBuilder,
        precision: str,
        left: Sequence[Value],
        right: Sequence[Value],
        sums: Sequence[Value],
    ) -> list[Value]:
        """The lane's parts of 16 by 8 float32 sums, to which the warp adds a product: of 8 terms in tf32, of 16 in
        bfloat16. `left`, `right`, `sums`: its parts of both operands and of the sums before, as the PTX ISA has it for
        ``mma.m16n8k8`` and ``mma.m16n8k16``. All lanes of the warp do so at the same place."""


def parameters_of(pointers: int, numbers: Sequence[str]) -> str:
    """A kernel's parameters as LLVM writes them. None is `noalias`: LLVM would read buffers that are updated in place
    through a cache that sees no writes."""
    parts = [f"ptr addrspace(1) %p{i}" for i in range(pointers)]
    return ", ".join([*parts, *(f"i64 %{name}" for name in numbers)])
