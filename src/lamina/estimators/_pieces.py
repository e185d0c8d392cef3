"""How many pieces the piecewise linear function of a number has, where they begin, and where they are hardly needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebvander

from lamina.estimators._engine import Data
from lamina.estimators.monotone_columns import FEWEST_PIECES
from lamina.table.sparse import SparseNumbers

__all__ = ["Pieces", "chosen_pieces", "knots", "lack_of_fit", "roughness", "rows_for_knots"]

_USUAL = 64
_ROWS_A_PIECE = 100
_PIECES_OF_ALL = 4096
_MOST_VALUES = 513  # of a column that may have a piece between any two of them
_ROWS_A_VALUE = 8  # of such a column, on average
_ROUGH = 4.0
_FEWEST = 8  # pieces of a rough column; with fewer the basis matters little
_KNOWN_ROWS = 5  # that a value needs to be compared with its neighbour
_FEWEST_PAIRS = 3
_DEGREE = 5  # of polynomials, which bend about as much as the slow cosines of the embedding can
_LACKS = 2.0  # standard deviations: more than by chance
_KNOT_ROWS = 50_000  # of training data, evenly spaced, that are looked at
_GLANCE = 2_000  # rows, in which a column of continuous values shows more of them than may be


class Pieces(NamedTuple):
    """How many pieces the functions of numbers have: at most `usual`, but of `rough` ones, by position, so many.

    `smooth`: the positions of those that hardly need any.
    """

    usual: int
    rough: Mapping[int, int]
    smooth: frozenset[int] = frozenset()

    @property
    def most(self) -> int:
        """Of any of them."""
        return max([self.usual, *self.rough.values()])

    def of(self, number: int) -> int:
        """Of the number at this position."""
        return self.rough.get(number, self.usual)


def chosen_pieces(
    train: Sequence[Data], most: int | None, constrained: Sequence[int], numbers: int
) -> Pieces:
    """Few where rows are few or numbers many, and no more than `most`; `train`: each member's rows.

    If that is None, a rough column has as many as its values need, so that its function may be anything. What a smooth
    one says by itself, the embedding's cosines say. Those that are `constrained` have nothing but usual pieces. Which
    are rough or smooth, the first member's rows say; how many values there are, all members'.
    """
    first = train[0]
    for_each = _PIECES_OF_ALL // max(numbers, 1)
    usual = min(_USUAL if most is None else most, len(_with_weight(first)) // _ROWS_A_PIECE, for_each)
    usual = max(usual, FEWEST_PIECES) if any(constrained) else usual
    if most is not None or for_each <= usual or isinstance(first.numeric, SparseNumbers):
        return Pieces(usual, {})
    rows, most_values = [rows_for_knots(part) for part in train], min(for_each + 1, _MOST_VALUES)
    target, weights = first.target[rows[0]], _that_differ(first.weights, rows[0])
    free = [j for j in range(numbers) if not constrained or not constrained[j]]
    rough = [j for j in free if _is_rough(first.numeric[rows[0], j], target, most_values, weights)]
    others = [j for j in free if j not in rough]
    smooth = frozenset(
        j for j in others if lack_of_fit(first.numeric[rows[0], j], target, usual, weights) < _LACKS
    )
    values = {
        j: max(len(np.unique(part.numeric[own, j])) for part, own in zip(train, rows, strict=True))
        for j in rough
    }
    return Pieces(usual, {j: min(count, most_values) - 1 for j, count in values.items()}, smooth)


def _that_differ(weights: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """The weights of some rows, float64; None if they are all the same."""
    if weights is None or not len(rows):
        return None
    chosen = weights[rows]
    return None if (chosen == chosen[0]).all() else chosen.astype(np.float64)


def _is_rough(values: np.ndarray, target: np.ndarray, most: int, weights: np.ndarray | None) -> bool:
    """Whether the values of a column say different things, and are `most` at most."""
    if len(np.unique(values[:: -(-len(values) // _GLANCE)])) > most:
        return False
    count = len(np.unique(values))
    is_known = _FEWEST < count <= most and count * _ROWS_A_VALUE <= len(values)
    return is_known and roughness(values, target, weights) >= _ROUGH


def roughness(values: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None) -> float:
    """How much more the target's mean differs between neighbouring values than by chance, which gives 1.

    It is the mean of d² / (s²·(1/n + 1/m)) over all neighbours with n and m rows, at least 5 each, where d is the
    difference of their means, and s² the target's variance around the means of all values. Rows of different weights
    w count as (∑w)²/∑w² of the same weight do (Kish, 1965).

    Args:
        values: of one column, (rows,).
        target: class numbers (rows,), or numbers (rows, targets).
        weights: of the rows, above 0; None: all the same.

    >>> values = np.repeat(np.arange(6), 50)
    >>> noise = np.random.default_rng(0).normal(size=300)
    >>> round(roughness(values, (0.1 * values + noise)[:, None]), 1)
    0.1
    >>> round(roughness(values, (values % 2 + noise)[:, None]), 1)
    20.5
    """
    at = np.unique(values, return_inverse=True)[1]
    counts, means, within = _groups(at, target, weights)
    known = (counts[1:] >= _KNOWN_ROWS) & (counts[:-1] >= _KNOWN_ROWS)
    differences = (np.diff(means, axis=0) ** 2).sum(axis=1)[known]
    if len(differences) < _FEWEST_PAIRS or not differences.any():
        return 0.0
    expected = within * (1 / counts[1:] + 1 / counts[:-1])[known]
    return float(np.mean(differences / expected)) if within > 0 else np.inf


def lack_of_fit(
    values: np.ndarray, target: np.ndarray, pieces: int, weights: np.ndarray | None = None
) -> float:
    """By how much a polynomial of the values fails to give the target's means in so many pieces of their range.

    It is the sum of the squared differences, each divided by the mean's variance, less what it is expected to be by
    chance, and divided by its standard deviation (the test for lack of fit; Fisher, 1922). inf: it cannot be told,
    since there are no more pieces than the polynomial has coefficients.

    Args:
        values: of one column, (rows,).
        target: class numbers (rows,), or numbers (rows, targets).
        pieces: how many, at most.
        weights: of the rows, above 0; None: all the same.

    >>> values = np.linspace(-2, 2, 3000)
    >>> noise = np.random.default_rng(0).normal(size=3000)
    >>> lack_of_fit(values, (np.sin(values) + noise)[:, None], 30) < 2
    True
    >>> lack_of_fit(values, ((values > 1) + noise)[:, None], 30) > 2
    True
    """
    if pieces <= _DEGREE:
        return np.inf
    places = knots(values.astype(np.float64), pieces)
    at = np.searchsorted(places, values, side="right") - 1  # the least value is the first place
    freedom = int(at.max()) + 1 - (_DEGREE + 1)  # every piece has a row
    if freedom < 1:
        return np.inf
    counts, means, within = _groups(at, target, weights)
    centers = _sums(at, values, weights) / _sums(at, None, weights)
    roots = np.sqrt(counts)[:, None]
    basis = chebvander(_within_one(centers), _DEGREE) * roots
    coefficients = np.linalg.lstsq(basis, means * roots)[0]
    lacking = float(((means * roots - basis @ coefficients) ** 2).sum())
    return (lacking / within - freedom) / math.sqrt(2 * freedom) if within > 0 else np.inf


def _within_one(x: np.ndarray) -> np.ndarray:
    """Ascending numbers moved and scaled to begin at -1 and end at 1."""
    return (2 * x - x[0] - x[-1]) / (x[-1] - x[0])


def _sums(
    at: np.ndarray, values: np.ndarray | None, weights: np.ndarray | None, groups: int = 0
) -> np.ndarray:
    """The weighted sum of values in each group of rows; of no values, the rows' weights, or how many rows there are."""
    if values is None or weights is None:
        return np.bincount(at, weights if values is None else values, minlength=groups)
    return np.bincount(at, weights * values, minlength=groups)


def _groups(
    at: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """How many rows of the same weight each group is worth, the target's means there, its variance around them."""
    if weights is not None:
        weights = weights * (len(weights) / weights.sum())
    totals = _sums(at, None, weights)
    means, squares = (_of_classes if target.ndim == 1 else _of_numbers)(at, totals, target, weights)
    if weights is None:
        return totals, means, squares / max(len(at) - len(totals), 1)
    worth = totals**2 / np.bincount(at, weights**2)
    return worth, means, squares / max(len(at) - float((totals / worth).sum()), 1)


def _of_classes(
    at: np.ndarray, totals: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """The classes' shares in the rows of each group, and the sum of squares around them if a row's are 1 and 0.

    No such row is made: of a thousand classes they would take 400 MB.
    """
    classes = target.astype(np.intp)
    width = int(classes.max()) + 1
    shape = (len(totals), width)
    shares = _sums(at * width + classes, None, weights, math.prod(shape)).reshape(shape) / totals[:, None]
    return shares, len(at) - float((totals @ shares**2).sum())


def _of_numbers(
    at: np.ndarray, totals: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """The targets' means in the rows of each group, and the sum of squares around them."""
    means = np.stack([_sums(at, column, weights) / totals for column in target.T], axis=1)
    squares = (target - means[at]) ** 2
    return means, float((squares if weights is None else weights[:, None] * squares).sum())


def _with_weight(data: Data) -> np.ndarray:
    """The rows that count, and whose weight is not 0: those that `fit` trains on, all of them."""
    rows = np.arange(len(data)) if data.rows is None else data.rows
    return rows if data.weights is None else rows[data.weights[rows] > 0]


def rows_for_knots(data: Data) -> np.ndarray:
    """The rows that pieces are chosen by."""
    rows = _with_weight(data)
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
