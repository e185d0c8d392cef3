"""The report of `lamina train`, about an estimator that was fitted in Python, on rows that it is judged on."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from lamina.errors import DataError
from lamina.runs._intervals import measured_intervals, measured_quantiles
from lamina.runs._measure import Measured
from lamina.runs._model import TableModel, central
from lamina.runs._shap import FEWEST_LOOKED_AT, MOST_LOOKED_AT, MeanShap, mean_shap
from lamina.runs.data import Part
from lamina.runs.metrics import metrics_of
from lamina.runs.report import Findings, page_of
from lamina.runs.training import Trained
from lamina.table.columns import import_narwhals
from lamina.table.encode import Encoded
from lamina.table.messages import DataWarning
from lamina.table.places import Places
from lamina.table.schema import Target

__all__ = ["report_on"]


def report_on(estimator: Any, X: Any, y: Any) -> str:
    """The page as HTML. `X`, `y`: rows that the estimator was not trained on, as its `predict` takes them.

    Raises:
        DataError: the estimator has several targets or labels; a table that doesn't fit its training.
    """
    is_class, fitted = estimator._task == "classification", estimator.fitted_
    values = np.asarray(y)
    if values.ndim != 1:
        raise DataError(f"report: it is about one target, and y has the shape {values.shape}")
    name = str(getattr(y, "name", None) or "target")
    frame = _frame(X, [column.name for column in fitted.encoder.schema.columns])
    target = _target(name, estimator, values)
    codes = _codes(estimator.classes_, values) if is_class else values.astype(np.float64)
    places = Places()
    places.begin("the table", None)
    part = Part(frame.with_columns(pl.Series(name, values)), codes, places, np.arange(len(codes)))
    outputs = estimator.predict_proba(X) if is_class else central(fitted, estimator.predict(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the prediction has told it
        importance = estimator._importances(X, y, 0, None)[0]
        shap = _mean_shap(estimator, X, [one.column for one in importance])
        intervals = [] if is_class else measured_intervals(estimator, X, codes)
        quantiles = ([], None) if is_class else measured_quantiles(estimator, X, codes)
    model = TableModel.of(estimator, dataclasses.replace(fitted.encoder.schema, target=target))
    deciding: dict[str, Any] = {"positive": model.positive, "threshold": model.threshold}
    metrics = {"lamina": metrics_of(target.task, codes, outputs, **deciding)}
    history = _history(estimator)
    best = getattr(estimator, "best_epoch_", len(history))
    return page_of(
        Findings(
            target,
            {"test": len(part)},
            Trained(model, history, best, False, math.nan, len(history)),
            Measured("test", part, outputs, metrics, {}, intervals, *quantiles),
            importance,
            {"data": ["a table in memory"], "resolved": _settings(estimator)},
            shap=shap,
        )
    )


def _mean_shap(estimator: Any, X: Any, names: Sequence[str]) -> MeanShap | None:
    encoded = estimator._encoded(X)
    drawn = np.random.default_rng(0).permutation(len(encoded.codes))[:MOST_LOOKED_AT]
    if len(drawn) < FEWEST_LOOKED_AT or not names:
        return None
    return mean_shap(estimator.fitted_, Encoded(encoded.numeric[drawn], encoded.codes[drawn]), names)


def _frame(X: Any, names: Sequence[str]) -> pl.DataFrame:
    if hasattr(X, "tocsr"):
        dense = X.toarray()
    elif isinstance(X, np.ndarray | list | tuple):
        dense = np.asarray(X)
    else:
        return import_narwhals().from_native(X, eager_only=True).to_polars()
    return pl.DataFrame({name: dense[:, i] for i, name in enumerate(names)})


def _target(name: str, estimator: Any, values: np.ndarray) -> Target:
    if estimator._task == "classification":
        classes = tuple(estimator.classes_.tolist())
        counts = tuple(int(np.count_nonzero(values == one)) for one in estimator.classes_)
        return Target(name, "classification", classes=classes, counts=counts)
    low, high, mean = (float(f(values)) for f in (np.min, np.max, np.mean))
    return Target(name, "regression", low=low, high=high, mean=mean)


def _codes(classes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The classes' positions; −1 for those that training lacks."""
    places = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
    return np.where(classes[places] == values, places, -1).astype(np.int32)


def _history(estimator: Any) -> list[dict[str, Any]]:
    """The epochs as a run has them."""
    losses = list(estimator.loss_curve_)
    scores = estimator.validation_scores_ or [None] * len(losses)
    return [
        {"epoch": i, "loss": loss, "validation_score": score}
        for i, (loss, score) in enumerate(zip(losses, scores, strict=True), start=1)
    ]


def _settings(estimator: Any) -> dict[str, Any]:
    from lamina import __version__
    from lamina.estimators.base import settings_of

    return {"lamina": __version__, **settings_of(estimator), "column_kinds": None}
