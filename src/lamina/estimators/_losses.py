"""Losses of the estimators: a value per row, computed from the network's outputs and the encoded target."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lamina import nd
from lamina.nd.ndarray import NDArray

Loss = Callable[[NDArray, NDArray], NDArray]
"""``loss(outputs, target)``: outputs (rows, k); target (rows,) class numbers, or (rows, k) numbers or class
probabilities; result (rows,)."""


def cross_entropy(smoothing: float = 0.0) -> Loss:
    """The softmax cross-entropy with class numbers or class probabilities as the target.

    `smoothing`: the share of the target's probability that is spread evenly over all classes.
    """

    def loss(outputs: NDArray, target: NDArray) -> NDArray:
        log_p = nd.log_softmax(outputs)
        shares = target if target.ndim == 2 else nd.one_hot(target, outputs.shape[1])
        picked = nd.sum(shares * log_p, axis=1)
        if not smoothing:
            return -picked
        return -((1 - smoothing) * picked + smoothing * nd.mean(log_p, axis=1))

    return loss


def multilabel(outputs: NDArray, target: NDArray) -> NDArray:
    """The binary cross-entropy of logits with 0/1 targets, averaged over outputs; numerically stable."""
    soft = nd.maximum(outputs, 0.0) - outputs * target + nd.log1p(nd.exp(-nd.abs(outputs)))
    return nd.mean(soft, axis=1)


def squared_error(outputs: NDArray, target: NDArray) -> NDArray:
    """The squared error, ½(y − ŷ)², averaged over outputs; the factor ½ is as in scikit-learn."""
    difference = outputs - target
    return nd.mean(difference * difference, axis=1) * 0.5


def absolute_error(outputs: NDArray, target: NDArray) -> NDArray:
    """The absolute error, |y − ŷ|, averaged over outputs."""
    return nd.mean(nd.abs(outputs - target), axis=1)


def huber(outputs: NDArray, target: NDArray) -> NDArray:
    """The Huber loss: quadratic if the error is at most 1, a standard deviation, otherwise linear (Huber, 1964)."""
    distance = nd.abs(outputs - target)
    inner = nd.minimum(distance, 1.0)
    return nd.mean(inner * (distance - 0.5 * inner), axis=1)


def quantile(level: float = 0.5) -> Loss:
    """The pinball loss, which is minimized by the quantile at `level` (Koenker and Bassett, 1978)."""

    def loss(outputs: NDArray, target: NDArray) -> NDArray:
        difference = target - outputs
        return nd.mean(nd.maximum(level * difference, (level - 1) * difference), axis=1)

    return loss


def quantiles(levels: Sequence[float]) -> Loss:
    """The pinball loss averaged over levels, for outputs (rows, levels) and a single target (rows, 1)."""

    def loss(outputs: NDArray, target: NDArray) -> NDArray:
        shares = nd.array(np.array([levels], np.float32), ctx=outputs.context)
        difference = target - outputs
        return nd.mean(nd.maximum(shares * difference, (shares - 1) * difference), axis=1)

    return loss


def poisson(outputs: NDArray, target: NDArray) -> NDArray:
    """The Poisson loss, exp(z) − y·z, for outputs z that are logarithms of expected counts."""
    return nd.mean(nd.exp(outputs) - target * outputs, axis=1)
