"""Drift: the differences between a new table and the training table, in each column and overall."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lamina.table.findings.results import LEVEL, ColumnDrift, Drift, share_said
from lamina.table.findings.values import Names, Series

_EXPECTED = 5
"""Categories with a lower expected count than this in either table are merged as rare."""

_EXACT_ROWS = 500
"""Maximum rows for the exact distribution of the Kolmogorov–Smirnov statistic; for more, its limit is used."""

_FEWEST_OF_CLASSIFIER = 100
_MOST_OF_CLASSIFIER = 2000
"""Maximum number of rows of each table for the classifier."""

_MOST_FEATURES = 200


def drift(training: Sequence[Series], new: Sequence[Series], seed: int = 0) -> Drift:
    """Compare the columns of two tables.

    Numbers are compared by the Kolmogorov–Smirnov test, categories by the chi-square test, with rare categories merged
    by their frequency in both tables together. The shares of missing values are compared by the chi-square test, or by
    Fisher's exact test for small counts. All columns together are compared by a classifier that separates the tables
    (Lopez-Paz and Oquab 2017).

    Args:
        training, new: the same columns of both tables; a category has the same code in both tables.
        seed: selects the classifier's training rows.

    >>> rng = np.random.default_rng(0)
    >>> before, after = (Series("x", "x", rng.normal(mean, size=500)) for mean in (0, 1))
    >>> found = drift([before], [after]).found
    >>> [one.column for one in found], found[0].size > 0.3
    (['x'], True)
    """
    pairs = list(zip(training, new, strict=True))
    compared = (test(before, after) for before, after in pairs for test in (_missing, _values))
    tests = [found for found in compared if found is not None]
    auc, p_value = _told_apart(pairs, seed) if pairs else (None, None)
    p_values = [one.p_value for one in tests] + ([] if p_value is None else [p_value])
    adjusted = _holm(np.array(p_values))
    columns = [dataclasses.replace(one, adjusted=float(p)) for one, p in zip(tests, adjusted, strict=False)]
    rows, more = (len(pairs[0][0]), len(pairs[0][1])) if pairs else (0, 0)
    return Drift(
        rows=more,
        columns=_of_each_column(columns),
        auc=auc,
        auc_adjusted=None if p_value is None else float(adjusted[-1]),
        new_categories=new_categories(training, new),
        detectable=_detectable(rows, more, len(p_values)),
        compared=(rows, more),
    )


def _holm(p_values: np.ndarray) -> np.ndarray:
    """P-values adjusted by Holm's method (1979) for multiple tests."""
    order = np.argsort(p_values)
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def _of_each_column(tests: Sequence[ColumnDrift]) -> tuple[ColumnDrift, ...]:
    """For each column, at most two comparisons: of the values, and of the shares of missing values.

    A column may consist of several parts with a comparison each; the most significant one is chosen. The results are
    sorted by size, the largest first.
    """
    least: dict[tuple[str, str], ColumnDrift] = {}
    for one in sorted(tests, key=lambda one: (one.adjusted, -one.size)):
        least.setdefault((one.column, one.what), one)
    return tuple(sorted(least.values(), key=lambda one: (-one.size, one.p_value)))


def _detectable(rows: int, more: int, tests: int) -> float:
    """The smallest significant Kolmogorov–Smirnov statistic of `rows` and `more` rows, if `tests` tests are made."""
    if not rows or not more or not tests:
        return 1.0
    return min(1.0, float(np.sqrt(-np.log(LEVEL / tests / 2) / 2 * (1 / rows + 1 / more))))


def _missing(before: Series, after: Series) -> ColumnDrift | None:
    """The comparison of the shares of missing values; None if no value is missing."""
    from scipy.stats import chi2_contingency, fisher_exact

    gaps = np.array([[int((~one.present).sum()), int(one.present.sum())] for one in (before, after)])
    if not gaps[:, 0].sum() or not gaps[:, 1].sum():
        return None
    few = np.outer(gaps.sum(axis=1), gaps.sum(axis=0)).min() < _EXPECTED * gaps.sum()
    result: Any = fisher_exact(gaps) if few else chi2_contingency(gaps, correction=False)
    shares = gaps[:, 0] / gaps.sum(axis=1)
    change = f"missing {share_said(shares[0], 1)} → {share_said(shares[1], 1)}"
    test = "Fisher" if few else "chi-square"
    return _compared(before, "missing", test, abs(float(shares[1] - shares[0])), result.pvalue, change)


def _compared(
    series: Series, what: Literal["values", "missing"], test: str, size: float, p_value: float, change: str
) -> ColumnDrift:
    """A comparison with its unadjusted p-value.

    If the series is a part of a column, `change` begins with the part's name.
    """
    part = series.name.removeprefix(f"{series.column}: ")
    if part != series.column:
        change = f"{part}: {change}"
    return ColumnDrift(series.column, what, test, float(size), float(p_value), 1.0, change)


def _values(before: Series, after: Series) -> ColumnDrift | None:
    """The comparison of the non-missing values; None if a table has only missing values."""
    left, right = before.values[before.present], after.values[after.present]
    if not len(left) or not len(right):
        return None
    if before.names is not None:
        return _of_names(before, before.names, left, right)
    from scipy.stats import ks_2samp

    method = "exact" if max(len(left), len(right)) <= _EXACT_ROWS else "asymp"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about an exact probability rounded above 1
        found: Any = ks_2samp(left, right, method=method)
    medians = [before.show(float(np.median(one))) for one in (left, right)]
    change = f"median {medians[0]} → {medians[1]}"
    if medians[0] == medians[1]:
        change = f"quartiles {_quartiles(before, left)} → {_quartiles(before, right)}"
    return _compared(before, "values", "Kolmogorov–Smirnov", found.statistic, found.pvalue, change)


def _quartiles(series: Series, values: np.ndarray) -> str:
    low, high = np.quantile(values, [0.25, 0.75])
    return f"{series.show(float(low))} … {series.show(float(high))}"


def _of_names(series: Series, names: Names, left: np.ndarray, right: np.ndarray) -> ColumnDrift | None:
    from scipy.stats import chi2_contingency

    counts = np.stack([np.bincount(one, minlength=len(names)) for one in (left, right)])
    table = _joined(counts)
    if table.shape[1] < 2:
        return None
    shares = table / table.sum(axis=1, keepdims=True)
    size = float(np.abs(shares[1] - shares[0]).sum() / 2)
    result: Any = chi2_contingency(table, correction=False)
    of_names = counts / counts.sum(axis=1, keepdims=True)
    most = int(np.argmax(np.abs(of_names[1] - of_names[0])))
    said = [share_said(float(share), 1) for share in of_names[:, most]]
    name = [*names][most]
    shown = name if len(name) <= 30 else name[:29] + "…"
    change = f"{shown!r} {said[0]} → {said[1]}"
    if abs(of_names[1, most] - of_names[0, most]) < size / 5:
        change += f", and {np.count_nonzero(counts.sum(axis=0)) - 1:,} others"
    return _compared(series, "values", "chi-square", size, result.pvalue, change)


def _joined(counts: np.ndarray) -> np.ndarray:
    """The category counts in two tables (2, categories), with rare categories merged.

    Rare categories are merged, from the rarest on, until the expected counts in both tables are large enough for the
    chi-square test. Categories of equal total count are merged at once, which favours neither table.
    """
    together = counts.sum(axis=0)
    least = float(counts.sum(axis=1).min() / max(together.sum(), 1))
    is_rare = together * least < _EXPECTED
    parts = [counts[:, ~is_rare & (together > 0)]]
    part = np.zeros((2, 1), counts.dtype)
    for times in np.unique(together[is_rare & (together > 0)]):
        part = part + counts[:, is_rare & (together == times)].sum(axis=1, keepdims=True)
        if part.sum() * least >= _EXPECTED:
            parts.append(part)
            part = np.zeros((2, 1), counts.dtype)
    if part.any():  # too few rows for a separate category
        if parts[-1].shape[1]:
            parts[-1][:, [-1]] += part
        else:
            parts.append(part)
    return np.concatenate(parts, axis=1)


def new_categories(training: Sequence[Series], new: Sequence[Series]) -> dict[str, tuple[int, int]]:
    """The number of categories unseen in training, and of rows with these categories, by column."""
    found: dict[str, tuple[int, int]] = {}
    for before, after in zip(training, new, strict=True):
        if before.names is None:
            continue
        values = after.values[after.present]
        unknown = values[~np.isin(values, before.values)]
        if len(unknown):
            found[before.column] = len(np.unique(unknown)), len(unknown)
    return found


def _told_apart(pairs: Sequence[tuple[Series, Series]], seed: int) -> tuple[float | None, float | None]:
    """The AUC, on held-out rows, of a classifier that separates the tables, and its p-value.

    Both are None if there are too few rows.
    """
    rows = min(_MOST_OF_CLASSIFIER, *map(len, pairs[0]))
    if rows < _FEWEST_OF_CLASSIFIER:
        return None, None
    from scipy.stats import mannwhitneyu
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(seed)
    chosen = [rng.choice(len(one), rows, replace=False) for one in pairs[0]]
    matrix = np.column_stack([_together(*pair, *chosen) for pair in pairs[:_MOST_FEATURES]])
    is_new = np.repeat([False, True], rows)
    learns = np.tile(np.arange(rows) < rows // 2, 2)
    model = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=15, random_state=seed)
    scores = model.fit(matrix[learns], is_new[learns]).decision_function(matrix[~learns])
    of_new, of_training = scores[is_new[~learns]], scores[~is_new[~learns]]
    test = mannwhitneyu(of_new, of_training, alternative="greater")
    return float(test.statistic / (len(of_new) * len(of_training))), float(test.pvalue)


def _together(before: Series, after: Series, rows: np.ndarray, more: np.ndarray) -> np.ndarray:
    """The values of a column in some rows of both tables, as numbers.

    `rows` selects rows of `before`, and `more` rows of `after`. Categories are numbered by frequency.
    """
    values = np.concatenate([before.values[rows], after.values[more]])
    if before.names is None:
        return values
    # Equally frequent names must not be ordered by codes, which reveal the table that had a name first.
    counts = np.bincount(values[values >= 0], minlength=len(before.names))
    place = np.empty(len(counts))
    place[np.lexsort((np.array([*before.names]), counts))] = np.arange(len(counts))
    return np.where(values >= 0, place[values], np.nan)
