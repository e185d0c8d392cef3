"""The pipeline: from a captured graph to a plan, and from the plan to machine code, a few calls in a row."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from lamina.compiler.passes.fuse import fuse
from lamina.compiler.passes.graph import Graph
from lamina.compiler.passes.plan import Plan, plan, separate_roots
from lamina.compiler.passes.recompute import recompute
from lamina.compiler.passes.simplify import simplify
from lamina.compiler.target import Program, Target

__all__ = ["build", "lower"]

VERIFY = False
"""Whether the graph is verified after each pass; the tests switch it on."""

Watch = Callable[[str, Graph], None]


def lower(captured: Graph, target: Target, watch: Watch | None = None) -> Plan:
    """Take a graph through all passes to a plan for a target.

    `watch(name, graph)` is shown the graph after each pass.
    """
    graph = captured
    for one_pass in (simplify, *target.passes, separate_roots):
        graph = one_pass(graph)
        if watch is not None:
            watch(one_pass.__name__, graph)
        if VERIFY:
            graph.verify()
    kernels = recompute(graph, fuse(graph, target.computes_operand))
    return plan(graph, kernels, target.partition, target.alignment)


def build(
    captured: Graph, target: Target, rows: Mapping[int, int] | None = None, watch: Watch | None = None
) -> Program:
    """Compile a graph. `rows`: input slots of which each step takes the next so many bytes."""
    start = time.perf_counter()
    lowered = lower(captured, target, watch)
    code = target.load(lowered, rows or {})
    return Program(target, lowered, code, time.perf_counter() - start)
