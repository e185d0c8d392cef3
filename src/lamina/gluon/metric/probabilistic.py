"""Metrics of predicted probabilities, such as cross-entropy and perplexity, and the mean of a loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.gluon.metric.base import EvalMetric, Named, Own, as_list, as_numpy, metrics, misfit


def _of_the_truth(name: str, label: np.ndarray, pred: np.ndarray, axis: int = -1) -> np.ndarray:
    """The predicted probability of each sample's true class, from `pred` with the classes along `axis`."""
    rows = np.moveaxis(pred, axis, -1).reshape(-1, pred.shape[axis]) if pred.ndim else pred.reshape(0, 0)
    classes = label.astype(np.int64).ravel()
    if len(rows) != classes.size:
        raise misfit(name, label, pred)
    if classes.size and not 0 <= classes.min() <= classes.max() < rows.shape[1]:
        raise DataError(
            f"{name}: labels from {classes.min()} to {classes.max()}, but there are {rows.shape[1]} classes"
        )
    return rows[np.arange(classes.size), classes]


@metrics.register("ce", "cross-entropy", "CrossEntropy")
class CrossEntropy(Named):
    """The mean of -log(p + eps), where p is the probability predicted for the true class.

    Predictions have shape (samples, classes).

    >>> metric = CrossEntropy()
    >>> metric.update(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]]))
    >>> round(metric.get()[1], 4)
    1.0397
    """

    _named = "cross-entropy"

    def __init__(
        self,
        eps: float = 1e-12,
        name: str | Own = Own.NAME,
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names)
        self.eps, self._kwargs = eps, {"eps": eps}

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        probable = _of_the_truth(self.name, label, pred).astype(np.float64)
        self._note(-float(np.log(probable + self.eps).sum()), probable.size)


@metrics.register("nll_loss", "nll-loss", "NegativeLogLikelihood")
class NegativeLogLikelihood(CrossEntropy):
    """`CrossEntropy` under MXNet's second name."""

    _named = "nll-loss"


@metrics.register("perplexity")
class Perplexity(EvalMetric):
    """exp of the mean of -log p, where p is the predicted probability of the true class (at least 1e-10).

    Args:
        ignore_label: a label whose samples are ignored, or None.
        axis: the axis of the classes.
    """

    def __init__(
        self,
        ignore_label: int | None = None,
        axis: int = -1,
        name: str = "perplexity",
        output_names: Sequence[str] | None = None,
        label_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            name, output_names, label_names, has_global_stats=True, ignore_label=ignore_label, axis=axis
        )
        self.ignore_label, self.axis = ignore_label, axis

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        counts = np.ones(label.shape, bool) if self.ignore_label is None else label != self.ignore_label
        probable = _of_the_truth(self.name, np.where(counts, label, 0), pred, self.axis)[counts.ravel()]
        self._note(-float(np.log(np.maximum(probable.astype(np.float64), 1e-10)).sum()), probable.size)

    def get(self) -> tuple[str, float]:
        name, mean = super().get()
        return name, _exp(mean)

    def get_global(self) -> tuple[str, float]:
        if self.global_num_inst == 0:
            return self.name, math.nan
        return self.name, _exp(self.global_sum_metric / self.global_num_inst)


def _exp(mean: float) -> float:
    return math.exp(mean) if mean < 700 else mean if math.isnan(mean) else math.inf


@metrics.register("loss")
class Loss(Named):
    """The mean of the values that a loss function returned; labels are ignored.

    >>> from lamina import gluon, metric, nd
    >>> mean = metric.Loss()
    >>> for pred in (nd.array([1.0, 3.0]), nd.array([5.0])):
    ...     mean.update(None, gluon.loss.L1Loss()(pred, nd.zeros_like(pred)))
    >>> mean.get_name_value()
    [('loss', 3.0)]
    """

    _named = "loss"

    def update(self, labels: Any, preds: Any) -> None:
        for pred in as_list(preds):
            losses = as_numpy(pred)
            self._note(float(losses.sum(dtype=np.float64)), losses.size)


@metrics.register("torch")
class Torch(Loss):
    """`Loss` under the name "torch"."""

    _named = "torch"


@metrics.register("caffe")
class Caffe(Loss):
    """`Loss` under the name "caffe"."""

    _named = "caffe"
