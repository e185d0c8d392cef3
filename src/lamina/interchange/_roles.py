"""Roles of a network's arrays, such as trainable, inferred from the arrays' use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamina.interchange._graph import Graph, Node

_WEIGHTS = {
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1),
    "BatchNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "RMSNormalization": (1,),
    "PRelu": (1,),
}
"""By operator: the positions of its learned inputs."""

_STATISTICS = {"BatchNormalization": (3, 4)}
_LINEAR = frozenset({"Gemm", "MatMul"})
_VIEWS = frozenset({"Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "Dropout"})
"""Operators that pass on the elements of their first input."""

_AFFINE = frozenset({"Add", "Sub", "Mul", "Div"})


@dataclass(frozen=True)
class Roles:
    """The roles of a file's float arrays.

    Attributes:
        trained: names of trainable arrays.
        statistics: names of batch normalization's running statistics.
        fixed: names of all other arrays.
    """

    trained: frozenset[str]
    statistics: frozenset[str]
    fixed: frozenset[str]


def needed_nodes(graph: Graph, outputs: Sequence[str]) -> list[Node]:
    """Select the nodes that are needed for computing these outputs."""
    wanted, found = set(outputs), list[Node]()
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs) - {""}:
            found.append(node)
            wanted.update(node.inputs)
    return found[::-1]


def roles_of(nodes: Sequence[Node], tensors: Mapping[str, np.ndarray]) -> Roles:
    """Determine the role of each float array that the nodes use.

    Trainable arrays are: the weights of products and normalizations, arrays that are added to a product, and vectors
    that scale or shift between two products (a normalization that an exporter has split). Arrays before the first
    product or after the last product (scaling of inputs and outputs) are fixed, as are scalars.
    """
    floats = {name for name, array in tensors.items() if array.dtype.kind == "f" and array.size}
    learned = set(_learned_inputs(nodes, tensors))
    for node in reversed(nodes):
        if node.op in _VIEWS and learned.intersection(node.outputs) and node.inputs:
            learned.add(node.inputs[0])
    statistics = {name for node in nodes for name in _of(node, _STATISTICS)} & floats
    trained = (learned & floats) - statistics
    used = {name for node in nodes for name in node.inputs} & floats
    arrays = {name for name in used if tensors[name].size > 1}
    return Roles(frozenset(trained), frozenset(statistics), frozenset(arrays - trained - statistics))


def _of(node: Node, places: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    for i in places.get(node.op, ()) if not node.domain else ():
        if i < len(node.inputs):
            yield node.inputs[i]


def _learned_inputs(nodes: Sequence[Node], tensors: Mapping[str, np.ndarray]) -> Iterator[str]:
    after, products = _after_products(nodes)
    before = _before_products(nodes)
    uses = Counter(name for node in nodes for name in node.inputs)
    for node in nodes:
        yield from _of(node, _WEIGHTS)
        if node.op == "Gather" and len(node.inputs) == 2 and node.inputs[1] not in tensors:
            yield node.inputs[0]
        if node.op in _AFFINE and len(node.inputs) == 2:
            is_bias = node.op == "Add" and products.intersection(node.inputs)
            is_between = after.intersection(node.inputs) and before.intersection(node.outputs)
            for name in tensors.keys() & set(node.inputs):
                is_learned = tensors[name].size > 1 and (is_bias or is_between)
                if is_learned or (is_bias and _is_one_bias(tensors[name], uses[name])):
                    yield name


def _is_one_bias(array: np.ndarray, uses: int) -> bool:
    """Whether an array with one element may be the bias of a layer with one output.

    Constants of a formula have no axes, or are used several times.
    """
    return array.ndim > 0 and uses == 1


def _after_products(nodes: Sequence[Node]) -> tuple[set[str], set[str]]:
    """The names of values that depend on a matrix product, and the names of the products' results.

    The names of reshaped or transposed results are also included.
    """
    after, products = set[str](), set[str]()
    for node in nodes:
        if node.op in _LINEAR or after.intersection(node.inputs):
            after.update(node.outputs)
        if node.op in _LINEAR or (node.op in _VIEWS and node.inputs and node.inputs[0] in products):
            products.update(node.outputs)
    return after - {""}, products - {""}


def _before_products(nodes: Sequence[Node]) -> set[str]:
    """The names of values on which a product depends."""
    before = set[str]()
    for node in reversed(nodes):
        if node.op in _LINEAR or before.intersection(node.outputs):
            before.update(node.inputs)
    return before - {""}
