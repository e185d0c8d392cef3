"""Outlines: what running a step's machine code needs, without the plan that it was made from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from lamina.compiler.cpu._shared_kernels import Home
from lamina.compiler.emit import Layout

__all__ = ["Outline"]


@dataclass(frozen=True)
class Outline:
    """Lies beside the code on disk, so that in a later process a step is bound and run without any pass over its graph.

    Attributes:
        kernels: the function of each kernel, in order.
        digests: of all that each kernel's code depends on, in order.
        elsewhere: of functions whose code is another program's, that program's key on disk and the name there.
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
    digests: list[str]
    elsewhere: dict[str, Home]
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

    @property
    def own_kernels(self) -> dict[str, str]:
        """The digests of the kernels that the code has itself, by the function."""
        named = zip(self.kernels, self.digests, strict=True)
        return {name: digest for name, digest in named if name not in self.elsewhere}

    def packed(self) -> bytes:
        """The outline as stored bytes."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpacked(cls, stored: bytes) -> Outline:
        """The inverse of `packed`."""
        fields = json.loads(stored)
        layout = fields.pop("layout")
        held = {int(slot): offset for slot, offset in layout["held"].items()}
        fields["elsewhere"] = {name: tuple(home) for name, home in fields["elsewhere"].items()}
        layout |= {"strides": tuple(layout["strides"]), "held": held}
        return cls(layout=Layout(**layout), **fields)
