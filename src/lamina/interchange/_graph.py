"""The checked contents of an ONNX file, as nodes, tensors, inputs and outputs without protobuf objects."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import DataError
from lamina.support.messages import excerpt

if TYPE_CHECKING:
    from onnx import TensorProto

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


# --- The arrays of an ONNX file: claimed sizes are compared with the available bytes before any allocation -----------


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


_FIELDS: dict[int, str] = {
    ElementType.FLOAT: "float_data", ElementType.DOUBLE: "double_data", ElementType.INT64: "int64_data",
    ElementType.UINT32: "uint64_data", ElementType.UINT64: "uint64_data",
}  # fmt: skip
"""The field with the elements, unless they are raw bytes; for types not listed, the field is ``int32_data``."""

_MOST_AXES = 64  # of NumPy


def text_of(value: str | bytes) -> str:
    """Decode a name or text; protobuf returns bytes if it is not UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def array_of(tensor: TensorProto, folder: Path | None) -> np.ndarray:
    """Convert a tensor to an array; strings become an array of objects.

    Args:
        tensor: the tensor's protobuf message.
        folder: folder of external data files; None: reading them is not allowed.

    Raises:
        DataError: the number of elements does not match the shape, or the type is unsupported.
    """
    shape = tuple(tensor.dims)
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        raise DataError(f"invalid shape {excerpt(shape, 80)}")
    count = math.prod(shape)
    if tensor.HasField("segment"):
        raise DataError("the tensor is stored in segments, which lamina does not read")
    if tensor.data_location == tensor.EXTERNAL:
        dtype = element_type(tensor.data_type)
        content = _external(tensor, count * dtype.itemsize, folder)
        return _shaped(np.frombuffer(content, _stored(dtype)), shape)
    if tensor.data_type == ElementType.STRING:
        _require(count, len(tensor.string_data), shape)
        texts = [text_of(text) for text in tensor.string_data]
        return _shaped(np.array(texts, dtype=object), shape)
    dtype = element_type(tensor.data_type)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise DataError(f"{len(tensor.raw_data)} bytes of data for {dtype} of shape {excerpt(shape, 80)}")
        return _shaped(np.frombuffer(tensor.raw_data, _stored(dtype)), shape, dtype == np.bool_)
    values = getattr(tensor, _FIELDS.get(tensor.data_type, "int32_data"))
    _require(count, len(values), shape)
    if tensor.data_type == ElementType.FLOAT16:  # their bits, as integers
        return _shaped(np.array(values, np.int64).astype(np.uint16).view(np.float16), shape)
    return _shaped(np.array(values), shape).astype(dtype)


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a tensor's elements in a file: little-endian, and bytes for booleans."""
    return np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("<")


def _shaped(values: np.ndarray, shape: tuple[int, ...], is_bool: bool = False) -> np.ndarray:
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if is_bool:
        native = native != 0
    try:
        return native.reshape(shape)
    except ValueError as error:  # an empty array whose other dimensions are beyond NumPy
        raise DataError(str(error)) from error


def _require(count: int, found: int, shape: tuple[int, ...]) -> None:
    if count != found:
        raise DataError(f"{found} elements of data for the shape {excerpt(shape, 80)}")


# --- elements in another file -----------------------------------------------------------------------------------------


def _external(tensor: TensorProto, wanted: int, folder: Path | None) -> bytes:
    entries = {text_of(entry.key): text_of(entry.value) for entry in tensor.external_data}
    name = entries.get("location", "")
    path = _beside(name, folder)
    offset, length = _whole(entries.get("offset", "0")), _whole(entries.get("length", str(wanted)))
    if length != wanted:
        raise DataError(f"it claims {length} bytes in {excerpt(name, 80)!r}, but needs {wanted}")
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"its file {excerpt(name, 80)!r} is not a regular file")
            if offset + wanted > status.st_size:
                raise DataError(
                    f"its file {excerpt(name, 80)!r} has {status.st_size} bytes, but needs {offset + wanted}"
                )
            file.seek(offset)
            content = file.read(wanted)
    except OSError as error:
        raise DataError(f"its file {excerpt(name, 80)!r} can't be read: {error.strerror}") from error
    if len(content) < wanted:
        raise DataError(f"its file {excerpt(name, 80)!r} got shorter while it was read")
    return content


def _beside(name: str, folder: Path | None) -> Path:
    """The path of an external data file, with links resolved.

    Raises:
        DataError: the path is not in the model's folder or below.
    """
    if folder is None:
        raise DataError("its elements are in another file, which is not allowed here")
    if not name or "\0" in name or "\\" in name or Path(name).is_absolute():
        raise DataError(f"its file {excerpt(name, 80)!r} is not beside the model")
    home = folder.resolve()
    try:
        path = (home / name).resolve()
    except (OSError, RuntimeError) as error:
        raise DataError(f"its file {excerpt(name, 80)!r} can't be read: {excerpt(error, 80)}") from error
    if not path.is_relative_to(home) or path == home:
        raise DataError(f"its file {excerpt(name, 80)!r} is outside the model's folder")
    if path.exists() and not path.is_file():  # a pipe would wait for ever
        raise DataError(f"its file {excerpt(name, 80)!r} is not a regular file")
    return path


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise DataError(f"its offset or length {excerpt(text, 40)!r} is not a number")
    return int(text)
