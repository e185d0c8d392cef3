"""Graphs for the tests of single passes: captured from a function, and taken apart by operator names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.compiler.front._capture import Capture, tracing
from lamina.compiler.passes.graph import Graph

__all__ = ["capture", "operators"]


def capture(function: Callable[..., Any], *arrays: Any) -> Graph:
    """The graph of `function`, as it is captured: input slots are the arrays in order."""
    trace = Capture(keep_gradients=False)
    with tracing(trace):
        for x in arrays:
            trace.declare(x)
        graph = trace.finish(function(*arrays)).graph
    graph.verify()
    return graph


def operators(graph: Graph) -> list[str]:
    """The names of a graph's operators in topological order, without inputs and numbers."""
    return [n.op.name for n in graph.nodes() if n.inputs]
