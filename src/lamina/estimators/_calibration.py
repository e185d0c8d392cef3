"""Temperature scaling: the outputs of a classifier are multiplied by a factor that calibrates its probabilities.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv 1706.04599. Epochs are compared
by the loss after scaling: the unscaled loss rises as a network becomes overconfident, even if the network still
improves its separation of the classes (Berta, Holzmüller, Jordan, Bach, "Rethinking Early Stopping: Refine, Then
Calibrate", 2025, arXiv 2501.19195).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

_BOUNDS = (math.log(0.02), math.log(5.0))
_SPREAD = 0.5
"""The standard deviation of the prior on log(factor), which matters if there are only a few rows."""
_CLOSE = 1e-3
"""Tolerance on log(factor): the error after a Newton step is about the square of the step."""
_LOWEST = -1e40
"""A finite number instead of -∞, since 0 · -∞ would be NaN; it is below all differences of float32 numbers."""
_ROWS_AT_ONCE = 4096
"""Number of rows processed in float64 at a time, to limit memory with many classes."""


class RowsLikelihood(ABC):
    """The log-likelihood of each row's target, if the outputs are multiplied by a positive factor."""

    @abstractmethod
    def values(self, factor: float) -> np.ndarray:
        """The log-likelihood of each row at this factor, (rows,)."""

    @abstractmethod
    def slopes(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """The first and second derivatives of `values` with respect to the factor, (rows,) each."""


class OfClasses(RowsLikelihood):
    """The log-likelihood of each row's target, for a single class per row; outputs are float64 (rows, classes).

    The target has class numbers (rows,) or class probabilities (rows, classes). In the second case, the log-likelihood
    is averaged over the classes, weighted by these probabilities.
    """

    def __init__(self, outputs: np.ndarray, target: np.ndarray) -> None:
        self._below = outputs - outputs.max(axis=1, keepdims=True)
        np.maximum(self._below, _LOWEST, out=self._below)
        if target.ndim == 2:
            self._own = (self._below * target).sum(axis=1)
        else:
            self._own = self._below[np.arange(len(target)), target.astype(int)]

    def values(self, factor: float) -> np.ndarray:
        powers = self._below * factor
        return self._own * factor - np.log(np.exp(powers, out=powers).sum(axis=1))

    def slopes(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """The first and second derivatives, (rows,) each.

        The first is the true class's output minus the mean of all outputs, the second the negative variance of the
        outputs. Mean and variance are over the classes, weighted by the predicted probabilities.
        """
        powers = self._below * factor
        total = np.exp(powers, out=powers).sum(axis=1)
        powers *= self._below
        mean = powers.sum(axis=1) / total
        powers *= self._below
        return self._own - mean, mean * mean - powers.sum(axis=1) / total


class OfLabels(RowsLikelihood):
    """The mean log-likelihood of a row's labels; outputs and target (0 or 1) are (rows, labels)."""

    def __init__(self, outputs: np.ndarray, target: np.ndarray) -> None:
        self._wrong = np.where(target > 0.5, -outputs, outputs)

    def values(self, factor: float) -> np.ndarray:
        return -np.logaddexp(0, self._wrong * factor).mean(axis=1)

    def slopes(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """The first and second derivatives, (rows,) each, averaged over a row's labels."""
        missed = np.exp(-np.logaddexp(0, self._wrong * -factor))
        first = -self._wrong * missed
        return first.mean(axis=1), (first * self._wrong * (1 - missed)).mean(axis=1)


class MeanLikelihood:
    """The mean log-likelihood over all rows, weighted by `weights`.

    `of_rows` returns the likelihood of a slice of the rows. Slices are evaluated in turn, which saves memory.
    """

    def __init__(
        self, of_rows: Callable[[slice], RowsLikelihood], rows: int, weights: np.ndarray | None
    ) -> None:
        self._of_rows, self.rows, self._weights = of_rows, rows, weights
        self._parts = [slice(begin, begin + _ROWS_AT_ONCE) for begin in range(0, rows, _ROWS_AT_ONCE)]
        if len(self._parts) == 1:
            whole = of_rows(self._parts[0])
            self._of_rows = lambda _: whole

    def value(self, factor: float) -> float:
        """The mean log-likelihood if the outputs are multiplied by `factor`."""
        return self._mean([self._of_rows(part).values(factor) for part in self._parts])

    def slopes(self, factor: float) -> tuple[float, float]:
        """The first and second derivatives of `value` with respect to the factor."""
        first, second = zip(*(self._of_rows(part).slopes(factor) for part in self._parts), strict=True)
        return self._mean(first), self._mean(second)

    def _mean(self, parts: Sequence[np.ndarray]) -> float:
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if self._weights is None:
            return float(np.add.reduce(values)) / self.rows
        return float(np.average(values, weights=self._weights))


def best_factor(likelihood: MeanLikelihood) -> float:
    """The factor on the outputs that maximizes the likelihood of the targets.

    More precisely, the factor is the most probable one under a normal prior on its logarithm (mean 0, standard
    deviation ½). Newton's method finds the logarithm, safeguarded by bisection.

    >>> outputs = np.array([[0.0, 4.0]] * 4000)
    >>> target = np.array([1, 1, 1, 0] * 1000)  # 3 of 4 are right: calibrated outputs would be log 3 ≈ 1.1
    >>> factor = best_factor(MeanLikelihood(lambda part: OfClasses(outputs[part], target[part]), 4000, None))
    >>> round(4 * factor, 1)
    1.1
    """
    weight = 1 / (_SPREAD**2 * max(likelihood.rows, 1))
    (low, high), at, step = _BOUNDS, 0.0, math.inf
    while abs(step) > _CLOSE and high - low > _CLOSE:
        factor = math.exp(at)
        first, second = likelihood.slopes(factor)
        slope = weight * at - factor * first
        curvature = weight - factor * (first + factor * second)
        low, high = (at, high) if slope < 0 else (low, at)
        step = -slope / curvature if curvature > 0 else math.inf
        if abs(step) > _CLOSE and not low < at + step < high:
            step = (low + high) / 2 - at
        at += step
    return math.exp(at)
