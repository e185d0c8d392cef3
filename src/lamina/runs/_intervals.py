"""How well a regression's intervals, and its quantiles, hold what they promise on rows that nothing has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.estimators.quantiles import pinball

__all__ = ["Below", "Covered", "levels_held", "measured_intervals", "measured_quantiles"]

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
    """A predicted quantile.

    Attributes:
        level: which.
        share: the share of rows that lie at or below it.
        pinball: its mean pinball loss, in the target's unit; None in runs of earlier versions.
    """

    level: float
    share: float
    pinball: float | None = None


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


def measured_quantiles(estimator: Any, inputs: Any, target: np.ndarray) -> tuple[list[Below], Covered | None]:
    """The quantiles of a regressor that predicts several, see `levels_held`; none of another."""
    levels = getattr(estimator.fitted_.target, "levels", ())
    if not levels or not len(target):
        return [], None
    return levels_held(levels, target, estimator.predict(inputs))


def levels_held(
    levels: Sequence[float], target: np.ndarray, predicted: np.ndarray
) -> tuple[list[Below], Covered | None]:
    """Each quantile, and what lies between the outermost two, of which there may be one only.

    Args:
        levels: which quantiles, ascending.
        target: float64 (rows,), at least one.
        predicted: (rows, levels).

    >>> import numpy as np
    >>> below, outermost = levels_held([0.25, 0.75], np.array([1.0, 4.0]), np.array([[0.0, 2.0], [0.0, 2.0]]))
    >>> below[1], outermost
    (Below(level=0.75, share=0.5, pinball=0.875), Covered(coverage=0.5, held=0.5, width=2.0))
    """
    below = [
        Below(
            level,
            float(np.mean(target <= predicted[:, i])),
            float(pinball(target, predicted[:, i : i + 1], [level]).mean()),
        )
        for i, level in enumerate(levels)
    ]
    if len(levels) < 2:
        return below, None
    low, high = predicted[:, 0], predicted[:, -1]
    held = float(np.mean((low <= target) & (target <= high)))
    return below, Covered(round(levels[-1] - levels[0], 12), held, float(np.mean(high - low)))
