"""The loss that L-BFGS compares steps by is as exact as scikit-learn's, also where a network is sure of itself.

Both compute the losses of the same networks.
The line search ends where losses differ by less than their rounding: a less exact loss would end it earlier.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from lamina import neural_network as ours

WIDE = np.longdouble
SEEDS = range(8)


def exact_loss(network: Any, X: np.ndarray, targets: np.ndarray) -> np.longdouble:
    """The log-loss of a network with one hidden layer of ReLU, with its penalty, in extended precision."""
    (first, last), (shift, bias) = (
        [x.astype(WIDE) for x in part] for part in (network.coefs_, network.intercepts_)
    )
    outputs = np.maximum(X.astype(WIDE) @ first + shift, 0) @ last + bias
    outputs -= outputs.max(axis=1, keepdims=True)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    epsilon = np.finfo(np.float64).eps
    shares = np.clip(shares, WIDE(epsilon), WIDE(1 - epsilon))  # as scikit-learn does
    penalty = WIDE(network.alpha) / 2 * ((first**2).sum() + (last**2).sum())
    return (penalty - (np.log(shares) * targets).sum()) / len(X)


def errors(seed: int, monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """The relative errors of lamina's losses at the networks of a long training, and of scikit-learn's."""
    X, y = load_iris(return_X_y=True)
    found = []

    def noting(self: Any, X: np.ndarray, y: np.ndarray, *others: Any, **named: Any) -> Any:
        unwritten = copy.deepcopy(others)
        own = original(self, X, y, *others, **named)
        other = theirs.MLPClassifier._backprop(self, X, y, *unwritten, **named)
        exact = exact_loss(self, X, y)
        found.append([float(abs(result[0] / exact - 1)) for result in (own, other)])
        return own

    original = ours.MLPClassifier._backprop
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        patch.setattr(ours.MLPClassifier, "_backprop", noting)
        network = ours.MLPClassifier(2, solver="lbfgs", warm_start=True, tol=1e-2, random_state=seed).fit(
            X, y
        )
        network.fit(X, np.repeat([0, 1, 2], [40, 40, 70]))
    return found


@pytest.mark.slow
@pytest.mark.skipif(np.finfo(WIDE).eps == np.finfo(np.float64).eps, reason="long double is double here")
@pytest.mark.usefixtures("compiled")
def test_loss_is_as_exact_as_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = np.concatenate([errors(seed, monkeypatch) for seed in SEEDS]).T
    assert own.size > 200
    assert np.median(own) <= 1.3 * np.median(other)
    assert own.max() <= 1.3 * other.max()
