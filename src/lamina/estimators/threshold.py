"""The decision between classes: the likeliest one, or of two the one that a threshold determines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from lamina.nd.ndarray import NDArray

_CRITERIA = ("f1", "balanced")
"""Criteria for choosing a threshold: F1 of the positive class, or balanced accuracy."""

_EQUAL = 1e-12
_ArrayT = TypeVar("_ArrayT", np.ndarray, NDArray)


def check_threshold(threshold: float | str | None) -> None:
    """Raise `ValueError` unless `threshold` is None, a criterion, or a number between 0 and 1."""
    if threshold is None or (isinstance(threshold, str) and threshold in _CRITERIA):
        return
    is_number = isinstance(threshold, float | int | np.number) and not isinstance(threshold, bool)
    if is_number and 0 < float(threshold) < 1:
        return
    raise ValueError(
        "threshold must be 'f1' or 'balanced', to choose it on validation rows, or a number between 0 and 1, not "
        f"{threshold!r}"
    )


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How a class is decided from the classes' probabilities.

    Attributes:
        positive: for two classes, the position of the positive class, for `threshold` and F1; see `positive_class`.
        threshold: for two classes, the minimum probability for predicting the positive class; None: the
            likelier class is predicted.
    """

    positive: int = 1
    threshold: float | None = None

    def decided(self, said: _ArrayT) -> _ArrayT:
        """The position of each row's predicted class, int64 (rows,), from the probabilities `said`, (rows, classes).

        Of equally likely classes, the first is chosen. `said` is of NumPy, or in a graph of `lamina.nd`.

        >>> p = np.array([[0.9, 0.1], [0.6, 0.4]])
        >>> Decision().decided(p).tolist(), Decision(threshold=0.3).decided(p).tolist()
        ([0, 0], [0, 1])
        """
        x: Any = said
        threshold, positive = self.threshold, self.positive
        found = x.argmax(axis=1) if threshold is None else (x[:, positive] >= threshold) == positive
        return found.astype(np.int64)


def best_threshold(
    criterion: str, is_positive: np.ndarray, probability: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, float] | None:
    """The best threshold on some rows, and its score.

    The result is None if all rows are of one class, or all probabilities are 0. Rows whose probability is at least the
    threshold are predicted positive. The threshold is halfway between two rows' probabilities; of equally good
    thresholds, the nearest to 0.5 is chosen.

    Args:
        criterion: "f1" or "balanced".
        is_positive: whether each row is of the positive class, bool (rows,).
        probability: the positive class's probability, float64 (rows,).
        weights: row weights, or None.

    >>> is_positive = np.array([False, False, True, True])
    >>> threshold, f1 = best_threshold("f1", is_positive, np.array([0.05, 0.1, 0.2, 0.4]))
    >>> round(threshold, 3), f1
    (0.15, 1.0)
    """
    from sklearn.metrics import roc_curve

    counts = np.ones(len(is_positive)) if weights is None else weights.astype(np.float64)
    positives, negatives = counts[is_positive].sum(), counts[~is_positive].sum()
    if not (positives > 0 and negatives > 0):
        return None
    false_rate, true_rate, cuts = roc_curve(
        is_positive, probability, sample_weight=weights, drop_intermediate=False
    )
    possible = np.isfinite(cuts) & (cuts > 0)  # at the first cut, no row is positive
    if not possible.any():
        return None
    false_rate, true_rate, cuts = false_rate[possible], true_rate[possible], cuts[possible]
    if criterion == "f1":
        right = true_rate * positives
        scores = 2 * right / (right + false_rate * negatives + positives)
    else:
        scores = (true_rate + 1 - false_rate) / 2
    below = np.append(cuts[1:], 0.0)
    thresholds = np.maximum((cuts + below) / 2, np.nextafter(below, 1.0))
    best = np.flatnonzero(scores >= scores.max() - _EQUAL)
    chosen = best[np.abs(thresholds[best] - 0.5).argmin()]
    return float(thresholds[chosen]), float(scores[chosen])
