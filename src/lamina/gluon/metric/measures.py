"""Metrics of predicted classes, probabilities and numbers, such as accuracy, perplexity and RMSE."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from lamina.errors import DataError, ShapeError
from lamina.gluon.metric.base import Accumulated, Averaged, EvalMetric, Named, Names, Own, metrics, misfit
from lamina.support.argument_checks import whole_number

__all__ = [
    "F1", "MAE", "MCC", "MSE", "PCC", "RMSE", "Accuracy", "CrossEntropy", "NegativeLogLikelihood",
    "PearsonCorrelation", "Perplexity", "TopKAccuracy",
]  # fmt: skip


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
        self, axis: int = 1, name: str = "accuracy", output_names: Names = None, label_names: Names = None
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
        output_names: Names = None,
        label_names: Names = None,
    ) -> None:
        top_k = whole_number("top_k", top_k, "classes", least=1)
        super().__init__(name, output_names, label_names, has_global_stats=True, top_k=top_k)
        self.top_k = top_k
        self.name = f"{name}_{top_k}"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "name": self.name.removesuffix(f"_{self.top_k}")}

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        if label.shape[:1] != pred.shape[:1]:
            raise misfit(self.name, label, pred)
        if pred.ndim != 2:
            raise ShapeError(f"{self.name}: predictions must have shape (samples, classes), not {pred.shape}")
        best = np.argsort(-pred, axis=1, kind="stable")[:, : self.top_k]
        self._note(int((best == label.astype(np.int64).reshape(-1, 1)).sum()), len(pred))


class _Confusion(Accumulated):
    """A metric computed from the confusion matrix, truth × decision."""

    _nothing = np.zeros((2, 2), np.int64)
    _highest: ClassVar[float] = 1
    _classes: ClassVar[str] = " is defined for the classes 0 and 1 only"

    def update(self, labels: Any, preds: Any) -> None:
        self._batch = self._nothing
        super().update(labels, preds)
        self._note_batch(self._batch, int(self._batch.sum()))

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        truth, classes = _chosen(self.name, label, pred, 1)
        size = len(self._nothing)
        if truth.size:
            lowest, highest = min(truth.min(), classes.min()), max(truth.max(), classes.max())
            if not 0 <= lowest <= highest <= self._highest:
                raise DataError(f"{self.name}{self._classes}, found {np.union1d(truth, classes)}")
            size = max(size, int(highest) + 1)
        counts = np.bincount(truth * size + classes, minlength=size * size)
        self._batch = self._joined(self._batch, counts.reshape(size, size))

    def _joined(self, some: np.ndarray, others: np.ndarray) -> np.ndarray:
        size = max(len(some), len(others))
        some, others = (x if len(x) == size else np.pad(x, (0, size - len(x))) for x in (some, others))
        return some + others


@metrics.register("f1")
class F1(_Confusion, Averaged):
    """The F1 score of class 1, 2·precision·recall / (precision + recall), or 0 where undefined.

    >>> from lamina import metric
    >>> judge = metric.F1()
    >>> judge.update([1, 1, 0], [1, 0, 0])
    >>> round(judge.get()[1], 3)
    0.667
    """

    _named = "f1"

    def _value(self, summary: np.ndarray) -> float:
        (_, false_positive), (false_negative, true_positive) = summary.tolist()
        decided = 2 * true_positive + false_positive + false_negative
        return 2 * true_positive / decided if decided else 0.0


@metrics.register("mcc")
class MCC(_Confusion, Averaged):
    """Matthews' correlation coefficient (1975) of true and predicted classes, or 0 where undefined."""

    _named = "mcc"

    def _value(self, summary: np.ndarray) -> float:
        (tn, fp), (fn, tp) = summary.tolist()
        margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return (tp * tn - fp * fn) / math.sqrt(margins) if margins else 0.0


@metrics.register("pcc")
class PCC(_Confusion):
    """Matthews' correlation for any number of classes (Gorodkin, 2004), or NaN where undefined."""

    _highest = math.inf
    _classes = ": classes are whole numbers from 0 on"

    def __init__(
        self,
        name: str = "pcc",
        output_names: Names = None,
        label_names: Names = None,
        has_global_stats: bool = True,
    ) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=has_global_stats)

    def _note_batch(self, batch: np.ndarray, count: int) -> None:
        super()._note_batch(batch.T, 1)  # decision × truth, as in pickles of earlier versions

    def _value(self, summary: np.ndarray) -> float:
        return _correlation(summary)


def _correlation(counts: np.ndarray) -> float:
    """The correlation of true and predicted classes, from their confusion matrix."""
    total, one, other = counts.sum(), counts.sum(1), counts.sum(0)
    variances = (one * (total - one)).sum() * float((other * (total - other)).sum())
    covariance = float((counts.diagonal() * total - one * other).sum())
    return covariance / math.sqrt(variances) if variances else math.nan


# --- of probabilities, and the mean of a loss -------------------------------------------------------------------------


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
        output_names: Names = None,
        label_names: Names = None,
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
        output_names: Names = None,
        label_names: Names = None,
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


# --- of numbers -------------------------------------------------------------------------------------------------------


def _differences(name: str, label: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """Label minus prediction in float64, where shape (n,) is treated as (n, 1)."""
    truth = label.reshape(-1, 1) if label.ndim == 1 else label
    guess = pred.reshape(-1, 1) if pred.ndim == 1 else pred
    if truth.shape != guess.shape:
        raise misfit(name, label, pred)
    return truth.astype(np.float64) - guess


class _Regression(Named):
    """A metric that averages the batches' values, as in MXNet; a smaller last batch has the same weight."""

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        self._note(self._error(_differences(self.name, label, pred)), 1)

    def _error(self, difference: np.ndarray) -> float:
        return float((difference**2).mean())


@metrics.register("mae")
class MAE(_Regression):
    """The mean absolute error.

    >>> metric = MAE()
    >>> metric.update(np.array([1.0, 2.0]), np.array([1.5, 1.0]))
    >>> metric.get()
    ('mae', 0.75)
    """

    _named = "mae"

    def _error(self, difference: np.ndarray) -> float:
        return float(np.abs(difference).mean())


@metrics.register("mse")
class MSE(_Regression):
    """The mean squared error."""

    _named = "mse"


@metrics.register("rmse")
class RMSE(_Regression):
    """The root mean squared error of a batch, averaged over the batches as in MXNet."""

    _named = "rmse"

    def _error(self, difference: np.ndarray) -> float:
        return math.sqrt(super()._error(difference))


class _PairedMoments:
    """Moments of pairs of numbers (x, y): their count, means, and sums of products of deviations.

    The means are [x, y]; the sums of products of deviations from the means are [xx, yy, xy].
    """

    def __init__(self, count: int = 0, means: Any = (0.0, 0.0), deviations: Any = (0.0, 0.0, 0.0)) -> None:
        self.count, self.means, self.deviations = count, np.asarray(means), np.asarray(deviations)

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> _PairedMoments:
        if x.size == 0:
            return cls()
        dx, dy = x - x.mean(), y - y.mean()
        return cls(x.size, (x.mean(), y.mean()), (dx @ dx, dy @ dy, dx @ dy))

    def __add__(self, other: _PairedMoments) -> _PairedMoments:
        """The moments of the union of both sets of pairs, by a stable formula (Chan, Golub and LeVeque, 1979)."""
        count = self.count + other.count
        if count == 0:
            return self
        shift = other.means - self.means
        between = np.append(shift**2, shift[0] * shift[1]) * (self.count * other.count / count)
        means = self.means + shift * (other.count / count)
        return _PairedMoments(count, means, self.deviations + other.deviations + between)

    def correlation(self) -> float:
        xx, yy, xy = self.deviations.tolist()
        return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else math.nan


@metrics.register("pearsonr", "PearsonCorrelation")
class PearsonCorrelation(Averaged):
    """Pearson's correlation coefficient of labels and predictions, or NaN if either is constant.

    Args:
        average: ``"macro"`` for the mean of the batches' values, MXNet's default; ``"micro"`` for the value of all
            samples together.
    """

    _named = "pearsonr"
    _nothing = _PairedMoments()

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        """Set the attributes, also those of earlier versions, where the summaries were called moments."""
        self.__dict__.update({name.replace("moments", "counts"): x for name, x in attributes.items()})

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        _differences(self.name, label, pred)  # to check the labels and predictions
        batch = _PairedMoments.of(label.astype(np.float64).ravel(), pred.astype(np.float64).ravel())
        self._note_batch(batch, batch.count)

    def _value(self, summary: _PairedMoments) -> float:
        return summary.correlation()
