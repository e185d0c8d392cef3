"""Between which values the piecewise linear function of a number is linear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lamina.estimators._engine import Data
from lamina.estimators.monotone_columns import FEWEST_PIECES
from lamina.table.sparse import SparseNumbers

__all__ = ["Pieces", "chosen_pieces", "knots", "roughness", "rows_for_knots"]

_USUAL = 64
_ROWS_A_PIECE = 100
_PIECES_OF_ALL = 4096
_MOST_VALUES = 513  # of a column that may have a piece between any two of them
_ROWS_A_VALUE = 8  # of such a column, on average
_ROUGH = 4.0
_FEWEST = 8  # pieces of a rough column; with fewer the basis matters little
_KNOWN_ROWS = 5  # that a value needs to be compared with its neighbour
_FEWEST_PAIRS = 3
_KNOT_ROWS = 50_000  # of training data, evenly spaced, that are looked at
_GLANCE = 2_000  # rows, in which a column of continuous values shows more of them than may be


class Pieces(NamedTuple):
    """How many pieces the functions of numbers have: at most `usual`, but of `rough` ones, by position, so many."""

    usual: int
    rough: Mapping[int, int]

    @property
    def most(self) -> int:
        """Of any of them."""
        return max(self.usual, *self.rough.values(), 0)

    def of(self, number: int) -> int:
        """Of the number at this position."""
        return self.rough.get(number, self.usual)


def chosen_pieces(data: Data, most: int | None, constrained: Sequence[int], numbers: int) -> Pieces:
    """Few where rows are few or numbers many, and no more than `most`.

    If that is None, a rough column has as many as its values need, so that its function may be anything; but those that
    are `constrained` are smooth.
    """
    for_each = _PIECES_OF_ALL // max(numbers, 1)
    usual = min(_USUAL if most is None else most, len(data) // _ROWS_A_PIECE, for_each)
    usual = max(usual, FEWEST_PIECES) if any(constrained) else usual
    if most is not None or for_each <= usual or isinstance(data.numeric, SparseNumbers):
        return Pieces(usual, {})
    rows = rows_for_knots(data)
    target = data.target[rows]
    free = [j for j in range(numbers) if not constrained or not constrained[j]]
    needed = ((j, _rough_values(data.numeric[rows, j], target)) for j in free)
    return Pieces(usual, {j: count - 1 for j, count in needed if _FEWEST <= count - 1 <= for_each})


def _rough_values(values: np.ndarray, target: np.ndarray) -> int:
    """How many values a rough column has; 0 of another one."""
    if len(np.unique(values[:: -(-len(values) // _GLANCE)])) > _MOST_VALUES:
        return 0
    count = len(np.unique(values))
    is_known = count <= _MOST_VALUES and count * _ROWS_A_VALUE <= len(values)
    return count if is_known and roughness(values, target) >= _ROUGH else 0


def roughness(values: np.ndarray, target: np.ndarray) -> float:
    """How much more the target's mean differs between neighbouring values than by chance, which gives 1.

    It is the mean of d² / (s²·(1/n + 1/m)) over all neighbours with n and m rows, at least 5 each, where d is the
    difference of their means, and s² the target's variance around the means of all values.

    Args:
        values: of one column, (rows,).
        target: class numbers (rows,), or numbers (rows, targets).

    >>> values = np.repeat(np.arange(6), 50)
    >>> noise = np.random.default_rng(0).normal(size=300)
    >>> round(roughness(values, (0.1 * values + noise)[:, None]), 1)
    0.1
    >>> round(roughness(values, (values % 2 + noise)[:, None]), 1)
    20.5
    """
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    shares = _of_classes(target) if target.ndim == 1 else target.astype(np.float64)
    means = np.stack([np.bincount(at, column) / counts for column in shares.T], axis=1)
    within = ((shares - means[at]) ** 2).sum() / max(len(values) - len(counts), 1)
    known = (counts[1:] >= _KNOWN_ROWS) & (counts[:-1] >= _KNOWN_ROWS)
    differences = (np.diff(means, axis=0) ** 2).sum(axis=1)[known]
    if len(differences) < _FEWEST_PAIRS or not differences.any():
        return 0.0
    expected = within * (1 / counts[1:] + 1 / counts[:-1])[known]
    return float(np.mean(differences / expected)) if within > 0 else np.inf


def _of_classes(numbers: np.ndarray) -> np.ndarray:
    """1 in the column of each row's class, 0 elsewhere."""
    return (numbers[:, None] == np.unique(numbers)).astype(np.float64)


def rows_for_knots(data: Data) -> np.ndarray:
    """The rows that pieces are chosen by."""
    rows = np.arange(len(data)) if data.rows is None else data.rows
    return rows[:: -(-len(rows) // _KNOT_ROWS)]


def knots(values: np.ndarray, pieces: int) -> np.ndarray:
    """Ascending values between which functions of a number are linear.

    Every value if there are few; else half of them quantiles of the values, and half of the distinct values, so that
    the few values other than 0 of a column of zeros are resolved too.
    """
    distinct = np.unique(values)
    if len(distinct) <= pieces + 1:
        return distinct
    levels = np.linspace(0, 1, pieces // 2 + 1)
    return np.unique([np.quantile(x, levels, method="nearest") for x in (values, distinct)])
