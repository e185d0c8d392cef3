"""What a network has to beat: a guess that ignores the columns, and a linear model on the same encoding."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.estimators.targets import positive_class
from lamina.estimators.threshold import best_threshold
from lamina.runs.data import Part, Prepared, aligned
from lamina.table.encode import TableEncoder
from lamina.table.schema import Schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Baseline", "baseline_outputs"]

_MOST_ROWS = 50_000
_MOST_OUTPUTS = 500_000
"""Rows times classes: a logistic regression takes so much longer with more classes."""
_STEPS = 300


@dataclass(frozen=True)
class Baseline:
    """What a baseline says of rows: its outputs, as the network's, and its threshold, if it has one."""

    outputs: np.ndarray
    threshold: float | None = None


def baseline_outputs(
    estimator: Any, encoder: TableEncoder, schema: Schema, prepared: Prepared, judged: Part
) -> dict[str, Baseline]:
    """What scikit-learn's baselines, trained on the training rows, say of the rows of `judged`.

    "linear" is a logistic regression or a ridge regression on the network's own encoding of the columns, of at
    most 50,000 training rows drawn at random, fewer if there are more than ten classes; "trivial" gives every
    row the classes' shares, or the mean. The logistic regression has the class weights and the threshold of
    `estimator`; a threshold that is to be chosen is chosen on its training rows.
    """
    train = prepared.train
    task, classes = prepared.target.task, len(prepared.target.classes)
    most = min(_MOST_ROWS, _MOST_OUTPUTS // max(classes, 1))
    some = np.sort(np.random.default_rng(0).permutation(len(train))[:most])
    inputs, wanted = _design(encoder, schema, train.frame[some]), train.target[some]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a baseline that has not quite converged is still one
        if task == "classification":
            linear = _logistic(inputs, wanted, _design(encoder, schema, judged.frame), prepared, estimator)
            shares = np.bincount(train.target, minlength=classes) / len(train)
            return {"linear": linear, "trivial": Baseline(np.tile(shares, (len(judged), 1)))}
        linear = _ridge(inputs, wanted, _design(encoder, schema, judged.frame), prepared)
    return {"linear": Baseline(linear), "trivial": Baseline(np.full(len(judged), train.target.mean()))}


def _logistic(inputs: Any, labels: np.ndarray, new: Any, prepared: Prepared, estimator: Any) -> Baseline:
    from sklearn.linear_model import LogisticRegression

    target = prepared.target
    p = np.zeros((new.shape[0], len(target.classes)))
    if len(np.unique(labels)) < 2:
        p[:, labels[0]] = 1
        return Baseline(p)
    weights = _by_code(estimator.class_weight, target.classes)
    model = LogisticRegression(max_iter=_STEPS, class_weight=weights).fit(inputs, labels)
    p[:, model.classes_] = model.predict_proba(new)
    threshold = estimator.threshold
    if isinstance(threshold, str):
        positive = positive_class(np.array(target.classes), target.counts)
        found = best_threshold(threshold, labels == positive, model.predict_proba(inputs)[:, positive])
        threshold = None if found is None else found[0]
    return Baseline(p, threshold)


def _by_code(class_weight: Any, classes: tuple[Any, ...]) -> Any:
    """Weights by class as weights by the classes' positions."""
    if not isinstance(class_weight, Mapping):
        return class_weight
    return {code: class_weight.get(value, 1.0) for code, value in enumerate(classes)}


def _ridge(inputs: Any, wanted: np.ndarray, new: Any, prepared: Prepared) -> np.ndarray:
    from sklearn.linear_model import Ridge

    unit = np.abs(wanted).max() or 1.0  # of numbers like 1e200 the products would be infinite
    values = Ridge(alpha=1.0).fit(inputs, wanted / unit).predict(new) * unit
    return np.clip(values, prepared.train.target.min(), prepared.train.target.max())


def _design(encoder: TableEncoder, schema: Schema, frame: pl.DataFrame) -> Any:
    """The encoded columns, those with an embedding one-hot: a sparse matrix."""
    from scipy.sparse import csr_array, hstack

    encoded = encoder.transform(aligned(schema, frame))
    blocks = [csr_array(encoded.numeric.astype(np.float64))]
    rows = np.arange(len(frame))
    for codes, width in zip(encoded.codes.T, encoder.cardinalities, strict=True):
        blocks.append(csr_array((np.ones(len(rows)), (rows, codes)), shape=(len(rows), width)))
    return hstack(blocks).tocsr()
