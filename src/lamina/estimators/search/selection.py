"""Choice of averaged trials and their shares, by greedy selection with replacement.

Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble Selection from Libraries of Models", 2004.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["greedy", "mixture"]

_ROUNDS = 20


def greedy(outputs: Sequence[np.ndarray], measure: Callable[[np.ndarray], float]) -> list[int]:
    """The number of times each model is selected into the best mean.

    The model that improves the mean most is added, possibly repeatedly, until none improves it.

    Args:
        outputs: each model's outputs for the same rows.
        measure: the score of outputs, higher is better.

    >>> truth = np.array([0.0, 1.0, 2.0])
    >>> models = [truth + [1.0, -1.0, 0.5], truth - [1.0, -1.0, 0.5], truth + 9.0]
    >>> greedy(models, lambda mean: -float(((mean - truth) ** 2).mean()))
    [1, 1, 0]
    """
    counts = [0] * len(outputs)
    total, best = np.zeros_like(outputs[0]), -np.inf
    for taken in range(_ROUNDS):
        scores = [measure((total + one) / np.float32(taken + 1)) for one in outputs]
        i = int(np.argmax(scores))
        if not scores[i] > best:
            break
        best, total = scores[i], total + outputs[i]
        counts[i] += 1
    return counts


def mixture(outputs: Sequence[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    """The weighted mean by shares, float32."""
    return np.sum([one * np.float32(share) for one, share in zip(outputs, shares, strict=True)], axis=0)
