"""Simplification: common subexpressions, constants, and rewrites that are exact or change only rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.compiler.passes.graph import Constant, Graph, Node
from lamina.core.lowering import Elementwise, Reduction, merged_row
from lamina.core.primitive import REGISTRY, Primitive

Rule = Callable[[Node], Node | None]


def simplify(graph: Graph) -> Graph:
    """Apply every rule to every node, inputs first, and merge equal nodes."""
    known: dict[Any, Node] = {}

    def simplified(node: Node, inputs: list[Node]) -> Node:
        better = _rewrite(node.with_inputs(inputs))
        return known.setdefault(_key(better), better)

    return graph.rewritten(simplified)


def _rewrite(node: Node) -> Node:
    """Apply the rules to a node until none matches."""
    for rule in _RULES:
        better = rule(node)
        if better is not None:
            return _rewrite(better)
    return node


def _key(node: Node) -> Any:
    """A key that is equal for nodes with equal values."""
    params = tuple(sorted((k, str(v)) for k, v in node.params.items()))
    op = ("constant", repr(node.op.value)) if isinstance(node.op, Constant) else node.op
    return (op, node.inputs, params, node.shape, node.dtype.str)


# --- constants ---------------------------------------------------------------------------------------------------


def constant_value(node: Node) -> Any:
    """The value of all elements of a node, if constant; None if the elements differ or depend on inputs."""
    if isinstance(node.op, Constant):
        return node.dtype.type(node.op.value)
    if node.is_op("full", "broadcast_to", "reshape", "transpose", "slice"):
        value = constant_value(node.inputs[0])
        return None if value is None else np.asarray(value).astype(node.dtype)[()]
    return None


def filled(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> Node:
    """A node whose elements are all `value`."""
    constant = Node(Constant(np.asarray(value).item()), (), {}, (), dtype)
    if shape == ():
        return constant
    return Node(REGISTRY["full"], (constant,), {"shape": shape, "dtype": dtype}, shape, dtype)


def _fold_constants(node: Node) -> Node | None:
    """Replace an elementwise operator on constants by its result."""
    if not isinstance(node.lowering, Elementwise) or not node.inputs or node.size == 0:
        return None
    values = [constant_value(x) for x in node.inputs]
    if any(v is None for v in values):
        return None
    assert isinstance(node.op, Primitive)
    with np.errstate(all="ignore"):
        result = node.op.compute(*(np.asarray(v).reshape(1) for v in values), **node.params)
    return filled(result.reshape(())[()], node.shape, node.dtype)


# --- operators that do nothing -----------------------------------------------------------------------------------


def _is_filled_with(node: Node, number: float) -> bool:
    value = constant_value(node)
    return value is not None and bool(value == number)


def _neutral(node: Node) -> Node | None:
    """Replace x·1, 1·x and x/1 by x, exactly. (x + 0 is not exactly x, as it turns -0 into 0.)"""
    if node.is_op("multiply", "divide"):
        x, y = node.inputs
        for other, one in ((x, y), (y, x)) if node.is_op("multiply") else ((x, y),):
            if _is_filled_with(one, 1) and other.shape == node.shape:
                return other
    return None


def _small_power(node: Node) -> Node | None:
    """Replace x¹ by x and x² by x·x, both exactly."""
    if not node.is_op("power") or node.dtype.kind != "f" or node.inputs[0].shape != node.shape:
        return None
    x, exponent = node.inputs
    if _is_filled_with(exponent, 1):
        return x
    if _is_filled_with(exponent, 2):
        return Node(REGISTRY["multiply"], (x, x), {}, node.shape, node.dtype)
    return None


def _idle(node: Node) -> Node | None:
    """Drop conversions and rearrangements that change nothing."""
    if not node.is_op("cast", "reshape", "broadcast_to", "transpose", "slice"):
        return None
    (x,) = node.inputs
    if node.shape != x.shape or node.dtype != x.dtype:
        return None
    identical = not node.is_op("transpose") or node.params["axes"] == tuple(range(len(node.shape)))
    forward = not node.is_op("slice") or all(s == 1 for s in node.params["step"])
    return x if identical and forward else None


def _nothing_to_reduce(node: Node) -> Node | None:
    """Replace a reduction over no axes, which changes nothing, by a reshape."""
    if not isinstance(node.lowering, Reduction) or node.params["axis"]:
        return None
    (x,) = node.inputs
    return Node(REGISTRY["reshape"], (x,), {"shape": node.shape}, node.shape, node.dtype)


def _merged_sum(node: Node) -> Node | None:
    """Replace a long sum or product over several last axes, the last of them short, by that of one long row."""
    if not node.is_op("sum", "prod") or node.dtype.kind != "f":
        return None
    (x,), axis = node.inputs, node.params["axis"]
    shape = merged_row(x.shape, x.dtype.itemsize, axis)
    if shape is None:
        return None
    row = Node(REGISTRY["reshape"], (x,), {"shape": shape}, shape, x.dtype)
    params = {**node.params, "axis": axis[:1], "keepdims": False}
    total = Node(node.op, (row,), params, shape[:-1] or (1,), node.dtype)
    return Node(REGISTRY["reshape"], (total,), {"shape": node.shape}, node.shape, node.dtype)


def _reshape_of_reshape(node: Node) -> Node | None:
    if node.is_op("reshape") and node.inputs[0].is_op("reshape"):
        return node.with_inputs(node.inputs[0].inputs)
    return None


def _broadcast_is_implied(node: Node) -> Node | None:
    """Drop the broadcast of an operand if the elementwise operator broadcasts it to the same shape anyway."""
    if not isinstance(node.lowering, Elementwise) or len(node.inputs) < 2:
        return None
    for i, x in enumerate(node.inputs):
        if x.is_op("broadcast_to", "full") and x.inputs[0].dtype == x.dtype:
            inputs = [*node.inputs[:i], x.inputs[0], *node.inputs[i + 1 :]]
            if np.broadcast_shapes(*(y.shape for y in inputs)) == node.shape:
                return node.with_inputs(inputs)
    return None


def _whole_assignment(node: Node) -> Node | None:
    """Replace an assignment to the whole array by the new contents."""
    if not node.is_op("slice_assign") or node.inputs[1].shape != node.shape:
        return None
    return node.inputs[1] if all(s == 1 for s in node.params["step"]) else None


# --- products ----------------------------------------------------------------------------------------------------


def _transposed_operand(node: Node) -> Node | None:
    """Replace the transposition of a product's operand by a flag of the product."""
    if not node.is_op("matmul"):
        return None
    for i, flag in enumerate(("transpose_a", "transpose_b")):
        x = node.inputs[i]
        swap = (*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
        if x.is_op("transpose") and x.params["axes"] == swap:
            inputs = [x.inputs[0] if j == i else y for j, y in enumerate(node.inputs)]
            params = {**node.params, flag: not node.params[flag]}
            return Node(node.op, inputs, params, node.shape, node.dtype)
    return None


_RULES: tuple[Rule, ...] = (
    _fold_constants,
    _neutral,
    _small_power,
    _idle,
    _nothing_to_reduce,
    _merged_sum,
    _reshape_of_reshape,
    _whole_assignment,
    _broadcast_is_implied,
    _transposed_operand,
)

# --- Scaling after multiplication for short integers: ``(x / c) · W`` is computed as ``(x · W) · (1 / c)`` -----------
#
# Pixels are bytes that a step divides by 255. A matrix unit multiplies integers of 8 bits directly, with half as many
# instructions as numbers of 24 bits, and without a division per pixel. The result differs only by rounding, as long as
# the sums are finite: weights above 10³⁶ may give an infinity where the scaled pixels would not.


_LEAST, _MOST = 2.0**-30, 2.0**30


def scale_products(graph: Graph) -> Graph:
    """Move the scaling of short integers from products' operands to the products' results, in the whole graph."""
    return graph.rewritten(lambda node, inputs: _scaled_after(node.with_inputs(inputs)))


def is_short(node: Node) -> bool:
    """Whether a node's values are 8-bit integers or booleans."""
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
    """A product's operand without its scaling; the factor is appended to `scales`."""
    if node.is_op("reshape"):
        return node.with_inputs([_without_scale(node.inputs[0], scales)])
    if not node.is_op("divide", "multiply") or node.inputs[0].shape != node.shape:
        return node
    number = constant_value(node.inputs[1])
    if number is None or not is_short(node.inputs[0]) or not _LEAST <= abs(number) <= _MOST:
        return node
    scales.append(1 / number if node.is_op("divide") else number)
    return node.inputs[0]
