"""The CPU as a target: products in register tiles, kernels shared by threads that persist, NumPy's buffers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamina.compiler.cpu._binding import Binding, threads_for
from lamina.compiler.cpu._builder import ThreadModule
from lamina.compiler.cpu._cache_lines import LINE_BYTES
from lamina.compiler.cpu._hold_transposed import hold_transposed
from lamina.compiler.cpu._layout_products import lay_out_products
from lamina.compiler.cpu._partition import partition_of
from lamina.compiler.cpu._products import computes_operand, runs_on_matrix_unit
from lamina.compiler.cpu._roofline import peak_flops
from lamina.compiler.cpu._step import emit_program, scratch_bytes
from lamina.compiler.cpu.machine import target_machine
from lamina.compiler.cpu.run import load
from lamina.compiler.emit import Layout, digest_of_primitives, kernel_names
from lamina.compiler.llvm.jit import CompiledModule
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Graph
from lamina.compiler.passes.plan import Plan
from lamina.compiler.passes.scale_products import scale_products
from lamina.compiler.target import COMPILED_DTYPES, Program
from lamina.core.array import Value

__all__ = ["CPU"]


@dataclass(frozen=True)
class CPUCode:
    """A step's machine code: ``step`` is the address of its function, ``scratch_bytes`` what each thread needs."""

    module: CompiledModule
    layout: Layout
    step: int
    scratch_bytes: int

    def ir(self) -> str:
        """LLVM's assembly of it, before optimisation."""
        return self.module.ir()

    def assembly(self) -> str:
        """The processor's assembly of it."""
        return self.module.assembly()


class CPU:
    """See `lamina.compiler.target.Target`."""

    passes: Sequence[Callable[[Graph], Graph]] = (scale_products, hold_transposed, lay_out_products)
    dtypes = COMPILED_DTYPES
    alignment = LINE_BYTES
    apart_bytes = 0

    @property
    def description(self) -> str:
        """The processor that code is generated for."""
        return repr(target_machine())

    computes_operand = staticmethod(computes_operand)
    partition = staticmethod(partition_of)
    bind = Binding

    def load(self, plan: Plan, rows: Mapping[int, int]) -> CPUCode:
        """Machine code in this process, from the cache on disk where it has it."""
        layout, names = Layout.of(plan, rows), kernel_names(plan)

        def make_ir() -> ThreadModule:
            return ThreadModule().written_by(lambda module: emit_program(module, plan, layout, names))

        module = load(_key(plan, layout), make_ir, ("step", *dict.fromkeys(names)))
        return CPUCode(module, layout, module.address("step"), scratch_bytes(plan))

    def from_numpy(self, array: np.ndarray) -> np.ndarray:
        """The array itself: threads read NumPy's buffers."""
        return array

    def to_numpy(self, value: Value) -> np.ndarray:
        """The buffer itself."""
        return np.asarray(value)

    def sharing(self, plan: Plan, kernel: Kernel) -> str:
        """By rows or columns, and whether on the processor's matrix unit."""
        kind = plan.partitions[kernel].kind
        text = "1 thread" if kind == "serial" else f"by {kind}"
        return f"{text}, matrix unit" if runs_on_matrix_unit(kernel) else text

    def peak_flops(self, program: Program, dtype: np.dtype) -> float:
        """What the vector units of the cores do that the program runs on."""
        return threads_for(program) * peak_flops(dtype)


def _key(plan: Plan, layout: Layout) -> str:
    """What the code depends on beside the processor and the compiler: the graph, and the primitives themselves."""
    return "\0".join([plan.graph.text(), repr(layout), digest_of_primitives()])
