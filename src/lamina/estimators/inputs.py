"""Inputs of the estimators: arrays checked by scikit-learn, data frames as they are, and rows of either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["check_inputs", "hold_out", "is_frame"]


_AS_THEY_ARE = [np.float64, *(np.dtype(code) for code in "?bBhHiIlLef")]
"""The types of numbers that arrays keep, so that a table of bytes need not be copied; others become float64."""


def is_frame(X: Any) -> bool:
    """Whether `X` is a table with named columns: pandas, polars, pyarrow and what else narwhals knows."""
    if isinstance(X, np.ndarray | list | tuple) or hasattr(X, "tocsr"):
        return False
    return hasattr(X, "columns") or hasattr(X, "column_names") or hasattr(X, "__narwhals_dataframe__")


def check_inputs(
    estimator: Any, X: Any, y: Any, *, reset: bool, validate: Callable[..., Any]
) -> tuple[Any, Any]:
    """`X` and `y` validated, `n_features_in_` and `feature_names_in_` set (`reset`) or compared."""
    if is_frame(X):
        validate(estimator, X, skip_check_array=True, reset=reset)
        if y is not None:
            _same_length(X, y)
        return X, y
    options: dict[str, Any] = {
        "accept_sparse": ["csr", "csc"],
        "dtype": _AS_THEY_ARE,
        "ensure_all_finite": "allow-nan",
        "reset": reset,
    }
    if y is None:
        return validate(estimator, X, **options), None
    return validate(estimator, X, y, multi_output=True, y_numeric=estimator._task == "regression", **options)


def _same_length(X: Any, y: Any) -> None:
    rows, targets = X.shape[0], len(y)
    if rows != targets:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{rows}, {targets}]")


def hold_out(
    rows: np.ndarray, share: float, classes: Any, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows; with `classes`, each class gives its share (none, where it has a single row)."""
    if classes is None:
        shuffled = rng.permutation(rows)
        count = min(max(round(len(rows) * share), 1), len(rows) - 1)
        return np.sort(shuffled[count:]), np.sort(shuffled[:count])
    held: list[np.ndarray] = []
    for value in np.unique(classes[rows]):
        members = rng.permutation(rows[classes[rows] == value])
        held.append(members[: round(len(members) * share)])
    validation = np.sort(np.concatenate(held))
    if not len(validation):
        return rows, rows[:0]
    stays = np.ones(len(classes), bool)
    stays[validation] = False
    return rows[stays[rows]], validation
