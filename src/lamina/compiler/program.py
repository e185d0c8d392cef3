"""The compiler's pipeline: from a captured graph to a plan, and from the plan to machine code."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace

from lamina.compiler.passes.fuse import fuse
from lamina.compiler.passes.graph import Graph
from lamina.compiler.passes.plan import Plan, plan, separate_roots
from lamina.compiler.passes.recompute import recompute
from lamina.compiler.passes.simplify import simplify
from lamina.compiler.target import Lowered, Program, Target

_MOST_KEPT = 8
_kept: OrderedDict[str, Program] = OrderedDict()
"""The latest programs by key: an equal graph, such as another fit's, is not compiled again."""
_keeping = threading.RLock()

Watch = Callable[[str, Graph], None]


def lower(captured: Graph, target: Target, watch: Watch | None = None) -> Plan:
    """Apply all passes to a captured graph; returns the plan for a target.

    `watch(name, graph)` is called with the graph after each pass.
    """
    graph = captured
    with target.compiling(captured):
        for one_pass in (simplify, *target.passes, separate_roots):
            graph = one_pass(graph)
            if watch is not None:
                watch(one_pass.__name__, graph)
        fused = fuse(graph, target.computes_operand, stores_transposed=target.stores_transposed)
        kernels = recompute(graph, fused)
        return plan(graph, kernels, target.partition, target.alignment, target.apart_bytes)


def build(
    captured: Graph, target: Target, rows: Mapping[int, int] | None = None, watch: Watch | None = None
) -> Program:
    """Compile a graph, or return the existing program for an equal graph.

    `rows` has, by input slot, how many bytes each step advances the input's pointer. `watch` is called after each pass,
    see `lower`; with it, the graph is always compiled again.
    """
    rows = rows or {}
    passes = [one_pass.__name__ for one_pass in target.passes]
    types = captured.inputs, captured.scalars, sorted(rows.items())
    key = "\n".join([repr(types), target.description, repr(passes), captured.text()])
    with _keeping:
        program = _kept.get(key) if watch is None else None
    if program is None:
        start = time.perf_counter()
        graph = replace(captured, moving=frozenset(rows))
        lowered = Lowered(captured, key, rows, lambda: lower(graph, target, watch))
        if watch is not None:
            assert lowered.plan  # made now, for listeners
        program = Program(target, lowered, target.load(lowered), time.perf_counter() - start)
    with _keeping:
        _kept[key] = program
        _kept.move_to_end(key)
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return program
