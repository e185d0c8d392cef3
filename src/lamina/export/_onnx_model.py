"""`onnx_model`: a whole prediction as an ONNX model, from columns under their names to labels and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from lamina.export._onnx_graph import ROWS, OnnxGraph, element_type, joined
from lamina.export._onnx_inputs import Encoded, encoded_pictures, encoded_table, missing_text
from lamina.export._onnx_layers import dense, embedded_numbers, first_matrix, folded, hidden, split
from lamina.export._prediction import Category, Classes, Column, Member, Numbers, Pictures, Prediction, Table

__all__ = ["onnx_model"]

LABEL, PROBABILITIES, VARIABLE = "label", "probabilities", "variable"
"""What skl2onnx calls the outputs of a classifier and of a regressor."""

_OTHERWISE = {LABEL: "output_label", PROBABILITIES: "output_probability", VARIABLE: "output_variable"}
"""Where a column of the table has such a name."""

FLOAT = np.float32


def onnx_model(prediction: Prediction) -> onnx.ModelProto:
    """A prediction as an ONNX model."""
    inputs = prediction.inputs
    names = [column.name for column in inputs.columns] if isinstance(inputs, Table) else []
    graph = OnnxGraph(names)
    if isinstance(inputs, Pictures):
        pixels = [_pixels(graph, inputs)]
        outputs = _network(graph, prediction.members, lambda _: pixels)
    else:
        encoded = encoded_table(graph, inputs)
        outputs = _network(graph, prediction.members, lambda alike: _of_table(graph, encoded, inputs, alike))
    outputs_named = {name: _OTHERWISE[name] if name in names else name for name in _OTHERWISE}
    if isinstance(prediction.output, Classes):
        _classes(graph, outputs, prediction.output, outputs_named)
    else:
        _numbers(graph, outputs, prediction.output, outputs_named)
    return graph.model(prediction.target or "prediction", _metadata(prediction))


# --- the network -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """Inputs of the first layer, (rows, n).

    Attributes:
        tensors: one for all members that are alike, or one for each.
        places: (n,): which inputs they are; −1: none, as where rows of a table are filled up to one width.
        factor: what they are multiplied with first.
    """

    tensors: Sequence[str]
    places: np.ndarray
    factor: float = 1.0

    def of(self, member: int) -> str:
        """The tensor of a member."""
        return self.tensors[member] if len(self.tensors) > 1 else self.tensors[0]

    def matrix(self, whole: np.ndarray) -> np.ndarray:
        """The rows of the first layer's matrix that belong to it."""
        with_none = np.concatenate([whole, np.zeros_like(whole[:1])])
        return with_none[self.places] * FLOAT(self.factor)


def _pixels(graph: OnnxGraph, pictures: Pictures) -> _Part:
    places = np.arange(pictures.height * pictures.width)
    return _Part([encoded_pictures(graph, pictures)], places, 1 / pictures.divisor)


def _of_table(graph: OnnxGraph, encoded: Encoded, table: Table, members: Sequence[Member]) -> list[_Part]:
    """What the first layers of members that are alike get of a table."""
    parts: list[_Part] = []
    count, flags = len(table.numbers), len(table.flagged)
    if encoded.numbers is not None:
        parts.append(_Part([encoded.numbers], np.arange(count)))
    if encoded.flags is not None:
        parts.append(_Part([encoded.flags], np.arange(count, count + flags)))
    width = count + flags + sum(_width(column) for column in table.encoded)
    embeddings = [member.embedding for member in members if member.embedding is not None]
    if embeddings and encoded.numbers is not None:
        tensors = embedded_numbers(graph, encoded.numbers, embeddings)
        parts.append(_Part(tensors, np.arange(width, width + 3 * count)))
    if encoded.codes is not None:
        first = width + (3 * count if embeddings else 0)
        parts.append(_categories(graph, encoded, table, members, count + flags, first))
    return parts


def _width(column: Category) -> int:
    return 0 if column.encoded is None else column.encoded.shape[1]


def _categories(
    graph: OnnxGraph,
    encoded: Encoded,
    table: Table,
    members: Sequence[Member],
    first: int,
    first_embedded: int,
) -> _Part:
    """What the codes stand for: rows of one table with all categories' values, filled up to the same width."""
    assert encoded.codes is not None
    widths = [_width(column) for column in table.encoded] + [rows.shape[1] for rows in members[0].tables]
    width = max(widths)
    begins = dict(
        zip(table.encoded, (first + np.cumsum([0, *map(_width, table.encoded)])).tolist(), strict=False)
    )
    sizes = [rows.shape[1] for rows in members[0].tables]
    begins |= dict(zip(table.embedded, (first_embedded + np.cumsum([0, *sizes])).tolist(), strict=False))
    places = np.full((len(encoded.categories), width), -1)
    for row, column in zip(places, encoded.categories, strict=True):
        own = _width(column) or sizes[table.embedded.index(column)]
        row[:own] = begins[column] + np.arange(own)

    def rows_of(member: Member) -> np.ndarray:
        parts = [
            member.tables[table.embedded.index(column)] if column.encoded is None else column.encoded
            for column in encoded.categories
        ]
        return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts])

    def values_of(member: Member) -> str:
        values = graph.add("Gather", graph.constant(rows_of(member)), codes, axis=0)
        return graph.add("Reshape", values, graph.constant([0, places.size], np.int64))

    codes = encoded.codes
    return _Part(
        [values_of(member) for member in (members if table.embedded else members[:1])], places.ravel()
    )


def _network(
    graph: OnnxGraph, members: Sequence[Member], inputs_of: Callable[[Sequence[Member]], Sequence[_Part]]
) -> str:
    """The mean of the members' outputs: one linear map of all that their hidden layers have computed."""
    hidden_units: list[str] = []
    matrices: list[np.ndarray] = []
    for group in _alike(members):
        units, own = _hidden_units(graph, group, inputs_of(group))
        hidden_units.append(units)
        matrices += [matrix * FLOAT(member.share) for member, matrix in zip(group, own, strict=True)]
    bias = sum(member.share * member.layers[-1].bias.astype(np.float64) for member in members)
    return dense(graph, joined(graph, hidden_units), np.concatenate(matrices), np.asarray(bias, FLOAT))


def _alike(members: Sequence[Member]) -> list[list[Member]]:
    """Members by their form: those of one form are computed beside each other."""
    groups: dict[Any, list[Member]] = {}
    for member in members:
        groups.setdefault(_form(member), []).append(member)
    return list(groups.values())


def _form(member: Member) -> tuple[Any, ...]:
    """What members that are computed beside each other have in common."""
    knots = None if member.embedding is None else member.embedding.knots
    layers = [
        (
            layer.weight.shape,
            layer.activation,
            layer.blend is None,
            layer.normalization is None or (layer.normalization.mean is None, layer.normalization.epsilon),
        )
        for layer in member.layers
    ]
    pieces = None if knots is None else knots.shape
    return member.embedding is None, pieces, tuple(table.shape for table in member.tables), tuple(layers)


def _hidden_units(
    graph: OnnxGraph, members: Sequence[Member], parts: Sequence[_Part]
) -> tuple[str, list[np.ndarray]]:
    """The last hidden layers of members that are alike, (rows, members · units), and the matrices that follow."""
    xs = [joined(graph, [part.of(i) for part in parts]) for i in range(len(members))]
    matrices = [
        np.concatenate([part.matrix(whole) for part in parts]) for whole in map(first_matrix, members)
    ]
    h = joined(graph, xs) if len(members[0].layers) == 1 else ""
    for i in range(len(members[0].layers) - 1):
        layers = [member.layers[i] for member in members]
        if i:
            xs = split(graph, h, len(members), len(layers[0].weight))
        zs = [
            dense(graph, x, *folded(layer, matrix))
            for x, layer, matrix in zip(xs, layers, matrices, strict=True)
        ]
        h = hidden(graph, zs, layers)
        matrices = [member.layers[i + 1].matrix for member in members]
    return h, matrices


# --- outputs -----------------------------------------------------------------------------------------------------


def _classes(graph: OnnxGraph, outputs: str, classes: Classes, names: Mapping[str, str]) -> None:
    """The label of each row and the probabilities of all classes; of several labels, 0 or 1 for each."""
    count = len(classes.labels)
    if classes.several:
        holds = graph.add("Greater", outputs, graph.constant(0, FLOAT))
        label = graph.add("Cast", holds, to=element_type(np.int64))
        graph.output(label, names[LABEL], np.int64, [ROWS, count])
        probabilities = graph.add("Sigmoid", outputs)
    else:
        labels = _label_array(classes)
        probabilities = graph.add("Softmax", outputs, axis=1)
        label = _decided(graph, outputs, probabilities, classes)
        if labels.tolist() != list(range(count)):
            label = graph.add("Gather", graph.constant(labels), label, axis=0)
        graph.output(label, names[LABEL], labels.dtype, [ROWS])
    graph.output(probabilities, names[PROBABILITIES], FLOAT, [ROWS, count])


def _decided(graph: OnnxGraph, outputs: str, probabilities: str, classes: Classes) -> str:
    """The position of the class of each row: the likeliest, or by the threshold."""
    if classes.threshold is None:
        return graph.add("ArgMax", outputs, axis=1, keepdims=0)
    own = graph.add("Gather", probabilities, graph.constant(classes.positive, np.int64), axis=1)
    reaches = graph.add("GreaterOrEqual", own, graph.constant(classes.threshold, FLOAT))
    positions = (graph.constant(position, np.int64) for position in (classes.positive, 1 - classes.positive))
    return graph.add("Where", reaches, *positions)


def _label_array(classes: Classes) -> np.ndarray:
    """The classes as ONNX has them: texts, or int64, also of truth values; scikit-learn allows no other numbers."""
    if any(isinstance(label, str) for label in classes.labels):
        return np.array([str(label) for label in classes.labels], object)
    return np.array(classes.labels).astype(np.int64)


def _numbers(graph: OnnxGraph, outputs: str, target: Numbers, names: Mapping[str, str]) -> None:
    """The target in its own units, float64, (rows, targets); of quantiles, (rows, levels)."""
    double = np.float64
    x = graph.add("Cast", outputs, to=element_type(double))
    if target.levels:
        count = graph.constant([len(target.levels)], np.int64)
        x = graph.add_several("TopK", x, count, results=2, axis=1, largest=0, sorted=1)[0]
    if target.logarithmic:
        x = graph.add("Exp", x)
    x = graph.add("Mul", x, graph.constant(target.scale, double))
    x = graph.add("Add", x, graph.constant(target.center, double))
    x = graph.add("Max", x, graph.constant(target.low, double))
    x = graph.add("Min", x, graph.constant(target.high, double))
    graph.output(x, names[VARIABLE], double, [ROWS, len(target.scale)])


# --- what is known of it -----------------------------------------------------------------------------------------


def _metadata(prediction: Prediction) -> dict[str, Any]:
    """What the file says besides the graph: texts, and JSON."""
    output = prediction.output
    is_classification = isinstance(output, Classes)
    found: dict[str, Any] = {
        "lamina_version": prediction.version,
        "task": "classification" if is_classification else "regression",
        "target": prediction.target,
    }
    if isinstance(prediction.inputs, Table):
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
    if isinstance(column, Category):
        found = {
            "name": column.name,
            "kind": "boolean" if column.is_boolean else "category",
            "values": column.names,
        }
        if column.values is None and missing_text(column):
            found["missing"] = missing_text(column)
        return found
    return {"name": column.name, "kind": "number", "low": column.low, "high": column.high}
