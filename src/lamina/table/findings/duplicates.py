"""Equal rows: within a table, with equal or different targets, or in both the training table and a new table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lamina.table.findings.results import Finding, share_said
from lamina.table.findings.values import Series
from lamina.table.messages import counted

_BY_CHANCE = 1e-3
_DEVIATIONS = 4
_HEAD = 2000
_FAR_MORE = 10
"""Factor on the number of equal pairs expected from independent columns; even dependent columns don't exceed it."""


def repeated_rows(keys: np.ndarray, columns: Sequence[Series]) -> Finding | None:
    """A finding about rows that equal an earlier row in every column; None without such rows.

    Args:
        keys: a number per row, equal for equal rows (see `row_keys`).
        columns: all columns except the target, from which the number of repeats expected by chance is estimated.
    """
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    repeated = len(keys) - len(counts)
    if not repeated:
        return None
    said = f"{_share(repeated, len(keys))} {'repeats' if repeated == 1 else 'repeat'} an earlier row"
    level = _level(first, counts, columns)
    advice = ": a random split puts copies on both sides; remove them, or split by group"
    return Finding("duplicates", level, (), said + (_USUAL if level == "note" else advice), repeated)


_USUAL = ", no more than chance gives"


def conflicting_rows(keys: np.ndarray, target: Series, columns: Sequence[Series]) -> Finding | None:
    """A finding about rows that are equal in every column but have different targets; None without such rows.

    Args:
        keys: a number per row, equal for rows that are equal in all columns except the target.
        target: the target, as class codes or numbers.
        columns: all columns except the target.
    """
    _, first, group, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((target.values, group))
    ordered, values = group[order], target.values[order]
    differs = np.zeros(len(counts), bool)
    differs[ordered[1:][(np.diff(ordered) == 0) & (np.diff(values) != 0)]] = True
    rows = int(counts[differs].sum())
    if not rows:
        return None
    other = "class" if target.names is not None else "value"
    level = _level(first, counts, columns)
    said = f"{_share(rows, len(keys))} equal others in the other columns, but have another {other} of {target.column!r}"
    said += _bound(group, counts, target)
    return Finding("duplicates", level, (target.column,), said + (_USUAL if level == "note" else ""), rows)


def _bound(group: np.ndarray, counts: np.ndarray, target: Series) -> str:
    """A text with the best score that a single prediction per group of equal rows can reach.

    The text is empty if this score is nearly perfect.
    """
    if target.names is None:
        within = float(((target.values - (np.bincount(group, target.values) / counts)[group]) ** 2).sum())
        most = 1 - within / float(((target.values - target.values.mean()) ** 2).sum())
        return f": no model reaches an R² above {most:.3f} on the table" if most < 0.9995 else ""
    pairs, sizes = np.unique(group * np.int64(len(target.names)) + target.values, return_counts=True)
    right = np.zeros(len(counts), np.int64)
    np.maximum.at(right, pairs // len(target.names), sizes)
    share = int(right.sum()) / len(group)
    return f": no model gets more than {100 * share:.1f} % of the rows right" if share < 0.9995 else ""


def rows_of_training(training: np.ndarray, new: np.ndarray) -> Finding | None:
    """A finding about rows of a new table that are also in the training table, or None.

    `training` and `new` have the rows' keys (see `row_keys`). The finding is a warning only if there are more such
    rows than if equal rows had been distributed over both tables at random.
    """
    from scipy.stats import poisson

    common = int(np.isin(new, training).sum())
    if not common:
        return None
    _, counts = np.unique(np.concatenate([training, new]), return_counts=True)
    counts = counts[counts > 1].astype(np.float64)
    share = len(new) / (len(new) + len(training))
    all_new = share**counts
    expected = counts * share - counts * all_new
    spread = counts * share * (1 - share) + (counts * share) ** 2 - counts**2 * all_new - expected**2
    usual, deviation = float(expected.sum()), float(np.sqrt(max(spread.sum(), 0)))
    more = common - 0.5 - usual
    is_more = more > _DEVIATIONS * deviation and float(poisson.sf(common - 1, usual)) < _BY_CHANCE
    verb = "is" if common == 1 else "are"
    said = f"{_share(common, len(new))} of the new table {verb} in the training table"
    said += ": a model is not tested by rows that it has seen" if is_more else _USUAL
    return Finding("duplicates", "warning" if is_more else "note", (), said, common)


def _level(first: np.ndarray, counts: np.ndarray, columns: Sequence[Series]) -> Literal["warning", "note"]:
    """The level of a finding: "warning" if far more pairs of rows are equal than chance explains.

    `first` has the index of a row of each group of equal rows, `counts` the number of rows in each group. The number
    of pairs expected by chance assumes independent columns.
    """
    from scipy.stats import poisson

    rows = int(counts.sum())
    pairs = float((counts.astype(np.float64) * (counts - 1) / 2).sum())
    expected = rows * (rows - 1) / 2
    for column in _free(columns, first):
        _, times = np.unique(column.values, return_counts=True)
        expected *= float((times.astype(np.float64) * (times - 1)).sum()) / (rows * (rows - 1))
    unlikely = float(poisson.sf(pairs - 1, expected)) < _BY_CHANCE
    return "warning" if unlikely and pairs > _FAR_MORE * expected else "note"


def _free(columns: Sequence[Series], rows: np.ndarray) -> list[Series]:
    """The columns that no other column determines in these rows.

    For example, an item's code determines the item's name.
    """
    heads = [np.unique(one.values[rows[:_HEAD]], return_inverse=True)[1].astype(np.int64) for one in columns]
    sizes = [int(one.max()) + 1 for one in heads]
    # A column that hardly repeats would determine any other.
    able = [i for i, size in enumerate(sizes) if 2 * size <= len(heads[i])]
    free: list[int] = []
    for i in sorted(range(len(columns)), key=lambda i: -sizes[i]):
        known = (k for k in free if k in able)
        if not any(len(np.unique(heads[k] * sizes[i] + heads[i])) == sizes[k] for k in known):
            free.append(i)
    return [columns[i] for i in free]


def _share(part: int, whole: int) -> str:
    return f"{counted(part, 'row')} ({share_said(part, whole)})"
