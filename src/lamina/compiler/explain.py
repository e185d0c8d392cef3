"""What a compiled step does, in the user's terms: a table of its kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lamina.compiler.graph import Input, Node

if TYPE_CHECKING:
    from lamina.compiler.fuse import Kernel
    from lamina.compiler.plan import Partition, Plan
    from lamina.compiler.program import Program

__all__ = ["describe", "kernel_bytes"]


def describe(
    program: Program, names: Mapping[int, str] | None = None, seconds: Sequence[float] | None = None
) -> str:
    """The kernels in order: what each computes, flops, bytes, threads; time and rate where they were measured."""
    from lamina.compiler.program import kernel_flops

    plan = program.plan
    lines = [
        f"{len(plan.kernels)} kernels, {program.flops / 1e6:.2f} Mflop, arena {plan.arena_bytes / 1024:.0f} KiB, "
        f"built in {program.build_seconds * 1e3:.0f} ms"
    ]
    for number, kernel in enumerate(plan.kernels):
        flops = kernel_flops(kernel)
        line = (
            f"{number:3d} {'|' if kernel in plan.barriers else ' '} {kernel.kind:8s}{_shape(kernel.domain):>12s} "
            f"{flops / 1e6:9.3f} Mflop {kernel_bytes(kernel, plan) / 1024:8.1f} KiB  {_sharing(plan.partitions[kernel]):9s}"
        )
        if seconds is not None:
            line += (
                f"{seconds[number] * 1e6:9.1f} us {flops / max(seconds[number], 1e-12) / 1e9:7.1f} Gflop/s "
            )
        lines.append(f"{line} {_summary(kernel, names or {})}")
    return "\n".join(lines)


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


def _sharing(partition: Partition) -> str:
    return "1 thread" if partition.kind == "serial" else f"by {partition.kind}"


def _summary(kernel: Kernel, names: Mapping[int, str]) -> str:
    """The operators in order, repeated ones counted, and what is read and written."""
    counts: dict[str, int] = {}
    for node in kernel.members:
        counts[node.op.name] = counts.get(node.op.name, 0) + 1
    return ", ".join(name if n == 1 else f"{name} x{n}" for name, n in counts.items())
