"""A graph that computes results and then gradients is split in two: the forward pass, and the pullback.

What the pullback needs of the forward pass are *residuals*: further results of the one and inputs of the other. Values
that take next to nothing to compute from the inputs (a reshape, a cast, a broadcast bias) are computed again instead.
"""

from __future__ import annotations

from dataclasses import replace

from lamina.compiler.passes.graph import Graph, Input, Node, topological
from lamina.core.lowering import Elementwise, Movement, Reshape

__all__ = ["split"]


def split(graph: Graph, results: int) -> tuple[Graph, Graph]:
    """The forward pass: the first `results` results, all writes, then the residuals; and the pullback: the others.

    The residuals are the pullback's last inputs, after those of the graph, in the order in which the forward pass
    returns them.
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
    """The residuals; and all nodes of the pullback in order, with the residuals in the place of what computes them."""
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
    """What the pullback computes again: numbers, inputs that stay as they are, and what is made of these alone."""
    cheap: set[Node] = set()
    for node in topological(forward):
        if isinstance(node.op, Input):
            is_cheap = node.op.slot not in graph.writes
        else:
            is_cheap = isinstance(node.lowering, Elementwise | Movement | Reshape | None)
        if is_cheap and all(x in cheap for x in node.inputs):
            cheap.add(node)
    return cheap
