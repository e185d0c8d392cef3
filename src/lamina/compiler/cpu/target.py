"""The CPU as a target: products in register tiles, kernels shared by persistent threads, NumPy's buffers.

The modules that plan and emit code are imported on first use: code from the disk cache doesn't need them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, cast

import numpy as np

from lamina.compiler.cpu._binding import Binding, run_side_by_side, threads_for
from lamina.compiler.cpu._hold_transposed import hold_transposed, lay_out_products
from lamina.compiler.cpu._outline import Home, Outline, SharedKernels
from lamina.compiler.cpu.machine import compiling_for, target_machine
from lamina.compiler.cpu.run import linked
from lamina.compiler.llvm import jit
from lamina.compiler.llvm.cache import CodeCache, default_directory, digest_of_primitives
from lamina.compiler.llvm.jit import CompiledModule
from lamina.compiler.llvm.module import Module
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Graph, Node
from lamina.compiler.passes.plan import Partition, Plan
from lamina.compiler.passes.simplify import scale_products
from lamina.compiler.target import BoundStep, Lowered, Program, Target
from lamina.core.array import Array
from lamina.core.memory import LINE_BYTES


@dataclass(frozen=True)
class CPUCode:
    """A step's machine code and its outline; ``step`` is the function's address."""

    module: CompiledModule
    outline: Outline
    step: int

    def ir(self) -> str:
        """The LLVM assembly, before optimisation."""
        return self.module.ir()

    def assembly(self) -> str:
        return self.module.assembly()


shared_kernels = SharedKernels()


class _Others:
    """The kernels of other programs that a program calls; `program` is this one's key on disk."""

    def __init__(self, program: str) -> None:
        self._program, self._store = program, CodeCache(default_directory())
        self._modules: dict[Home, CompiledModule] = {}
        self.homes: dict[str, Home] = {}

    def have(self, name: str, digest: str) -> bool:
        """Whether another program has the kernel with this digest, in memory or on disk.

        The code is then recorded under `name`, and kept.
        """
        found = shared_kernels.find(digest)
        if found is None:
            program = self._store.entry_with(digest)
            found = shared_kernels.find(digest) if program and self._load(program) else None
        if found is None:
            return False
        home, self._modules[home] = found
        self.homes[name] = home
        return True

    def can_be_found(self, note: bytes) -> bool:
        """Whether all kernels that a stored outline has elsewhere are in memory, or can be loaded from disk."""
        for home in Outline.unpacked(note).elsewhere.values():
            module = shared_kernels.at(home)
            if module is None and self._load(home[0]):
                module = shared_kernels.at(home)
            if module is None:
                return False
            self._modules[home] = module
        return True

    def functions(self, outline: Outline) -> dict[str, tuple[CompiledModule, str]]:
        """For each of an outline's functions in other programs, the module that contains it and its name there."""
        return {name: (self._modules[home], home[1]) for name, home in outline.elsewhere.items()}

    def _load(self, program: str) -> bool:
        """Load another program's kernels from the disk cache, by its key on disk; returns False if there are none.

        Only kernels may be called, not the program's step, which may call kernels of further programs.
        """
        # This program's own code on disk, which can't be used as a whole, is going to be replaced.
        found = None if program == self._program else jit.found(target_machine(), program)
        if found is None or not found.note:
            return False
        outline = Outline.unpacked(found.note)
        module = linked(found, tuple(outline.own_kernels), missing=outline.elsewhere)
        shared_kernels.add(program, module, outline.own_kernels)
        return True


class CPU(Target):
    """The CPU as a target."""

    passes = (scale_products, hold_transposed, lay_out_products)
    alignment = LINE_BYTES
    stores_transposed = True

    @property
    def description(self) -> str:
        """A description of the CPU for which code is generated."""
        return repr(target_machine())

    bind = Binding  # pyright: ignore[reportAssignmentType] - making one is binding

    def compiling(self, captured: Graph) -> AbstractContextManager[object]:
        """The context manager in which a graph is planned and compiled.

        With independent rows, sums of products have a fixed order. Otherwise the number of rows decides whether
        products use the matrix unit or vectors along the inner dimension, which round differently.
        """
        machine = target_machine()
        if captured.independent_rows:
            machine = machine.in_order
        elif captured.precision == "bfloat16":
            machine = machine.rounding
        return compiling_for(machine)

    def computes_operand(self, product: Node, operand: Node) -> bool:
        from lamina.compiler.cpu._products import computes_operand

        return computes_operand(product, operand)

    def partition(self, kernel: Kernel, updates: int) -> Partition:
        """The division of a kernel among threads, which write to different cache lines."""
        from lamina.compiler.cpu._step import partition_of

        return partition_of(kernel, updates)

    def load(self, lowered: Lowered) -> CPUCode:
        """Compile a plan's code, or read it from the disk cache, and load it into this process."""

        @cache
        def outline() -> Outline:
            from lamina.compiler.cpu._step import outline_of

            with self.compiling(lowered.captured):
                return outline_of(lowered.plan, lowered.rows)

        def make_ir(is_elsewhere: Callable[[str, str], bool] = lambda name, digest: False) -> Module[Any]:
            from lamina.compiler.cpu._builder import ThreadModule
            from lamina.compiler.cpu._step import emit_program

            made = outline()

            def write(module: ThreadModule) -> None:
                with self.compiling(lowered.captured):
                    emit_program(module, lowered.plan, made, is_elsewhere)

            return ThreadModule().written_by(write)

        def make_note() -> bytes:
            compiled.append(replace(outline(), elsewhere=others.homes))
            return compiled[0].packed()

        # Beside the processor and the compiler, code depends on the graph and on the primitives themselves.
        key = "\0".join([lowered.key, digest_of_primitives()])
        others = _Others(jit.key_on_disk(target_machine(), key))
        compiled: list[Outline] = []
        found = jit.fetched(
            target_machine(),
            key,
            make_ir,
            make_note,
            make_own=lambda: make_ir(others.have),
            is_usable=others.can_be_found,
        )
        known = Outline.unpacked(found.note)
        own = known.own_kernels
        module = linked(found, ("step", *own), others.functions(known))
        shared_kernels.add(found.key, module, own)
        if compiled and own:
            CodeCache(default_directory()).add_to_index(found.key, own.values())
        return CPUCode(module, known, module.address("step"))

    def run_steps(
        self, calls: Sequence[tuple[BoundStep, Sequence[Array], Sequence[float]]], steps: int
    ) -> list[list[Any]]:
        if len(calls) == 1:
            return super().run_steps(calls, steps)
        return run_side_by_side(
            cast("Sequence[tuple[Binding, Sequence[Array], Sequence[float]]]", calls), steps
        )

    def from_numpy(self, array: np.ndarray) -> np.ndarray:
        """The array itself, since threads read NumPy's buffers."""
        return array

    def sharing(self, plan: Plan, kernel: Kernel) -> str:
        """A description of how threads share a kernel, by rows or columns, and whether it uses the matrix unit."""
        from lamina.compiler.cpu._products import runs_on_matrix_unit

        kind = plan.partitions[kernel].kind
        text = "1 thread" if kind == "serial" else f"by {kind}"
        with self.compiling(plan.graph):
            machine = target_machine()
            unit = "matrix unit" if machine.has_matrix_unit else "AVX-512"
            rounding = " in bfloat16" if machine.rounds else ""
            return f"{text}, {unit}{rounding}" if runs_on_matrix_unit(kernel) else text

    def peak_flops(self, program: Program, dtype: np.dtype) -> float:
        """The peak rate, in operations per second, of the vector units of the cores that the program uses."""
        from lamina.compiler.cpu._roofline import peak_flops

        return threads_for(program) * peak_flops(dtype)
