"""Conversion of a `Prediction` to an ONNX model, from named columns to labels and probabilities.

`EMITTERS` and `PATTERNS` emit the graph of `prediction_of`. This module adds the names of inputs and outputs, the
class labels, and the file's metadata.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from lamina import autograd
from lamina.compiler.passes.graph import Constant, Input, Node, topological
from lamina.core.lowering import Elementwise
from lamina.core.primitive import Primitive
from lamina.errors import LaminaError
from lamina.export._onnx_graph import ML, ROWS, Codes, Emission, OnnxGraph, joined
from lamina.export._onnx_patterns import PATTERNS
from lamina.export._onnx_primitives import EMITTERS
from lamina.export._prediction import Classes, Column, Prediction, Table
from lamina.export.traced import Rows, Size, Traced, examples_of, prediction_of, traced
from lamina.gluon.block import Block
from lamina.gluon.call_checks import inputs_of
from lamina.nd.ndarray import NDArray
from lamina.primitives.indexing import take
from lamina.table.types.pixel import pixel_names

LABEL, PROBABILITIES, VARIABLE = "label", "probabilities", "variable"
"""Output names of classifiers and regressors, as in skl2onnx."""

_OTHERWISE = {LABEL: "output_label", PROBABILITIES: "output_probability", VARIABLE: "output_variable"}
"""Output names to use if a column of the table has one of the usual names."""


def onnx_model(prediction: Prediction) -> onnx.ModelProto:
    """Convert a prediction to an ONNX model."""
    inputs = prediction.inputs
    names = [column.name for column in inputs.columns]
    graph = OnnxGraph(names)
    own = WholeInputs(graph, inputs) if inputs.form.whole else TableInputs(graph, inputs)
    # Probabilities are computed in float32, the type of the file's output.
    found = side_by_side(traced(prediction_of(prediction, np.float32), own.rows))
    emission = Emission(graph, found, own.tensors, EMITTERS, PATTERNS, codes=own.codes)
    first, *others = map(emission.tensor, emission.traced.results)
    outputs_named = {name: _OTHERWISE[name] if name in names else name for name in _OTHERWISE}
    if isinstance(prediction.output, Classes):
        _classes(graph, first, others[0], prediction.output, outputs_named)
    else:  # in the target's units: (rows, targets) or (rows, levels)
        shape = [ROWS, len(prediction.output.scale)]
        graph.output(first, outputs_named[VARIABLE], np.float64, shape)
    return graph.model(prediction.target or "prediction", _metadata(prediction))


# --- outputs -----------------------------------------------------------------------------------------------------


def _classes(
    graph: OnnxGraph, probabilities: str, decided: str, classes: Classes, names: Mapping[str, str]
) -> None:
    """Add the outputs of a classifier: labels and probabilities.

    For multilabel targets, the labels are (rows, labels), 0 or 1.
    """
    count = len(classes.labels)
    if classes.multilabel:
        graph.output(decided, names[LABEL], np.int64, [ROWS, count])
    else:
        labels = _label_array(classes)
        if labels.tolist() != list(range(count)):
            decided = graph.add("Gather", graph.constant(labels), decided, axis=0)
        graph.output(decided, names[LABEL], labels.dtype, [ROWS])
    graph.output(probabilities, names[PROBABILITIES], np.float32, [ROWS, count])


def _label_array(classes: Classes) -> np.ndarray:
    """The classes as an array of strings, or of int64 for integers and booleans."""
    if any(isinstance(label, str) for label in classes.labels):
        return np.array([str(label) for label in classes.labels], object)
    return np.array(classes.labels).astype(np.int64)


# --- metadata ----------------------------------------------------------------------------------------------------


def _metadata(prediction: Prediction) -> dict[str, Any]:
    """The file's metadata by name: strings, and other values for JSON."""
    output = prediction.output
    is_classification = isinstance(output, Classes)
    task = "classification" if is_classification else "regression"
    found: dict[str, Any] = {"lamina_version": prediction.version, "task": task, "target": prediction.target}
    if prediction.inputs.columns:
        found["columns"] = [_described(column) for column in prediction.inputs.columns]
    if is_classification:
        found["classes"] = output.labels
        if output.threshold is not None:
            found["threshold"] = {"class": output.labels[output.positive], "probability": output.threshold}
    elif output.levels:
        found["quantiles"] = output.levels
    if prediction.metrics:
        found["metrics"] = dict(prediction.metrics)
    return found


def _described(column: Column) -> dict[str, Any]:
    if not column.is_number:
        kind = "boolean" if column.is_boolean else "category"
        found = {"name": column.name, "kind": kind, "values": column.schema.categories}
        if column.is_text and missing_text(column):
            found["missing"] = missing_text(column)
        return found
    return {"name": column.name, "kind": "number", "low": column.schema.low, "high": column.schema.high}


# ---------------------------------------------------------------------------------------------------------------------
# Inputs of an ONNX model: named columns, converted to the arrays of numbers and codes that lamina's graphs take.
#
# Strings and numbers of categories become codes, and missing values NaN or 0.


MATRIX = "X"
"""The input's name for a table without column names, as in skl2onnx."""


class WholeInputs:
    """The model's input for rows that are arrays: one tensor (rows, size); see `TableInputs` for the attributes."""

    def __init__(self, graph: OnnxGraph, inputs: Table) -> None:
        self.rows = [((length,), dtype) for length, dtype in inputs.rows]
        self.tensors = [graph.input(MATRIX, dtype, [ROWS, length]) for length, dtype in inputs.rows]
        self.codes: dict[int, Codes] = {}


class TableInputs:
    """The model's inputs: a tensor (rows, 1) per column, or one tensor (rows, columns) if columns have no names.

    Attributes:
        rows: the shape, without rows, and the dtype of each argument of the prediction. Numbers are float32 if all
            columns fit float32, as in lamina; else float64.
        tensors: the tensor of numbers, (rows, numbers), with NaN for missing values; "" if there are none.
        codes: the codes of categorical columns, by the argument's position.
        categories: these columns.
    """

    def __init__(self, graph: OnnxGraph, table: Table) -> None:
        self._graph, self._table = graph, table
        self.categories = table.categories
        of_numbers = all(column.values is not None for column in self.categories)
        names = pixel_names(table.width)
        are_pixels = all(column.name == names[column.position] for column in table.columns)
        self._is_matrix = of_numbers and (are_pixels or not table.named) and not table.composites
        if self._is_matrix:
            bytes_only = all(column.schema.dtype == np.uint8 for column in table.columns)
            self._dtypes = dict.fromkeys(table.columns, np.uint8 if bytes_only else _dtype(table.columns[0]))
            graph.input(MATRIX, self._dtypes[table.columns[0]], [ROWS, table.width])
        else:
            self._dtypes = {column: _dtype(column) for column in table.columns}
            for column in table.columns:
                graph.input(column.name, _dtype(column), [ROWS, 1])
        self.rows = [((len(table.numbers),), self._work(table.numbers)), ((len(self.categories),), np.int64)]
        self.tensors = [self._several(table.numbers) if table.numbers else ""]
        counts = [len(column.schema.categories) + 1 for column in self.categories]
        order = sorted(range(len(counts)), key=lambda i: self.categories[i].values is not None)
        self.codes = {1: Codes(counts, order, self._shifted_codes)}

    def _shifted_codes(self, columns: Sequence[int], begins: Sequence[int]) -> str:
        """Concatenate the codes of some categorical columns, after adding a column's offset in `begins`."""
        begin_of = {self.categories[i]: begin for i, begin in zip(columns, begins, strict=True)}
        texts = [column for column in begin_of if column.values is None]
        valued = [column for column in begin_of if column.values is not None]
        parts = [_codes_of_text(self._graph, column, begin_of[column]) for column in texts]
        if valued:
            x, dtype = self._several(valued), self._work(valued)
            parts.append(_codes_of_values(self._graph, x, dtype, valued, [begin_of[c] for c in valued]))
        codes, order = joined(self._graph, parts), [*texts, *valued]
        if order == [*begin_of]:
            return codes
        places = [order.index(column) for column in begin_of]
        return self._graph.add("Gather", codes, self._graph.constant(places, np.int64), axis=1)

    def _work(self, columns: Sequence[Column]) -> Any:
        return np.float64 if np.float64 in [self._dtypes[column] for column in columns] else np.float32

    def _several(self, columns: Sequence[Column]) -> str:
        """Concatenate the values of some columns to (rows, columns), in a common dtype."""
        work = self._work(columns)
        if not self._is_matrix:
            return joined(self._graph, [self._graph.cast(c.name, self._dtypes[c], work) for c in columns])
        positions, matrix = [column.position for column in columns], MATRIX
        if positions != list(range(self._table.width)):
            matrix = self._graph.add("Gather", matrix, self._graph.constant(positions, np.int64), axis=1)
        return self._graph.cast(matrix, self._dtypes[columns[0]], work)


def _dtype(column: Column) -> Any:
    """The element type of a column's input: string, or a float, which represents missing values by NaN."""
    if column.is_text:
        return object
    dtype = column.schema.dtype
    return np.float32 if dtype is not None and dtype.kind == "f" and dtype.itemsize < 8 else np.float64


def missing_text(column: Column) -> str:
    """The string for a missing value in a column of strings: "", or a string unknown to training."""
    text = ""
    while text in column.spellings:
        text = f"<{text or 'missing'}>"
    return text


def _codes_of_text(graph: OnnxGraph, column: Column, begin: int) -> str:
    texts = list(column.spellings)
    codes = [begin + column.spellings[text] for text in texts]
    return graph.add(
        "LabelEncoder", column.name, domain=ML, keys_strings=texts, values_int64s=codes, default_int64=begin
    )


def _codes_of_values(
    graph: OnnxGraph, x: str, dtype: Any, columns: Sequence[Column], begins: Sequence[int]
) -> str:
    """The codes (rows, columns) of numbers, found by comparison with all known values of their columns."""
    most = max(len(column.schema.categories) for column in columns)
    keys = np.full((len(columns), most), np.nan)  # NaN pads the keys, since it equals no number
    for row, column in zip(keys, columns, strict=True):
        values = column.values or ()
        row[: len(values)] = values
    column = graph.add("Unsqueeze", x, graph.constant([2], np.int64))
    found = graph.add("Equal", column, graph.constant(keys, dtype))
    found = graph.cast(found, np.bool_, np.float32)
    code = graph.add("MatMul", found, graph.constant(np.arange(1, most + 1), np.float32))
    if any(begins):
        code = graph.add("Add", code, graph.constant(begins, np.float32))
    return graph.cast(code, np.float32, np.int64)


# --- A graph pass that merges equal nodes, and stacks computations of the same form along a new first axis -----------
#
# The numeric embeddings of several networks apply the same operators to the same inputs, with different constants;
# stacked, they need one node instead of one per network. Only nodes with three axes are stacked: matrix products are
# faster separately, since ONNX Runtime prepacks constant matrices, but not stacks of matrices.


def side_by_side(traced: Traced) -> Traced:
    """Stack siblings in a graph, i.e. nodes that differ only in constants, into single nodes."""
    return _Joining(traced).joined()


class _Joining:
    def __init__(self, traced: Traced) -> None:
        self._old = traced
        self._out = replace(
            traced, contents={**traced.contents}, shapes={**traced.shapes}, params={**traced.params}
        )
        self._numbers: dict[Hashable, int] = {}
        self._value: dict[Node, int] = {}
        self._form: dict[Node, int] = {}
        self._siblings: dict[int, list[Node]] = {}
        self._together: dict[int, Node | None] = {}
        self._new: dict[int, Node] = {}  # new nodes by the key of their value

    def joined(self) -> Traced:
        nodes = topological(self._old.results)
        for node in nodes:
            self._value[node] = self._number(self._computed(node))
            self._form[node] = self._number(self._formed(node))
            self._siblings.setdefault(self._form[node], []).append(node)
        for node in nodes:
            if self._value[node] not in self._new:
                self._new[self._value[node]] = self._rewritten(node)
        self._out.results = [self._new[self._value[node]] for node in self._old.results]
        return self._out

    # --- keys of equal and of similar nodes ----------------------------------------------------------------------

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _computed(self, node: Node) -> Hashable:
        """A key that is equal for nodes that compute the same value."""
        known = self._old.known(node)
        if known is not None:
            return node.dtype, known.shape, known.tobytes()
        return node.op, self._fixed(node), tuple(self._value[x] for x in node.inputs)

    def _formed(self, node: Node) -> Hashable:
        """A key that is equal for nodes that can be stacked."""
        if self._old.known(node) is not None:
            return node.dtype, node.shape
        if not _can_join(node):
            return self._value[node]
        return "form", node.op, self._fixed(node), tuple(self._form[x] for x in node.inputs)

    def _fixed(self, node: Node) -> Hashable:
        return tuple(sorted(self._params(node).items()))

    def _params(self, node: Node) -> dict[str, Any]:
        return self._old.params.get(node, node.params)

    # --- the new graph -------------------------------------------------------------------------------------------

    def _rewritten(self, node: Node) -> Node:
        """Rewrite a node of the old graph as a copy, or as an entry of a stacked node."""
        if self._old.known(node) is not None:
            return node
        shape, params, form = self._old.shapes.get(node, node.shape), self._params(node), self._form[node]
        together = self._join(form) if _can_join(node) else None
        if together is None:
            inputs = [self._new[self._value[x]] for x in node.inputs]
            return self._noted(node.with_inputs(inputs), shape, params)
        place = Node(Constant(self._siblings[form].index(node)), (), {}, (), np.dtype(np.int64))
        params = {"axis": 0, "mode": "clip"}
        return self._noted(Node(take, (together, place), params, node.shape, node.dtype), shape, params)

    def _noted(self, new: Node, shape: tuple[Size, ...], params: dict[str, Any]) -> Node:
        self._out.shapes[new], self._out.params[new] = shape, params
        return new

    def _join(self, form: int) -> Node | None:
        """Stack all nodes of a form into one node; None if they are equal or can't be stacked."""
        if form not in self._together:
            siblings = self._siblings[form]
            differ = len({self._value[node] for node in siblings}) > 1
            self._together[form] = self._joined_siblings(siblings) if differ else None
        return self._together[form]

    def _joined_siblings(self, siblings: Sequence[Node]) -> Node | None:
        first, count, inputs = siblings[0], len(siblings), list[Node]()
        for column in zip(*(node.inputs for node in siblings), strict=True):
            joined = self._joined_input(len(first.shape), column)
            if joined is None:
                return None
            inputs.append(joined)
        params = {**self._params(first)}
        if first.is_op("transpose"):
            params["axes"] = (0, *(axis + 1 for axis in params["axes"]))
        elif first.is_op(*_RESHAPES):
            params["shape"] = (count, *params["shape"])
        shape = count, *self._old.shapes.get(first, first.shape)
        return self._noted(Node(first.op, inputs, params, (count, *first.shape), first.dtype), shape, params)

    def _joined_input(self, axes: int, column: Sequence[Node]) -> Node | None:
        """Combine an input of all siblings into a shared node, a stack of constants, or stacked siblings."""
        if len({self._value[x] for x in column}) == 1:
            return self._new[self._value[column[0]]]
        values = [self._old.known(x) for x in column]
        if all(value is not None for value in values):
            return self._constant(np.stack([_with_axes(value, axes) for value in values]))
        form = self._form[column[0]]
        return self._join(form) if self._siblings[form] == list(column) else None

    def _constant(self, value: np.ndarray) -> Node:
        slots = [node.op.slot for node in self._value if isinstance(node.op, Input)]
        slot = 1 + max(*slots, *self._out.contents)
        self._out.contents[slot] = value
        return Node(Input(slot), (), {}, value.shape, value.dtype)


_RESHAPES = ("reshape", "reshape_copy")


def _can_join(node: Node) -> bool:
    """Whether ONNX can stack a node.

    The node's result, or for a reshape its input, must have at least three axes.
    """
    if not isinstance(node.op, Primitive):
        return False
    axes = len((node.inputs[0] if node.is_op(*_RESHAPES) else node).shape)
    is_stackable = isinstance(node.lowering, Elementwise) or node.is_op("matmul", "transpose", *_RESHAPES)
    return axes >= 3 and is_stackable


def _with_axes(value: Any, axes: int) -> np.ndarray:
    return np.reshape(value, (*[1] * (axes - np.ndim(value)), *np.shape(value)))


# --- Gluon blocks with any `forward` ---------------------------------------------------------------------------------

OUTPUT = "output"


def block_model(block: Block, inputs: Any = None) -> onnx.ModelProto:
    """Convert a block in prediction mode to an ONNX model, for any number of rows.

    Args:
        block: an initialized block; parameters of unknown shape are inferred from `inputs`.
        inputs: an example input, or a list of several, with rows along the first axis. The model's inputs have the
            dtypes and sizes of the example, except for the number of rows. None: a matrix for the first `Dense` layer.

    Raises:
        LaminaError: an operator has no ONNX form (the message names the operator and its layer); or as for `traced`.
    """
    from lamina import __version__

    examples = _examples(block, inputs)
    types = [(array.shape[1:], array.dtype) for array in examples]
    found = traced(block, types, block.name)
    names = _names(block, len(types))
    graph = OnnxGraph(names)
    typed = zip(names, types, strict=True)
    tensors = [graph.input(name, dtype, [ROWS, *shape]) for name, (shape, dtype) in typed]
    emission = Emission(graph, found, tensors, EMITTERS, PATTERNS)
    results = found.results
    for i, node in enumerate(results):
        name = graph.name(OUTPUT if len(results) == 1 else f"{OUTPUT}{i}")
        sizes = [_size(size) for size in found.shapes[node]]
        graph.output(emission.tensor(node), name, node.dtype, sizes)
    metadata = {"lamina_version": __version__, "network": repr(block)}
    return graph.model(block.name or type(block).__name__, metadata)


def _size(size: Any) -> int | str:
    """The ONNX form of a size: a number, or the name of a variable dimension."""
    if not isinstance(size, Rows):
        return size
    return ROWS if size.times == 1 else f"{size.times} {ROWS}"


def _examples(block: Block, inputs: Any) -> list[NDArray]:
    examples = examples_of(block, inputs, "export_onnx")
    for i, array in enumerate(examples):
        if not array.shape:
            raise LaminaError(
                f"input {i} of {block.name} has no axes, but its first axis must be rows; reshape it to (1,)"
            )
    with autograd.pause(train_mode=False):
        block(*examples)  # determines all sizes
    return examples


def _names(block: Block, count: int) -> list[str]:
    """The argument names of the block's `forward`, for the first `count` inputs."""
    names = [one.name for one in inputs_of(block)]
    return names[:count] if len(names) >= count else [f"input{i}" for i in range(count)]
