"""The memory layout of products' operands: the code generator reads the right operand of a product along its rows.

``a · bᵀ`` therefore needs a transposed copy of `a` or `b`, whichever is smaller. With a copy of `a` the product is
computed as ``(b · aᵀ)ᵀ``, and its tiles are transposed in registers. In the graph, both flags (`transpose_a` and
`transpose_b`) mark this form. Only narrow products may keep, or get, the form ``a · bᵀ`` (see `_orientation`).
"""

from __future__ import annotations

from lamina.compiler.passes.graph import Graph, Node
from lamina.core.primitive import REGISTRY

_VECTOR = 8  # rows that fill a vector


def lay_out_products(graph: Graph) -> Graph:
    """Add transposed copies of operands that the code generator can't read directly; returns the new graph."""
    return graph.rewritten(lambda node, inputs: _laid_out(node.with_inputs(inputs)))


def _laid_out(node: Node) -> Node:
    from lamina.compiler.cpu._orientation import wants_transposed_right  # only where code is written

    if not node.is_op("matmul"):
        return node
    left, right = node.inputs
    is_along = wants_transposed_right(node)
    if is_along and not node.params["transpose_b"]:
        return _with(node, (left, _transposed(right)), transpose_b=True)
    if is_along or not node.params["transpose_b"]:
        return node
    rows = node.shape[-2]
    if len(node.shape) == 2 and rows >= _VECTOR:
        if node.params["transpose_a"]:
            return node
        if left.size < right.size:
            return _with(node, (_transposed(left), right), transpose_a=True)
    return _with(node, (left, _transposed(right)), transpose_b=False)


def _with(node: Node, inputs: tuple[Node, Node], **flags: bool) -> Node:
    return Node(node.op, inputs, {**node.params, **flags}, node.shape, node.dtype)


def _transposed(x: Node) -> Node:
    axes = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
    shape = tuple(x.shape[a] for a in axes)
    return Node(REGISTRY["transpose"], (x,), {"axes": axes}, shape, x.dtype)
