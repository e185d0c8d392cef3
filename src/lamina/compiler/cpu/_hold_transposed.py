"""Parameters that a step keeps transposed while it trains them, in the layout that their first product reads.

The code generator reads the right operand of a product along its rows. `gluon.nn.Dense` stores a weight as (units,
inputs) and multiplies with its transpose, so each step would copy the batch or the weight transposed. Instead, a step
transposes such a weight once and keeps it transposed from call to call, until it is read (see `_holding`). Arrays of
the weight's shape that are computed element for element with it (gradient, momentum, decay) are kept transposed, too. A
network made of layers then has the same kernels as one written by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamina.compiler.passes.graph import Graph, Input, Node, users_of
from lamina.core.lowering import Elementwise
from lamina.core.primitive import REGISTRY


def hold_transposed(graph: Graph) -> Graph:
    """Transpose each matrix that the step changes, if its first product reads the transpose and nothing forbids it."""
    nodes = graph.nodes()
    families = _Families(graph, users_of(nodes))
    held: set[Node] = set()
    for weight, is_transposed in _first_products(nodes, graph).items():
        if is_transposed and weight not in held:
            held |= families.of(weight)
    if not held:
        return graph
    slots = frozenset(slot for slot, node in graph.writes.items() if node in held)
    rewritten = graph.rewritten(lambda node, inputs: _rewritten(node, inputs, held))
    return replace(rewritten, transposed=slots)


def _first_products(nodes: list[Node], graph: Graph) -> dict[Node, bool]:
    """For each matrix that the step changes, whether the first product with it as right operand transposes it."""
    found: dict[Node, bool] = {}
    for node in nodes:
        if not _is_matrix_product(node):
            continue
        right = node.inputs[1]
        if isinstance(right.op, Input) and right.op.slot in graph.writes:
            found.setdefault(right, node.params["transpose_b"])
    return found


def _is_matrix_product(node: Node) -> bool:
    return node.is_op("matmul") and len(node.shape) == 2


class _Families:
    """Sets of nodes of one shape that can only be transposed together."""

    def __init__(self, graph: Graph, users: Mapping[Node, list[Node]]) -> None:
        self.graph, self.users = graph, users
        self.results = set(graph.results)
        self.slot_of = {node: slot for slot, node in graph.writes.items()}

    def of(self, weight: Node) -> set[Node]:
        """All nodes computed element for element with a weight; empty if one of them can't be transposed."""
        family = {weight}
        stack = [weight]
        while stack:
            node = stack.pop()
            neighbours = self._neighbours(node)
            if neighbours is None:
                return set()
            stack += [x for x in neighbours if x not in family]
            family.update(neighbours)
        return family if self._is_closed(family) else set()

    def _neighbours(self, node: Node) -> list[Node] | None:
        """The nodes that must be transposed together with `node`; None if `node` can't be transposed."""
        if node in self.results:
            return None
        found: list[Node] = []
        if isinstance(node.lowering, Elementwise):
            if any(x.shape != node.shape and x.size != 1 for x in node.inputs):
                return None
            found += [x for x in node.inputs if x.shape == node.shape]
        elif not (isinstance(node.op, Input) or _is_matrix_product(node)):
            return None
        for user in self.users[node]:
            if isinstance(user.lowering, Elementwise) and user.shape == node.shape:
                found.append(user)
            elif not _is_matrix_product(user):
                return None
        return found

    def _is_closed(self, family: set[Node]) -> bool:
        """Whether the family writes all buffers that it reads, is their only reader, and none moves on with a step."""
        read = {node.op.slot for node in family if isinstance(node.op, Input)}
        written = {self.slot_of[node] for node in family if node in self.slot_of}
        if not (read <= written and written.isdisjoint(self.graph.moving)):
            return False
        return all(self._readers(slot) <= family for slot in written)

    def _readers(self, slot: int) -> set[Node]:
        return {node for node in self.users if isinstance(node.op, Input) and node.op.slot == slot}


def _rewritten(node: Node, inputs: list[Node], held: set[Node]) -> Node:
    """A copy of a node with other inputs. Nodes in `held` are transposed, both as inputs and as the node itself."""
    if _is_matrix_product(node):
        flags: list[Any] = [
            node.params[key] != (x in held)
            for key, x in zip(("transpose_a", "transpose_b"), node.inputs, strict=True)
        ]
        if node in held:  # (a · b)ᵀ = bᵀ · aᵀ
            inputs, flags = inputs[::-1], [not flag for flag in reversed(flags)]
        shape = node.shape[::-1] if node in held else node.shape
        return Node(node.op, inputs, {"transpose_a": flags[0], "transpose_b": flags[1]}, shape, node.dtype)
    if node in held:
        return Node(node.op, inputs, node.params, node.shape[::-1], node.dtype)
    return node.with_inputs(inputs)


# --- The layout of products' operands: the code generator reads the right operand of a product along its rows --------
#
# ``a · bᵀ`` therefore needs a transposed copy of `a` or `b`, whichever is smaller. With a copy of `a` the product is
# computed as ``(b · aᵀ)ᵀ``, and its tiles are transposed in registers. In the graph, both flags (`transpose_a` and
# `transpose_b`) mark this form. Only narrow products may keep, or get, the form ``a · bᵀ`` (see `_products`).


_VECTOR = 8  # rows that fill a vector


def lay_out_products(graph: Graph) -> Graph:
    """Add transposed copies of operands that the code generator can't read directly; returns the new graph."""
    return graph.rewritten(lambda node, inputs: _laid_out(node.with_inputs(inputs)))


def _laid_out(node: Node) -> Node:
    from lamina.compiler.cpu._products import wants_transposed_right  # only where code is written

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
