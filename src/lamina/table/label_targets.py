"""Whole numbers that name things, such as patients, schools and shops, found by a regression of the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from lamina.core.blas import apart
from lamina.table.ngram_targets import FOLDS

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

_LARGEST = 1e100
"""Larger numbers count as this one, since their squares may be beyond float64."""

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


def which_are_labels(
    able: Sequence[int], targets: np.ndarray, numbers: Sequence[np.ndarray], codes: Sequence[np.ndarray] = ()
) -> list[int]:
    """The columns of numbers that are labels: a value's rows have alike targets, but neighbouring values don't.

    What an additive function of the other columns tells about the target is subtracted before.

    Args:
        able: the positions in `numbers` of the columns to examine, for which `may_be_labels` is true.
        targets: the target of each row, see `lamina.table.ngram_targets.standardized`.
        numbers, codes: columns, (rows,): of numbers, NaN where missing, and of codes from 0.

    >>> rng = np.random.default_rng(0)
    >>> x, noise = np.repeat(np.arange(100.0), 4), rng.normal(size=400)
    >>> effects = rng.normal(size=100)[x.astype(int)]
    >>> y = (effects + noise)[:, None]
    >>> which_are_labels([0], y, [x]), which_are_labels([0], y, [x, 2 * effects])
    ([0], [])
    >>> which_are_labels([0], (x / 30 + noise)[:, None], [x]), which_are_labels([0], noise[:, None], [x])
    ([], [])
    """
    alike = dict[bytes, list[int]]()  # columns that are examined on the same rows share regressions
    sampled = {j: _sample(numbers[j]) for j in able}
    for j, (rows, _) in sampled.items():
        alike.setdefault(rows.tobytes(), []).append(j)

    def labels(some: list[int]) -> list[int]:
        rows = sampled[some[0]][0]
        folds = np.random.default_rng(0).permutation(len(rows)) % FOLDS
        order = np.argsort(folds, kind="stable")
        rows, folds = rows[order], folds[order]
        wanted = targets[rows].astype(np.float64)
        wanted -= wanted.mean(axis=0)
        left = _unexplained(some, rows, folds, wanted, numbers, codes)
        pairs = zip(some, left, strict=True)
        return [j for j, own in pairs if _tells(sampled[j][1][order], wanted, own, folds)]

    return sorted(chain.from_iterable(apart(labels, alike.values())))


def _sample(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows on which a column is examined, and the position of each row's value among the ascending values."""
    rows = np.flatnonzero(np.isfinite(x))
    values, at = np.unique(x[rows], return_inverse=True)
    step = min(-(-len(rows) // _MOST_ROWS), max(len(values) // _ENOUGH_VALUES, 1))
    some = np.flatnonzero(at % step == 0)
    some = some[:: -(-len(some) // _MOST_ROWS)]
    return rows[some], at[some] // step


def _tells(at: np.ndarray, wanted: np.ndarray, left: np.ndarray, folds: np.ndarray) -> bool:
    """Whether values tell what other columns have `left` of the targets `wanted`, and neighbours don't."""
    if np.square(left).sum() < _LEAST_LEFT * np.square(wanted).sum():
        return False
    own, neighbours = _told(at, left, folds)
    if own - neighbours < _TELLING or neighbours > _OF_NEIGHBOURS * own:
        return False
    rest = at != _most_different(at, left)  # ranges of a proxy can leave a step at a single value
    own, neighbours = _told(np.unique(at[rest], return_inverse=True)[1], left[rest], folds[rest])
    return own - neighbours >= _TELLING


def _with_ranges(x: np.ndarray, bins: int) -> np.ndarray:
    """Numbers (rows, columns), standardized, and indicators of their ranges: (rows, columns · (1 + bins))."""
    x, is_known = np.clip(x.astype(np.float64), -_LARGEST, _LARGEST), np.isfinite(x)
    for j in np.flatnonzero(~is_known.all(axis=0)):
        some = x[is_known[:, j], j]
        x[~is_known[:, j], j] = np.median(some) if len(some) else 0.0
    spread, found = x.std(axis=0), np.zeros((*x.shape, 1 + bins))
    found[:, :, 0] = np.clip((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1), -_OUTLIER, _OUTLIER)
    inner = np.quantile(x, np.arange(1, bins) / bins, axis=0)
    ranges = np.count_nonzero(inner[:, None] < x, axis=0)
    np.put_along_axis(found, 1 + ranges[:, :, None], 1, axis=2)
    return found.reshape(len(x), -1)


def _unexplained(
    columns: Sequence[int],
    rows: np.ndarray,
    folds: np.ndarray,
    wanted: np.ndarray,
    numbers: Sequence[np.ndarray],
    codes: Sequence[np.ndarray],
) -> Iterator[np.ndarray]:
    """For each of these columns of numbers, the targets minus what all other columns predict out of fold.

    The predictions are ridge regressions'. They are solved with all columns; a column's features are taken out of a
    solution by their block of the inverse (Schur complement). `folds` ascend, and belong to `rows`, as does `wanted`.
    """
    others = len(numbers) - 1
    step = -(-2 * others // _MOST_FEATURES) or 1
    bins = int(np.clip(_MOST_FEATURES // max(-(-others // step), 1) - 1, 1, _MOST_BINS))
    each = [_with_ranges(np.stack([x[rows] for x in numbers[::step]], axis=1), bins)]
    each += [np.eye(int(x.max(initial=0)) + 1)[x[rows]] for x in codes]
    features = np.concatenate(each, axis=1)
    parts = [slice(*np.searchsorted(folds, [k, k + 1])) for k in range(FOLDS)]
    squares = np.array([features[part].T @ features[part] for part in parts])
    products = np.array([features[part].T @ wanted[part] for part in parts])
    squares, products = squares.sum(axis=0) - squares, products.sum(axis=0) - products
    width, targets = bins + 1, wanted.shape[1]
    own = [np.arange(width) + j // step * width if j % step == 0 else np.arange(0) for j in columns]
    unit = np.eye(features.shape[1])
    sides = np.concatenate([products, np.repeat([unit[:, np.concatenate(own)]], FOLDS, axis=0)], axis=2)
    solved = [np.linalg.solve(squares + penalty * unit, sides) for penalty in _PENALTIES]
    begin = targets
    for some in own:
        best, end = wanted, begin + len(some)
        for found in solved:
            inverse = found[:, :, begin:end]
            lines = found[:, :, :targets]
            lines = lines - inverse @ np.linalg.solve(inverse[:, some], lines[:, some])
            left = wanted - np.concatenate(
                [features[part] @ line for part, line in zip(parts, lines, strict=True)]
            )
            best = min(best, left, key=lambda one: float(np.square(one).sum()))
        begin = end
        yield best


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
