"""How well a regression's intervals, and its quantiles, hold what they promise on rows that nothing has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Below", "Covered", "measured_intervals", "measured_quantiles"]

_COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Covered:
    """Intervals of one size.

    Attributes:
        coverage: the share of rows that they should hold.
        held: the share that they hold.
        width: their mean width, in the target's unit.
    """

    coverage: float
    held: float
    width: float


@dataclass(frozen=True)
class Below:
    """A predicted quantile: its level, and the share of rows that lie at or below it."""

    level: float
    share: float


def measured_intervals(estimator: Any, inputs: Any, target: np.ndarray) -> list[Covered]:
    """The intervals of a regressor on rows that it has not seen, for those sizes that it has held-out rows enough for.

    Args:
        estimator: fitted, of one target.
        inputs: the table.
        target: float64 (rows,).
    """
    known = 0 if estimator.fitted_.held_out is None else len(estimator.fitted_.held_out)
    found: list[Covered] = []
    for coverage in _COVERAGES:
        if not len(target) or coverage * (known + 1) > known:
            break
        low, high = estimator.predict_interval(inputs, coverage)
        held = float(np.mean((low <= target) & (target <= high)))
        found.append(Covered(coverage, held, float(np.mean(high - low))))
    return found


def measured_quantiles(estimator: Any, inputs: Any, target: np.ndarray) -> list[Below]:
    """The quantiles of a regressor that predicts several; none of another."""
    levels = getattr(estimator.fitted_.target, "levels", ())
    if not levels or not len(target):
        return []
    shares = np.mean(target[:, None] <= estimator.predict(inputs), axis=0)
    return [Below(level, share) for level, share in zip(levels, shares.tolist(), strict=True)]
