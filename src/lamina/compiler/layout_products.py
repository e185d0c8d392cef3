"""Products read their right operand along its rows: a transposed one becomes a transposed copy."""

from __future__ import annotations

from lamina.compiler.graph import Graph, Node
from lamina.core.primitive import REGISTRY

__all__ = ["lay_out_products"]


def lay_out_products(graph: Graph) -> Graph:
    """Replace every ``transpose_b`` by a `transpose` of the operand."""
    new: dict[Node, Node] = {}
    for node in graph.nodes():
        inputs = [new[x] for x in node.inputs]
        current = node if tuple(inputs) == node.inputs else node.with_inputs(inputs)
        new[node] = _plain(current) if node.is_op("matmul") and node.params["transpose_b"] else current
    return graph.rewritten(new)


def _plain(node: Node) -> Node:
    left, right = node.inputs
    axes = (*range(len(right.shape) - 2), len(right.shape) - 1, len(right.shape) - 2)
    shape = tuple(right.shape[a] for a in axes)
    turned = Node(REGISTRY["transpose"], (right,), {"axes": axes}, shape, right.dtype)
    return Node(node.op, (left, turned), {**node.params, "transpose_b": False}, node.shape, node.dtype)
