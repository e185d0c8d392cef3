"""Splitting a graph that computes results and then gradients into a forward pass and a pullback.

Values of the forward pass that the pullback needs are *residuals*: additional results of the first and inputs of the
second. Values that are almost free to compute from the inputs (a reshape, a cast, a broadcast bias) are recomputed
instead.
"""

from __future__ import annotations

from dataclasses import replace

from lamina.compiler.passes.graph import Graph, Input, Node, topological
from lamina.core.lowering import Elementwise, Movement, Reshape


def split(graph: Graph, results: int) -> tuple[Graph, Graph]:
    """The forward pass (the first `results` results, all writes, then the residuals), and the pullback (the other
    results).

    The residuals are the pullback's last inputs, after those of the graph, in the forward pass's order.
    """
    forward_roots = [*graph.results[:results], *graph.writes.values()]
    residuals, order = _needed(graph, set(topological(forward_roots)), graph.results[results:])
    slots = {node: len(graph.inputs) + i for i, node in enumerate(residuals)}
    new: dict[Node, Node] = {}
    for node in order:
        if node in slots:
            new[node] = Node(Input(slots[node]), (), {}, node.shape, node.dtype)
        else:
            new[node] = node.with_inputs([new[x] for x in node.inputs])
    forward = replace(graph, results=[*graph.results[:results], *residuals])
    inputs = [*graph.inputs, *((node.shape, node.dtype) for node in residuals)]
    gradients = [new[node] for node in graph.results[results:]]
    pullback = replace(graph, results=gradients, writes={}, inputs=inputs)
    return forward, pullback


def _needed(graph: Graph, forward: set[Node], gradients: list[Node]) -> tuple[list[Node], list[Node]]:
    """The residuals, and all nodes of the pullback in order, with residuals in place of the nodes that compute them."""
    cheap = _cheap(graph, forward)
    residuals: dict[Node, None] = {}
    needed: set[Node] = set()
    stack = list(reversed(gradients))
    while stack:
        node = stack.pop()
        if node in needed:
            continue
        needed.add(node)
        if node in forward and node not in cheap:
            residuals[node] = None
        else:
            stack.extend(reversed(node.inputs))
    return list(residuals), [node for node in topological(gradients) if node in needed]


def _cheap(graph: Graph, forward: set[Node]) -> set[Node]:
    """The nodes that the pullback recomputes: numbers, unchanged inputs, and values made of these alone."""
    cheap: set[Node] = set()
    for node in topological(forward):
        if isinstance(node.op, Input):
            is_cheap = node.op.slot not in graph.writes
        else:
            is_cheap = isinstance(node.lowering, Elementwise | Movement | Reshape | None)
        if is_cheap and all(x in cheap for x in node.inputs):
            cheap.add(node)
    return cheap
