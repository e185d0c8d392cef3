"""A target without machine code: kernels are evaluated primitive by primitive, in memory that NumPy can't see.

What in front of the target took buffers for NumPy's, or called the CPU's code, would fail here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Constant, Input, Node, Scalar
from lamina.compiler.passes.plan import Place, Plan
from lamina.compiler.target import Lowered, Program, Target
from lamina.core.array import Array

__all__ = ["DeviceMemory", "Interpreter"]


class DeviceMemory:
    """A buffer. It is no array, and gives no array when it is asked for one."""

    def __init__(self, contents: np.ndarray) -> None:
        self.contents, self.shape, self.dtype = contents.copy(), contents.shape, contents.dtype


class Interpreter(Target):
    """See `lamina.compiler.target.Target`."""

    alignment = 1
    description = "interpreter"

    def computes_operand(self, product: Node, operand: Node) -> bool:
        return False

    def load(self, lowered: Lowered) -> Interpreter:
        return self

    def ir(self) -> str:
        return "nothing is emitted"

    assembly = ir

    def bind(
        self, program: Program, arrays: Sequence[Array], arguments: Sequence[int], written: frozenset[int]
    ) -> Step:
        return Step(program.plan, arrays, arguments)

    def from_numpy(self, array: np.ndarray) -> DeviceMemory:
        return DeviceMemory(array)

    def to_numpy(self, value: Any) -> np.ndarray:
        return value.contents

    def sharing(self, plan: Plan, kernel: Kernel) -> str:
        return "alone"

    def peak_flops(self, program: Program, dtype: np.dtype) -> float:
        return 1.0


class Step:
    """See `lamina.compiler.target.BoundStep`."""

    def __init__(self, plan: Plan, arrays: Sequence[Array], arguments: Sequence[int]) -> None:
        self.plan, self.arrays, self._arguments = plan, list(arrays), arguments
        self.lock = nullcontext()
        self.used_slots = sorted({n.op.slot for n in plan.graph.nodes() if isinstance(n.op, Input)})

    def run(
        self, arguments: Sequence[Array], numbers: Sequence[float], steps: int, lead: tuple[int, ...]
    ) -> list[DeviceMemory]:
        assert steps == 1
        for slot, array in zip(self._arguments, arguments, strict=True):
            self.arrays[slot] = array
        arena = np.zeros(self.plan.arena_bytes, np.uint8)
        results = [DeviceMemory(np.zeros(n.shape, n.dtype)) for n in self.plan.graph.results]

        def at(place: Place, node: Node) -> np.ndarray:
            if place.kind == "arena":
                part = arena[place.number : place.number + node.nbytes]
                return part.view(node.dtype).reshape(node.shape)
            memory: Any = results[place.number] if place.kind == "result" else self.arrays[place.number]._data
            return memory.contents

        def value(node: Node, kernel: Kernel) -> Any:
            if isinstance(node.op, Input):
                return at(Place("input", node.op.slot), node)
            if isinstance(node.op, Scalar):
                return np.asarray(numbers[node.op.slot], node.dtype)
            if isinstance(node.op, Constant):
                return np.asarray(node.op.value, node.dtype)
            if node in self.plan.places and node not in kernel.members:
                return at(self.plan.places[node][0], node)
            return node.op.eval(*(value(x, kernel) for x in node.inputs), **node.params)

        for kernel in self.plan.kernels:
            for node, computed in [(n, value(n, kernel)) for n in kernel.stores]:
                for place in self.plan.places[node]:
                    at(place, node)[...] = computed
        return results

    def forget_arguments(self) -> None: ...

    def release(self) -> None: ...

    def measure(self) -> None: ...
