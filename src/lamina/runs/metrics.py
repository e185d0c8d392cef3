"""Metrics of classification and regression, and the coverage of prediction intervals and quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.estimators.conformal import interval_of
from lamina.estimators.fitted import FittedModel
from lamina.estimators.meaning import Decision
from lamina.estimators.targets import Numbers, pinball
from lamina.table.schema import Task

_Metrics = dict[str, float | None]
"""Metrics by name; None: undefined."""

METRIC_NAMES: dict[str, str] = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "average_precision": "average precision",
    "auc": "AUC",
    "log_loss": "log-loss",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}
"""Display names of the metrics."""

_MODEL_NAMES = {"lamina": "lamina", "linear": "linear model", "trivial": "trivial guess"}

_OF_CLASSES = ("accuracy", "balanced_accuracy", "f1", "average_precision", "auc", "log_loss")
_OF_NUMBERS = ("rmse", "mae", "r2")

_LOW_IS_GOOD = ("log_loss", "rmse", "mae")

_IN_UNITS = ("rmse", "mae", "pinball")
"""Metrics in the target's unit, which may be of any magnitude."""

_SQUARES = 1e-140
"""Between this number and its inverse, squares are not denormal, and their sums don't overflow."""

_LEAST = float(np.finfo(np.float64).tiny)


def metrics_of(
    task: Task, target: np.ndarray, outputs: np.ndarray, decision: Decision | None = None
) -> _Metrics:
    """Compute the metrics of a classification or a regression.

    Args:
        task: "classification" or "regression".
        target: class positions (−1: a class absent from training), or target values; (rows,).
        outputs: probabilities (rows, classes), or predicted values (rows,).
        decision: the decision between classes, by default the likeliest class. Its positive class is that of F1 and
            average precision.

    Returns:
        For classification, accuracy (rows of classes absent from training count as wrong), balanced_accuracy (the mean
        of the classes' recalls), f1, average_precision, auc and log_loss; for regression, rmse, mae and r2. f1 and
        average_precision refer to the positive class; for more than two classes, f1, average_precision and auc are
        means over the classes, each against the rest. All metrics but accuracy and f1 leave out rows of classes absent
        from training. An undefined metric, such as the AUC of rows of one class, is None.

    >>> import numpy as np
    >>> metrics_of("regression", np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    {'rmse': 0.7071067811865476, 'mae': 0.5, 'r2': 0.5}
    """
    if not len(target):
        return dict.fromkeys(_OF_CLASSES if task == "classification" else _OF_NUMBERS)
    if task == "regression":
        return _of_numbers(target, outputs)
    return _of_classes(target, outputs, decision)


def _of_classes(target: np.ndarray, outputs: np.ndarray, decision: Decision | None) -> _Metrics:
    from sklearn.metrics import average_precision_score, f1_score, recall_score, roc_auc_score

    decision = decision or Decision()
    known, predicted, positive = target >= 0, decision.decided(outputs), decision.positive
    labels, p = target[known], outputs[known]
    picked, present = p[np.arange(len(labels)), labels], np.unique(labels).tolist()
    is_binary = outputs.shape[1] == 2
    of_f1: Any = [positive] if is_binary else np.union1d(labels, predicted)
    f1 = float(f1_score(target, predicted, labels=of_f1, average="macro", zero_division=np.nan))  # pyright: ignore[reportArgumentType]
    recall = [recall_score(labels, predicted[known], labels=present, average="macro")] if present else []
    of_precision = [j for j in present if not is_binary or j == positive]
    of_area = [] if len(present) < 2 else [1] if is_binary else present
    return {
        "accuracy": float(np.mean(predicted == target)),
        "balanced_accuracy": _mean(recall),
        "f1": None if np.isnan(f1) else f1,
        "average_precision": _mean([average_precision_score(labels == j, p[:, j]) for j in of_precision]),
        "auc": _mean([roc_auc_score(labels == j, p[:, j]) for j in of_area]),
        "log_loss": _mean(-np.log(np.maximum(picked, _LEAST))),
    }


def _mean(values: Any) -> float | None:
    """The mean of these values; None if there are none."""
    return float(np.mean(values)) if len(values) else None


def _of_numbers(target: np.ndarray, outputs: np.ndarray) -> _Metrics:
    greatest = float(max(np.abs(target).max(), np.abs(outputs).max()))
    if greatest and not _SQUARES < greatest < 1 / _SQUARES:  # rescaled, so that squares fit float64
        metrics = _of_numbers(target / greatest, outputs / greatest)
        return metrics | {name: (metrics[name] or 0.0) * greatest for name in ("rmse", "mae")}
    errors = target - outputs
    spread = float(np.sum((target - target.mean()) ** 2))
    return {
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "mae": float(np.mean(np.abs(errors))),
        "r2": 1 - float(np.sum(errors**2)) / spread if spread else None,
    }


def format_metric(value: float | None, name: str = "") -> str:
    """Format a metric with four decimals, or fewer if it is large; an undefined metric becomes a dash.

    Args:
        value: the metric.
        name: the metric's name; a metric in the target's unit is formatted by `format_quantity`.

    >>> format_metric(0.86612), format_metric(46822.31), format_metric(-1e-9), format_metric(None)
    ('0.8661', '46,822', '0.0000', '–')
    """
    if value is None:
        return "–"
    return format_quantity(value) if name in _IN_UNITS else _decimals(value)


def format_quantity(value: float) -> str:
    """Format a number in the target's unit, with an exponent if it is very large or very small.

    >>> format_quantity(0.86612), format_quantity(46822.31), format_quantity(2.48e-30), format_quantity(2.48e30)
    ('0.8661', '46,822', '2.48e-30', '2.48e+30')
    """
    if value and not 1e-3 <= abs(value) < 1e15:
        return f"{value:.4g}"
    return _decimals(value)


def _decimals(value: float) -> str:
    places = 0 if abs(value) >= 1000 else 4 if abs(value) < 10 else 2
    return f"{round(value, places) + 0.0:,.{places}f}"


def compared(
    metrics: Mapping[str, Mapping[str, float | None]],
) -> tuple[list[str], dict[str, list[tuple[str, bool]]]]:
    """The column titles and the rows of a table that compares models by their metrics.

    Rows are keyed by the model's name. A cell is a metric's text, and whether the metric is the best of all models.

    >>> compared({"lamina": {"rmse": 0.5}, "linear": {"rmse": 0.75}})
    (['RMSE ↓'], {'lamina': [('0.5000', True)], 'linear model': [('0.7500', False)]})
    """
    names = list(next(iter(metrics.values())))
    best: dict[str, float] = {}
    for name in names:
        known = [value for values in metrics.values() if (value := values.get(name)) is not None]
        if len(known) > 1:
            best[name] = min(known) if name in _LOW_IS_GOOD else max(known)
    titles = [f"{METRIC_NAMES.get(name, name)} {'↓' if name in _LOW_IS_GOOD else '↑'}" for name in names]
    return titles, {
        _MODEL_NAMES.get(model, model): [
            (format_metric(values[name], name), name in best and values[name] == best[name]) for name in names
        ]
        for model, values in metrics.items()
    }


# --- intervals and quantiles of a regression, on unseen rows

_COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Covered:
    """The coverage of prediction intervals, measured on some rows.

    Attributes:
        coverage: the nominal coverage, a share of rows.
        held: the observed coverage: the share of rows whose interval contains the truth.
        width: the intervals' mean width, in the target's unit.
    """

    coverage: float
    held: float
    width: float


@dataclass(frozen=True)
class Below:
    """The coverage of a predicted quantile, measured on some rows.

    Attributes:
        level: the quantile's level.
        share: the share of rows whose true value is at most the predicted quantile.
        pinball: the mean pinball loss, in the target's unit; None in runs of earlier versions.
    """

    level: float
    share: float
    pinball: float | None = None


def measured_intervals(fitted: FittedModel[Numbers], inputs: Any, target: np.ndarray) -> list[Covered]:
    """Measure the coverage of a regressor's prediction intervals for several nominal levels.

    Levels that would need more held-out rows than the regressor has are left out.

    Args:
        fitted: a fitted regression with one target.
        inputs: the table.
        target: float64 (rows,).
    """
    known = 0 if fitted.held_out is None else len(fitted.held_out)
    if not known or not len(target):
        return []
    outputs = fitted.outputs(fitted.encode(inputs))
    levels = [level for level in _COVERAGES if level * (known + 1) <= known]
    return [_covered(level, target, *interval_of(fitted, outputs, level)) for level in levels]


def _covered(coverage: float, target: np.ndarray, low: np.ndarray, high: np.ndarray) -> Covered:
    held = float(np.mean((low <= target) & (target <= high)))
    return Covered(coverage, held, float(np.mean(high - low)))


def levels_held(
    levels: Sequence[float], target: np.ndarray, predicted: np.ndarray
) -> tuple[list[Below], Covered | None]:
    """Measure the coverage of each predicted quantile, and of the interval between the outermost quantiles.

    The result is ([], None) without levels or rows; the coverage is None for a single level.

    Args:
        levels: the quantiles' levels, ascending.
        target: float64 (rows,).
        predicted: (rows, levels).

    >>> import numpy as np
    >>> below, outermost = levels_held([0.25, 0.75], np.array([1.0, 4.0]), np.array([[0.0, 2.0], [0.0, 2.0]]))
    >>> below[1], outermost
    (Below(level=0.75, share=0.5, pinball=0.875), Covered(coverage=0.5, held=0.5, width=2.0))
    """
    of_levels = zip(levels, predicted.T, strict=False) if len(target) else ()
    below = [
        Below(level, float(np.mean(target <= one)), float(pinball(target, one[:, None], [level]).mean()))
        for level, one in of_levels
    ]
    if len(below) < 2:
        return below, None
    return below, _covered(round(levels[-1] - levels[0], 12), target, predicted[:, 0], predicted[:, -1])
