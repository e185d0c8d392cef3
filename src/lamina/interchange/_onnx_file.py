"""Reading of ONNX files to a `Graph`: parsing by protobuf, checks, and limits on sizes."""

from __future__ import annotations

import io
import math
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    defs,
    helper,
    numpy_helper,
)

from lamina.errors import DataError
from lamina.interchange._graph import ML, Graph, GraphInput, Node, element_type, text_of
from lamina.support.files.foreign import opened, what_else
from lamina.support.files.limits import untrusted
from lamina.support.messages import excerpt

_MOST_NODES = 10_000
_MOST_TENSORS = 10_000
_MOST_NAMES = 100_000
"""Limits for dense networks: each item costs more memory than it has bytes in the file."""

_OLDEST_OPSET = 7
"""The first opset (2017) whose operators broadcast like NumPy."""

_CONTROL_FLOW = "lamina imports networks without control flow"


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Read the graph in an ONNX file.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: the file is damaged, or can't be a dense network; the message is one line.
    """
    file = Path(path)
    with opened(path, "an ONNX file") as given:
        content = given.read()
    what = f"{file} is not a readable ONNX file"
    if known := what_else(io.BytesIO(content)):
        raise DataError(f"{what}: {known}")
    with untrusted(what):
        model = ModelProto()
        model.ParseFromString(content)
        del content
        if not model.HasField("graph"):
            raise DataError(f"{what}: it has no graph")
    try:
        with untrusted("it can't be read"):
            return _graph(model, file.parent)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error


def _graph(model: ModelProto, folder: Path) -> Graph:
    graph = model.graph
    _require_sizes(graph)
    opsets = _opsets(model)
    own = {(_domain(function.domain), text_of(function.name)) for function in model.functions}
    tensors = {text_of(tensor.name): _tensor(tensor, folder) for tensor in graph.initializer}
    nodes: list[Node] = []
    for place, proto in enumerate(graph.node):
        node = _node(proto, place, opsets, folder)
        if (node.domain, node.op) in own:
            raise node.error("calls a function of the model; export the model with its functions inlined")
        if (node.domain, node.op) == ("", "Constant"):
            _add_constant(node, tensors)
        else:
            nodes.append(node)
    outputs = [text_of(output.name) for output in graph.output]
    if not outputs:
        raise DataError("the graph has no output")
    inputs = [_input(value) for value in graph.input if text_of(value.name) not in tensors]
    _require_once("output", outputs)
    _require_once("input", [given.name for given in inputs])
    metadata = {text_of(entry.key): text_of(entry.value) for entry in model.metadata_props[:1000]}
    _require_order(nodes, {*tensors, *[given.name for given in inputs]}, outputs)
    return Graph(nodes, tensors, inputs, outputs, metadata)


def _require_sizes(graph: GraphProto) -> None:
    """Raise `DataError` if the graph has more nodes, tensors or names than dense networks have.

    The check precedes the conversion of the graph.
    """
    counts = (
        ("nodes", len(graph.node), _MOST_NODES),
        ("tensors", len(graph.initializer), _MOST_TENSORS),
        ("inputs and outputs", len(graph.input) + len(graph.output), _MOST_TENSORS),
    )
    names = 0
    for what, count, most in counts:
        if count > most:
            raise DataError(f"it has {count:,} {what}, but lamina reads networks of at most {most:,}")
    for node in graph.node:
        names += len(node.input) + len(node.output) + len(node.attribute)
    if names > _MOST_NAMES:
        raise DataError(
            f"its nodes have {names:,} inputs, outputs and attributes, but lamina reads at most {_MOST_NAMES:,}"
        )
    if graph.sparse_initializer:
        raise DataError("it has sparse tensors, which lamina doesn't compute with")


def _opsets(model: ModelProto) -> dict[str, int]:
    """The versions of operator sets by domain, with "" for ONNX's standard operators."""
    opsets = {_domain(entry.domain): entry.version for entry in model.opset_import}
    version, newest = opsets.get("", 0), defs.onnx_opset_version()
    if not _OLDEST_OPSET <= version <= newest:
        said = f"its operators are of opset {version}" if version else "its opset is missing"
        raise DataError(f"{said}; opsets {_OLDEST_OPSET} to {newest} are read")
    return opsets


def _domain(name: str | bytes) -> str:
    return "" if name == "ai.onnx" else text_of(name)


def _tensor(proto: TensorProto, folder: Path) -> np.ndarray:
    try:
        with untrusted("it can't be read"):
            return _array_of(proto, folder)
    except DataError as error:
        raise DataError(f"tensor {excerpt(text_of(proto.name), 80)!r}: {excerpt(error)}") from error


def _node(proto: NodeProto, place: int, opsets: Mapping[str, int], folder: Path) -> Node:
    domain = _domain(proto.domain)
    attributes: dict[str, Any] = {}
    node = Node(
        text_of(proto.name), text_of(proto.op_type), domain, opsets.get(domain, 0),
        tuple(map(text_of, proto.input)), tuple(map(text_of, proto.output)), attributes, place,
    )  # fmt: skip
    if domain not in ("", ML):
        raise node.error("belongs to an unknown operator domain; lamina imports dense networks only")
    for attribute in proto.attribute:
        try:
            with untrusted("it can't be read"):
                attributes[text_of(attribute.name)] = _attribute(attribute, folder)
        except DataError as error:
            raise node.error(f"attribute {excerpt(text_of(attribute.name), 80)!r}: {error}") from error
    return node


def _attribute(proto: AttributeProto, folder: Path) -> Any:
    kind = proto.type
    if kind in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        raise DataError(f"it contains a graph; {_CONTROL_FLOW}")
    if proto.ref_attr_name:
        raise DataError("it refers to a function's attribute")
    if kind == AttributeProto.TENSOR:
        return _array_of(proto.t, folder)
    if kind in (AttributeProto.INT, AttributeProto.FLOAT):
        return proto.i if kind == AttributeProto.INT else proto.f
    if kind == AttributeProto.STRING:
        return text_of(proto.s)
    if kind in (AttributeProto.INTS, AttributeProto.FLOATS):
        return list(proto.ints if kind == AttributeProto.INTS else proto.floats)
    if kind == AttributeProto.STRINGS:
        return [text_of(text) for text in proto.strings]
    raise DataError("it has a type that dense networks don't use")


def _add_constant(node: Node, tensors: dict[str, np.ndarray]) -> None:
    if len(node.outputs) != 1 or len(node.attributes) != 1 or node.inputs:
        raise node.error("it must have one output, one attribute and no input")
    if node.outputs[0] in tensors:
        raise node.error(f"defines {excerpt(node.outputs[0], 80)!r}, which is defined already")
    [(name, value)] = node.attributes.items()
    dtypes: dict[str, Any] = {"value_int": np.int64, "value_float": np.float32, "value_string": object}
    dtype = dtypes.get(name.removesuffix("s"))
    if name != "value" and dtype is None:
        raise node.error(f"has the unknown attribute {excerpt(name, 80)!r}")
    if (name == "value") != isinstance(value, np.ndarray):
        raise node.error("the type of its value does not match its attribute")
    tensors[node.outputs[0]] = value if isinstance(value, np.ndarray) else np.array(value, dtype=dtype)


def _input(proto: ValueInfoProto) -> GraphInput:
    name = text_of(proto.name)
    what = f"input {excerpt(name, 80)!r}"
    tensor = proto.type.tensor_type
    if not proto.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise DataError(f"{what} is not a tensor that declares its number of axes")
    if tensor.elem_type == TensorProto.STRING:
        raise DataError(f"{what} takes strings; lamina imports networks that take numbers")
    try:
        dtype = element_type(tensor.elem_type)
    except DataError as error:
        raise DataError(f"{what} has {error}") from error
    sizes = [size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim]
    if len(sizes) > 32 or any(size is not None and size < 0 for size in sizes):
        raise DataError(f"{what} has an invalid shape")
    return GraphInput(name, dtype, tuple(sizes))


def _require_once(what: str, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"it has {count} {what}s named {excerpt(name, 80)!r}")


def _require_order(nodes: list[Node], known: set[str], outputs: list[str]) -> None:
    """Raise `DataError` unless each value is computed once, before its first use."""
    made = set(known)
    for node in nodes:
        for name in node.inputs:
            if name and name not in made:
                raise node.error(f"uses {excerpt(name, 80)!r}, which no earlier node computes")
        for name in node.outputs:
            if name and name in made:
                raise node.error(f"defines {excerpt(name, 80)!r}, which is defined already")
            if name:
                made.add(name)
    for name in outputs:
        if name not in made:
            raise DataError(f"no node computes the output {excerpt(name, 80)!r}")


# --- arrays: claimed sizes are compared with the available bytes before any allocation ------------------------------

_MOST_AXES = 64  # of NumPy


def _array_of(tensor: TensorProto, folder: Path) -> np.ndarray:
    """Convert a tensor to an array; strings become an array of objects.

    Args:
        tensor: the tensor's protobuf message.
        folder: folder of external data files.

    Raises:
        DataError: the number of elements does not match the shape, or the type is unsupported.
    """
    shape = tuple(tensor.dims)
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        raise DataError(f"invalid shape {excerpt(shape, 80)}")
    count, is_outside = math.prod(shape), tensor.data_location == tensor.EXTERNAL
    if tensor.HasField("segment"):
        raise DataError("the tensor is stored in segments, which lamina does not read")
    if tensor.data_type == TensorProto.STRING and not is_outside:
        _require(count, len(tensor.string_data), shape)
        return np.array([text_of(text) for text in tensor.string_data], dtype=object).reshape(shape)
    dtype = element_type(tensor.data_type)
    if not is_outside and not tensor.HasField("raw_data"):
        _require(count, len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type))), shape)
        return numpy_helper.to_array(tensor)
    content = _external(tensor, count * dtype.itemsize, folder) if is_outside else tensor.raw_data
    if len(content) != count * dtype.itemsize:
        raise DataError(f"{len(content)} bytes of data for {dtype} of shape {excerpt(shape, 80)}")
    stored = np.dtype(np.uint8) if dtype == np.bool_ else dtype.newbyteorder("<")
    return np.frombuffer(content, stored).astype(dtype, copy=False).reshape(shape)


def _require(count: int, found: int, shape: tuple[int, ...]) -> None:
    if count != found:
        raise DataError(f"{found} elements of data for the shape {excerpt(shape, 80)}")


# --- elements in another file -----------------------------------------------------------------------------------------


def _external(tensor: TensorProto, wanted: int, folder: Path) -> bytes:
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


def _beside(name: str, folder: Path) -> Path:
    """The path of an external data file, with links resolved.

    Raises:
        DataError: the path is not in the model's folder or below.
    """
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
