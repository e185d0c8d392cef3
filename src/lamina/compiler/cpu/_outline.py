"""Outlines: everything that is needed to execute a step's machine code without its plan."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lamina.compiler.emit import Layout
from lamina.compiler.passes.plan import Plan, bytes_touched

if TYPE_CHECKING:
    from lamina.compiler.llvm.jit import CompiledModule

SMALL = 400_000
"""Below this number of operations, one thread finishes sooner than it could wake others and wait for them."""
_BARRIER = 1_500_000
"""The work that takes as long as a barrier with its transfers of cache lines."""
_BYTE = 2
"""The operations of a product that take as long as reading or writing a byte."""


def work_of(plan: Plan) -> int:
    """The estimated time of a plan's kernels, expressed as operations that a matrix product executes in that time."""
    return sum(kernel.flops + _BYTE * bytes_touched(kernel, plan) for kernel in plan.kernels)


@dataclass(frozen=True)
class Outline:
    """A step's outline, stored with its code on disk. With it, a later process can execute the code without planning.

    Attributes:
        kernels: the name of each kernel's function, in order.
        digests: for each kernel, in order, a digest of everything on which its code depends.
        elsewhere: for functions with code in another program, that program's key on disk and the function's name there.
        layout: the layout of the step's pointer table.
        arena_bytes: size of the memory for temporaries.
        held_bytes: size of the inputs that are kept transposed.
        scratch_bytes: size of each thread's scratch memory.
        barriers: the number of barriers in a step.
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

    @property
    def gains_by_threads(self) -> bool:
        """Whether several threads execute a step faster than one."""
        return self.operations >= SMALL and self.work >= _BARRIER * self.barriers

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


# --- Kernels shared by the programs of a process: a program can call code that another program compiled --------------
#
# The programs of a search, of cross-validation or of fits on similar tables have many equal kernels. A kernel accesses
# only its frame, so equal text is equal code in any program. On disk, a program's file contains only kernels that no
# other program had, and the keys of the programs that have the others.


Home = tuple[str, str]
"""The location of a kernel's code: the key of a program's code on disk, and the name of a function in this code."""

_MOST_PROGRAMS = 64


class SharedKernels:
    """The code of the latest programs that compiled new kernels."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._programs: OrderedDict[str, tuple[CompiledModule, frozenset[str]]] = OrderedDict()
        self._homes: dict[str, Home] = {}

    def find(self, digest: str) -> tuple[Home, CompiledModule] | None:
        """The place of a kernel's code, and the module that keeps the code in memory; None if the code isn't there."""
        with self._lock:
            home = self._homes.get(digest)
            module = home and self.at(home)
            return (home, module) if home and module else None

    def at(self, home: Home) -> CompiledModule | None:
        """The module that contains a kernel's code; None if it is not in memory."""
        program, name = home
        with self._lock:
            module, names = self._programs.get(program, (None, ()))
            if name not in names:
                return None
            self._programs.move_to_end(program)
            return module

    def add(self, program: str, module: CompiledModule, kernels: Mapping[str, str]) -> None:
        """Add the kernels that a program has compiled; `kernels` maps function names to digests."""
        if not kernels:
            return
        with self._lock:
            self._programs[program] = module.own(), frozenset(kernels)
            self._homes |= {digest: (program, name) for name, digest in kernels.items()}
            if len(self._programs) > _MOST_PROGRAMS:
                last, _ = self._programs.popitem(last=False)
                self._homes = {digest: home for digest, home in self._homes.items() if home[0] != last}

    def clear(self) -> None:
        """Remove all kernels, as in a new process."""
        with self._lock:
            self._programs.clear()
            self._homes.clear()
