"""The graph of nodes that describes a network's computation, and its text in symbol files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lamina.mxnet.symbol._operator import Operator

TYPE_FLAGS = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")
"""Dtypes, indexed by MXNet's numeric codes, as in a variable's ``__dtype__``."""


class Node:
    """A node of a network's graph: a variable, or an operator applied to outputs of other nodes.

    Attributes:
        operator: the operator; None for a variable.
        name: the node's name, unique in a network.
        attributes: the node's attributes, as strings as in files.
        inputs: outputs of other nodes, in the order of the operator's arrays.
    """

    __slots__ = ("attributes", "inputs", "name", "operator", "outputs", "values")

    def __init__(
        self,
        operator: Operator | None,
        name: str,
        attributes: Mapping[str, str],
        inputs: Sequence[Output] = (),
    ) -> None:
        self.operator, self.name = operator, name
        self.attributes, self.inputs = dict(attributes), tuple(inputs)
        self.values: dict[str, Any] = {} if operator is None else operator.values(self.attributes)
        self.outputs = 1 if operator is None else operator.outputs(self.values)

    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs, () for a variable and for an operator of any number of arrays."""
        operator = self.operator
        return () if operator is None or operator.is_variadic else operator.inputs(self.values)

    def output_names(self) -> list[str]:
        """The names of the node's outputs."""
        if self.operator is None:
            return [self.name]
        if self.operator.output_names:
            return [f"{self.name}_{output}" for output in self.operator.output_names]
        if self.outputs == 1:
            return [f"{self.name}_output"]
        return [f"{self.name}_output{i}" for i in range(self.outputs)]


Output = tuple[Node, int]
"""A node, and the position of its output."""


def nodes_of(heads: Sequence[Output]) -> list[Node]:
    """All nodes on which the outputs `heads` depend, without duplicates, each after its inputs."""
    found: dict[int, Node] = {}
    waiting: list[tuple[Node, bool]] = [(node, False) for node, _ in reversed(heads)]
    while waiting:
        node, inputs_are_found = waiting.pop()
        if id(node) in found:
            continue
        if inputs_are_found:
            found[id(node)] = node
        else:
            waiting.append((node, True))
            waiting.extend((x, False) for x, _ in reversed(node.inputs))
    return list(found.values())


# --- the text in files -------------------------------------------------------------------------------------------

_VERSION = 10901

_HIDDEN = {
    "BatchNorm": 3, "LayerNorm": 3, "GroupNorm": 3, "InstanceNorm": 3, "Dropout": 2, "L2Normalization": 2,
    "Embedding": 1,
}  # fmt: skip
"""Numbers of outputs of operators, including hidden ones."""


def text_of(heads: Sequence[Output]) -> str:
    """The JSON text of a network's file, in the format of MXNet 1.9."""
    nodes = nodes_of(heads)
    places = {id(node): place for place, node in enumerate(nodes)}
    rows = [0]
    for node in nodes:
        hidden = 1 if node.operator is None else _HIDDEN.get(node.operator.name, node.outputs)
        rows.append(rows[-1] + hidden)
    return json.dumps(
        {
            "nodes": [_described(node, places) for node in nodes],
            "arg_nodes": [place for place, node in enumerate(nodes) if node.operator is None],
            "node_row_ptr": rows,
            "heads": [[places[id(node)], output, 0] for node, output in heads],
            "attrs": {"mxnet_version": ["int", _VERSION]},
        },
        indent=2,
        ensure_ascii=False,
    )


def _described(node: Node, places: dict[int, int]) -> dict[str, Any]:
    operator = node.operator
    described: dict[str, Any] = {"op": "null" if operator is None else operator.name, "name": node.name}
    if node.attributes:
        described["attrs"] = node.attributes
    names = node.input_names()
    auxiliary = () if operator is None else operator.auxiliary
    described["inputs"] = [
        [places[id(given)], output, int(i < len(names) and names[i] in auxiliary)]
        for i, (given, output) in enumerate(node.inputs)
    ]
    return described
