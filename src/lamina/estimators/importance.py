"""Permutation importance (Breiman, 2001): the increase in loss when a column is shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.estimators.fitted import FittedModel
from lamina.estimators.targets import Classes, Quantiles, pinball
from lamina.table.encode import Encoded

MOST_ROWS = 2000
REPEATS = 5
_FIRST_LOOK_ROWS = 200
_MOST_COLUMNS = 30


@dataclass(frozen=True)
class Importance:
    """The increase of a loss (see `loss_name`) when `column` is shuffled.

    `low` and `high` are the ends of a 95 % interval, 1.96 standard errors from `mean`. The standard error includes the
    randomness of the sampled rows and of the shuffles.
    """

    column: str
    mean: float
    low: float
    high: float


def loss_name(target: Any) -> str:
    """The name of the loss from which importances are computed.

    It is the log-loss for classes, the pinball loss for quantiles, and otherwise the RMSE. Pinball loss and RMSE are
    in the target's unit.
    """
    if isinstance(target, Classes):
        return "log-loss"
    return "pinball loss" if isinstance(target, Quantiles) else "RMSE"


def permutation_importance(
    fitted: FittedModel[Any],
    encoded: Encoded,
    target: np.ndarray,
    rng: np.random.Generator,
    n_jobs: int | None = None,
) -> list[Importance]:
    """The permutation importance of each column, largest first.

    Each column is shuffled five times. For a table with more than 30 columns, a first pass with 200 rows and one
    shuffle selects the 30 most important columns.

    Args:
        fitted: the fitted model.
        encoded: rows not used in training; more than `MOST_ROWS` rows are not needed.
        target: for classification the result of `Classes.encode`, for regression values in the target's unit.
        rng: generates the shuffles.
        n_jobs: the number of columns to evaluate in parallel, by joblib; the result does not depend on it.
    """
    from joblib import Parallel, delayed  # imports asyncio, which predictions do not need

    columns = fitted.encoder.positions
    names: list[str] = list(columns)

    def growths(encoded: Encoded, target: np.ndarray, names: list[str], repeats: int) -> list[Any]:
        orders = [[rng.permutation(len(target)) for _ in range(repeats)] for _ in names]
        before = _shares(fitted, encoded, target)
        one = delayed(_growth)
        tasks = (
            one(fitted, encoded.numeric, encoded.codes, target, columns[name], before, own)
            for name, own in zip(names, orders, strict=True)
        )
        return list(Parallel(n_jobs)(tasks))

    if len(names) > _MOST_COLUMNS:
        few = slice(None, _FIRST_LOOK_ROWS)
        glance = Encoded(encoded.numeric[few], encoded.codes[few])
        growth = [mean for mean, _ in growths(glance, target[few], names, 1)]
        names = [names[i] for i in np.argsort(growth)[::-1][:_MOST_COLUMNS]]
    found = [
        Importance(name, mean, mean - 1.96 * error, mean + 1.96 * error)
        for name, (mean, error) in zip(names, growths(encoded, target, names, REPEATS), strict=True)
    ]
    return sorted(found, key=lambda importance: -importance.mean)


def _growth(
    fitted: FittedModel[Any],
    numeric: np.ndarray,
    codes: np.ndarray,
    target: np.ndarray,
    positions: tuple[list[int], list[int]],
    before: tuple[float, np.ndarray],
    orders: list[np.ndarray],
) -> tuple[float, float]:
    """The mean increase of the loss when a column is shuffled, over all `orders`, and its standard error.

    `positions` has the positions of the column's numeric inputs and of its codes; `before` is `_shares` of the
    unshuffled rows. In a shuffle, each row has two roles: it receives another row's value, and another row receives
    its value. The increase is thus a mean over pairs of rows, and the standard error is computed from each row's
    contributions in both roles (Hoeffding, 1948, on U-statistics). For an RMSE, the root of a mean, a first-order
    expansion gives the contributions.
    """
    growth, shares, repeats = 0.0, np.zeros(len(target)), len(orders)
    for order in orders:
        shuffled = numeric.copy(), codes.copy()
        for array, columns in zip(shuffled, positions, strict=True):
            array[:, columns] = array[order][:, columns]
        after = _shares(fitted, Encoded(*shuffled), target)
        growth += (after[0] - before[0]) / repeats
        shares += (after[1] - before[1]) / repeats
        shares[order] += after[1] / repeats
    error = float(shares.std(ddof=1)) / np.sqrt(len(shares)) if len(shares) > 1 else 0.0
    return growth, error


def _shares(fitted: FittedModel[Any], encoded: Encoded, target: np.ndarray) -> tuple[float, np.ndarray]:
    """The loss of all rows (see `loss_name`), and a value for each row, (rows,), whose spread gives its standard error.

    The values are the rows' losses; for the RMSE they are the squared errors divided by 2 · RMSE, its linearization.
    """
    outputs = fitted.outputs(encoded)
    if isinstance(fitted.target, Classes):
        losses = -fitted.target.log_likelihood(outputs, target)
        return float(losses.mean()), losses
    if isinstance(fitted.target, Quantiles):
        losses = pinball(target, fitted.target.predictions(outputs), fitted.target.levels)
        return float(losses.mean()), losses
    squares = ((fitted.target.predictions(outputs) - target) ** 2).reshape(len(target), -1).mean(axis=1)
    rmse = float(np.sqrt(squares.mean()))
    return rmse, squares / (2 * rmse) if rmse else squares
