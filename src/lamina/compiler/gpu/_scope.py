"""The division of kernels among blocks, and the state for emitting a kernel as the code of one thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamina.compiler.emit.expressions import Axis
from lamina.compiler.emit.pointers import Frame
from lamina.compiler.emit.scope import Scope
from lamina.compiler.gpu._builder import DeviceBuilder
from lamina.compiler.llvm import INT32, Pointer, Value
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.plan import Plan

THREADS = 256
"""The number of threads of every block, so that one launch can compute several kernels."""


@dataclass(frozen=True, kw_only=True)
class Division:
    """The division of a kernel among blocks: `tiles` groups of results, each computed in `parts` parts by other blocks.

    For each part of several, the blocks share memory for the part's `results`, of `itemsize` bytes each.
    """

    tiles: int
    parts: int = 1
    results: int = 0
    itemsize: int = 0

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return self.tiles * self.parts

    @property
    def counters_bytes(self) -> int:
        """The bytes of the tiles' counters of completed parts, in the memory that the blocks share."""
        return _rounded(self.tiles * INT32.itemsize) if self.parts > 1 else 0

    @property
    def sums_bytes(self) -> int:
        """The bytes of partial sums in the memory that the blocks share."""
        return _rounded(self.blocks * self.results * self.itemsize) if self.parts > 1 else 0


def _rounded(nbytes: int) -> int:
    """Round a number of bytes up to a multiple of the devices' alignment."""
    return -(-nbytes // 256) * 256


class DeviceScope(Scope):
    """A kernel in a launch; `block` is the block's number among the blocks of this kernel.

    `counters` and `scratch` are memory that these blocks share. Counters are zero before and after a launch.
    """

    b: DeviceBuilder

    def __init__(
        self,
        b: DeviceBuilder,
        plan: Plan,
        kernel: Kernel,
        frame: Frame,
        pointers: Sequence[Pointer],
        block: Value,
        common: Sequence[Pointer],
    ) -> None:
        super().__init__(b, plan, kernel, frame, pointers)
        self.block, self.thread = block, b.thread()
        self.counters, self.scratch = common[0], common[-1]  # the same or any pointer where a task has none

    def each(self, shape: Sequence[int], body: Callable[[list[Axis]], None]) -> None:
        place = self.place()
        with self.b.if_(self.b.less(place, math.prod(shape))):
            body(self.index(place, shape))

    def place(self) -> Value:
        """The thread's number among all threads of the kernel."""
        return self.b.add(self.b.mul(self.block, THREADS), self.thread)

    def index(self, position: Value, shape: Sequence[int]) -> list[Axis]:
        """The index of the element at a flat position in an array of this shape; [] for a scalar."""
        return [self.axis(i) for i in self.b.unravel(position, shape)] if shape else []
