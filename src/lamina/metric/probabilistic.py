"""How probable the truth was: cross-entropy, likelihood, perplexity; and the mean of a loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.errors import DataError, ShapeError
from lamina.metric.base import EvalMetric, as_list, as_numpy, metrics

__all__ = ["CrossEntropy", "Loss", "NegativeLogLikelihood", "Perplexity"]


def _of_the_truth(name: str, label: np.ndarray, pred: np.ndarray, axis: int = -1) -> np.ndarray:
    """The probability that was given to each true class; classes along `axis`."""
    rows = np.moveaxis(pred, axis, -1).reshape(-1, pred.shape[axis]) if pred.ndim else pred.reshape(0, 0)
    classes = label.astype(np.int64).ravel()
    if len(rows) != classes.size:
        raise ShapeError(f"{name}: labels of shape {label.shape} for predictions of shape {pred.shape}")
    if classes.size and not 0 <= classes.min() <= classes.max() < rows.shape[1]:
        raise DataError(
            f"{name}: labels from {classes.min()} to {classes.max()}, but there are {rows.shape[1]} classes"
        )
    return rows[np.arange(classes.size), classes]


@metrics.register("ce", "cross-entropy", "CrossEntropy")
class CrossEntropy(EvalMetric):
    """The mean of -log(p + eps), where p is the probability given to the true class; predictions (samples, classes).

    >>> metric = CrossEntropy()
    >>> metric.update(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]]))
    >>> round(metric.get()[1], 4)
    1.0397
    """

    def __init__(self, eps: float = 1e-12, name: str = "cross-entropy", **names: Any) -> None:
        super().__init__(name, **names)
        self.eps = eps

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        probable = _of_the_truth(self.name, label, pred).astype(np.float64)
        self.sum_metric -= float(np.log(probable + self.eps).sum())
        self.num_inst += probable.size


@metrics.register("nll_loss", "nll-loss", "NegativeLogLikelihood")
class NegativeLogLikelihood(CrossEntropy):
    """The same as `CrossEntropy` under its other name."""

    def __init__(self, eps: float = 1e-12, name: str = "nll-loss", **names: Any) -> None:
        super().__init__(eps, name, **names)


@metrics.register("perplexity")
class Perplexity(EvalMetric):
    """exp of the mean of -log p, where p is the probability given to the true class (at least 1e-10).

    Args:
        ignore_label: samples with this label do not count; None: all count.
        axis: where the classes are.
    """

    def __init__(
        self, ignore_label: int | None = None, axis: int = -1, name: str = "perplexity", **names: Any
    ) -> None:
        super().__init__(name, **names)
        self.ignore_label, self.axis = ignore_label, axis

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        counts = np.ones(label.shape, bool) if self.ignore_label is None else label != self.ignore_label
        probable = _of_the_truth(self.name, np.where(counts, label, 0), pred, self.axis)[counts.ravel()]
        self.sum_metric -= float(np.log(np.maximum(probable.astype(np.float64), 1e-10)).sum())
        self.num_inst += probable.size

    def get(self) -> tuple[str, float]:
        """(name, value)."""
        name, mean = super().get()
        return name, math.exp(mean) if mean < 700 else mean if math.isnan(mean) else math.inf


@metrics.register("loss")
class Loss(EvalMetric):
    """The mean of what a loss function returned; labels are not looked at."""

    def __init__(self, name: str = "loss", **names: Any) -> None:
        super().__init__(name, **names)

    def update(self, labels: Any, preds: Any) -> None:
        """Add the losses of a batch."""
        for pred in as_list(preds):
            losses = as_numpy(pred)
            self.sum_metric += float(losses.sum(dtype=np.float64))
            self.num_inst += losses.size
