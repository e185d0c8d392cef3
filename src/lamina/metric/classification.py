"""How often the right class is found: accuracy, top-k accuracy, F1 and Matthews' correlation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.errors import DataError, ShapeError
from lamina.metric.base import Averaged, EvalMetric, metrics, require_same_length

__all__ = ["F1", "MCC", "Accuracy", "TopKAccuracy"]


def _chosen(name: str, label: np.ndarray, pred: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predicted classes as flat integers; `pred` holds classes, or scores of classes along `axis`."""
    classes = pred if pred.shape == label.shape else pred.argmax(axis=axis)
    if classes.size != label.size:
        raise ShapeError(f"{name}: labels of shape {label.shape} for predictions of shape {pred.shape}")
    return label.astype(np.int64).ravel(), classes.astype(np.int64).ravel()


@metrics.register("acc", "accuracy")
class Accuracy(EvalMetric):
    """The share of samples whose class is the predicted one.

    Predictions are scores, with the classes along `axis`, or classes, in the labels' shape.

    >>> accuracy = Accuracy()
    >>> accuracy.update([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    >>> round(accuracy.get()[1], 3)
    0.667
    """

    def __init__(self, axis: int = 1, name: str = "accuracy", **names: Any) -> None:
        super().__init__(name, **names)
        self.axis = axis

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        truth, classes = _chosen(self.name, label, pred, self.axis)
        self.sum_metric += int((truth == classes).sum())
        self.num_inst += truth.size


@metrics.register("top_k_acc", "top_k_accuracy", "TopKAccuracy")
class TopKAccuracy(EvalMetric):
    """The share of samples whose class is among the `top_k` with the highest scores; predictions (samples, classes)."""

    def __init__(self, top_k: int = 1, name: str = "top_k_accuracy", **names: Any) -> None:
        if top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {top_k}")
        super().__init__(f"{name}_{top_k}", **names)
        self.top_k = top_k

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        require_same_length(self.name, label, pred)
        if pred.ndim != 2:
            raise ShapeError(f"{self.name}: predictions must have shape (samples, classes), not {pred.shape}")
        best = np.argsort(-pred, axis=1, kind="stable")[:, : self.top_k]
        self.sum_metric += int((best == label.astype(np.int64).reshape(-1, 1)).sum())
        self.num_inst += len(pred)


class _Confusion(Averaged):
    """From the counts of true and false, positive and negative decisions between class 0 and class 1."""

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._counts = np.zeros((2, 2), np.int64)  # truth × decision

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        truth, classes = _chosen(self.name, label, pred, 1)
        if truth.size and not (min(truth.min(), classes.min()) >= 0 and max(truth.max(), classes.max()) <= 1):
            raise DataError(f"{self.name} is defined for the classes 0 and 1 only, found {np.unique(truth)}")
        np.add.at(self._counts, (truth, classes), 1)
        if self.average == "macro":
            self.sum_metric += self._value(self._counts)
            self.num_inst += 1
            self._counts = np.zeros((2, 2), np.int64)
        else:
            self.num_inst += truth.size
            self.sum_metric = self._value(self._counts) * self.num_inst

    def _value(self, counts: np.ndarray) -> float:
        raise TypeError(f"{type(self).__name__} must override _value")


@metrics.register("f1")
class F1(_Confusion):
    """2·precision·recall / (precision + recall) of class 1, 0 where it is undefined."""

    def __init__(self, name: str = "f1", average: str = "macro", **names: Any) -> None:
        super().__init__(name, average, **names)

    def _value(self, counts: np.ndarray) -> float:
        (_, false_positive), (false_negative, true_positive) = counts.tolist()
        decided = 2 * true_positive + false_positive + false_negative
        return 2 * true_positive / decided if decided else 0.0


@metrics.register("mcc")
class MCC(_Confusion):
    """Matthews' correlation coefficient (1975) between truth and decision, 0 where it is undefined."""

    def __init__(self, name: str = "mcc", average: str = "macro", **names: Any) -> None:
        super().__init__(name, average, **names)

    def _value(self, counts: np.ndarray) -> float:
        (tn, fp), (fn, tp) = counts.tolist()
        margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return (tp * tn - fp * fn) / math.sqrt(margins) if margins else 0.0
