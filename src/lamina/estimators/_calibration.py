"""Calibration of a classifier's outputs: one factor (temperature scaling), then a factor and a constant for each class.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv 1706.04599. Epochs are compared
by the loss after scaling: the unscaled loss rises as a network becomes overconfident, even if the network still
improves its separation of the classes (Berta, Holzmüller, Jordan, Bach, "Rethinking Early Stopping: Refine, Then
Calibrate", 2025, arXiv 2501.19195).
Factors and constants of classes are held near 1 and 0, as in structured vector scaling (the same authors, "Structured
Matrix Scaling for Multi-Class Calibration", 2025, arXiv 2511.03685); docs/adr/calibration.md has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from lamina.core.blas import matmul, one_thread

_BOUNDS = (math.log(0.02), math.log(5.0))
_SPREAD = 0.5
"""The standard deviation of the prior on log(factor), which matters if there are only a few rows."""
_CLOSE = 1e-3
"""Tolerance on log(factor): the error after a Newton step is about the square of the step."""
_LOWEST = -1e40
"""A finite number instead of -∞, since 0 · -∞ would be NaN; it is below all differences of float32 numbers."""
_ROWS_AT_ONCE = 4096
"""Number of rows processed in float64 at a time, to limit memory with many classes."""
_CLASS_SPREAD = 0.1
"""The standard deviation of the priors on a class's constant, and on its factor's change of an output of mean size."""
_LEAST_LOSS = 20.0
"""Minimum sum of the rows' losses for each class; below it, too few rows are wrong to say anything about a class."""
_MOST_OUTPUTS = 1 << 16
"""Number of outputs that factors and constants of classes are fitted to, of evenly spaced rows."""
_NEWTON_STEPS = 4
_BLOCK = 1 << 10
"""Number of rows that a step computes with at a time."""


class OfClasses:
    """The log-likelihood of each row's target, for a single class per row; outputs are float64 (rows, classes).

    The target has class numbers (rows,) or class probabilities (rows, classes). In the second case, the log-likelihood
    is averaged over the classes, weighted by these probabilities.
    """

    def __init__(self, outputs: np.ndarray, target: np.ndarray) -> None:
        self._below = np.array(outputs.T, order="C")  # rows come last: sums over a short last axis are slow
        self._below -= self._below.max(axis=0)
        np.maximum(self._below, _LOWEST, out=self._below)
        if target.ndim == 2:
            self._own = (self._below * target.T).sum(axis=0)
        else:
            self._own = self._below[target.astype(int), np.arange(len(target))]

    def values(self, factor: float) -> np.ndarray:
        """The log-likelihood of each row if the outputs are multiplied by a positive factor, (rows,)."""
        powers = self._below * factor
        return self._own * factor - np.log(np.exp(powers, out=powers).sum(axis=0))

    def slopes(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """The first and second derivatives, (rows,) each.

        The first is the true class's output minus the mean of all outputs, the second the negative variance of the
        outputs. Mean and variance are over the classes, weighted by the predicted probabilities.
        """
        powers = self._below * factor
        total = np.exp(powers, out=powers).sum(axis=0)
        powers *= self._below
        mean = powers.sum(axis=0) / total
        powers *= self._below
        return self._own - mean, mean * mean - powers.sum(axis=0) / total


class OfLabels:
    """The mean log-likelihood of a row's labels; outputs and target (0 or 1) are (rows, labels)."""

    def __init__(self, outputs: np.ndarray, target: np.ndarray) -> None:
        self._wrong = np.where(target > 0.5, -outputs, outputs)

    def values(self, factor: float) -> np.ndarray:
        """The log-likelihood of each row if the outputs are multiplied by a positive factor, (rows,)."""
        return -np.logaddexp(0, self._wrong * factor).mean(axis=1)

    def slopes(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """The first and second derivatives, (rows,) each, averaged over a row's labels."""
        missed = np.exp(-np.logaddexp(0, self._wrong * -factor))
        first = -self._wrong * missed
        return first.mean(axis=1), (first * self._wrong * (1 - missed)).mean(axis=1)


RowsLikelihood = OfClasses | OfLabels
"""The log-likelihood of each row's target, if the outputs are multiplied by a positive factor."""

_OfRows = Callable[[slice], RowsLikelihood]


class MeanLikelihood:
    """The mean log-likelihood over all rows, weighted by `weights`.

    `of_rows` returns the likelihood of a slice of the rows. Slices are evaluated in turn, which saves memory.
    """

    _of_rows: _OfRows

    def __init__(self, of_rows: _OfRows, rows: int, weights: np.ndarray | None) -> None:
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


def class_map(
    outputs: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """The most probable factor and constant of each class, as a linear map of the outputs.

    A factor multiplies the class's output, after the mean of the row's outputs is subtracted. Factors and constants
    have normal priors with means 1 and 0, so that they stay there unless many rows agree. Newton's method finds them.

    Args:
        outputs: calibrated outputs, (rows, classes).
        target: class numbers (rows,) or class probabilities (rows, classes).
        weights: the rows' weights, (rows,); None: equal.

    Returns:
        A matrix (classes, classes) and constants (classes,), float64: the new outputs are outputs · matrix + constants.
        None if the rows' losses are too small to learn from.

    >>> rng = np.random.default_rng(0)
    >>> outputs = 2 * rng.normal(size=(20_000, 3))
    >>> target = (outputs + [1, 0, 0] + rng.gumbel(size=outputs.shape)).argmax(axis=1)  # too few of class 0
    >>> matrix, constants = class_map(outputs, target, None)
    >>> (constants - constants.min()).round().tolist()
    [1.0, 0.0, 0.0]
    """
    every, count = slice(None, None, max(-(-outputs.size // _MOST_OUTPUTS), 1)), outputs.shape[1]
    z, target = outputs[every].astype(np.float64), target[every]
    weights = np.ones(len(z)) if weights is None else weights[every].astype(np.float64)
    z -= z.mean(axis=1, keepdims=True)
    size = float(np.linalg.norm(z)) / math.sqrt(z.size)
    parts = [slice(begin, begin + _BLOCK) for begin in range(0, len(z), _BLOCK)]
    if not 0 < size < math.inf:
        return None
    gained = sum(weights[part] @ OfClasses(z[part], target[part]).values(1.0) for part in parts)
    if -gained < _LEAST_LOSS * count:
        return None
    precision, found = np.eye(2 * count) / _CLASS_SPREAD**2, np.zeros(2 * count)
    with one_thread:
        for _ in range(_NEWTON_STEPS):
            slope, curvature = precision @ found, precision
            for part in parts:
                more = _slope_and_curvature(z[part], size, target[part], weights[part, None], found)
                slope, curvature = slope + more[0], curvature + more[1]
            found -= np.linalg.solve(curvature, slope)
    return np.eye(count) + (np.eye(count) - 1 / count) * found[:count] / size, found[count:]


def map_rows(outputs: np.ndarray, matrix: np.ndarray, constants: np.ndarray) -> None:
    """Apply a map of `class_map` to outputs (rows, classes) in place, since they may be as large as the table."""
    for begin in range(0, len(outputs), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        outputs[part] = matmul(outputs[part], matrix) + constants


def _slope_and_curvature(
    z: np.ndarray, size: float, target: np.ndarray, weights: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient and the Hessian of the rows' loss by the classes' factors, then constants; see `class_map`.

    `z` is (rows, classes), centered; `weights` is (rows, 1); `found` has the factors' changes, then the constants.
    """
    x, count = z / size, z.shape[1]
    wanted = target if target.ndim == 2 else np.eye(count)[target.astype(int)]
    both = np.concatenate([x, np.ones_like(x)], axis=1)
    p = z + x * found[:count] + found[count:]
    p = np.exp(p - p.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    seen, missed = np.tile(p, 2) * both, np.tile(weights * (p - wanted), 2) * both
    same = [np.diag(np.sum(weights * p * x**power, axis=0)) for power in (2, 1, 0)]
    return missed.sum(axis=0), np.block([same[:2], same[1:]]) - seen.T @ (weights * seen)
