"""Conversion of a `Prediction` to an ONNX model, from named columns to labels and probabilities.

`EMITTERS` and `PATTERNS` emit the graph of `prediction_of`. This module adds the names of inputs and outputs, the
class labels, and the file's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from lamina import autograd, nd
from lamina.errors import LaminaError
from lamina.estimators.network import Ensemble, Network, embedded_numbers, mean_by_shares
from lamina.export._onnx_graph import ML, ROWS, Codes, Emission, OnnxGraph, joined
from lamina.export._onnx_patterns import PATTERNS
from lamina.export._onnx_primitives import EMITTERS
from lamina.export._prediction import Classes, Column, Networks, Prediction, Table
from lamina.export.traced import Rows, examples_of, prediction_of, traced
from lamina.gluon.block import Block
from lamina.gluon.call_checks import inputs_of
from lamina.nd.ndarray import NDArray
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
    predict = prediction_of(replace(prediction, network=_in_lockstep(prediction.network)), np.float32)
    found = traced(predict, own.rows)
    emission = Emission(graph, found, own.tensors, EMITTERS, PATTERNS, codes=own.codes)
    first, *others = map(emission.tensor, emission.traced.results)
    outputs_named = {name: _OTHERWISE[name] if name in names else name for name in _OTHERWISE}
    if isinstance(prediction.output, Classes):
        _classes(graph, first, others[0], prediction.output, outputs_named)
    else:  # in the target's units: (rows, targets) or (rows, levels)
        shape = [ROWS, len(prediction.output.scale)]
        graph.output(first, outputs_named[VARIABLE], np.float64, shape)
    return graph.model(prediction.target or "prediction", _metadata(prediction))


# --- networks ----------------------------------------------------------------------------------------------------

_SINGLE = nd.relu, nd.selu, nd.elu, nd.tanh, nd.sigmoid
"""Activations that are a single ONNX node, which saves less for several networks than two nodes around it cost."""


_LEAST = 1e-15
"""The least learned factor of an activation: dividing a float32 number by it does not overflow."""


def _in_lockstep(network: Networks) -> Any:
    """An `Ensemble` as a function that computes networks of one architecture together; others unchanged.

    Numbers are embedded by the same nodes for all networks; so are activations of several nodes. Products are faster
    one by one, since ONNX Runtime prepacks constant matrices, but not stacks of them.
    """
    if not isinstance(network, Ensemble):
        return network
    alphas = [w.array.asnumpy() for name, w in network.weights.items() if ".alpha" in name]
    if any(np.any(np.abs(row) < _LEAST) for row in alphas):
        return network
    alike: dict[Any, list[int]] = {}
    for i, one in enumerate(network.members):
        alike.setdefault(replace(one.architecture, dropout=0.0), []).append(i)

    def outputs(numeric: NDArray, codes: NDArray | None = None) -> NDArray:
        found: dict[int, NDArray] = {}
        for group in alike.values():
            own = _group_outputs([network.members[i] for i in group], numeric, codes)
            found |= zip(group, own, strict=True)
        return mean_by_shares([found[i] for i in range(len(found))], network.shares)

    return outputs


def _split(x: NDArray, count: int) -> list[NDArray]:
    return [x] if count == 1 else [*nd.split(x, count, axis=1)]


def _group_outputs(members: Sequence[Network], numeric: NDArray, codes: NDArray | None) -> list[NDArray]:
    """The outputs of networks of one architecture."""
    parts, count = members[0].architecture, len(members)
    embedded: Sequence[NDArray | None] = [None] * count
    if parts.embeds_numbers:
        embedded = _split(embedded_numbers(members, numeric), count)
    xs = [one.embed(numeric, codes, embedded=own) for one, own in zip(members, embedded, strict=True)]
    for i, function in enumerate(parts.activations()):
        zs = [one.linear(i, x) for one, x in zip(members, xs, strict=True)]
        if parts.learned_activation:
            # z + a · (f − z) as (f + z · (1/a − 1)) · a, whose factor a the next product contains
            rows, z = [one[f"alpha{i}"] for one in members], nd.concat(*zs, dim=1)
            blended = _split(function(z) + z * nd.concat(*(1 / row - 1 for row in rows), dim=0), count)
            xs = [x * row for x, row in zip(blended, rows, strict=True)]
        elif function in _SINGLE:
            xs = [*map(function, zs)]
        else:
            xs = _split(function(nd.concat(*zs, dim=1)), count)
    return [one.output(x, numeric, codes) for one, x in zip(members, xs, strict=True)]


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
