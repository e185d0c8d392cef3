"""The choice of each numeric input's piecewise linear function: how many pieces, and where the breakpoints are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.polynomial.chebyshev import chebvander

from lamina.estimators.data import Data, Parts
from lamina.estimators.monotone_columns import FEWEST_PIECES
from lamina.table.encode import SparseNumbers

_USUAL = 64
_ROWS_A_PIECE = 100
_WORTH_APART = 0.75
"""The share of the pieces of all inputs below which those with many pieces are computed apart."""
_PIECES_OF_ALL = 4096
_MOST_VALUES = 513  # maximum distinct values of a column with a piece between any two of them
_ROWS_A_VALUE = 8  # minimum average rows per value in such a column
_ROWS_A_GROUP = (10, 30, 90, 270)  # rows per group of neighbouring values, in columns with more values
_FEWEST_GROUPS = 20
_GROUPS_A_PIECE = 2  # minimum groups per usual piece; fewer groups need no more than the usual pieces
_GROUPED_ROWS = 10_000  # maximum rows in groups, evenly spaced; enough for the maximum number of pieces
_ROUGH = 4.0
_BENDS = 3.0  # minimum roughness with `bends`, also required for groups, so that steep slopes don't count
_FEWEST = 8  # minimum pieces of a rough column; with fewer, the basis matters little
_LACKS = 2.0  # minimum lack of fit, in standard deviations, of a column that is not smooth
_KNOT_ROWS = 50_000  # maximum training rows for choosing pieces, evenly spaced
_REPEATED = 2  # minimum rows of a value that is learned like a category
_SHARE_OF_GAP = 2.0**-10  # tolerance of a value, as a share of its distance to the nearest other value
_ROUNDING = 2.0**-20  # minimum relative tolerance of a value: eight steps of float32
_LEAST_TOLERANCE = 2.0**-40  # its reciprocal is a float32 in the whole encoded range
_INTERACTS = 8.0  # minimum `interaction` of a column of labels
_FEWEST_LABELS = 20  # with `_KNOWN_ROWS` rows each; of fewer, two or three values decide
_MOST_PRODUCTS = 128  # products of a target and another input that are examined
_MOST_OUTPUTS = 16  # of a target whose linear part is removed
_MOST_INPUTS = 256  # numbers and indicators in that part, each with `_ROWS_AN_INPUT` rows
_ROWS_AN_INPUT = 4
_DEPENDENT = 1e-6  # variance of sums of inputs that others determine, as a share of the greatest variance
_FEW_CATEGORIES = 64  # maximum categories of a column in that part
_COPIES = 0.95  # correlation with a column that others don't tell more about
_GLANCE = 2_000  # rows in which a continuous column already shows more than `_MOST_VALUES` values


class _Looked(NamedTuple):
    """The rows on which columns are examined.

    Here, `at` is the rows' positions among a member's rows, `target` is their targets, and `weights` is their weights
    or None.
    """

    at: np.ndarray
    target: np.ndarray
    weights: np.ndarray | None

    def of(self, some: np.ndarray | slice) -> _Looked:
        return _Looked(self.at[some], self.target[some], None if self.weights is None else self.weights[some])


class Pieces(NamedTuple):
    """The number of linear pieces of each numeric input: `usual`, except for the inputs in `rough`.

    `rough` maps the positions of rough inputs with many values to their numbers of pieces. `smooth` has the positions
    of inputs that hardly need pieces. `exact` maps the positions of rough inputs with few values to the number of
    values that are learned like categories; for any other value there are the usual pieces.
    """

    usual: int
    rough: Mapping[int, int]
    smooth: frozenset[int] = frozenset()
    exact: Mapping[int, int] = MappingProxyType({})

    @property
    def most(self) -> int:
        exact = (self.usual + values for values in self.exact.values())
        return max([self.usual, *self.rough.values(), *exact])

    def of(self, number: int) -> int:
        """The number of pieces of the input at position `number`."""
        return self.rough.get(number, self.usual)

    def widths(self, numbers: int) -> dict[str, Any]:
        """The fields of the `Architecture` that say how many pieces each of `numbers` inputs has.

        All functions are computed with the same number of pieces. If few have many, these are computed apart.
        """
        wide = {*self.rough, *self.exact}
        apart = numbers * self.usual + len(wide) * self.most
        if not wide or apart > _WORTH_APART * numbers * self.most:
            return {"pieces": self.most}
        flags = tuple(int(j in wide) for j in range(numbers))
        return {"pieces": self.most, "wide": flags, "narrow": self.usual}


def chosen_pieces(train: Parts, most: int | None, constrained: Sequence[int], numbers: int) -> Pieces:
    """The number of linear pieces of each numeric input, at most `most`.

    Few rows or many inputs reduce the number. If `most` is None, the number depends on the column's effect. A rough
    column of few values learns each repeated value, as do labels, whose effect shows with another input only. A
    rough column of many values gets enough pieces for an arbitrary function, and a smooth column relies on the
    embedding's cosines. Columns with a non-zero entry in `constrained` always get the usual number. The first member's
    rows decide whether a column is rough or smooth. A column of few values is also rough if what a linear function of
    all inputs leaves of the target is. The number of repeated values is the maximum over all members.
    """
    first = train[0]
    for_each = _PIECES_OF_ALL // max(numbers, 1)
    usual = min(_USUAL if most is None else most, len(first.weighted) // _ROWS_A_PIECE, for_each)
    usual = max(usual, FEWEST_PIECES) if any(constrained) else usual
    if not numbers or most is not None or for_each <= usual or isinstance(first.numeric, SparseNumbers):
        return Pieces(usual, {})
    rows, most_values = [rows_for_knots(part) for part in train], min(for_each + 1, _MOST_VALUES)
    every = _Looked(np.arange(len(rows[0])), first.target[rows[0]], _that_differ(first.weights, rows[0]))
    single = every.of(_without_copies(first, rows[0], _GROUPED_ROWS))
    rough, smooth, exact = dict[int, int](), set[int](), dict[int, int]()
    some = every.of(slice(None, None, -(-len(every.at) // _GROUPED_ROWS)))
    # Products of outliers would look like labels.
    others = np.clip(_inputs(first, rows[0][some.at], _FEWEST), -3, 3)
    left = _unexplained(first, rows[0][some.at], some)
    for j in range(numbers):
        if constrained and constrained[j]:
            continue
        column = first.numeric[rows[0], j]
        of_members = [part.numeric[own, j] for part, own in zip(train, rows, strict=True)]
        few = _has_few_values(column, most_values)
        pieces = _rough_pieces(of_members, few, every, single, most_values, usual)
        if few and not pieces and left is not None:
            pieces = _rough_pieces(of_members, few, left, left, most_values, usual)
        if (
            few
            and not pieces
            and interaction(column[some.at], some.target, others, some.weights) >= _INTERACTS
        ):
            pieces = _FEWEST  # labels
        if pieces and few:
            exact[j] = max(len(repeated_values(values)[0]) for values in of_members)
        elif pieces:
            rough[j] = pieces
        elif _is_smooth(column, every, usual):
            smooth.add(j)
    return Pieces(usual, rough, frozenset(smooth), exact)


def _that_differ(weights: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """The weights of these rows, float64; None if all weights are equal."""
    if weights is None or not len(rows):
        return None
    chosen = weights[rows]
    return None if (chosen == chosen[0]).all() else chosen.astype(np.float64)


def _unexplained(data: Data, rows: np.ndarray, seen: _Looked) -> _Looked | None:
    """These rows with what a linear function of all inputs leaves of their targets, float64 (rows, outputs).

    Effects of other inputs look like noise along a column, and hide its own. The result is None if there are too many
    inputs or outputs.
    """
    target = seen.target
    outputs = int(target.max(initial=0)) + 1 if target.ndim == 1 else target.shape[1]
    found = _inputs(data, rows, _FEW_CATEGORIES)
    found = np.concatenate([found, np.ones((len(found), 1))], axis=1)
    if outputs > _MOST_OUTPUTS or found.shape[1] > min(_MOST_INPUTS, len(found) // _ROWS_AN_INPUT):
        return None
    wanted = np.eye(outputs)[target.astype(np.intp)] if target.ndim == 1 else target.astype(np.float64)
    weighted = found if seen.weights is None else seen.weights[:, None] * found
    coefficients = np.linalg.lstsq(weighted.T @ found, weighted.T @ wanted, _DEPENDENT)[0]
    return seen._replace(target=wanted - found @ coefficients)


def _rough_pieces(
    columns: Sequence[np.ndarray], few: bool, every: _Looked, single: _Looked, most_values: int, usual: int
) -> int:
    """The number of pieces of a column if it is rough, otherwise 0.

    A column is rough if neighbouring values, or neighbouring groups of values, have clearly different mean targets.
    Such a column gets a piece between every two adjacent values if they are few, or about two pieces per group.

    Args:
        columns: the column's values in each member's rows.
        few: whether the column has few values.
        every: rows of the first member, and their targets.
        single: the distinct ones of these rows, on which groups are compared.
        most_values: the maximum number of breakpoints.
        usual: the number of pieces of a column that is not rough.
    """
    values, most = columns[0][every.at], 0
    if few:
        most = min(max(len(np.unique(column)) for column in columns), most_values) - 1
        if most < _FEWEST:
            return 0
        if roughness(values, every.target, every.weights) >= _ROUGH:
            return most
    # In a column of few values, equal rows may be a coincidence rather than copies.
    some = every.of(slice(None, None, -(-len(values) // _GROUPED_ROWS))) if most else single
    values = columns[0][some.at]
    for rows in _ROWS_A_GROUP[: 1 if most else None]:  # with few values, groups only join rare values
        groups = len(values) // rows
        if groups < max(_FEWEST_GROUPS, _GROUPS_A_PIECE * usual):
            break
        of = partial(roughness, values, some.target, some.weights, rows=rows)
        if of() >= _ROUGH and of(bends=True) >= _BENDS:
            # Without repeated values, there are half as many knots.
            return most or min(2 * groups, most_values - 1)
    return 0


def _is_smooth(values: np.ndarray, every: _Looked, usual: int) -> bool:
    """Whether a polynomial fits the target's mean about as well as a function with `usual` linear pieces does."""
    places = knots(values, usual).astype(np.float64)
    return lack_of_fit(values, every.target, places, every.weights) < _LACKS


def _has_few_values(values: np.ndarray, most: int) -> bool:
    """Whether a column has at most `most` distinct values, each with several rows on average."""
    if len(np.unique(values[:: -(-len(values) // _GLANCE)])) > most:
        return False
    count = len(np.unique(values))
    return count <= most and count * _ROWS_A_VALUE <= len(values)


def rows_for_knots(data: Data) -> np.ndarray:
    """The indices of the rows from which pieces and breakpoints are chosen.

    They are the rows with non-zero weight, or an evenly spaced sample of them.
    """
    rows = data.weighted
    return rows[:: -(-len(rows) // _KNOT_ROWS)]


def _without_copies(data: Data, rows: np.ndarray, most: int) -> np.ndarray:
    """Positions in `rows` of at most `most` distinct rows, ascending and evenly spaced.

    Copies of rows, e.g. from oversampling a rare class, have equal targets, so groups of copies would make a column
    look rough.
    """
    at = np.arange(0, len(rows), -(-len(rows) // most) if len(rows) else 1)
    parts = [part[rows[at]] for part in (data.numeric, data.codes, data.target) if part is not None]
    contents = np.concatenate(
        [np.ascontiguousarray(part).reshape(len(at), -1).view(np.uint8) for part in parts], axis=1
    )
    return at[np.sort(np.unique(contents.view(f"V{contents.shape[1]}").ravel(), return_index=True)[1])]


def knots(values: np.ndarray, pieces: int) -> np.ndarray:
    """The breakpoints of a column's piecewise linear function with at most `pieces` pieces, ascending.

    If there are few distinct values, they are the breakpoints. Otherwise half of the breakpoints are quantiles of all
    values, and half are quantiles of the distinct values, which resolve the nonzero values of a mostly zero column.
    """
    ordered = np.sort(values)
    distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered
    if len(distinct) <= pieces + 1:
        return distinct
    levels = np.linspace(0, 1, pieces // 2 + 1)
    # The nearest ranks, as by `numpy.quantile`, which does not know that the values are sorted.
    return np.unique([x[np.around((len(x) - 1) * levels).astype(int)] for x in (ordered, distinct)])


def repeated_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values of a column that at least two rows have, ascending, with their tolerances and numbers of rows.

    An input equals a value if their distance is at most the tolerance. Encodings of the same number differ by a few
    rounding errors of float32 between tables of float32 and of float64, so equal bits cannot be required. The tolerance
    is far below the distance to the nearest other value, so that new values beside a value are not mistaken for it.

    >>> values, tolerances, rows = repeated_values(np.array([0.0, 0.5, 0.5, 2.0, 2.0, 2.0]))
    >>> values, 1 / tolerances, rows
    (array([0.5, 2. ]), array([2048.        ,  682.66666667]), array([2, 3]))
    """
    distinct, rows = np.unique(values.astype(np.float64), return_counts=True)
    gaps = np.diff(distinct, prepend=-np.inf, append=np.inf)
    gap = np.minimum(gaps[:-1], gaps[1:])
    near = np.minimum(np.maximum(_SHARE_OF_GAP * gap, _ROUNDING * np.abs(distinct)), gap / 2)
    some = rows >= _REPEATED
    return distinct[some], np.maximum(near, _LEAST_TOLERANCE)[some], rows[some]


# --- The shape of a target's mean along a column: rough, polynomial, or in between -----------------------------------


_KNOWN_ROWS = 5  # minimum rows of a value to compare it with its neighbours
_FEWEST_PAIRS = 3
_ONE_ROW = 1 + 1e-9  # effective rows of a group of one row, with rounding errors
_DEGREE = 5  # degree of polynomials, which bend about as much as the embedding's slow cosines


def neighbours(values: np.ndarray, rows: int) -> np.ndarray:
    """The group number of each row, where groups are `rows` consecutive rows in the values' order.

    Rows with equal values are in the same group. Group numbers ascend with the values.

    >>> neighbours(np.array([0.5, 9, 2, 7, 2, 2]), 2)
    array([0, 1, 0, 1, 0, 0])
    """
    order = np.argsort(values)
    ordered, begins = values[order], np.arange(len(values))
    begins[1:][ordered[1:] == ordered[:-1]] = 0
    groups = np.maximum.accumulate(begins) // rows
    found = np.empty_like(groups)
    found[order] = np.cumsum(np.diff(groups, prepend=groups[:1]) > 0)
    return found


def roughness(
    values: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    rows: int = 1,
    bends: bool = False,
) -> float:
    """The variance of the target's mean between neighbouring values, divided by the variance expected by chance.

    The result is the mean of d² / (s²·(1/n + 1/m)) over all pairs of neighbouring values with n and m rows, at least 5
    each. d is the difference of the two values' mean targets, and s² the variance of the target around each value's
    mean. Rows with unequal weights w count as (∑w)²/∑w² rows (Kish, 1965).

    Args:
        values: a column's values, (rows,).
        target: class numbers (rows,), or numbers (rows, targets).
        weights: positive weights of the rows; None: equal.
        rows: the number of rows per group of neighbouring values; if above 1, groups are compared instead of values.
        bends: whether d is a mean's deviation from the straight line between its two neighbours, with the matching
            variance; then even a steep slope is not rough.

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
    return float(_roughness(at, values, _groups(at, target, weights), bends=bends)[0])


def _roughness(
    at: np.ndarray,
    values: np.ndarray,
    grouped: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    bends: bool,
    count: int = 1,
) -> np.ndarray:
    """The `roughness` for each of `count` targets, (count,), whose columns in `_groups`' means are adjacent."""
    counts, means, within = grouped
    if len(counts) < 3 and bends:
        return np.zeros(count)
    shares = _of_bends(_sums(at, values, None) / np.bincount(at)) if bends else np.array([[-1.0, 1.0]])
    windows = sliding_window_view(counts, shares.shape[1])
    known = (windows >= _KNOWN_ROWS).all(axis=1)
    if np.count_nonzero(known) < _FEWEST_PAIRS:
        return np.zeros(count)
    beside = sliding_window_view(means, shares.shape[1], axis=0)  # (windows, targets, means of each)
    each: np.ndarray = ((beside * shares[:, None]).sum(axis=2) ** 2)[known]
    differences: np.ndarray = each.reshape(len(each), count, -1).sum(axis=2)
    chance: np.ndarray = (shares**2 / windows).sum(axis=1)[known]
    expected = within.reshape(count, -1).sum(axis=1) * chance[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (differences / expected).mean(axis=0)
    return np.where(differences.any(axis=0), found, 0.0)


def interaction(
    values: np.ndarray, target: np.ndarray, others: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The roughness of the target times another input along a column, for the input with which it is greatest.

    The number of a school or a shop may predict nothing by itself, but tell what another input means.

    Args:
        values, target, weights: as for `roughness`.
        others: other inputs with mean 0 and variance 1, (rows, inputs); copies of the column don't count.

    >>> values, other = np.repeat(np.arange(20), 50), np.tile([1.0, -1.0], 500)
    >>> noise = np.random.default_rng(0).normal(size=1000)
    >>> target = (np.array([-1, 1, 1, -1] * 5)[values] * other + noise)[:, None]
    >>> round(roughness(values, target)), round(interaction(values, target, other[:, None]))
    (0, 39)
    """
    classes = int(target.max(initial=0)) + 1 if target.ndim == 1 else 0
    _, rows = np.unique(values, return_counts=True)
    if np.count_nonzero(rows >= _KNOWN_ROWS) < _FEWEST_LABELS or classes > _MOST_PRODUCTS:
        return 0.0
    wanted = np.eye(classes)[target.astype(np.intp)] if classes else target
    scaled = (values - values.mean()) / values.std()
    others = others[:, np.abs(scaled @ others) < _COPIES * len(values)][
        :, : _MOST_PRODUCTS // wanted.shape[1]
    ]
    if not others.shape[1]:
        return 0.0
    products = others[:, :, None] * (wanted - wanted.mean(axis=0))[:, None]
    at = neighbours(values, 1)
    grouped = _groups(at, products.reshape(len(values), -1), weights)
    each = [_roughness(at, values, grouped, bends=bends, count=others.shape[1]) for bends in (False, True)]
    return float(np.minimum(*each).max())


def _inputs(data: Data, rows: np.ndarray, categories: int) -> np.ndarray:
    """The standardized inputs: numbers, and indicators of the columns with at most `categories` categories."""
    columns = [data.numeric[rows].astype(np.float64)]
    for codes in () if data.codes is None else data.codes[rows].T:
        if codes.max(initial=0) < categories:
            columns.append(np.eye(categories)[codes])
    found = np.concatenate(columns, axis=1)
    spread = found.std(axis=0)
    return ((found - found.mean(axis=0)) / np.where(spread > 0, spread, 1))[:, spread > 0]


def _of_bends(x: np.ndarray) -> np.ndarray:
    """The coefficients that give a mean's deviation from the straight line between its two neighbours, (n - 2, 3).

    Each row has the coefficients of three adjacent means. `x`: the positions of the n means.
    """
    left, right = np.diff(x)[:-1], np.diff(x)[1:]
    return np.stack([-right, left + right, -left], axis=1) / (left + right)[:, None]


def lack_of_fit(
    values: np.ndarray, target: np.ndarray, places: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The lack of fit of a polynomial to a column's mean targets, in standard deviations.

    The means are over the targets in each piece of the column's range. The statistic is the sum of squared differences
    between the polynomial and the means, each divided by the mean's variance (the test for lack of fit; Fisher, 1922).
    Its expectation by chance is subtracted, and the result is divided by the standard deviation by chance. The result
    is inf if there are no more pieces than coefficients.

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
    # from −1 to 1
    within_one: np.ndarray = (2 * centers - centers[0] - centers[-1]) / (centers[-1] - centers[0])
    basis = chebvander(within_one, _DEGREE) * roots
    coefficients = np.linalg.lstsq(basis, means * roots)[0]
    lacking = float(((means * roots - basis @ coefficients) ** 2).sum())
    variance = float(within.sum())
    return (lacking / variance - freedom) / math.sqrt(2 * freedom) if variance > 0 else np.inf


def _sums(
    at: np.ndarray, values: np.ndarray | None, weights: np.ndarray | None, groups: int = 0
) -> np.ndarray:
    """The weighted sum of `values` in each group, where `at` has each row's group number.

    If `values` is None, the result is the sum of the weights; if `weights` is None, too, it is the number of rows.
    """
    if values is None or weights is None:
        return np.bincount(at, weights if values is None else values, minlength=groups)
    return np.bincount(at, weights * values, minlength=groups)


def _groups(
    at: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The effective number of rows and the mean target of each group, and the targets' variances within groups.

    The variance of class numbers is one, the sum over the classes.
    """
    if weights is not None:
        weights = weights * (len(weights) / weights.sum())
    totals = _sums(at, None, weights)
    means, squares = (_of_classes if target.ndim == 1 else _of_numbers)(at, totals, target, weights)
    if weights is None:
        return totals, means, squares / max(len(at) - len(totals), 1)
    worth = totals**2 / np.bincount(at, weights**2)
    # Groups of one effective row are left out: they have no variance, only rounding errors beside a huge weight.
    freedom = float((totals - totals / worth)[worth > _ONE_ROW].sum())
    return worth, means, squares / freedom if freedom > 0 else np.zeros_like(squares)


def _of_classes(
    at: np.ndarray, totals: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The fraction of each class in each group, and the sum of squared deviations within groups.

    The deviations are of 0/1 class indicators from the fractions. The indicator arrays are not created, since a
    thousand classes would take 400 MB.
    """
    classes = target.astype(np.intp)
    width = int(classes.max()) + 1
    shape = (len(totals), width)
    shares = _sums(at * width + classes, None, weights, math.prod(shape)).reshape(shape) / totals[:, None]
    return shares, np.array([len(at) - float((totals @ shares**2).sum())])


def _of_numbers(
    at: np.ndarray, totals: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the targets in each group, and the sum of squared deviations within groups."""
    means = np.stack([_sums(at, column, weights) / totals for column in target.T], axis=1)
    squares = (target - means[at]) ** 2
    return means, (squares if weights is None else weights[:, None] * squares).sum(axis=0)
