"""What a compiled step does, in the user's terms: its kernels, the formulas that each computes, and their cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lamina.compiler.passes.graph import Constant, Input, Node, Scalar

if TYPE_CHECKING:
    from lamina.compiler.passes.fuse import Kernel
    from lamina.compiler.passes.plan import Place, Plan
    from lamina.compiler.program import Program

__all__ = ["describe", "kernel_bytes"]

_INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
_MAX_FORMULA = 160


def describe(
    program: Program,
    names: Mapping[int, str] | None = None,
    seconds: Sequence[float] | None = None,
    threads: int = 1,
) -> str:
    """The kernels in order; `names` of the input slots, and the `seconds` of each kernel, where they are known.

    A bar in front of a kernel means that the threads wait for each other before it.
    """
    plan = program.plan
    formulas = _Formulas(plan, names or {})
    lines = [
        f"{len(plan.kernels)} kernels, {program.flops / 1e6:.2f} Mflop, arena {plan.arena_bytes / 1024:.0f} KiB, "
        f"built in {program.build_seconds * 1e3:.0f} ms"
    ]
    width = max(len(_sharing(plan, kernel)) for kernel in plan.kernels) if plan.kernels else 0
    for number, kernel in enumerate(plan.kernels):
        lines.append(_head(plan, number, kernel, width) + _measured(kernel, number, seconds, threads))
        lines += [f"        {formula}" for formula in formulas.of(kernel)]
    return "\n".join(lines)


def _head(plan: Plan, number: int, kernel: Kernel, width: int) -> str:
    from lamina.compiler.program import kernel_flops

    bar = "|" if kernel in plan.barriers else " "
    size = kernel_bytes(kernel, plan) / 1024
    return (
        f"{number:3d} {bar} {kernel.kind:8s}{_shape(kernel.domain):>12s} {kernel_flops(kernel) / 1e6:9.3f} Mflop "
        f"{size:8.1f} KiB  {_sharing(plan, kernel):{width}s}"
    )


def _measured(kernel: Kernel, number: int, seconds: Sequence[float] | None, threads: int) -> str:
    """Time, rate, and the share of what the cores' vector units could do at most (for products only: others wait for
    memory)."""
    if seconds is None:
        return ""
    from lamina.compiler.program import kernel_flops

    rate = kernel_flops(kernel) / max(seconds[number], 1e-12)
    text = f"{seconds[number] * 1e6:8.1f} us {rate / 1e9:7.1f} Gflop/s"
    if kernel.kind != "product":
        return text
    from lamina.compiler.llvm.machine import peak_flops

    return f"{text}, {rate / (threads * peak_flops(kernel.stores[0].dtype)):.0%} of peak"


def kernel_bytes(kernel: Kernel, plan: Plan) -> int:
    """Bytes that a kernel reads and writes, each buffer counted once."""
    members = set(kernel.members)
    found: set[Node] = set()

    def visit(node: Node) -> None:
        if isinstance(node.op, Input) or (node in plan.places and node not in members):
            found.add(node)
            return
        for x in node.inputs:
            visit(x)

    for member in kernel.members:
        visit(member)
    return sum(n.nbytes for n in found) + sum(n.nbytes * len(plan.places[n]) for n in kernel.stores)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"


def _sharing(plan: Plan, kernel: Kernel) -> str:
    """How threads share a kernel, and whether it runs on the processor's matrix unit."""
    from lamina.compiler.cpu.products import contraction_of

    partition = plan.partitions[kernel]
    text = "1 thread" if partition.kind == "serial" else f"by {partition.kind}"
    on_unit = kernel.kind == "product" and contraction_of(kernel).unit_blocking is not None
    return f"{text}, matrix unit" if on_unit else text


class _Formulas:
    """Names for everything in memory, and what is computed written with them."""

    def __init__(self, plan: Plan, names: Mapping[int, str]) -> None:
        self._plan, self._inputs = plan, names
        self._temporaries: dict[Node, str] = {}

    def of(self, kernel: Kernel) -> list[str]:
        """A line for each value that the kernel stores."""
        return [f"{self._target(node)} = {self._formula(node, kernel)}" for node in kernel.stores]

    def _target(self, node: Node) -> str:
        names = [self._place(place, node) for place in self._plan.places[node]]
        return " = ".join(names)

    def _place(self, place: Place, node: Node) -> str:
        if place.kind == "input":
            return self._input(place.number)
        if place.kind == "result":
            return f"result{place.number}"
        return self._temporaries.setdefault(node, f"t{len(self._temporaries)}")

    def _input(self, slot: int) -> str:
        name = self._inputs.get(slot, f"input{slot}")
        return f"{name}.T" if slot in self._plan.held else name

    def _formula(self, node: Node, kernel: Kernel) -> str:
        text = self._expression(node, set(kernel.members), top=True)
        return text if len(text) <= _MAX_FORMULA else text[: _MAX_FORMULA - 1] + "…"

    def _expression(self, node: Node, members: set[Node], *, top: bool = False) -> str:
        if isinstance(node.op, Input):
            return self._input(node.op.slot)
        if isinstance(node.op, Constant):
            return f"{np.float32(node.op.value):g}" if node.dtype.kind == "f" else str(node.op.value)
        if isinstance(node.op, Scalar):
            return f"number{node.op.slot}"
        if node in self._plan.places and (node not in members or not top):
            return self._target(node).partition(" = ")[0]
        parts = [self._expression(x, members) for x in node.inputs]
        return self._applied(node, parts, top)

    def _applied(self, node: Node, parts: list[str], top: bool) -> str:
        name = node.op.name
        if name in _INFIX:
            text = f" {_INFIX[name]} ".join(parts)
            return text if top else f"({text})"
        if name == "matmul":
            flags = [node.params["transpose_a"], node.params["transpose_b"]]
            parts = [f"{part}.T" if flag else part for part, flag in zip(parts, flags, strict=True)]
            return f"dot({', '.join(parts)})"
        if name in ("cast", "reshape", "broadcast_to", "full"):
            return parts[0]
        if "axis" in node.params:
            parts.append(f"axis={node.params['axis']}")
        return f"{name}({', '.join(parts)})"
