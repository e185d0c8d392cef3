"""Target leakage: columns that equal the target, determine it, or have a sum equal to the target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina.table.findings.results import Finding, share_said
from lamina.table.findings.values import Series

_FEWEST_ROWS = 20
"""Minimum number of rows; with fewer, columns may look alike by chance."""

_NEARLY = 0.98
"""The score at which a single column predicts suspiciously well."""

_NEARLY_NAMESAKE = 0.9
"""The suspicious score for a column with a name like the target's."""

_BY_CHANCE = 1e-3
"""The maximum probability, over all columns of a table, of such a good prediction by chance."""

_FIT_ROWS = 4000
_MOST_TERMS = 6
_MOST_FREE_TERMS = 3
_MOST_COLUMNS = 300
_ROUNDING = 1e-4
"""The share of the target's variance that rounding may leave unexplained."""

_LEAST_TERM = 0.003
"""The minimum contribution of a term, in standard deviations of the target."""

_EXACT = 1e-9
"""The maximum unexplained share of the target's variance for a sum with free factors, which may fit by chance."""


@dataclass(frozen=True)
class Score:
    """The quality of predictions of the target from a single column, on held-out rows.

    Attributes:
        value: from 0 (no better than without the column) to 1 (without errors). For classes, Goodman
            and Kruskal's lambda: always predicting the most frequent class makes errors, and lambda is the share of
            these errors that predictions from the column avoid. For numbers, the R² of their ranks.
        rows: the number of rows with a prediction.
        right: for classes, the accuracy on these rows; None for numbers.
        p_value: the probability of this accuracy by chance; 0 for numbers.
    """

    value: float
    rows: int
    right: float | None
    p_value: float


def score(series: Series, target: Series) -> Score:
    """The quality of predictions of the target from a single column.

    Each half of the rows is predicted from the other half. A row is predicted from the rows with the nearest number,
    or with the same category. Rows whose category does not occur in the other half are not scored.

    >>> x = Series("x", "x", np.arange(100.0))
    >>> score(x, Series("y", "y", x.values ** 3)).value > 0.99
    True
    """
    from scipy.stats import binom, rankdata

    classes = target.names is not None
    wanted = target.values if classes else (rankdata(target.values) - 1) / max(len(target) - 1, 1)
    half = np.random.default_rng(len(series)).permutation(len(series)) % 2 == 0
    predicted = np.full(len(series), np.nan)
    for seen in (half, ~half):
        predicted[~seen] = _predicted(series.of(seen), wanted[seen], series.of(~seen), classes=classes)
    judged = ~np.isnan(predicted)
    rows = int(judged.sum())
    if rows < _FEWEST_ROWS // 2:
        return Score(0.0, rows, None, 1.0)
    truth, guess = wanted[judged], predicted[judged]
    if not classes:
        spread = float(((truth - truth.mean()) ** 2).sum())
        error = float(((truth - guess) ** 2).sum())
        return Score(1 - error / spread if spread else 0.0, rows, None, 0.0 if spread else 1.0)
    right, usual = int((truth == guess).sum()), int(np.bincount(truth.astype(np.int64)).max())
    gain = (right - usual) / (rows - usual) if rows > usual else 0.0
    return Score(gain, rows, right / rows, float(binom.sf(right - 1, rows, usual / rows)))


def _predicted(seen: Series, wanted: np.ndarray, new: Series, *, classes: bool) -> np.ndarray:
    """The typical target of similar seen rows for each new row; NaN if there are no similar rows.

    Missing values are similar to each other.
    """
    values, group = np.unique(seen.values, return_inverse=True)  # NaNs form the last group
    usual = _usual_class(group, wanted) if classes else np.bincount(group, wanted) / np.bincount(group)
    known = ~np.isnan(values) if seen.names is None else values >= 0
    result = np.full(len(new), np.nan)
    if not known.all():
        result[~new.present] = usual[~known][0]
    values, usual = values[known], usual[known]
    if not len(values):
        return result
    present = new.present
    sought = new.values[present]
    after = np.minimum(np.searchsorted(values, sought), len(values) - 1)
    if seen.names is not None:
        result[present] = np.where(values[after] == sought, usual[after], np.nan)
        return result
    before = np.maximum(after - 1, 0)
    nearer = np.abs(values[before] - sought) < np.abs(values[after] - sought)
    result[present] = usual[np.where(nearer, before, after)]
    return result


def _usual_class(group: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The most frequent class of each group."""
    most = int(classes.max()) + 1
    pairs, counts = np.unique(group.astype(np.int64) * most + classes, return_counts=True)
    order = np.lexsort((-counts, pairs // most))
    first = np.diff(pairs[order] // most, prepend=-1) != 0
    return (pairs[order][first] % most).astype(np.float64)


def leaks(features: Sequence[Series], target: Series) -> list[Finding]:
    """Findings about columns that determine the target, or predict the target almost perfectly without other columns.

    Args:
        features: the columns' inputs to a network. Rows must be distinct, since the copy of a row reveals its target.
        target: float64 for regression, or class codes; without missing values.
    """
    if len(target) < _FEWEST_ROWS:
        return []
    found: dict[str, Finding] = {}
    for series in features:
        finding = _leak(series, target, len(features))
        before = found.get(series.column)
        if finding and (before is None or (finding.figure or 0) > (before.figure or 0)):
            found[series.column] = finding
    return sorted(found.values(), key=lambda one: -(one.figure or 0))


def _leak(series: Series, target: Series, tests: int) -> Finding | None:
    result = score(series, target)
    if result.p_value * tests > _BY_CHANCE:
        return None
    namesake = _named_alike(series.column, target.column)
    if result.value < (_NEARLY_NAMESAKE if namesake else _NEARLY):
        return None
    said = f"{series.name!r} {_relation(series, target, result)}"
    if namesake:
        said += "; it is named like the target"
    return Finding("leakage", "warning", (series.column,), said, round(result.value, 4))


def _relation(series: Series, target: Series, result: Score) -> str:
    """The relation of a predictive column to the target, as text."""
    name = repr(target.column)
    if series.names is None and target.names is None and np.array_equal(series.values, target.values):
        return f"equals {name} in every row"
    if (direction := _monotone(series, target)) is not None:
        return f"determines {name}, which {direction} with it without exception"
    if series.present.all() and all(_agrees(series, target)):
        what = "class" if target.names is not None else "value"
        return f"determines {name}: each of its {series.distinct():,} values has one {what}"
    if result.right is not None:
        rows = "held-out rows" if result.rows > len(series) / 2 else "rows whose value repeats"
        return f"alone predicts {name} almost perfectly: right in {share_said(result.right, 1)} of the {rows}"
    return f"alone predicts {name} almost perfectly: R² of ranks {result.value:.3f} on held-out rows"


def _monotone(series: Series, target: Series) -> str | None:
    """The direction of the target, "rises" or "falls", as a monotone function of the column; otherwise None.

    The column must have many distinct numbers.
    """
    if series.names is not None or target.names is not None or not series.present.all():
        return None
    if series.distinct() < _FEWEST_ROWS or not _agrees(series, target)[0]:
        return None
    steps = np.diff(target.values[np.argsort(series.values, kind="stable")])
    if (steps >= 0).all():
        return "rises"
    return "falls" if (steps <= 0).all() else None


def _agrees(series: Series, target: Series) -> tuple[bool, bool]:
    """Whether rows with equal values always have equal targets; and whether most rows repeat an earlier row's value."""
    _, group = np.unique(series.values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    same = np.diff(group[order]) == 0
    return bool((np.diff(target.values[order])[same] == 0).all()), bool(same.mean() > 0.5)


def _named_alike(name: str, target: str) -> bool:
    """Whether one of the names contains the other; case, punctuation and digits are ignored.

    >>> _named_alike("Income.1", "income"), _named_alike("log_price", "price"), _named_alike("x", "max")
    (True, True, False)
    """
    bare = [re.sub(r"[\W\d_]+", "", one.lower()) for one in (name, target)]
    short, long = sorted(bare, key=len)
    return len(short) > 2 and short in long


def sums(features: Sequence[Series], target: Series) -> list[Finding]:
    """At most one finding about columns whose sum, difference, product or quotient equals the target.

    A sum may have up to 6 columns with factors ±1, or up to 3 columns with other factors.

    >>> rng = np.random.default_rng(0)
    >>> a, b, c = (Series(name, name, rng.uniform(1, 9, 200)) for name in "abc")
    >>> [one.message for one in sums([a, b, c], Series("y", "y", a.values - c.values))]
    ["'a' − 'c' = 'y'"]
    >>> [one.message for one in sums([a, b, c], Series("y", "y", a.values * b.values))]
    ["'a' × 'b' = 'y'"]
    """
    numbers = [one for one in features if one.names is None and not _is_copy(one, target)]
    found = _combined(numbers, target, _SUM)
    if found is None and (target.values > 0).all():
        positive = [one for one in numbers if (one.values[one.present] > 0).all()]
        logs = [replace(one, values=np.log(one.values)) for one in positive]
        found = _combined(logs, replace(target, values=np.log(target.values)), _PRODUCT)
    return [] if found is None else [found]


_SUM, _PRODUCT = (" + ", " − "), (" × ", " / ")


def _is_copy(series: Series, target: Series) -> bool:
    """Whether the target is a linear function of a single column.

    Such columns are reported separately.
    """
    present = series.present
    if present.sum() < _FEWEST_ROWS:
        return False
    x, y = series.values[present], target.values[present]
    x, y = x - x.mean(), y - y.mean()
    return float((x @ y) ** 2) > (1 - 1e-8) * float(x @ x) * float(y @ y)


def _combined(numbers: Sequence[Series], target: Series, marks: tuple[str, str]) -> Finding | None:
    """A finding about columns whose sum, with factors 1 or −1, is the target; None without such columns.

    `marks` are the plus and minus signs in the formula, which are × and / if the numbers are logarithms. Only sums may
    have other factors.
    """
    rows, numbers = _complete(numbers, len(target))
    matrix = np.column_stack([one.values[rows] for one in numbers]) if numbers else np.empty((0, 0))
    wanted = target.values[rows]
    if matrix.shape[1] < 2 or len(wanted) < max(3 * matrix.shape[1], _FEWEST_ROWS) or not wanted.std():
        return None
    chosen, factors = _terms(matrix[:_FIT_ROWS], wanted[:_FIT_ROWS])
    if not 2 <= len(chosen) <= _MOST_TERMS:
        return None
    signs = np.sign(factors)
    rest = _left(matrix[:, chosen] @ signs, wanted)
    if rest <= _ROUNDING and np.abs(np.abs(factors) - 1).max() < 0.02:
        factors = signs
    else:
        rest = _left(matrix[:, chosen] @ factors, wanted)
        if marks != _SUM or len(chosen) > _MOST_FREE_TERMS or rest > _EXACT:
            return None
    terms = [numbers[i] for i in chosen]
    said = f"{_formula([one.name for one in terms], factors, marks)} {'=' if rest < _EXACT else '≈'} {target.column!r}"
    return Finding("leakage", "warning", tuple(one.column for one in terms), said, round(1 - rest, 6))


def _complete(numbers: Sequence[Series], rows: int) -> tuple[np.ndarray, list[Series]]:
    """A mask of rows, and the columns that have no missing values in these rows.

    Columns with many missing values are left out.
    """
    kept = [one for one in numbers if one.present.mean() > 0.5 and one.distinct() > 1][:_MOST_COLUMNS]
    kept.sort(key=lambda one: -float(one.present.mean()))
    while kept:
        complete = np.logical_and.reduce([one.present for one in kept])
        if complete.mean() > 0.3:
            return complete, kept
        kept.pop()
    return np.zeros(rows, bool), []


def _terms(matrix: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The indices and the factors of the columns in a least-squares fit without intercept.

    Negligible terms are left out.
    """
    from scipy.linalg import qr

    scale = np.sqrt((matrix**2).mean(axis=0))
    scaled = matrix / np.where(scale, scale, 1)
    found: Any = qr(scaled, mode="economic", pivoting=True)
    _, r, order = found
    chosen = np.sort(order[np.abs(np.diag(r)) > 1e-7 * abs(r[0, 0])])
    factors = np.empty(0)
    for _ in range(2):  # the second fit, without negligible columns, has clean factors
        factors = np.linalg.lstsq(scaled[:, chosen], wanted, rcond=None)[0]
        adds = np.abs(factors) * scaled[:, chosen].std(axis=0) > _LEAST_TERM * wanted.std()
        if _left(scaled[:, chosen] @ factors, wanted) > _ROUNDING or not adds.any():
            return chosen[:0], factors[:0]
        chosen, factors = chosen[adds], factors[adds]
    return chosen, factors / scale[chosen]


def _left(predicted: np.ndarray, wanted: np.ndarray) -> float:
    """The fraction of the target's variance that a prediction leaves unexplained."""
    return float(((predicted - wanted) ** 2).mean() / wanted.var())


def _formula(names: Sequence[str], factors: np.ndarray, marks: tuple[str, str]) -> str:
    plus, minus = marks
    text = ""
    for i in np.argsort(factors < 0, kind="stable"):  # positive terms first
        size = "" if abs(abs(factors[i]) - 1) < 1e-6 else f"{abs(factors[i]):.4g}·"
        sign = (minus if factors[i] < 0 else plus) if text else ("−" if factors[i] < 0 else "")
        text += f"{sign}{size}{names[i]!r}"
    return text
