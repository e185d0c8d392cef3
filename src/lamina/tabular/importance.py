"""Permutation importance (Breiman, 2001): how much worse predictions get when a column is shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.estimators.engine import Data, outputs_of
from lamina.table.encode import Encoded, TableEncoder
from lamina.tabular.data import Part, known_rows
from lamina.tabular.model import TableModel

__all__ = ["Importance", "permutation_importance"]

_ROWS, _REPEATS = 2000, 5
_FIRST_LOOK_ROWS = 200
_MOST_COLUMNS = 30


@dataclass(frozen=True)
class Importance:
    """How much a loss (log-loss, or RMSE in the target's unit) grows when `column` is shuffled.

    `low` and `high` are two standard errors of the mean over the shuffles apart from `mean`.
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
    rows = np.sort(rng.permutation(len(part))[:_ROWS])
    if not len(rows):
        return []
    encoder: TableEncoder = model.estimator._encoder
    encoded = encoder.transform(model.inputs(part.frame[rows]))
    target = model.estimator._encode_target(_target_values(model, part.target[rows]), first=False)
    columns = _positions(encoder)
    names = list(columns)
    if len(names) > _MOST_COLUMNS:
        few = slice(None, _FIRST_LOOK_ROWS)
        glance = Encoded(encoded.numeric[few], encoded.codes[few])
        growth = [_growths(model, glance, target[few], columns[name], 1, rng)[0] for name in names]
        names = [names[i] for i in np.argsort(growth)[::-1][:_MOST_COLUMNS]]
    found: list[Importance] = []
    for name in names:
        growth = _growths(model, encoded, target, columns[name], _REPEATS, rng)
        error = 2 * float(np.std(growth, ddof=1)) / np.sqrt(_REPEATS)
        mean = float(np.mean(growth))
        found.append(Importance(name, mean, mean - error, mean + error))
    return sorted(found, key=lambda importance: -importance.mean)


def _target_values(model: TableModel, target: np.ndarray) -> np.ndarray:
    return target if model.target.task == "regression" else model.estimator.classes_[target]


def _positions(encoder: TableEncoder) -> dict[str, tuple[list[int], list[int]]]:
    """For each column of the table, its columns in the encoded numbers and codes."""
    owners = [column.name for column in (*encoder._numbers, *encoder._gaps)]
    for column in encoder._one_hot:
        owners += [column.name] * (1 if len(column.categories) == 2 else len(column.categories))
    found: dict[str, tuple[list[int], list[int]]] = {column.name: ([], []) for column in encoder.schema.used}
    for position, name in enumerate(owners):
        found[name][0].append(position)
    for position, name in enumerate(encoder.code_names):
        found[name][1].append(position)
    return found


def _growths(
    model: TableModel,
    encoded: Encoded,
    target: np.ndarray,
    positions: tuple[list[int], list[int]],
    repeats: int,
    rng: np.random.Generator,
) -> list[float]:
    """By how much the loss exceeds that of the untouched rows, for each shuffle."""
    before = _loss(model, encoded, target)
    growth: list[float] = []
    for _ in range(repeats):
        order = rng.permutation(len(target))
        numeric, codes = encoded.numeric.copy(), encoded.codes.copy()
        for array, columns in ((numeric, positions[0]), (codes, positions[1])):
            array[:, columns] = array[order][:, columns]
        growth.append(_loss(model, Encoded(numeric, codes), target) - before)
    return growth


def _loss(model: TableModel, encoded: Encoded, target: np.ndarray) -> float:
    """Log-loss, or RMSE."""
    estimator: Any = model.estimator
    outputs = outputs_of(estimator._network, Data(encoded.numeric, encoded.codes, target))
    score = estimator._score_outputs(outputs, target, None)
    if model.target.task == "classification":
        return -score
    return float(np.sqrt(max(-2 * score, 0.0)) * estimator._scale[0])
