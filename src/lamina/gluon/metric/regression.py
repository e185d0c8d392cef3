"""Metrics of numeric predictions: MAE, MSE, RMSE, and Pearson's correlation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.gluon.metric.base import Averaged, Named, metrics, misfit


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


@metrics.register("pearsonr", "PearsonCorrelation")
class PearsonCorrelation(Averaged):
    """Pearson's correlation coefficient of labels and predictions, or NaN if either is constant.

    Args:
        average: ``"macro"`` for the mean of the batches' values, MXNet's default; ``"micro"`` for the value of all
            samples together.
    """

    _named = "pearsonr"

    def reset(self) -> None:
        super().reset()
        self._moments = self._global_moments = _PairedMoments()

    def reset_local(self) -> None:
        super().reset_local()
        self._moments = _PairedMoments()

    def _add(self, label: np.ndarray, pred: np.ndarray) -> None:
        _differences(self.name, label, pred)  # to check the labels and predictions
        batch = _PairedMoments.of(label.astype(np.float64).ravel(), pred.astype(np.float64).ravel())
        if self.average == "macro":
            self._note(batch.correlation(), 1)
            return
        self._moments, self._global_moments = self._moments.joined(batch), self._global_moments.joined(batch)
        self.num_inst, self.global_num_inst = self._moments.count, self._global_moments.count
        self.sum_metric = self._moments.correlation() * self.num_inst
        self.global_sum_metric = self._global_moments.correlation() * self.global_num_inst


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

    def joined(self, other: _PairedMoments) -> _PairedMoments:
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
