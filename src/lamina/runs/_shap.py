"""How much columns add to predictions: mean absolute SHAP values, for a number of predictions known before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina.estimators.fitted import FittedModel
from lamina.estimators.importance import MOST_ROWS, REPEATS
from lamina.estimators.shapley import Game
from lamina.estimators.targets import Classes
from lamina.runs._model import TableModel
from lamina.runs.data import Part, known_rows
from lamina.table.encode import Encoded

__all__ = [
    "FEWEST_LOOKED_AT",
    "MOST_LOOKED_AT",
    "OTHERS",
    "ColumnShap",
    "MeanShap",
    "mean_shap",
    "mean_shap_of_part",
    "predictions_made",
]

OTHERS = "all others"
"""The name of the columns that are not looked at one by one."""

_SHARE_OF_COST = 0.5
"""Of the predictions that permutation importance makes, how many are made here."""

_BACKGROUND = 50
_LEAST_BACKGROUND = 5
_FEWEST_EXPLAINED, _MOST_EXPLAINED = 20, 200
MOST_LOOKED_AT = _BACKGROUND + _MOST_EXPLAINED
"""Rows that are of use; more are not looked at."""
FEWEST_LOOKED_AT = 2
"""A row alone would be compared with itself, and no column would seem to add anything."""

_Z = 1.96  # standard errors in half a 95 % interval


@dataclass(frozen=True)
class ColumnShap:
    """What a column adds to predictions, up or down, in the mean over rows.

    Attributes:
        column: its name; `OTHERS` for all that are not named, together.
        mean: of numbers, the mean |SHAP value| in the target's unit; of several quantiles, their mean. Of classes, how
            much probability the column moves from some to others: half the sum of |SHAP value| over classes, which
            with two classes is that of either.
        low, high: a 95 % interval, over the rows.
        classes: the mean |SHAP value| of each class, of three or more.
    """

    column: str
    mean: float
    low: float
    high: float
    classes: Sequence[float] = ()


@dataclass(frozen=True)
class MeanShap:
    """What columns add, those that were asked for in their order.

    Attributes:
        rows: how many rows were explained.
        background: how many rows they were compared with.
        columns: what each adds.
    """

    rows: int
    background: int
    columns: Sequence[ColumnShap]


def mean_shap_of_part(
    model: TableModel, part: Part, names: Sequence[str], seed: int = 0, most_rows: int = MOST_ROWS
) -> MeanShap | None:
    """Of a part of a run's table, see `mean_shap`; None without columns, or rows to compare with each other."""
    part = known_rows(part)
    chosen = np.random.default_rng(seed).permutation(len(part))[:MOST_LOOKED_AT]
    if len(chosen) < FEWEST_LOOKED_AT or not names:
        return None
    fitted = model.fitted
    return mean_shap(fitted, fitted.encode(model.inputs(part.frame[chosen])), names, seed, most_rows)


def mean_shap(
    fitted: FittedModel[Any],
    encoded: Encoded,
    names: Sequence[str],
    seed: int = 0,
    most_rows: int = MOST_ROWS,
) -> MeanShap:
    """What columns add to the predictions for rows in random order, compared with the first of them.

    Args:
        fitted: what an estimator has learned.
        encoded: rows that it was not trained on, at least two; the last of them are explained.
        names: the columns that are looked at one by one; the others are one more player of the game.
        seed: of what is drawn.
        most_rows: of which permutation importance is measured: half of its predictions are made.
    """
    numeric, codes = encoded.numeric[:], encoded.codes
    cost = predictions_made(most_rows, len(names))
    of_one = Game.of(fitted, encoded, Encoded(numeric[:1], codes[:1]), names).cost
    compared = slice(None, min(_BACKGROUND, max(cost // (of_one * _FEWEST_EXPLAINED), _LEAST_BACKGROUND)))
    background = Encoded(numeric[compared], codes[compared])
    game = Game.of(fitted, background, background, names)
    count = min(_MOST_EXPLAINED, cost // game.cost, len(numeric))
    explained = slice(len(numeric) - max(count, 1), None)
    game = replace(game, rows=Encoded(numeric[explained], codes[explained]))
    values = np.abs(game.values(np.random.default_rng(seed)))
    players = [*names, OTHERS][: game.players]
    is_class = isinstance(fitted.target, Classes)
    return MeanShap(len(values), len(background.numeric), _columns(players, values, is_class=is_class))


def predictions_made(most_rows: int, columns: int) -> int:
    """How many are made at most: a share of those of permutation importance on so many rows."""
    return int(_SHARE_OF_COST * most_rows * (REPEATS * columns + 1))


def _columns(names: Sequence[str], values: np.ndarray, *, is_class: bool) -> list[ColumnShap]:
    """What |SHAP values| (rows, columns, outputs) come to."""
    sizes = values.sum(axis=2) / 2 if is_class else values.mean(axis=2)
    means = sizes.mean(axis=0)
    half = _Z * sizes.std(axis=0, ddof=1) / np.sqrt(len(sizes)) if len(sizes) > 1 else np.zeros(len(means))
    classes = values.mean(axis=0).tolist() if is_class and values.shape[2] > 2 else [[]] * len(means)
    ends = np.maximum(means - half, 0), means + half
    return [
        ColumnShap(*one)
        for one in zip(names, means.tolist(), *(x.tolist() for x in ends), classes, strict=True)
    ]
