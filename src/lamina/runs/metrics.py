"""How good predictions are: accuracy, AUC and log-loss, or RMSE, MAE and R²."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lamina.table.schema import Task

__all__ = [
    "LOW_IS_GOOD",
    "METRIC_NAMES",
    "MODEL_NAMES",
    "compared",
    "format_metric",
    "format_quantity",
    "metrics_of",
]

METRIC_NAMES: dict[str, str] = {
    "accuracy": "accuracy",
    "auc": "AUC",
    "log_loss": "log-loss",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}
"""What people call the metrics."""

MODEL_NAMES = {"lamina": "lamina", "linear": "linear model", "trivial": "trivial guess"}

LOW_IS_GOOD = ("log_loss", "rmse", "mae")

_IN_UNITS = ("rmse", "mae", "pinball")
"""Metrics that have the target's unit, so that they may be of any size."""

_SQUARES = 1e-140
"""Numbers from this one to its inverse have squares that are neither denormal nor, many together, infinite."""

_LEAST = float(np.finfo(np.float64).tiny)


def metrics_of(task: Task, target: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
    """The metrics of a task.

    Args:
        task: "classification" or "regression".
        target: class positions (−1: a class that training lacks), or numbers; (rows,).
        outputs: probabilities (rows, classes), or predicted numbers (rows,).

    Returns:
        accuracy (rows of unknown classes count as wrong), auc (of two classes; of more, the mean of each against
        the rest) and log_loss (both of known classes only); or rmse, mae, r2. None where it is not defined, as
        the AUC of rows of one class.

    >>> import numpy as np
    >>> metrics_of("regression", np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    {'rmse': 0.7071067811865476, 'mae': 0.5, 'r2': 0.5}
    """
    if not len(target):
        names = ("accuracy", "auc", "log_loss") if task == "classification" else ("rmse", "mae", "r2")
        return dict.fromkeys(names)
    return _of_classes(target, outputs) if task == "classification" else _of_numbers(target, outputs)


def _of_classes(target: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
    known = target >= 0
    labels, p = target[known], outputs[known]
    picked = p[np.arange(len(labels)), labels]
    return {
        "accuracy": float(np.mean(outputs.argmax(axis=1) == target)),
        "auc": _auc(labels, p),
        "log_loss": float(-np.log(np.maximum(picked, _LEAST)).mean()) if len(labels) else None,
    }


def _auc(labels: np.ndarray, p: np.ndarray) -> float | None:
    from sklearn.metrics import roc_auc_score

    present = [j for j in range(p.shape[1]) if 0 < np.count_nonzero(labels == j) < len(labels)]
    if not present:
        return None
    if p.shape[1] == 2:
        return float(roc_auc_score(labels == 1, p[:, 1]))
    return float(np.mean([roc_auc_score(labels == j, p[:, j]) for j in present]))


def _of_numbers(target: np.ndarray, outputs: np.ndarray) -> dict[str, float | None]:
    greatest = float(max(np.abs(target).max(), np.abs(outputs).max()))
    if greatest and not _SQUARES < greatest < 1 / _SQUARES:  # in units whose squares float64 holds
        metrics = _of_numbers(target / greatest, outputs / greatest)
        return {
            name: value if name == "r2" or value is None else value * greatest
            for name, value in metrics.items()
        }
    errors = target - outputs
    spread = float(np.sum((target - target.mean()) ** 2))
    return {
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "mae": float(np.mean(np.abs(errors))),
        "r2": 1 - float(np.sum(errors**2)) / spread if spread else None,
    }


def format_metric(value: float | None, name: str = "") -> str:
    """Four decimals, less of greater numbers, thousands with commas; a dash for what is not defined.

    Args:
        value: the metric.
        name: which one it is; those in the target's unit are written by `format_quantity`.

    >>> format_metric(0.86612), format_metric(46822.31), format_metric(-1e-9), format_metric(None)
    ('0.8661', '46,822', '0.0000', '–')
    """
    if value is None:
        return "–"
    return format_quantity(value) if name in _IN_UNITS else _decimals(value)


def format_quantity(value: float) -> str:
    """A number in the target's unit: as a metric, but four significant digits where decimals would not tell anything.

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
    """The titles of a table of models' metrics, and each model's cells: a text, and whether it is the best of several.

    >>> compared({"lamina": {"rmse": 0.5}, "linear": {"rmse": 0.75}})
    (['RMSE ↓'], {'lamina': [('0.5000', True)], 'linear model': [('0.7500', False)]})
    """
    names = list(next(iter(metrics.values())))
    best: dict[str, float] = {}
    for name in names:
        known = [value for values in metrics.values() if (value := values.get(name)) is not None]
        if len(known) > 1:
            best[name] = min(known) if name in LOW_IS_GOOD else max(known)
    titles = [f"{METRIC_NAMES.get(name, name)} {'↓' if name in LOW_IS_GOOD else '↑'}" for name in names]
    return titles, {
        MODEL_NAMES.get(model, model): [
            (format_metric(values[name], name), name in best and values[name] == best[name]) for name in names
        ]
        for model, values in metrics.items()
    }
