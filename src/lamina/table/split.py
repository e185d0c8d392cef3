"""Divides the rows of a table into training, validation and test, at random from a seed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.errors import DataError

__all__ = ["Split", "split"]


class Split(NamedTuple):
    """Row numbers of each part: ascending int64 arrays that have no row in common and hold every row."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(
    rows: int, *, validation: float = 0.2, test: float = 0.0, stratify: Any = None, seed: int = 0
) -> Split:
    """Divide `rows` rows.

    With `stratify` each class keeps its share in each part, to within one row, and every class has at least
    one row in training: a class of one row is only there.

    Args:
        rows: how many rows there are.
        validation: the share of all rows that validates, 0 … 1.
        test: the share of all rows that tests, 0 … 1.
        stratify: the class of each row (1-D, any type that sorts), or None.
        seed: the same seed gives the same parts.

    Raises:
        DataError: shares that leave no row to train on, or not one class for each row.

    >>> parts = split(10, validation=0.2, test=0.1, seed=1)
    >>> [len(part) for part in parts]
    [7, 2, 1]
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise DataError(
            f"validation ({validation}) and test ({test}) are shares of the rows; they and their sum must be "
            "at least 0 and less than 1"
        )
    classes = np.zeros(rows, np.int64) if stratify is None else _classes(stratify, rows)
    order = np.random.default_rng(seed).permutation(rows)
    order = order[np.argsort(classes[order], kind="stable")]  # class by class, shuffled within each
    ordered = classes[order]
    first = np.diff(ordered, prepend=ordered[0] - 1) != 0 if rows else np.zeros(0, bool)
    free = order[~first]  # the first row of each class is kept for training

    parts = np.zeros(rows, np.int8)
    taken = _every(len(free), _count(test, rows, len(free)))
    parts[free[taken]] = 2
    rest = free[~taken]
    parts[rest[_every(len(rest), _count(validation, rows, len(rest)))]] = 1
    return Split(*(np.flatnonzero(parts == part) for part in range(3)))


def _classes(stratify: Any, rows: int) -> np.ndarray:
    values = np.asarray(stratify)
    if values.shape != (rows,):
        raise DataError(f"stratify needs one class for each of the {rows} rows, not shape {values.shape}")
    return np.unique(values, return_inverse=True)[1]


def _count(share: float, rows: int, available: int) -> int:
    return min(round(share * rows), available)


def _every(length: int, count: int) -> np.ndarray:
    """A mask with `count` of `length` places set, evenly spaced: each run of places gets its share."""
    steps = (np.arange(1, length + 1) * count) // max(length, 1)
    return np.diff(steps, prepend=0) > 0
