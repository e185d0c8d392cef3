"""The pipeline: from a captured graph to machine code, a few calls in a row."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lamina.compiler.cpu.hold_transposed import hold_transposed
from lamina.compiler.cpu.layout_products import lay_out_products
from lamina.compiler.front import debug
from lamina.compiler.llvm.machine import target_machine
from lamina.compiler.passes.fuse import Kernel, fuse
from lamina.compiler.passes.graph import Graph, Node
from lamina.compiler.passes.plan import Plan, plan, separate_roots
from lamina.compiler.passes.recompute import recompute
from lamina.compiler.passes.scale_products import scale_products
from lamina.compiler.passes.simplify import simplify
from lamina.core.lowering import ArgReduction, Contraction, Reduction, Scatter
from lamina.core.primitive import REGISTRY

__all__ = ["Program", "build", "kernel_flops"]

_SMALL = 400_000
"""Fewer operations than this are done sooner by one thread than it takes to wake others and to wait for them."""


@dataclass(frozen=True)
class Program:
    """A compiled step: its plan, the layout of its pointers, and the machine code."""

    graph: Graph
    plan: Plan
    layout: Any
    module: Any
    step: int
    scratch_bytes: int
    flops: int
    build_seconds: float

    @property
    def is_small(self) -> bool:
        """Whether a single thread runs it fastest."""
        return self.flops < _SMALL


VERIFY = False
"""Whether the graph is verified after each pass; the tests switch it on."""


_MOST_KEPT = 8
_kept: OrderedDict[str, Program] = OrderedDict()
"""The latest programs by what they were made from: an equal function, as that of another fit, is not compiled again."""
_keeping = threading.Lock()


def build(captured: Graph, rows: dict[int, int]) -> Program:
    """Compile a graph. `rows`: input slots of which each step takes the next so many bytes."""
    if debug.level():  # each stage is to be seen
        return _build(captured, rows)
    types = captured.inputs, captured.scalars, sorted(rows.items())
    passes = [one_pass.__name__ for one_pass in _PASSES]
    key = "\n".join([repr(types), repr(target_machine()), repr(passes), captured.text()])
    with _keeping:
        program = _kept.get(key)
    program = program or _build(captured, rows)
    with _keeping:
        _kept[key] = program
        _kept.move_to_end(key)
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return program


def _build(captured: Graph, rows: dict[int, int]) -> Program:
    """Compile a graph, and see each stage where that is asked for."""
    from lamina.compiler.cpu.products import computes_operand, product_steps

    start = time.perf_counter()
    graph = captured
    for one_pass in _PASSES:
        graph = one_pass(graph)
        debug.show_graph(one_pass.__name__, graph)
        if VERIFY:
            graph.verify()
    planned = plan(graph, recompute(graph, fuse(graph, computes_operand)), product_steps)
    return _generate(graph, planned, rows, start)


_PASSES: tuple[Callable[[Graph], Graph], ...] = (
    simplify,
    scale_products,
    hold_transposed,
    lay_out_products,
    separate_roots,
)


def _generate(graph: Graph, planned: Plan, rows: dict[int, int], start: float) -> Program:
    from lamina.compiler.cpu.run import load
    from lamina.compiler.cpu.step import emit_program, scratch_bytes
    from lamina.compiler.emit import Layout, kernel_names
    from lamina.compiler.llvm import Module

    layout = Layout.of(graph, rows, planned.held)

    def make_ir() -> Module:
        module = Module()
        emit_program(module, graph, planned, layout)
        return module

    names = dict.fromkeys(kernel_names(planned))
    key = "\0".join([graph.text(), repr(layout), _sources()])
    module = load(key, make_ir, ("step", *names))
    flops = sum(kernel_flops(k) for k in planned.kernels)
    seconds = time.perf_counter() - start
    program = Program(
        graph, planned, layout, module, module.address("step"), scratch_bytes(planned), flops, seconds
    )
    debug.show_program(program)
    return program


@cache
def _sources() -> str:
    """What the code depends on beside the graph: the passes and the primitives themselves."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for folder in ("compiler", "primitives", "core"):
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest() + str(len(REGISTRY))


def kernel_flops(kernel: Kernel) -> int:
    """Arithmetic operations of a kernel: 2mnk for a product, one for each element of everything else."""
    return sum(_node_flops(node) for node in kernel.members)


def _node_flops(node: Node) -> int:
    match node.lowering:
        case Contraction():
            inner = node.inputs[0].shape[-2] if node.params["transpose_a"] else node.inputs[0].shape[-1]
            return 2 * node.size * inner
        case Reduction() | ArgReduction() | Scatter():
            return node.inputs[0].size
        case _:
            return node.size
