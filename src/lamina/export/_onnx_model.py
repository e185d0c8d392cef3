"""`onnx_model`: a complete prediction as an ONNX model, from named columns to labels and probabilities.

`EMITTERS` and `PATTERNS` emit the graph of `prediction_of`. This module adds the names of inputs and outputs, the
class labels, and the file's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from lamina.export._onnx_emission import Emission
from lamina.export._onnx_graph import ROWS, OnnxGraph
from lamina.export._onnx_inputs import TableInputs, missing_text, pixels
from lamina.export._onnx_patterns import PATTERNS
from lamina.export._onnx_primitives import EMITTERS
from lamina.export._onnx_siblings import side_by_side
from lamina.export._prediction import Classes, Column, Numbers, Pictures, Prediction, Table
from lamina.export._trace import traced
from lamina.export.traced import prediction_of

LABEL, PROBABILITIES, VARIABLE = "label", "probabilities", "variable"
"""Output names of classifiers and regressors, as in skl2onnx."""

_OTHERWISE = {LABEL: "output_label", PROBABILITIES: "output_probability", VARIABLE: "output_variable"}
"""Output names to use if a column of the table has one of the usual names."""


def onnx_model(prediction: Prediction) -> onnx.ModelProto:
    """A prediction as an ONNX model."""
    inputs = prediction.inputs
    names = [column.name for column in inputs.columns] if isinstance(inputs, Table) else []
    graph = OnnxGraph(names)
    # Probabilities are computed in float32, the type of the file's output.
    function = prediction_of(prediction, np.float32)
    if isinstance(inputs, Pictures):
        found = traced(function, [((inputs.height * inputs.width,), np.uint8)])
        emission = Emission(graph, side_by_side(found), [pixels(graph, inputs)], EMITTERS, PATTERNS)
    else:
        own = TableInputs(graph, inputs)
        rows = [((len(inputs.numbers),), own.dtype), ((len(own.categories),), np.int64)]
        found = side_by_side(traced(function, rows))
        emission = Emission(graph, found, [own.numbers()], EMITTERS, PATTERNS, codes={1: own.codes})
    first, *others = map(emission.tensor, emission.traced.results)
    outputs_named = {name: _OTHERWISE[name] if name in names else name for name in _OTHERWISE}
    if isinstance(prediction.output, Classes):
        _classes(graph, first, others[0], prediction.output, outputs_named)
    else:
        _numbers(graph, first, prediction.output, outputs_named)
    return graph.model(prediction.target or "prediction", _metadata(prediction))


# --- outputs -----------------------------------------------------------------------------------------------------


def _classes(
    graph: OnnxGraph, probabilities: str, decided: str, classes: Classes, names: Mapping[str, str]
) -> None:
    """Add the outputs of a classifier: labels (for multilabel targets 0 or 1 for each label) and probabilities."""
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
    """The classes as an ONNX array: strings, or int64 (also for booleans), the only numbers scikit-learn allows."""
    if any(isinstance(label, str) for label in classes.labels):
        return np.array([str(label) for label in classes.labels], object)
    return np.array(classes.labels).astype(np.int64)


def _numbers(graph: OnnxGraph, variable: str, target: Numbers, names: Mapping[str, str]) -> None:
    """Add the output of a regressor: the target in its own units, float64 (rows, targets) or (rows, levels)."""
    graph.output(variable, names[VARIABLE], np.float64, [ROWS, len(target.scale)])


# --- metadata ----------------------------------------------------------------------------------------------------


def _metadata(prediction: Prediction) -> dict[str, Any]:
    """The file's metadata: strings, and JSON."""
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
    if not column.is_number:
        found = {
            "name": column.name,
            "kind": "boolean" if column.is_boolean else "category",
            "values": column.schema.categories,
        }
        if column.is_text and missing_text(column):
            found["missing"] = missing_text(column)
        return found
    return {"name": column.name, "kind": "number", "low": column.schema.low, "high": column.schema.high}
