"""The state for emitting a device kernel as the code of one thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lamina.compiler.emit.expressions import Axis, Memory
from lamina.compiler.emit.scope import Scope
from lamina.compiler.gpu._builder import DeviceBuilder
from lamina.compiler.llvm import Pointer, Value
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Node
from lamina.compiler.passes.plan import Partition

THREADS = 256
"""The number of threads of every block, so that one launch can compute several kernels."""


class DeviceScope(Scope):
    """A kernel in a launch; `block` is the block's number among the blocks of this kernel.

    `counters` and `scratch` are memory that these blocks share. Counters are zero before and after a launch.
    """

    b: DeviceBuilder

    def __init__(
        self,
        b: DeviceBuilder,
        kernel: Kernel,
        memory: Memory,
        targets: Mapping[Node, Sequence[Pointer]],
        numbers: Mapping[Node, Value],
        block: Value,
        counters: Pointer,
        scratch: Pointer,
    ) -> None:
        super().__init__(b, kernel, Partition("serial"), memory, targets, numbers, scratch)
        self.block, self.thread, self.counters = block, b.thread(), counters

    def split(self, extent: int, step: int) -> tuple[Value, Value]:
        """Raise `AssertionError`, since a device's kernels are divided among blocks and threads instead."""
        raise AssertionError("a device's kernels have no split axis")

    def is_first(self) -> Value:
        """Whether this is the block's first thread."""
        return self.b.equal(self.thread, 0)

    def place(self) -> Value:
        """The thread's number among all threads of the kernel."""
        return self.b.add(self.b.mul(self.block, THREADS), self.thread)

    def index(self, position: Value, shape: Sequence[int]) -> list[Axis]:
        """The index of the element at a flat position in an array of this shape; [] for a scalar."""
        return [self.axis(i) for i in self.b.unravel(position, shape)] if shape else []
