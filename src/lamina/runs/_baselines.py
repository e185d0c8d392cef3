"""What a network has to beat: a guess that ignores the columns, and a linear model on the same encoding."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.runs.data import Part, Prepared, aligned
from lamina.table.encode import TableEncoder
from lamina.table.schema import Schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["baseline_outputs"]

_MOST_ROWS = 50_000
_MOST_OUTPUTS = 500_000
"""Rows times classes: a logistic regression takes so much longer with more classes."""
_STEPS = 300


def baseline_outputs(
    encoder: TableEncoder, schema: Schema, prepared: Prepared, judged: Part
) -> dict[str, np.ndarray]:
    """The outputs of scikit-learn's baselines, trained on the training rows, for the rows of `judged`.

    "linear" is a logistic regression or a ridge regression on the network's own encoding of the columns, of at
    most 50,000 training rows drawn at random, fewer if there are more than ten classes; "trivial" gives every
    row the classes' shares, or the mean.
    """
    train = prepared.train
    task, classes = prepared.target.task, len(prepared.target.classes)
    most = min(_MOST_ROWS, _MOST_OUTPUTS // max(classes, 1))
    some = np.sort(np.random.default_rng(0).permutation(len(train))[:most])
    inputs, wanted = _design(encoder, schema, train.frame[some]), train.target[some]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a baseline that has not quite converged is still one
        if task == "classification":
            linear = _logistic(inputs, wanted, _design(encoder, schema, judged.frame), classes)
            shares = np.bincount(train.target, minlength=classes) / len(train)
            return {"linear": linear, "trivial": np.tile(shares, (len(judged), 1))}
        linear = _ridge(inputs, wanted, _design(encoder, schema, judged.frame), prepared)
    return {"linear": linear, "trivial": np.full(len(judged), train.target.mean())}


def _logistic(inputs: Any, labels: np.ndarray, new: Any, classes: int) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    p = np.zeros((new.shape[0], classes))
    if len(np.unique(labels)) < 2:
        p[:, labels[0]] = 1
        return p
    model = LogisticRegression(max_iter=_STEPS).fit(inputs, labels)
    p[:, model.classes_] = model.predict_proba(new)
    return p


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
