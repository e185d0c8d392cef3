"""The shape of a target's mean along a column: rough, polynomial, or in between."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.polynomial.chebyshev import chebvander

_KNOWN_ROWS = 5  # minimum rows of a value to compare it with its neighbours
_FEWEST_PAIRS = 3
_ONE_ROW = 1 + 1e-9  # effective rows of a group of one row, with rounding errors
_DEGREE = 5  # degree of polynomials, which bend about as much as the embedding's slow cosines


def neighbours(values: np.ndarray, rows: int) -> np.ndarray:
    """Each row's group number, ascending with the values: groups of `rows` adjacent rows, equal values together.

    >>> neighbours(np.array([0.5, 9, 2, 7, 2, 2]), 2)
    array([0, 1, 0, 1, 0, 0])
    """
    groups = np.searchsorted(np.sort(values), values) // rows
    return (np.cumsum(np.bincount(groups) > 0) - 1)[groups]


def roughness(
    values: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    rows: int = 1,
    bends: bool = False,
) -> float:
    """The variation of the target's mean between neighbouring values, divided by the variation expected by chance.

    The mean of d² / (s²·(1/n + 1/m)) over all pairs of neighbours with n and m rows, at least 5 each, where d is the
    difference of their means, and s² the target's variance around the means of all values. Rows with unequal weights
    w count as (∑w)²/∑w² rows (Kish, 1965).

    Args:
        values: a column's values, (rows,).
        target: class numbers (rows,), or numbers (rows, targets).
        weights: positive weights of the rows; None: equal.
        rows: the number of rows per group of neighbouring values; groups are compared instead of single values.
        bends: if true, d is a mean's deviation from the line between its two neighbours, with the matching variance,
            so that even a steep slope is not rough.

    >>> values = np.repeat(np.arange(6), 50)
    >>> noise = np.random.default_rng(0).normal(size=300)
    >>> round(roughness(values, (0.1 * values + noise)[:, None]), 1)
    0.1
    >>> round(roughness(values, (values % 2 + noise)[:, None]), 1)
    20.5
    >>> steep = (values + 0.1 * noise)[:, None]
    >>> round(roughness(values, steep)), round(roughness(values, steep, bends=True))
    (2362, 0)
    """
    at = neighbours(values, rows)
    counts, means, within = _groups(at, target, weights)
    if len(counts) < 3 and bends:
        return 0.0
    shares = _of_bends(_sums(at, values, None) / np.bincount(at)) if bends else np.array([[-1.0, 1.0]])
    windows = sliding_window_view(counts, shares.shape[1])
    known = (windows >= _KNOWN_ROWS).all(axis=1)
    beside = sliding_window_view(means, shares.shape[1], axis=0)  # (windows, targets, means of each)
    differences = ((beside * shares[:, None]).sum(axis=2) ** 2).sum(axis=1)[known]
    if len(differences) < _FEWEST_PAIRS or not differences.any():
        return 0.0
    expected = within * (shares**2 / windows).sum(axis=1)[known]
    return float(np.mean(differences / expected)) if within > 0 else np.inf


def _of_bends(x: np.ndarray) -> np.ndarray:
    """Coefficients of three neighbouring means in the middle one's deviation from the line through the others."""
    left, right = np.diff(x)[:-1], np.diff(x)[1:]
    return np.stack([-right, left + right, -left], axis=1) / (left + right)[:, None]


def lack_of_fit(
    values: np.ndarray, target: np.ndarray, places: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The lack of fit of a polynomial to the target's means in pieces of the value range, in standard deviations.

    It is the sum of squared differences between polynomial and means, each divided by the mean's variance. The
    expectation by chance is subtracted, and the result divided by the standard deviation (the test for lack of fit;
    Fisher, 1922). inf if there are no more pieces than coefficients.

    Args:
        values: a column's values, (rows,).
        target: class numbers (rows,), or numbers (rows, targets).
        places: boundaries of the pieces, ascending from the least value; each piece has at least one row.
        weights: positive weights of the rows; None: equal.

    >>> values = np.linspace(-2, 2, 3000)
    >>> noise = np.random.default_rng(0).normal(size=3000)
    >>> places = values[::100]
    >>> lack_of_fit(values, (np.sin(values) + noise)[:, None], places) < 2
    True
    >>> lack_of_fit(values, ((values > 1) + noise)[:, None], places) > 2
    True
    """
    if len(places) - 1 <= _DEGREE:
        return np.inf
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
    """Ascending numbers rescaled to the range from -1 to 1."""
    return (2 * x - x[0] - x[-1]) / (x[-1] - x[0])


def _sums(
    at: np.ndarray, values: np.ndarray | None, weights: np.ndarray | None, groups: int = 0
) -> np.ndarray:
    """The weighted sum of values in each group of rows; without values, the sum of weights, or the number of rows."""
    if values is None or weights is None:
        return np.bincount(at, weights if values is None else values, minlength=groups)
    return np.bincount(at, weights * values, minlength=groups)


def _groups(
    at: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Each group's effective number of rows, its target means, and the variance around them."""
    if weights is not None:
        weights = weights * (len(weights) / weights.sum())
    totals = _sums(at, None, weights)
    means, squares = (_of_classes if target.ndim == 1 else _of_numbers)(at, totals, target, weights)
    if weights is None:
        return totals, means, squares / max(len(at) - len(totals), 1)
    worth = totals**2 / np.bincount(at, weights**2)
    # Groups of one effective row are left out: they have no variance, only rounding errors beside a huge weight.
    freedom = float((totals - totals / worth)[worth > _ONE_ROW].sum())
    return worth, means, squares / freedom if freedom > 0 else 0.0


def _of_classes(
    at: np.ndarray, totals: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Class shares in each group of rows, and the sum of squares around them for 0/1 indicators.

    The indicators are not created: for a thousand classes they would take 400 MB.
    """
    classes = target.astype(np.intp)
    width = int(classes.max()) + 1
    shape = (len(totals), width)
    shares = _sums(at * width + classes, None, weights, math.prod(shape)).reshape(shape) / totals[:, None]
    return shares, len(at) - float((totals @ shares**2).sum())


def _of_numbers(
    at: np.ndarray, totals: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Target means in each group of rows, and the sum of squares around them."""
    means = np.stack([_sums(at, column, weights) / totals for column in target.T], axis=1)
    squares = (target - means[at]) ** 2
    return means, float((squares if weights is None else weights[:, None] * squares).sum())
