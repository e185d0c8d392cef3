"""Graph passes for types that a device lacks, or only stores: float64 numbers, float16 arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lamina.compiler.llvm import FLOAT32, FLOAT64
from lamina.compiler.passes.graph import Constant, Graph, Node, Scalar
from lamina.core.lowering import Fill, Movement, Reshape
from lamina.core.primitive import REGISTRY, Primitive

FLOAT16 = np.dtype(np.float16)


def narrow_numbers(graph: Graph) -> Graph:
    """The graph with the step's numbers, and values computed from them alone, in float32 instead of float64."""
    if any(node.dtype == FLOAT64 for node in graph.roots):
        return graph

    def better(node: Node, inputs: list[Node]) -> Node:
        if node.shape != () or node.dtype != FLOAT64:
            return node.with_inputs(inputs)
        if isinstance(node.op, Primitive):
            return _typed(node.op, inputs, node.params, FLOAT32)
        return Node(node.op, (), {}, (), FLOAT32)

    scalars = [FLOAT32 if dtype == FLOAT64 else dtype for dtype in graph.scalars]
    return replace(graph.rewritten(better), scalars=scalars)


def widen_halves(graph: Graph) -> Graph:
    """The graph with float16 arrays stored as they are, and computed with in float32.

    Each operator's result is rounded, as in NumPy.
    """

    def better(node: Node, inputs: list[Node]) -> Node:
        primitive = node.op
        if not isinstance(primitive, Primitive) or FLOAT16 not in (node.dtype, *(x.dtype for x in inputs)):
            return node.with_inputs(inputs)
        if isinstance(primitive.lowering, Movement | Reshape | Fill) or not inputs:
            return node.with_inputs(inputs)
        if node.is_op("cast"):
            (x,) = inputs
            return (
                node.with_inputs(inputs) if {x.dtype, node.dtype} <= _FLOATS else _cast(_wide(x), node.dtype)
            )
        wide = _typed(primitive, [_wide(x) for x in inputs], node.params, FLOAT32)
        return _cast(wide, node.dtype)

    return graph.rewritten(better)


_FLOATS = {FLOAT16, FLOAT32, FLOAT64}


def _wide(x: Node) -> Node:
    """A float16 value, or a value converted to float16, as float32."""
    if x.dtype != FLOAT16:
        return x
    if isinstance(x.op, Constant | Scalar):
        return Node(x.op, (), {}, (), FLOAT32)
    return _cast(x, FLOAT32)


def _cast(x: Node, dtype: np.dtype) -> Node:
    return x if x.dtype == dtype else Node(REGISTRY["cast"], (x,), {"dtype": dtype}, x.shape, dtype)


def _typed(primitive: Primitive, inputs: list[Node], params: dict[str, Any], dtype: np.dtype) -> Node:
    """A primitive on these inputs, with `dtype` in place of a replaced type among its parameters."""
    changed = {k: dtype if k == "dtype" and v in (FLOAT16, FLOAT64) else v for k, v in params.items()}
    shape, found = primitive.infer(*inputs, **changed)
    return Node(primitive, inputs, changed, shape, found)
