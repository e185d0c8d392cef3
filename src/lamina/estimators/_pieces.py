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
    usual = min(_USUAL if most is None else most, len(first) // _ROWS_A_PIECE, for_each)
    usual = max(usual, FEWEST_PIECES) if any(constrained) else usual
    if most is not None or for_each <= usual or isinstance(first.numeric, SparseNumbers):
        return Pieces(usual, {})
    rows, most_values = [rows_for_knots(part) for part in train], min(for_each + 1, _MOST_VALUES)
    target = first.target[rows[0]]
    free = [j for j in range(numbers) if not constrained or not constrained[j]]
    rough = [j for j in free if _is_rough(first.numeric[rows[0], j], target, most_values)]
    others = [j for j in free if j not in rough]
    smooth = frozenset(j for j in others if lack_of_fit(first.numeric[rows[0], j], target, usual) < _LACKS)
    values = {
        j: max(len(np.unique(part.numeric[own, j])) for part, own in zip(train, rows, strict=True))
        for j in rough
    }
    return Pieces(usual, {j: min(count, most_values) - 1 for j, count in values.items()}, smooth)


def _is_rough(values: np.ndarray, target: np.ndarray, most: int) -> bool:
    """Whether the values of a column say different things, and are `most` at most."""
    if len(np.unique(values[:: -(-len(values) // _GLANCE)])) > most:
        return False
    count = len(np.unique(values))
    is_known = _FEWEST < count <= most and count * _ROWS_A_VALUE <= len(values)
    return is_known and roughness(values, target) >= _ROUGH


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
    means, within = _means(at, counts, target)
    known = (counts[1:] >= _KNOWN_ROWS) & (counts[:-1] >= _KNOWN_ROWS)
    differences = (np.diff(means, axis=0) ** 2).sum(axis=1)[known]
    if len(differences) < _FEWEST_PAIRS or not differences.any():
        return 0.0
    expected = within * (1 / counts[1:] + 1 / counts[:-1])[known]
    return float(np.mean(differences / expected)) if within > 0 else np.inf


def lack_of_fit(values: np.ndarray, target: np.ndarray, pieces: int) -> float:
    """By how much a polynomial of the values fails to give the target's means in so many pieces of their range.

    It is the sum of the squared differences, each divided by the mean's variance, less what it is expected to be by
    chance, and divided by its standard deviation (the test for lack of fit; Fisher, 1922). inf: it cannot be told,
    since there are no more pieces than the polynomial has coefficients.

    Args:
        values: of one column, (rows,).
        target: class numbers (rows,), or numbers (rows, targets).
        pieces: how many, at most.

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
    counts = np.bincount(at)
    freedom = len(counts) - (_DEGREE + 1)
    if freedom < 1:
        return np.inf
    means, within = _means(at, counts, target)
    weights = np.sqrt(counts)[:, None]
    basis = chebvander(_within_one(np.bincount(at, values) / counts), _DEGREE) * weights
    coefficients = np.linalg.lstsq(basis, means * weights)[0]
    lacking = float(((means * weights - basis @ coefficients) ** 2).sum())
    return (lacking / within - freedom) / math.sqrt(2 * freedom) if within > 0 else np.inf


def _within_one(x: np.ndarray) -> np.ndarray:
    """Ascending numbers moved and scaled to begin at -1 and end at 1."""
    return (2 * x - x[0] - x[-1]) / (x[-1] - x[0])


def _means(at: np.ndarray, counts: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """The target's means in the rows of each group, and its variance around them."""
    means, squares = (_of_classes if target.ndim == 1 else _of_numbers)(at, counts, target)
    return means, squares / max(len(at) - len(counts), 1)


def _of_classes(at: np.ndarray, counts: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """The classes' shares in the rows of each value, and the sum of squares around them if a row's are 1 and 0.

    No such row is made: of a thousand classes they would take 400 MB.
    """
    classes = target.astype(np.intp)
    width = int(classes.max()) + 1
    shape = (len(counts), width)
    shares = np.bincount(at * width + classes, minlength=math.prod(shape)).reshape(shape) / counts[:, None]
    return shares, len(at) - float((counts @ shares**2).sum())


def _of_numbers(at: np.ndarray, counts: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """The targets' means in the rows of each value, and the sum of squares around them."""
    means = np.stack([np.bincount(at, column) / counts for column in target.T], axis=1)
    return means, float(((target - means[at]) ** 2).sum())


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
