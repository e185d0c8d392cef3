"""Outlines: everything that is needed to execute a step's machine code without its plan."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from lamina.compiler.cpu._shared_kernels import Home
from lamina.compiler.emit import Layout


@dataclass(frozen=True)
class Outline:
    """A step's outline, stored with its code on disk. With it, a later process can execute the code without planning.

    Attributes:
        kernels: the name of each kernel's function, in order.
        digests: for each kernel, in order, a digest of everything on which its code depends.
        elsewhere: for functions with code in another program, that program's key on disk and the function's name there.
        layout: the layout of the step's pointer table.
        arena_bytes: size of the memory for temporaries; with several strands, each thread has its own.
        held_bytes: size of the inputs that are kept transposed.
        scratch_bytes: size of each thread's scratch memory.
        strands: the number of strands: sets of kernels that share no mutable memory (see `_steps`).
        barriers: the number of barriers in a step; 0 if each thread executes separate strands.
        operations: the arithmetic operations in a step.
        work: the estimated time of a step (see `work_of`).
        used_slots: input slots that are read or written.
        used_numbers: slots of scalar inputs that are read.
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
        """The digests of the kernels whose code is in this program, by function name."""
        named = zip(self.kernels, self.digests, strict=True)
        return {name: digest for name, digest in named if name not in self.elsewhere}

    def packed(self) -> bytes:
        """Serialize the outline to bytes."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpacked(cls, stored: bytes) -> Outline:
        """Deserialize an outline: the inverse of `packed`."""
        fields = json.loads(stored)
        layout = fields.pop("layout")
        held = {int(slot): offset for slot, offset in layout["held"].items()}
        fields["elsewhere"] = {name: tuple(home) for name, home in fields["elsewhere"].items()}
        layout |= {"strides": tuple(layout["strides"]), "held": held}
        return cls(layout=Layout(**layout), **fields)
