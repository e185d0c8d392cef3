"""Permutation importance (Breiman, 2001): how much worse predictions get when a column is shuffled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamina.runs._model import TableModel
from lamina.runs.data import Part, known_rows
from lamina.table.encode import Encoded

__all__ = ["MOST_ROWS", "REPEATS", "Importance", "permutation_importance"]

MOST_ROWS = 2000
REPEATS = 5
_FIRST_LOOK_ROWS = 200
_MOST_COLUMNS = 30


@dataclass(frozen=True)
class Importance:
    """How much a loss (log-loss, or RMSE in the target's unit) grows when `column` is shuffled.

    `low` and `high` are the ends of a 95 % interval: 1.96 standard errors from `mean`, over the rows that were
    drawn and the shuffles together.
    """

    column: str
    mean: float
    low: float
    high: float


def permutation_importance(model: TableModel, part: Part, seed: int = 0) -> list[Importance]:
    """The importance of each column, the greatest first.

    It is measured on at most 2000 rows, with five shuffles. Of a table with more than 30 columns, the 30 that
    matter most in a first look with 200 rows and one shuffle.
    """
    rng = np.random.default_rng(seed)
    part = known_rows(part)
    rows = np.sort(rng.permutation(len(part))[:MOST_ROWS])
    if not len(rows):
        return []
    fitted = model.estimator.fitted_
    encoded = fitted.encode(model.inputs(part.frame[rows]))
    target = part.target[rows]
    columns = fitted.encoder.positions
    names = list(columns)
    if len(names) > _MOST_COLUMNS:
        few = slice(None, _FIRST_LOOK_ROWS)
        glance = Encoded(encoded.numeric[few], encoded.codes[few])
        growth = [_growth(model, glance, target[few], columns[name], 1, rng)[0] for name in names]
        names = [names[i] for i in np.argsort(growth)[::-1][:_MOST_COLUMNS]]
    found: list[Importance] = []
    for name in names:
        mean, error = _growth(model, encoded, target, columns[name], REPEATS, rng)
        found.append(Importance(name, mean, mean - 1.96 * error, mean + 1.96 * error))
    return sorted(found, key=lambda importance: -importance.mean)


def _growth(
    model: TableModel,
    encoded: Encoded,
    target: np.ndarray,
    positions: tuple[list[int], list[int]],
    repeats: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """By how much the loss exceeds that of the untouched rows, the mean over the shuffles, and its standard error.

    A row takes part twice in a shuffle: it is given a value, and its own is given to another row. The growth is thus
    a mean over pairs of rows, and the spread of what each row adds in both places gives the error (Hoeffding, 1948,
    of U-statistics). An RMSE is a root of a mean: its rows' shares are those of a first-order expansion.
    """
    before = _shares(model, encoded, target)
    growth, shares = 0.0, np.zeros(len(target))
    for _ in range(repeats):
        order = rng.permutation(len(target))
        numeric, codes = encoded.numeric.copy(), encoded.codes.copy()
        for array, columns in ((numeric, positions[0]), (codes, positions[1])):
            array[:, columns] = array[order][:, columns]
        after = _shares(model, Encoded(numeric, codes), target)
        growth += (after[0] - before[0]) / repeats
        shares += (after[1] - before[1]) / repeats
        shares[order] += after[1] / repeats
    error = float(shares.std(ddof=1)) / np.sqrt(len(shares)) if len(shares) > 1 else 0.0
    return growth, error


def _shares(model: TableModel, encoded: Encoded, target: np.ndarray) -> tuple[float, np.ndarray]:
    """The log-loss or RMSE of rows, and what each row adds to it."""
    fitted = model.estimator.fitted_
    outputs = fitted.outputs(encoded)
    if model.target.task == "classification":
        losses = -fitted.target.log_likelihood(outputs, target)
        return float(losses.mean()), losses
    squares = (fitted.target.predictions(outputs) - target) ** 2
    rmse = float(np.sqrt(squares.mean()))
    return rmse, squares / (2 * rmse) if rmse else squares
