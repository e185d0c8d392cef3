"""The contents of an ONNX file, checked: nodes, tensors, inputs and outputs, without protobuf objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support.messages import excerpt

ML = "ai.onnx.ml"
"""The domain of scikit-learn's operators; that of all others is empty."""

Value = str | int | float | np.ndarray | list[int] | list[float] | list[str]

_LONGEST_NAME = 80


@dataclass(frozen=True)
class Node:
    """One operator of a graph, with its inputs, outputs and attributes.

    Attributes:
        name: the name in the file; may be empty.
        op, domain: the operator.
        opset: the version of the domain's operators.
        inputs, outputs: names of values; an empty name means an omitted input or output.
        attributes: the settings, by name.
        place: its position in the file, from 0.
    """

    name: str
    op: str
    domain: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Value]
    place: int

    def __str__(self) -> str:
        domain = f"{self.domain}." if self.domain else ""
        named = f"{excerpt(self.name, _LONGEST_NAME)!r} " if self.name else ""
        return f"node {self.place} {named}({excerpt(domain + self.op, _LONGEST_NAME)})"

    def error(self, problem: object) -> DataError:
        """The error for an invalid node."""
        return DataError(f"{self}: {excerpt(problem)}")

    def get(self, name: str, default: Any, kind: type | tuple[type, ...]) -> Any:
        """A setting, or the default if absent.

        Raises:
            DataError: the setting has another type.
        """
        value = self.attributes.get(name, default)
        if value is not default and not isinstance(value, kind):
            raise self.error(f"its attribute {name} is a {type(value).__name__}")
        return value

    def integer(self, name: str, default: int) -> int:
        """An integer setting."""
        return self.get(name, default, int)

    def number(self, name: str, default: float) -> float:
        """A float setting."""
        return self.get(name, default, (int, float))

    def text(self, name: str, default: str) -> str:
        """A string setting."""
        return self.get(name, default, str)

    def integers(self, name: str) -> list[int] | None:
        """A list of integers, or None if absent."""
        return self._items(name, (int,))

    def numbers(self, name: str) -> list[float] | None:
        """A list of floats, or None if absent."""
        return self._items(name, (int, float))

    def texts(self, name: str) -> list[str] | None:
        """A list of strings, or None if absent."""
        return self._items(name, (str,))

    def _items(self, name: str, kinds: tuple[type, ...]) -> Any:
        values = self.get(name, None, list)
        if values is not None and not all(isinstance(value, kinds) for value in values):
            raise self.error(f"its attribute {name} has elements of another kind")
        return values


@dataclass(frozen=True)
class GraphInput:
    """An input of a graph.

    Attributes:
        name: the name in the file.
        dtype: the element type.
        shape: the sizes; None if symbolic or missing.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{excerpt(self.name, _LONGEST_NAME)!r} of shape ({sizes})"


@dataclass(frozen=True)
class Graph:
    """A network as stored in a file, with operators in computable (topological) order.

    Attributes:
        nodes: the operators.
        tensors: the file's arrays, by name.
        inputs, outputs: the inputs, and the names of the outputs.
        metadata: strings by name.
    """

    nodes: Sequence[Node]
    tensors: Mapping[str, np.ndarray]
    inputs: Sequence[GraphInput]
    outputs: Sequence[str]
    metadata: Mapping[str, str] = field(default_factory=dict)


REDUCTIONS = (
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
    "ReduceLogSum", "ReduceLogSumExp",
)  # fmt: skip

_MOVED: dict[str, tuple[str, ...]] = {
    "Squeeze": ("axes",),
    "Unsqueeze": ("axes",),
    "Slice": ("starts", "ends", "axes"),
    "Clip": ("min", "max"),
    "Split": ("split",),
    "Dropout": ("ratio",),
    **dict.fromkeys(REDUCTIONS, ("axes",)),
}
"""By operator: the attributes that became inputs, which follow the first input."""


def arguments(node: Node, inputs: Sequence[Any]) -> list[Any]:
    """The inputs in the newest opset's order; omitted ones are None."""
    names = _MOVED.get(node.op, ())
    if not any(name in node.attributes for name in names):
        return list(inputs)
    found = list(inputs[:1])
    for name in names:
        value = node.attributes.get(name)
        if isinstance(value, list):
            found.append(np.array(node.integers(name), np.int64))
        else:
            found.append(None if value is None else np.asarray(node.number(name, 0.0), np.float64))
    return found
