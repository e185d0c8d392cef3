"""What to try next where a run's numbers speak for it: a line each, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.estimators.threshold import best_threshold
from lamina.runs._measure import Measured
from lamina.runs._model import TableModel
from lamina.runs.data import Prepared, known_rows
from lamina.runs.metrics import format_metric, metrics_of
from lamina.table.columns import value_name
from lamina.table.messages import counted

__all__ = ["advice", "advice_on_search"]

_FEW_TRIALS = 3
_RARE = 0.05
_FAR = 0.05
"""By how much F1 must be better with another threshold."""
_DEVIATIONS = 2.0
"""How many standard errors of its mean a difference must be above 0."""


def advice(prepared: Prepared, model: TableModel, measured: Measured) -> list[str]:
    """Lines on a rare class that another threshold finds better, and on a linear model that is better."""
    return [*_on_rare(prepared, model), *_on_linear(model, measured)]


def advice_on_search(search: Mapping[str, Any]) -> list[str]:
    """A line on a search that its time limit ended after one or two trials.

    >>> advice_on_search({"trials": 1, "limit": 20.0, "most_trials": None})[0][:50]
    'the time limit of 20 s was enough for only 1 trial'
    >>> advice_on_search({"trials": 1, "limit": None, "most_trials": 1})
    []
    """
    tried, limit, most = search["trials"], search["limit"], search["most_trials"]
    if limit is None or not 0 < tried < min(most or _FEW_TRIALS, _FEW_TRIALS):
        return []
    return [
        f"the time limit of {limit:g} s was enough for only {counted(tried, 'trial')}, so hardly any settings were "
        "compared; a longer --time-limit (with --resume the search goes on), fewer rows, or --trials 10 without a "
        "limit help"
    ]


def _on_rare(prepared: Prepared, model: TableModel) -> list[str]:
    target, positive = model.target, model.positive
    if target.task == "regression" or len(target.classes) != 2 or model.threshold is not None:
        return []
    share = target.counts[positive] / sum(target.counts)
    if prepared.validation is None or share >= _RARE:
        return []
    part = known_rows(prepared.validation)
    outputs = model.outputs(part.frame)
    found = best_threshold("f1", part.target == positive, outputs[:, positive])
    now = metrics_of("classification", part.target, outputs, positive=positive)["f1"] or 0.0
    if found is None or found[1] - now < _FAR:
        return []
    threshold, best = found
    other = "" if model.estimator.class_weight else ", or weigh it more with --class-weight balanced"
    return [
        f"{value_name(target.classes[positive])} is rare ({100 * share:.2g} % of the rows): on the validation rows its "
        f"F1 is {now:.3f}, but {best:.3f} if it is predicted from a probability of {threshold:.2g} on; to do so, train "
        f"with --threshold f1{other}"
    ]


def _on_linear(model: TableModel, measured: Measured) -> list[str]:
    """A linear model that is better on the test rows by more than chance makes of them."""
    linear = measured.baselines.get("linear")
    is_linear = not model.fitted.network.architecture.hidden
    if measured.part != "test" or linear is None or is_linear or model.levels:
        return []
    rows = measured.rows
    difference = _losses(rows.target, measured.outputs) - _losses(rows.target, linear.outputs)
    if len(difference) < 2 or not difference.any():
        return []
    error = float(difference.std(ddof=1)) / np.sqrt(len(difference))
    if not difference.mean() > _DEVIATIONS * error:
        return []
    metric, name = ("log_loss", "log-loss") if model.target.task == "classification" else ("rmse", "RMSE")
    lamina, other = (format_metric(measured.metrics[key][metric], metric) for key in ("lamina", "linear"))
    return [
        f"the linear model is better on the {counted(len(difference), 'test row')}: {name} {other}, the network's "
        f"{lamina}, by more than chance explains; train one with --hidden none, or search for a better network with "
        "--time-limit 5m"
    ]


def _losses(target: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """How wrong each prediction is: −log of the true class's probability, of known classes; or the squared error."""
    if target.dtype.kind == "f":
        unit = np.abs(target).max() or 1.0  # of numbers like 1e200 the squares would be infinite
        return ((outputs - target) / unit) ** 2
    known = np.flatnonzero(target >= 0)
    return -np.log(np.maximum(outputs[known, target[known]], np.finfo(np.float64).tiny))
