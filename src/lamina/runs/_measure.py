"""Measures a trained network against baselines, and finds which columns it relies on and where it fails."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lamina.runs._baselines import Baseline, baseline_outputs
from lamina.runs._intervals import Below, Covered, measured_intervals, measured_quantiles
from lamina.runs._model import TableModel
from lamina.runs.data import Part, Prepared
from lamina.runs.metrics import metrics_of

__all__ = ["Measured", "losses_of", "measure", "seconds_of_a_row"]

_TIMED_ROWS = 2048


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        part: "test", "validation" or "training": on which rows.
        rows: those rows.
        outputs: the network's outputs for them, see `TableModel.outputs`.
        metrics: by model ("lamina", "linear", "trivial") and metric.
        baselines: what the baselines say of these rows, where they were measured.
        intervals, quantiles: of a regression, on test rows, how well they hold what they promise.
        outermost: what lies between the lowest and the highest of the quantiles, of two or more.
    """

    part: str
    rows: Part
    outputs: np.ndarray
    metrics: dict[str, dict[str, float | None]]
    baselines: Mapping[str, Baseline] = field(default_factory=dict[str, Baseline])
    intervals: Sequence[Covered] = ()
    quantiles: Sequence[Below] = ()
    outermost: Covered | None = None


def measure(
    model: TableModel, prepared: Prepared, baselines: Mapping[str, Baseline] | None = None
) -> Measured:
    """Metrics of the network and of the baselines on the test rows (without any: validation, training).

    `baselines`: what they say of these rows, if it is known.
    """
    name, part = prepared.judged
    outputs = model.outputs(part.frame)
    if baselines is None:
        encoder = model.fitted.encoder
        baselines = baseline_outputs(model.estimator, encoder, model.schema, prepared, part)
    models = {"lamina": Baseline(outputs, model.threshold), **baselines}
    task = model.target.task
    metrics = {
        key: metrics_of(task, part.target, one.outputs, positive=model.positive, threshold=one.threshold)
        for key, one in models.items()
    }
    if task == "classification" or name != "test":
        return Measured(name, part, outputs, metrics, baselines)
    judged = model.estimator, model.inputs(part.frame), part.target
    intervals = measured_intervals(*judged)
    return Measured(name, part, outputs, metrics, baselines, intervals, *measured_quantiles(*judged))


def seconds_of_a_row(model: TableModel, part: Part) -> float:
    """How long a row takes through the network, which has been compiled."""
    begun = time.perf_counter()
    model.outputs(part.frame[:_TIMED_ROWS])
    return (time.perf_counter() - begun) / max(min(len(part), _TIMED_ROWS), 1)


def losses_of(task: str, target: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """How wrong each row's prediction is: −log of the true class's probability, or the absolute error.

    A class that training lacks has the probability 0, so its loss is infinite.
    """
    if task == "regression":
        return np.abs(outputs - target)
    rows: Any = np.arange(len(target))
    p = np.where(target >= 0, outputs[rows, target], 0.0)
    with np.errstate(divide="ignore"):
        return -np.log(p)
