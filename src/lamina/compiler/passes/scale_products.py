"""Scaling after multiplication for short integers: ``(x / c) · W`` is computed as ``(x · W) · (1 / c)``.

Pixels are bytes that a step divides by 255. A matrix unit multiplies integers of 8 bits directly, with half as many
instructions as numbers of 24 bits, and without a division per pixel. The result differs only by rounding, as long as
the sums are finite: weights above 10³⁶ may give an infinity where the scaled pixels would not.
"""

from __future__ import annotations

import numpy as np

from lamina.compiler.passes.graph import Graph, Node
from lamina.compiler.passes.simplify import constant_value, filled
from lamina.core.primitive import REGISTRY

_LEAST, _MOST = 2.0**-30, 2.0**30


def scale_products(graph: Graph) -> Graph:
    """The graph with the scale of short integers applied to the products instead."""
    return graph.rewritten(lambda node, inputs: _scaled_after(node.with_inputs(inputs)))


def is_short(node: Node) -> bool:
    """Whether a node's values are integers of 8 bits, or booleans."""
    if node.is_op("reshape", "transpose", "take"):
        return is_short(node.inputs[0])
    source = node.inputs[0].dtype if node.is_op("cast") else node.dtype
    return source.kind in "bui" and source.itemsize == 1


def _scaled_after(node: Node) -> Node:
    if not node.is_op("matmul") or node.dtype != np.float32:
        return node
    scales: list[float] = []
    inputs = [_without_scale(x, scales) for x in node.inputs]
    result = node.with_inputs(inputs) if scales else node
    for number in scales:
        factor = filled(number, (), node.dtype)
        result = Node(REGISTRY["multiply"], (result, factor), {}, node.shape, node.dtype)
    return result


def _without_scale(node: Node, scales: list[float]) -> Node:
    """A product's operand before scaling; the factor is added to `scales`."""
    if node.is_op("reshape"):
        return node.with_inputs([_without_scale(node.inputs[0], scales)])
    if not node.is_op("divide", "multiply") or node.inputs[0].shape != node.shape:
        return node
    number = constant_value(node.inputs[1])
    if number is None or not is_short(node.inputs[0]) or not _LEAST <= abs(number) <= _MOST:
        return node
    scales.append(1 / number if node.is_op("divide") else number)
    return node.inputs[0]
