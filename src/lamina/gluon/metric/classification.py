"""Metrics of predicted classes: accuracy, top-k accuracy, F1 and Matthews' correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.errors import DataError, ShapeError
from lamina.gluon.metric.base import Averaged, EvalMetric, metrics, misfit, require_same_length
from lamina.support.argument_checks import whole_number


def _chosen(name: str, label: np.ndarray, pred: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predicted classes as flat integer arrays; `pred` has classes, or class scores along `axis`."""
    classes = pred if pred.shape == label.shape else pred.argmax(axis=axis)
    if classes.size != label.size:
        raise misfit(name, label, pred)
    return label.astype(np.int64).ravel(), classes.astype(np.int64).ravel()


@metrics.register("acc", "accuracy")
class Accuracy(EvalMetric):
    """The share of samples whose predicted class is the label.

    Predictions are class scores along `axis`, or classes in the shape of the labels.

    >>> accuracy = Accuracy()
    >>> accuracy.update([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    >>> round(accuracy.get()[1], 3)
    0.667
    """

    def __init__(
        self,
        axis: int = 1,
        name: str = "accuracy",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=True, axis=axis)
        self.axis = axis

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        truth, classes = _chosen(self.name, label, pred, self.axis)
        self._note(int((truth == classes).sum()), truth.size)


@metrics.register("top_k_acc", "top_k_accuracy", "TopKAccuracy")
class TopKAccuracy(EvalMetric):
    """The share of samples whose label is among the `top_k` classes with the highest scores.

    Predictions have shape (samples, classes).

    >>> from lamina import metric
    >>> judge = metric.TopKAccuracy(top_k=2)
    >>> judge.update([2, 0], [[0.1, 0.5, 0.4], [0.1, 0.5, 0.4]])
    >>> judge.get()
    ('top_k_accuracy_2', 0.5)
    """

    def __init__(
        self,
        top_k: int = 1,
        name: str = "top_k_accuracy",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        top_k = whole_number("top_k", top_k, "classes", least=1)
        super().__init__(name, output_names, label_names, has_global_stats=True, top_k=top_k)
        self.top_k = top_k
        self.name = f"{name}_{top_k}"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "name": self.name.removesuffix(f"_{self.top_k}")}

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        require_same_length(self.name, label, pred)
        if pred.ndim != 2:
            raise ShapeError(f"{self.name}: predictions must have shape (samples, classes), not {pred.shape}")
        best = np.argsort(-pred, axis=1, kind="stable")[:, : self.top_k]
        self._note(int((best == label.astype(np.int64).reshape(-1, 1)).sum()), len(pred))


class _Confusion(Averaged):
    """A metric computed from the binary confusion matrix."""

    def reset(self) -> None:
        super().reset()
        self._counts = np.zeros((2, 2), np.int64)  # truth × decision
        self._global_counts = np.zeros((2, 2), np.int64)

    def reset_local(self) -> None:
        super().reset_local()
        self._counts = np.zeros((2, 2), np.int64)

    def update(self, labels: Any, preds: Any) -> None:
        self._batch = np.zeros((2, 2), np.int64)
        super().update(labels, preds)
        if self.average == "macro":
            self._note(self._value(self._batch), 1)
            return
        self._counts += self._batch
        self._global_counts += self._batch
        self.num_inst, self.global_num_inst = int(self._counts.sum()), int(self._global_counts.sum())
        self.sum_metric = self._value(self._counts) * self.num_inst
        self.global_sum_metric = self._value(self._global_counts) * self.global_num_inst

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        truth, classes = _chosen(self.name, label, pred, 1)
        if truth.size and not (min(truth.min(), classes.min()) >= 0 and max(truth.max(), classes.max()) <= 1):
            raise DataError(
                f"{self.name} is defined for the classes 0 and 1 only, found {np.union1d(truth, classes)}"
            )
        np.add.at(self._batch, (truth, classes), 1)

    def _value(self, counts: np.ndarray) -> float:
        raise TypeError(f"{type(self).__name__} must override _value")


@metrics.register("f1")
class F1(_Confusion):
    """The F1 score of class 1, 2·precision·recall / (precision + recall), or 0 where undefined.

    >>> from lamina import metric
    >>> judge = metric.F1()
    >>> judge.update([1, 1, 0], [1, 0, 0])
    >>> round(judge.get()[1], 3)
    0.667
    """

    _named = "f1"

    def _value(self, counts: np.ndarray) -> float:
        (_, false_positive), (false_negative, true_positive) = counts.tolist()
        decided = 2 * true_positive + false_positive + false_negative
        return 2 * true_positive / decided if decided else 0.0


@metrics.register("mcc")
class MCC(_Confusion):
    """Matthews' correlation coefficient (1975) of true and predicted classes, or 0 where undefined."""

    _named = "mcc"

    def _value(self, counts: np.ndarray) -> float:
        (tn, fp), (fn, tp) = counts.tolist()
        margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return (tp * tn - fp * fn) / math.sqrt(margins) if margins else 0.0


@metrics.register("pcc")
class PCC(EvalMetric):
    """Matthews' correlation for any number of classes (Gorodkin, 2004), or NaN where undefined."""

    def __init__(
        self,
        name: str = "pcc",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
        has_global_stats: bool = True,
    ) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=has_global_stats)

    def reset(self) -> None:
        super().reset()
        self._counts = np.zeros((2, 2), np.int64)  # decision × truth
        self._global_counts = self._counts.copy()

    def reset_local(self) -> None:
        super().reset_local()
        self._counts = np.zeros_like(self._counts)

    def update(self, labels: Any, preds: Any) -> None:
        super().update(labels, preds)
        self.num_inst += 1
        self.global_num_inst += 1
        self.sum_metric = _correlation(self._counts) * self.num_inst
        self.global_sum_metric = _correlation(self._global_counts) * self.global_num_inst

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        truth, classes = _chosen(self.name, label, pred, 1)
        if truth.size and min(truth.min(), classes.min()) < 0:
            raise DataError(
                f"{self.name}: classes are whole numbers from 0 on, found {np.union1d(truth, classes)}"
            )
        more = max(0, int(max(truth.max(initial=0), classes.max(initial=0))) + 1 - len(self._counts))
        self._counts = np.pad(self._counts, (0, more))
        self._global_counts = np.pad(self._global_counts, (0, more))
        for counts in (self._counts, self._global_counts):
            np.add.at(counts, (classes, truth), 1)


def _correlation(counts: np.ndarray) -> float:
    """The correlation of true and predicted classes, from their confusion matrix."""
    total, one, other = counts.sum(), counts.sum(1), counts.sum(0)
    variances = (one * (total - one)).sum() * float((other * (total - other)).sum())
    covariance = float((counts.diagonal() * total - one * other).sum())
    return covariance / math.sqrt(variances) if variances else math.nan
