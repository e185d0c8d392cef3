"""Pieces of the piecewise linear function of a numeric input: their number, their bounds, and inputs that need few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lamina.estimators._along_columns import lack_of_fit, roughness
from lamina.estimators._data import Data
from lamina.estimators.monotone_columns import FEWEST_PIECES
from lamina.table.encode import SparseNumbers

_USUAL = 64
_ROWS_A_PIECE = 100
_PIECES_OF_ALL = 4096
_MOST_VALUES = 513  # of a column that may have a piece between any two of them
_ROWS_A_VALUE = 8  # of such a column, on average
_ROWS_A_GROUP = (10, 30, 90, 270)  # of neighbours in a column of more values
_FEWEST_GROUPS = 20
_GROUPS_A_PIECE = 2  # of the usual ones: what these can say is not rough
_GROUPED_ROWS = 10_000  # evenly spaced, that are looked at there: more groups than there may be pieces
_ROUGH = 4.0
_BENDS = 3.0  # besides, of groups: where noise is small, those of a steep slope differ as much
_FEWEST = 8  # pieces of a rough column; with fewer the basis matters little
_LACKS = 2.0  # standard deviations: more than by chance
_KNOT_ROWS = 50_000  # of training data, evenly spaced, that are looked at
_GLANCE = 2_000  # rows, in which a column of continuous values shows more of them than may be


class _Looked(NamedTuple):
    """Rows for judging columns: their positions among a member's (`at`), targets and weights (or None)."""

    at: np.ndarray
    target: np.ndarray
    weights: np.ndarray | None

    def of(self, some: np.ndarray | slice) -> _Looked:
        """A subset of these."""
        return _Looked(self.at[some], self.target[some], None if self.weights is None else self.weights[some])


class Pieces(NamedTuple):
    """Numbers of pieces: at most `usual`, except for `rough` numbers, by position.

    `smooth`: positions of numbers that hardly need any.
    """

    usual: int
    rough: Mapping[int, int]
    smooth: frozenset[int] = frozenset()

    @property
    def most(self) -> int:
        """The maximum number of pieces."""
        return max([self.usual, *self.rough.values()])

    def of(self, number: int) -> int:
        """The number of pieces at this position."""
        return self.rough.get(number, self.usual)


def chosen_pieces(
    train: Sequence[Data], most: int | None, constrained: Sequence[int], numbers: int
) -> Pieces:
    """Pieces, few if there are few rows or many numbers, and at most `most`; `train`: each member's rows.

    If `most` is None, a rough column gets as many as its values need, for an arbitrary function. A smooth one's effect
    is expressed by the embedding's cosines. `constrained` ones always get the usual pieces. The first member's rows
    decide which are rough or smooth; all members' rows determine the number of values.
    """
    first = train[0]
    for_each = _PIECES_OF_ALL // max(numbers, 1)
    usual = min(_USUAL if most is None else most, len(_with_weight(first)) // _ROWS_A_PIECE, for_each)
    usual = max(usual, FEWEST_PIECES) if any(constrained) else usual
    if not numbers or most is not None or for_each <= usual or isinstance(first.numeric, SparseNumbers):
        return Pieces(usual, {})
    rows, most_values = [rows_for_knots(part) for part in train], min(for_each + 1, _MOST_VALUES)
    every = _Looked(np.arange(len(rows[0])), first.target[rows[0]], _that_differ(first.weights, rows[0]))
    single = every.of(_without_copies(first, rows[0], _GROUPED_ROWS))
    rough, smooth = {}, set()
    for j in range(numbers):
        if constrained and constrained[j]:
            continue
        column = first.numeric[rows[0], j]
        of_members = [part.numeric[own, j] for part, own in zip(train, rows, strict=True)]
        if pieces := _rough_pieces(of_members, every, single, most_values, usual):
            rough[j] = pieces
        elif _is_smooth(column, every, usual):
            smooth.add(j)
    return Pieces(usual, rough, frozenset(smooth))


def _that_differ(weights: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """The weights of some rows, float64; None if all are equal."""
    if weights is None or not len(rows):
        return None
    chosen = weights[rows]
    return None if (chosen == chosen[0]).all() else chosen.astype(np.float64)


def _rough_pieces(
    columns: Sequence[np.ndarray],
    every: _Looked,
    single: _Looked,
    most_values: int,
    usual: int,
) -> int:
    """The number of pieces of a rough column: one between adjacent values, or one per group of values; 0 if not rough.

    A column is rough if neighbouring values (or groups of values with few rows) predict different targets.

    Args:
        columns: its values in each member's rows.
        every: all rows of the first member.
        single: the distinct rows among these, for judging groups.
        most_values: the maximum number of values with pieces between them.
        usual: the number of pieces of a column that is not rough.
    """
    values, most = columns[0], 0
    if _has_few_values(values, most_values):
        most = min(max(len(np.unique(column)) for column in columns), most_values) - 1
        if most < _FEWEST:
            return 0
        if roughness(values, every.target, every.weights) >= _ROUGH:
            return most
    # Rows of few values may be the same by chance.
    some = every.of(slice(None, None, -(-len(values) // _GROUPED_ROWS))) if most else single
    values = values[some.at]
    for rows in _ROWS_A_GROUP[: 1 if most else None]:  # of few values, groups only join the rare ones
        groups = len(values) // rows
        if groups < max(_FEWEST_GROUPS, _GROUPS_A_PIECE * usual):
            break
        if _are_rough(values, some.target, some.weights, rows):
            # Knots are half as many where no value comes twice.
            return most or min(2 * groups, most_values - 1)
    return 0


def _are_rough(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None, rows: int) -> bool:
    """Whether groups of neighbouring rows differ, by more than a slope explains."""
    if roughness(values, target, weights, rows=rows) < _ROUGH:
        return False
    return roughness(values, target, weights, rows=rows, bends=True) >= _BENDS


def _is_smooth(values: np.ndarray, every: _Looked, usual: int) -> bool:
    """Whether a column's usual pieces explain no more than a polynomial."""
    places = knots(values.astype(np.float64), usual)
    return lack_of_fit(values, every.target, places, every.weights) < _LACKS


def _has_few_values(values: np.ndarray, most: int) -> bool:
    """Whether a column has at most `most` values, with several rows each."""
    if len(np.unique(values[:: -(-len(values) // _GLANCE)])) > most:
        return False
    count = len(np.unique(values))
    return count <= most and count * _ROWS_A_VALUE <= len(values)


def _with_weight(data: Data) -> np.ndarray:
    """The rows with non-zero weight, which `fit` trains on."""
    rows = np.arange(len(data)) if data.rows is None else data.rows
    return rows if data.weights is None else rows[data.weights[rows] > 0]


def rows_for_knots(data: Data) -> np.ndarray:
    """The rows for choosing pieces."""
    rows = _with_weight(data)
    return rows[:: -(-len(rows) // _KNOT_ROWS)]


def _without_copies(data: Data, rows: np.ndarray, most: int) -> np.ndarray:
    """Positions in `rows`, ascending and evenly spaced, of at most `most` distinct rows.

    Copies, e.g. from sampling with replacement to balance classes, always agree in the target, so that
    groups of copies would look like a rough column.
    """
    at = np.arange(0, len(rows), -(-len(rows) // most) if len(rows) else 1)
    parts = [part[rows[at]] for part in (data.numeric, data.codes, data.target) if part is not None]
    contents = np.concatenate(
        [np.ascontiguousarray(part).reshape(len(at), -1).view(np.uint8) for part in parts], axis=1
    )
    return at[np.sort(np.unique(contents.view(f"V{contents.shape[1]}").ravel(), return_index=True)[1])]


def knots(values: np.ndarray, pieces: int) -> np.ndarray:
    """Ascending breakpoints of a number's piecewise linear function.

    All values if there are few; otherwise half are quantiles of the values, and half of the distinct values, so that
    the few nonzero values of a mostly zero column are resolved too.
    """
    distinct = np.unique(values)
    if len(distinct) <= pieces + 1:
        return distinct
    levels = np.linspace(0, 1, pieces // 2 + 1)
    return np.unique([np.quantile(x, levels, method="nearest") for x in (values, distinct)])
