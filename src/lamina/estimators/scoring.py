"""Validation scores of scikit-learn's scorers, computed from predictions instead of a fitted estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from lamina.support.messages import closest


class PredictedClasses(ClassifierMixin, BaseEstimator):
    """A classifier that returns fixed predictions."""

    def __init__(self, classes: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray) -> None:
        self.classes_, self._predictions, self._probabilities = classes, predictions, probabilities

    def predict(self, _rows: Any) -> np.ndarray:
        """The predicted classes."""
        return self._predictions

    def predict_proba(self, _rows: Any) -> np.ndarray:
        """The probabilities."""
        return self._probabilities


class PredictedNumbers(RegressorMixin, BaseEstimator):
    """A regressor that returns fixed predictions."""

    def __init__(self, predictions: np.ndarray) -> None:
        self._predictions = predictions

    def predict(self, _rows: Any) -> np.ndarray:
        """The predicted values."""
        return self._predictions


def is_scorer(scoring: Any) -> bool:
    """Whether `scoring` is a scikit-learn scorer: a scorer's name, or a result of `sklearn.metrics.make_scorer`."""
    return isinstance(scoring, str) or hasattr(scoring, "_score_func")


def check_scoring(scoring: Any, own: tuple[str, ...]) -> None:
    """Raise `ValueError` unless `scoring` is valid.

    Valid values are None, a function, a scikit-learn scorer, and the names in `own`.
    """
    known = [*own, *get_scorer_names()]
    if scoring is not None and not callable(scoring) and scoring not in known:
        raise ValueError(
            f"scoring {scoring!r} is unknown.{closest(str(scoring), known)} Known: {', '.join(own)}, the names that "
            "sklearn.metrics.get_scorer_names() lists, or a function of (y_true, predictions), higher is better"
        )


def scorer_score(scoring: Any, predicted: Any, y_true: np.ndarray, weights: np.ndarray | None) -> float:
    """The score of predictions by a scikit-learn scorer; higher is better.

    Raises:
        ValueError: the scorer can't score this target, e.g. "f1" for more than two classes.
    """
    scorer = get_scorer(scoring)
    weighted = {} if weights is None else {"sample_weight": weights}
    try:
        return float(scorer(predicted, np.empty((len(y_true), 0)), y_true, **weighted))
    except ValueError as error:
        raise ValueError(f"scoring {scoring!r} does not fit this target: {error}") from error


_OF_THE_LOSS = (None, "loss", "log_loss", "neg_log_loss")


def shown_score(scoring: Any) -> tuple[str, int]:
    """The displayed name of a validation score, and its displayed sign.

    The sign is −1 for losses, whose scores are negative, and otherwise 1.

    >>> shown_score(None), shown_score("f1"), shown_score("neg_mean_absolute_error"), shown_score(max)
    (('loss', -1), ('f1', 1), ('mean_absolute_error', -1), ('score', 1))
    """
    if not isinstance(scoring, str | None):
        return "score", 1
    if scoring in _OF_THE_LOSS:
        return "loss", -1
    assert scoring is not None
    return (scoring.removeprefix("neg_"), -1) if scoring.startswith("neg_") else (scoring, 1)
