"""The checked contents of an ONNX file, as nodes, tensors, inputs and outputs without protobuf objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.support.messages import excerpt

ML = "ai.onnx.ml"
"""The domain of scikit-learn's operators; the domain of all other operators is empty."""

Value = str | int | float | np.ndarray | list[int] | list[float] | list[str]

_LONGEST_NAME = 80


@dataclass(frozen=True)
class Node:
    """An operator in a graph, with its inputs, outputs and attributes.

    Attributes:
        name: the name in the file; may be empty.
        op, domain: the operator's name and domain.
        opset: the version of the domain's operators.
        inputs, outputs: names of values; an empty name means an omitted input or output.
        attributes: the operator's attributes, by name.
        place: the operator's index in the file, from 0.
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
        """Create the error for a problem of this node."""
        return DataError(f"{self}: {excerpt(problem)}")

    def get(self, name: str, default: Any, kind: type | tuple[type, ...]) -> Any:
        """The attribute `name`, or the default if it is absent.

        Raises:
            DataError: the attribute has another type.
        """
        value = self.attributes.get(name, default)
        if value is not default and not isinstance(value, kind):
            raise self.error(f"its attribute {name} is a {type(value).__name__}, another type than expected")
        return value

    def integer(self, name: str, default: int) -> int:
        """The integer attribute `name`, or the default if it is absent."""
        return self.get(name, default, int)

    def number(self, name: str, default: float) -> float:
        """The float attribute `name`, or the default if it is absent."""
        return self.get(name, default, (int, float))

    def text(self, name: str, default: str) -> str:
        """The string attribute `name`, or the default if it is absent."""
        return self.get(name, default, str)

    def integers(self, name: str) -> list[int] | None:
        """The attribute `name`, a list of integers; None if it is absent."""
        return self._items(name, (int,))

    def numbers(self, name: str) -> list[float] | None:
        """The attribute `name`, a list of floats; None if it is absent."""
        return self._items(name, (int, float))

    def texts(self, name: str) -> list[str] | None:
        """The attribute `name`, a list of strings; None if it is absent."""
        return self._items(name, (str,))

    def _items(self, name: str, kinds: tuple[type, ...]) -> Any:
        values = self.get(name, None, list)
        if values is not None and not all(isinstance(value, kinds) for value in values):
            raise self.error(f"its attribute {name} has elements of another type than expected")
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
    """A network from an ONNX file, with operators in topological order.

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
    "Slice": ("starts", "ends", "axes"),
    "Clip": ("min", "max"),
    "Split": ("split",),
    "Dropout": ("ratio",),
    **dict.fromkeys(("Squeeze", "Unsqueeze", *REDUCTIONS), ("axes",)),
}
"""By operator: the attributes that became inputs, which follow the first input."""


def arguments(node: Node, inputs: Sequence[Any]) -> list[Any]:
    """The inputs of a node as in the newest opset, with None for omitted inputs.

    In older opsets, some of these inputs are attributes.
    """
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


# --- types of elements -----------------------------------------------------------------------------------------------


ElementType = IntEnum(
    "ElementType",
    "UNDEFINED FLOAT UINT8 INT8 UINT16 INT16 INT32 INT64 STRING BOOL FLOAT16 DOUBLE UINT32 UINT64 COMPLEX64 COMPLEX128 "
    "BFLOAT16 FLOAT8E4M3FN FLOAT8E4M3FNUZ FLOAT8E5M2 FLOAT8E5M2FNUZ UINT4 INT4 FLOAT4E2M1",
    start=0,
)
"""The types of tensors' elements, with their numbers in ONNX files (``TensorProto.DataType`` of onnx.proto)."""

ELEMENT_TYPES: dict[int, np.dtype[Any]] = {
    ElementType.FLOAT: np.dtype("f4"), ElementType.DOUBLE: np.dtype("f8"), ElementType.FLOAT16: np.dtype("f2"),
    ElementType.BOOL: np.dtype("?"), ElementType.INT8: np.dtype("i1"), ElementType.INT16: np.dtype("i2"),
    ElementType.INT32: np.dtype("i4"), ElementType.INT64: np.dtype("i8"), ElementType.UINT8: np.dtype("u1"),
    ElementType.UINT16: np.dtype("u2"), ElementType.UINT32: np.dtype("u4"), ElementType.UINT64: np.dtype("u8"),
}  # fmt: skip
"""NumPy dtypes of the ONNX types that lamina computes with."""


def element_type(number: int) -> np.dtype[Any]:
    """The NumPy dtype for the number of an ONNX element type.

    Raises:
        DataError: lamina doesn't support the type.
    """
    if number not in ELEMENT_TYPES:
        known = {each.value: each.name for each in ElementType}
        raise DataError(f"elements of type {known.get(number, number)}, which lamina does not support")
    return ELEMENT_TYPES[number]


def text_of(value: str | bytes) -> str:
    """Decode a name or text; protobuf returns bytes if it is not UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")
