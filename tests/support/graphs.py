"""Graphs for the tests of single passes: captured from a function, verified, and taken apart by operator names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.compiler.front._capture import Capture, tracing
from lamina.compiler.passes.graph import Graph, Input, Scalar
from lamina.core.primitive import Primitive

__all__ = ["capture", "operators", "verify"]


def capture(function: Callable[..., Any], *arrays: Any) -> Graph:
    """The graph of `function`, as it is captured: input slots are the arrays in order."""
    trace = Capture(keep_gradients=False)
    with tracing(trace):
        for x in arrays:
            trace.declare(x)
        graph = trace.finish(function(*arrays)).graph
    verify(graph)
    return graph


def operators(graph: Graph) -> list[str]:
    """The names of a graph's operators in topological order, without inputs and numbers."""
    return [n.op.name for n in graph.nodes() if n.inputs]


def verify(graph: Graph) -> None:
    """Raise `AssertionError` if a node's type differs from its operator's result type, or if a slot is missing."""

    def type_of(slot: int) -> tuple[tuple[int, ...], np.dtype]:
        shape, dtype = graph.inputs[slot]
        return (shape[::-1] if slot in graph.transposed else shape), dtype

    for node in graph.nodes():
        if isinstance(node.op, Input):
            assert type_of(node.op.slot) == (node.shape, node.dtype), node
        elif isinstance(node.op, Scalar):
            assert graph.scalars[node.op.slot] == node.dtype, node
            assert node.shape == (), node
        elif isinstance(node.op, Primitive):
            inferred = node.op.infer(*node.inputs, **node.params)
            types = tuple(inferred[0]), np.dtype(inferred[1])
            assert types == (node.shape, node.dtype), (node, inferred)
    for slot, node in graph.writes.items():
        assert type_of(slot) == (node.shape, node.dtype), (slot, node)
