"""What a step's machine code is run by, without the plan that it was made from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from lamina.compiler.cpu._together import share_strands, work_of
from lamina.compiler.emit import Layout, kernel_names
from lamina.compiler.passes.graph import Input, Scalar
from lamina.compiler.passes.plan import Plan
from lamina.compiler.target import Lowered

__all__ = ["Outline"]

_TAKING = 10
"""An element of a row that is taken from a large table costs as much as so many operations: it comes from far away."""


@dataclass(frozen=True)
class Outline:
    """Lies beside the code on disk, so that in a later process a step is bound and run without any pass over its graph.

    Attributes:
        kernels: the function of each kernel, in order.
        layout: of the table of pointers that the step gets.
        arena_bytes: of the temporaries; with several strands, of each thread.
        held_bytes: of the inputs that are held transposed.
        scratch_bytes: of each thread.
        strands: how many parts of the step share nothing.
        barriers: how often threads wait for each other in a step; 0 where each strand is a thread's own.
        operations: of arithmetic, in a step.
        work: how long a step takes, in operations of a product.
        used_slots: input slots that are read or written.
        used_numbers: slots of numbers that are read.
    """

    kernels: list[str]
    layout: Layout
    arena_bytes: int
    held_bytes: int
    scratch_bytes: int
    strands: int
    barriers: int
    operations: int
    work: int
    used_slots: list[int]
    used_numbers: list[int]

    @classmethod
    def of(cls, lowered: Lowered, scratch_bytes: int) -> Outline:
        """That of a graph's plan."""
        plan, graph = lowered.plan, lowered.plan.graph
        nodes = graph.nodes()
        read = {n.op.slot for n in nodes if isinstance(n.op, Input)}
        work = work_of(plan)
        return cls(
            kernels=kernel_names(plan),
            layout=Layout.of(plan, lowered.rows),
            arena_bytes=plan.arena_bytes,
            held_bytes=plan.held_bytes,
            scratch_bytes=scratch_bytes,
            strands=len(plan.strands),
            barriers=len(plan.barriers) + 1 if share_strands(plan, work) else 0,
            operations=_operations(plan),
            work=work,
            used_slots=sorted(read | set(graph.writes)),
            used_numbers=sorted({n.op.slot for n in nodes if isinstance(n.op, Scalar)}),
        )

    def packed(self) -> bytes:
        """As it is stored."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpacked(cls, stored: bytes) -> Outline:
        """What was `packed`."""
        fields = json.loads(stored)
        layout = fields.pop("layout")
        held = {int(slot): offset for slot, offset in layout["held"].items()}
        layout |= {"strides": tuple(layout["strides"]), "held": held}
        return cls(layout=Layout(**layout), **fields)


def _operations(plan: Plan) -> int:
    taken = sum(n.size for kernel in plan.kernels for n in kernel.stores if n.is_op("take"))
    return sum(kernel.flops for kernel in plan.kernels) + _TAKING * taken
