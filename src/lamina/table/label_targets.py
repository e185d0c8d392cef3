"""Whole numbers that name things, such as patients, schools and shops, found by a regression of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.table.ngram_targets import FOLDS, standardized

_FEWEST, _ROWS_A_VALUE = 20, 2
"""Minimum number of different values, and of their rows on average: few values may be counts, single ones measures."""

_YEARS = (1800, 2100)
"""Years are no labels, as the trend goes on."""

_GLANCE = 100
"""Rows among which most columns of fractions already have one."""

_MOST_ROWS, _ENOUGH_VALUES = 4096, 256
"""Maximum number of rows that are examined: of some values if these are enough, otherwise some rows of each value."""

_TELLING = 0.1
"""Minimum share of the variance that is left, which a value's own rows predict beyond its neighbours."""

_OF_NEIGHBOURS = 0.1
"""Maximum share of this prediction that neighbours alone reach; if they reach more, the order of the values matters."""

_LEAST_LEFT = 0.1
"""Minimum share of the target's variance that other columns leave to labels; nearly exact tables stay as they are."""

_MOST_FEATURES, _MOST_BINS = 128, 8
"""Maximum number of features of other numbers, and of ranges of a number."""

_PENALTIES = (1.0, 10.0)
_OUTLIER = 5.0
"""Maximum distance of a number from the mean, in standard deviations."""

_AS_ROWS = (1.0, 3.0, 10.0)
"""How many rows of a value the mean over its neighbours is worth."""


def may_be_labels(x: np.ndarray) -> bool:
    """Whether a column's values (rows,), NaN where missing, are whole numbers that are repeated, and no years."""
    present = x[np.isfinite(x)]
    if not len(present) or any((part % 1 != 0).any() for part in (present[:_GLANCE], present)):
        return False
    if _YEARS[0] <= present.min() and present.max() <= _YEARS[1]:
        return False
    return _FEWEST <= len(np.unique(present)) <= len(present) / _ROWS_A_VALUE


def labels_tell(
    x: np.ndarray, targets: np.ndarray, numbers: Sequence[np.ndarray] = (), codes: Sequence[np.ndarray] = ()
) -> bool:
    """Whether a column's numbers are labels: a value's rows have alike targets, but neighbouring values don't.

    What an additive function of other columns tells about the target is subtracted before.

    Args:
        x: the column's values, (rows,), NaN where missing, for which `may_be_labels` is true.
        targets: the target of each row, see `lamina.table.ngram_targets.standardized`.
        numbers, codes: other columns, (rows,): of numbers, NaN where missing, and of codes from 0.

    >>> rng = np.random.default_rng(0)
    >>> x, noise = np.repeat(np.arange(100.0), 4), rng.normal(size=400)
    >>> effects = rng.normal(size=100)[x.astype(int)]
    >>> labels_tell(x, (effects + noise)[:, None]), labels_tell(x, (effects + noise)[:, None], [2 * effects])
    (True, False)
    >>> labels_tell(x, (x / 30 + noise)[:, None]), labels_tell(x, noise[:, None])
    (False, False)
    """
    rows = np.flatnonzero(np.isfinite(x))
    values, at = np.unique(x[rows], return_inverse=True)
    step = min(-(-len(rows) // _MOST_ROWS), max(len(values) // _ENOUGH_VALUES, 1))
    some = np.flatnonzero(at % step == 0)
    some = some[:: -(-len(some) // _MOST_ROWS)]
    rows, at = rows[some], at[some] // step
    wanted = targets[rows].astype(np.float64)
    wanted -= wanted.mean(axis=0)
    folds = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    numbers = numbers[:: -(-2 * len(numbers) // _MOST_FEATURES) or 1]
    bins = int(np.clip(_MOST_FEATURES // max(len(numbers), 1) - 1, 1, _MOST_BINS))
    others = [_with_ranges(x[rows].astype(np.float64), bins) for x in numbers]
    others += [np.eye(int(x.max(initial=0)) + 1)[x[rows]] for x in codes]
    left = _unexplained(np.concatenate(others, axis=1), wanted, folds) if others else wanted
    if np.square(left).sum() < _LEAST_LEFT * np.square(wanted).sum():
        return False
    own, neighbours = _told(at, left, folds)
    if own - neighbours < _TELLING or neighbours > _OF_NEIGHBOURS * own:
        return False
    rest = at != _most_different(at, left)  # ranges of a proxy can leave a step at a single value
    own, neighbours = _told(np.unique(at[rest], return_inverse=True)[1], left[rest], folds[rest])
    return own - neighbours >= _TELLING


def _with_ranges(x: np.ndarray, bins: int) -> np.ndarray:
    """A number, standardized, and indicators of its ranges: (rows, 1 + ranges)."""
    known = np.where(np.isfinite(x), x, np.median(x[np.isfinite(x)]) if np.isfinite(x).any() else 0.0)
    scaled = np.clip(standardized(known), -_OUTLIER, _OUTLIER)
    inner = np.quantile(known, np.arange(1, bins) / bins)
    return np.column_stack([scaled, np.eye(bins)[np.searchsorted(inner, known)]])


def _unexplained(features: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The targets (rows, targets) minus predictions out of fold by a ridge regression on the features."""
    parts = [folds == k for k in range(FOLDS)]
    squares = np.array([features[part].T @ features[part] for part in parts])
    products = np.array([features[part].T @ targets[part] for part in parts])
    squares, products = squares.sum(axis=0) - squares, products.sum(axis=0) - products
    best = targets
    for penalty in _PENALTIES:
        lines = np.linalg.solve(squares + penalty * np.eye(features.shape[1]), products)
        left = targets.copy()
        for part, line in zip(parts, lines, strict=True):
            left[part] -= features[part] @ line
        best = min(best, left, key=lambda one: float(np.square(one).sum()))
    return best


def _most_different(at: np.ndarray, targets: np.ndarray) -> int:
    """The value, by its position, whose rows' mean explains most of the targets' squares."""
    sums = np.stack([np.bincount(at, y) for y in targets.T], axis=1)
    return int((np.square(sums).sum(axis=1) / np.maximum(np.bincount(at), 1)).argmax())


def _told(at: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> tuple[float, float]:
    """The shares of the targets' variance that values predict out of fold: by their own rows too, and by neighbours.

    Neighbours are a range of values on both sides, as wide as it predicts best. `at`: each row's position among the
    ascending values; `folds`: the fold of each row.
    """
    places = np.arange(at.max() + 1)
    counted = (np.bincount(at * FOLDS + folds, y, len(places) * FOLDS) for y in (None, *targets.T))
    rows, *sums = (x.reshape(-1, FOLDS).astype(np.float64) for x in counted)
    rows, sums = rows[:, :, None], np.stack(sums, axis=2)
    rows, sums = (x.sum(axis=1, keepdims=True) - x for x in (rows, sums))  # those of the other folds
    all_rows, all_sums = (np.pad(x.cumsum(axis=0), ((1, 0), (0, 0), (0, 0))) for x in (rows, sums))
    whole = float(np.square(targets - targets.mean(axis=0)).sum())

    def told(predicted: np.ndarray) -> float:
        return 1 - float(np.square(targets - predicted[at, folds]).sum()) / max(whole, 1e-12)

    others, mean, width = -np.inf, sums, 1
    while width < 2 * len(places):
        begin, end = np.maximum(places - width, 0), np.minimum(places + width + 1, len(places))
        count = all_rows[end] - all_rows[begin] - rows
        found = (all_sums[end] - all_sums[begin] - sums) / np.maximum(count, 1)
        if (reached := told(found)) > others:
            others, mean = reached, found
        width *= 2
    return max(told((sums + worth * mean) / (rows + worth)) for worth in _AS_ROWS), max(others, 0.0)
