"""The differences between kernel languages: thread numbers, barriers, translation to the device's code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.compiler.llvm import INDEX, DType, Pointer, Value

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
    index: DType = INDEX
    """The integer type for arithmetic on a thread's number, where it is large enough."""

    constant_space: int
    """The address space of constant tables in the code."""

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
        """The lower and upper 64 bits of the product of two 64-bit numbers; None in a language with a 128-bit type."""
        return None

    @abstractmethod
    def kernel(
        self, name: str, pointers: int, numbers: Sequence[str], bounds: Bounds, b: DeviceBuilder
    ) -> str:
        """The text of a kernel, whose body `b` has emitted."""

    @abstractmethod
    def translate(self, ir: str, kernels: Sequence[str]) -> bytes:
        """Translate LLVM assembly to the code that the device loads."""

    @abstractmethod
    def assembly(self, ir: str) -> str:
        """Translate LLVM assembly to the device's code in readable form."""


class TensorDialect(Dialect):
    """A dialect of GPUs with tensor cores and asynchronous copies."""

    @abstractmethod
    def begin_copy(
        self, b: DeviceBuilder, target: Pointer, source: Pointer, nbytes: int, inside: Value | None
    ) -> None:
        """Begin an asynchronous copy of 4 or 16 bytes from memory to shared memory.

        If `inside` is false, zeros are written and nothing is read. Both addresses are multiples of `nbytes`.
        """

    @abstractmethod
    def close_copies(self, b: DeviceBuilder) -> None:
        """Group the copies that this thread has begun since the last call; the group may be empty."""

    @abstractmethod
    def wait_for_copies(self, b: DeviceBuilder, left: int) -> None:
        """Wait for this thread's copies, except for those in the latest `left` groups.

        The thread then sees the copied data; other threads see it after a barrier.
        """

    @abstractmethod
    def load_four(self, b: DeviceBuilder, source: Pointer) -> list[Value]:
        """Load four float32 numbers with one instruction, from an address that is a multiple of 16 bytes."""

    @abstractmethod
    def unknown(self, b: DeviceBuilder, number: Value) -> Value:
        """The number, hidden from LLVM's loop-invariant code motion.

        Values computed from it stay inside the loop, instead of occupying registers during the whole loop.
        """

    @abstractmethod
    def to_tf32(self, b: DeviceBuilder, x: Value) -> Value:
        """Round a float32 number to tf32, which has 10 fraction bits; returns 32 bits."""

    @abstractmethod
    def to_bfloat16(self, b: DeviceBuilder, low: Value, high: Value) -> Value:
        """Round two float32 numbers to bfloat16, which has 7 fraction bits; returns them as the halves of 32 bits."""

    @abstractmethod
    def multiply_fragments(
        self,
        b: DeviceBuilder,
        precision: str,
        left: Sequence[Value],
        right: Sequence[Value],
        sums: Sequence[Value],
    ) -> list[Value]:
        """Multiply fragments with tensor cores, and add the product to 16 by 8 float32 sums; returns the lane's sums.

        The inner dimension is 8 in tf32, 16 in bfloat16. `left`, `right` and `sums` are the lane's elements of the
        operands and of the previous sums, laid out as in the PTX ISA for ``mma.m16n8k8`` and ``mma.m16n8k16``. All
        lanes of the warp must execute this together.
        """


def parameters_of(pointers: int, numbers: Sequence[str]) -> str:
    """A kernel's parameters in LLVM's syntax.

    No parameter is `noalias`: LLVM would then read buffers that are updated in place through a cache that isn't
    coherent with writes.
    """
    parts = [f"ptr addrspace(1) %p{i}" for i in range(pointers)]
    return ", ".join([*parts, *(f"i64 %{name}" for name in numbers)])
