"""Construction of ONNX graphs from traced functions, without duplicate nodes or constants; writing of files.

Each node is emitted once, and nodes of known value become constants. Patterns, which cover several nodes, are tried
before the emitters of single nodes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lamina.compiler.passes.graph import Input, Node, topological
from lamina.errors import LaminaError
from lamina.export.traced import Rows, Traced
from lamina.support.contexts import changed
from lamina.support.files.atomic import atomic_write

OPSET = 17
"""The opset of ONNX 1.12 (2022), read by ONNX Runtime since 1.12 and other maintained runtimes."""

ML = "ai.onnx.ml"
_ML_OPSET = 3
_IR = 8
"""The IR version of ONNX 1.12."""

ROWS = "rows"
"""The name of the variable dimension."""

_LARGEST = (1 << 31) - (1 << 20)
"""Maximum size of a file, in bytes; Protocol Buffers' limit is 2 GiB."""


class OnnxGraph:
    """An ONNX graph under construction; tensors are identified by name.

    The user chooses the names of inputs and outputs. They are `reserved` from the start, so that no other tensor gets
    them.
    """

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._found: dict[tuple[Any, ...], list[str]] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._taken = set(reserved)
        self._layer = ""

    def name(self, stem: str) -> str:
        """Reserve and return an unused name: `stem`, or `stem` with a number."""
        name, number = stem, 0
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name

    def input(self, name: str, dtype: Any, shape: Sequence[int | str]) -> str:
        """Add an input of the model, and return its name."""
        self._taken.add(name)
        self._inputs.append(helper.make_tensor_value_info(name, element_type(dtype), shape))
        return name

    def output(self, value: str, name: str, dtype: Any, shape: Sequence[int | str]) -> None:
        """Declare the tensor `value` an output of the model, called `name`."""
        self._taken.add(name)
        self._nodes.append(helper.make_node("Identity", [value], [name], name=self.name(f"as {name}")))
        self._outputs.append(helper.make_tensor_value_info(name, element_type(dtype), shape))

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one result, and return the result; an omitted input has an empty name."""
        return self.add_several(op, *inputs, results=1, domain=domain, **attributes)[0]

    def add_several(
        self, op: str, *inputs: str, results: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node and return its results; equal nodes are added once."""
        key = (op, inputs, results, domain, repr(attributes))
        if key in self._found:
            return self._found[key]
        name = self.name(f"{self._layer}/{op}" if self._layer else op)
        outputs = [name] if results == 1 else [self.name(f"{name}:{i}") for i in range(results)]
        self._nodes.append(helper.make_node(op, inputs, outputs, name=name, domain=domain, **attributes))
        self._found[key] = outputs
        return outputs

    def named(self, layer: str) -> AbstractContextManager[None]:
        """Name the nodes that are added in this context after a layer."""
        return changed(self, _layer=layer)

    def cast(self, x: str, dtype: Any, wanted: Any) -> str:
        """Convert tensor `x` from `dtype` to the dtype `wanted`."""
        return x if np.dtype(dtype) == np.dtype(wanted) else self.add("Cast", x, to=element_type(wanted))

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant of numbers or strings; equal constants share one tensor."""
        array = np.asarray(value, dtype)
        if array.dtype.kind in "OU":
            array = array.astype(object)
            key = ("text", array.shape, repr(array.tolist()).encode())
        else:
            key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self._constants[key] = self.name("constant")
            self._initializers.append(_tensor(array, name))
        return self._constants[key]

    def model(self, title: str, metadata: Mapping[str, Any]) -> onnx.ModelProto:
        """Build the model; entries of `metadata` that are not strings become JSON."""
        from lamina import __version__

        _forward_outputs(self._nodes)
        graph = helper.make_graph(self._nodes, title, self._inputs, self._outputs, self._initializers)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == ML for node in self._nodes):
            opsets.append(helper.make_opsetid(ML, _ML_OPSET))
        producer = {"producer_name": "lamina", "producer_version": __version__}
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR, **producer)
        texts = {
            name: x if isinstance(x, str) else json.dumps(x, ensure_ascii=False)
            for name, x in metadata.items()
        }
        helper.set_model_props(model, texts)
        return model


def joined(graph: OnnxGraph, parts: Sequence[str]) -> str:
    """Concatenate tensors along the last axis; a single tensor is returned unchanged."""
    return graph.add("Concat", *parts, axis=-1) if len(parts) > 1 else parts[0]


def _forward_outputs(nodes: list[onnx.NodeProto]) -> None:
    """Remove Identity nodes before outputs: the node that computes an output gets its name.

    An Identity node remains if other nodes read the same tensor.
    """
    producers = {node.output[0]: node for node in nodes}
    readers = Counter(name for node in nodes for name in node.input)
    for node in list(nodes):
        if node.op_type != "Identity" or node.input[0] not in producers or readers[node.input[0]] > 1:
            continue
        producers[node.input[0]].output[0] = node.output[0]
        nodes.remove(node)


def _tensor(array: np.ndarray, name: str) -> onnx.TensorProto:
    if array.dtype == object:
        texts: Any = [str(text).encode() for text in array.ravel()]
        return helper.make_tensor(name, TensorProto.STRING, array.shape, texts)
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def element_type(dtype: Any) -> int:
    """ONNX's number for an element type; `str` and `object` are strings."""
    dtype = np.dtype(dtype)
    return TensorProto.STRING if dtype.kind in "OU" else helper.np_dtype_to_tensor_dtype(dtype)


def write_model(model: onnx.ModelProto, path: str | os.PathLike[str]) -> None:
    """Write a model atomically.

    Raises:
        LaminaError: the model exceeds ONNX's file size limit, or is invalid ONNX (a bug in lamina).
        OSError: the file can't be written.
    """
    if model.ByteSize() > _LARGEST:
        raise LaminaError(
            f"{os.fspath(path)}: the network has {model.ByteSize() / 2**30:.1f} GiB, but an ONNX file "
            "can have at most 2 GiB"
        )
    onnx.checker.check_model(model, full_check=True)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())


# --- translation of a traced function --------------------------------------------------------------------------------

Emitter = Callable[["Emission", Node], str]
"""A function that emits a primitive's node and returns the tensor's name."""

Pattern = Callable[["Emission", Node], str | None]
"""A function that emits a node, together with some of its inputs, as one ONNX node; None if they don't match."""


@dataclass(frozen=True)
class Codes:
    """An integer input (rows, columns) of category codes.

    Attributes:
        counts: the number of codes (0, 1, …) of each column.
        order: the order of columns that lets `shifted` emit the fewest nodes.
        shifted: a function of column indices and offsets that adds an offset to each column's codes, and returns them
            as an int64 tensor (rows, columns).
    """

    counts: Sequence[int]
    order: Sequence[int]
    shifted: Callable[[Sequence[int], Sequence[int]], str]


class Emission:
    """Translation of a traced function to ONNX.

    Args:
        graph: receives the nodes.
        traced: the function's graph.
        inputs: tensors of the first input slots; empty for unused inputs.
        emitters: the emitters by primitive name.
        patterns: the patterns, tried in this order before the emitter of a node's primitive.
        codes: `Codes` by input slot, for inputs that are category codes.
    """

    def __init__(
        self,
        graph: OnnxGraph,
        traced: Traced,
        inputs: Sequence[str],
        emitters: Mapping[str, Emitter],
        patterns: Sequence[Pattern],
        codes: Mapping[int, Codes] | None = None,
    ) -> None:
        self.graph, self.traced, self.codes = graph, traced, codes or {}
        self.known, self.add, self.constant, self.cast = traced.known, graph.add, graph.constant, graph.cast
        self._inputs, self._emitters, self._patterns = list(inputs), emitters, patterns
        self._tensors: dict[Node, str] = {}
        self._rows: str | None = None
        self.readers = Counter(x for node in topological(traced.results) for x in set(node.inputs))

    def tensor(self, node: Node) -> str:
        """The tensor of a node, emitted on first use."""
        if node not in self._tensors:
            self._tensors[node] = self._emitted(node)
        return self._tensors[node]

    def _emitted(self, node: Node) -> str:
        known = self.known(node)
        if known is not None:
            return self.graph.constant(known)
        if isinstance(node.op, Input):
            return self._input(node.op.slot)
        with self.graph.named(self.traced.layers.get(node, "")):
            for pattern in self._patterns:
                found = pattern(self, node)
                if found is not None:
                    return found
            emitter = self._emitters.get(node.op.name)
            if emitter is None:
                raise LaminaError(
                    f"the operator {node.op.name!r}{self.traced.place(node)} cannot be exported, since ONNX lacks it; "
                    "compute this part outside of the network, or with other operators"
                )
            return emitter(self, node)

    def _input(self, slot: int) -> str:
        codes = self.codes.get(slot)
        if codes is None:
            return self._inputs[slot]
        return codes.shifted(range(len(codes.counts)), [0] * len(codes.counts))

    # --- methods for emitters ------------------------------------------------------------------------------------

    def is_shared(self, node: Node) -> bool:
        """Whether several nodes or the caller read the node, so that it can't be merged into another node."""
        return self.readers[node] > 1 or node in self.traced.results

    def params(self, node: Node) -> dict[str, Any]:
        """The parameters of a node; sizes that depend on the number of rows are `Rows`."""
        return self.traced.params.get(node, node.params)

    def shape(self, node: Node) -> tuple[Any, ...]:
        """The shape of a node; sizes that depend on the number of rows are `Rows`."""
        return self.traced.shapes.get(node, node.shape)

    def integers(self, *values: int) -> str:
        """Add a constant, a 1-D int64 tensor, of indices, axes or sizes."""
        return self.graph.constant(list(values), np.int64)

    def sizes(self, shape: Sequence[Any]) -> str:
        """Emit a shape as a 1-D int64 tensor; sizes may be `Rows`."""
        if not any(isinstance(size, Rows) for size in shape):
            return self.integers(*shape)
        parts = [self._many_rows(n.times) if isinstance(n, Rows) else self.integers(n) for n in shape]
        return self.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]

    def _many_rows(self, times: Fraction) -> str:
        if self._rows is None:
            shape = self.add("Shape", next(filter(None, self._inputs)))
            self._rows = self.add("Slice", shape, self.integers(0), self.integers(1))
        many = self._rows
        if times.numerator != 1:
            many = self.add("Mul", many, self.integers(times.numerator))
        return many if times.denominator == 1 else self.add("Div", many, self.integers(times.denominator))

    def reshaped(self, x: str, shape: Sequence[Any]) -> str:
        """Reshape a tensor; sizes may be `Rows`."""
        open_sizes = sum(isinstance(size, Rows) for size in shape)
        if open_sizes != 1 or 0 in shape:
            return self.add("Reshape", x, self.sizes(shape), allowzero=int(0 in shape))
        sizes = (-1 if isinstance(size, Rows) else size for size in shape)
        return self.add("Reshape", x, self.integers(*sizes))
