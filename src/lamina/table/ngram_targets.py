"""Ridge regressions of a target on the n-grams of texts (Hoerl and Kennard, 1970), by folds."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from lamina.table.columns import Column, value_name
from lamina.table.distinct import distinct_values
from lamina.table.ngrams import TextEncoder
from lamina.table.values import lazily

FOLDS = 5
"""Number of folds: a model is fitted without each fold, and another one to all rows."""
_MOST_TARGETS = 24
"""Maximum number of targets: numbers, labels, or classes. If there are more classes, codes replace them."""
_PENALTIES = (10.0, 3.0, 1.0, 0.3)
_STEPS = 4
"""Steps of conjugate gradients per penalty, from the solution for the previous penalty."""
_ROWS = 4096
"""Number of rows that decide whether codes predict the target."""
_TELLING = 0.05
"""Minimum share of the target's variance that codes predict out of fold; those of shuffled targets reach 0.012."""
_SPARSE = 2
"""The numbers in codes count rows if the range has at most this many numbers for each row."""
_NUMBERED = lazily(r"(.*?)([0-9]{1,15})([^0-9]*)", re.DOTALL)


def standardized(
    wanted: np.ndarray, classes: int | None = None, weights: np.ndarray | None = None
) -> np.ndarray:
    """The targets of the regressions, float32 (rows, targets), with mean 0 and variance 1.

    Args:
        wanted: numbers or labels, (rows,) or (rows, outputs); or the number of each row's class, (rows,).
        classes: the number of classes; None: numbers or labels.
        weights: the weight of each row, (rows,); None: equal.
    """
    columns = wanted.reshape(len(wanted), -1)[:, :_MOST_TARGETS].astype(np.float64)
    if classes is not None:
        columns = _codes(classes)[wanted.astype(np.int64)]
    centered = columns - np.average(columns, axis=0, weights=weights)
    spread = np.sqrt(np.average(np.square(centered), axis=0, weights=weights))
    return (centered / np.where(spread > 0, spread, 1)).astype(np.float32)


def _codes(classes: int) -> np.ndarray:
    """The targets of the regressions for each class, (classes, targets).

    Two classes are 0 and 1; a few classes have indicators. Many classes have random codes of 1 and −1, which
    distinguish them with few regressions (Dietterich and Bakiri, 1995).
    """
    if classes == 2:
        return np.array([[0.0], [1.0]])
    if classes <= _MOST_TARGETS:
        return np.eye(classes)
    return np.random.default_rng(0).choice([-1.0, 1.0], (classes, _MOST_TARGETS))


def codes_tell(column: Column, targets: np.ndarray, folds: np.ndarray | None = None, rows: int = 0) -> bool:
    """Whether the n-grams of codes, which hardly repeat, predict the target.

    Codes that only count rows, as S0001, S0002, …, don't: they tell the table's order, which may be the target's.

    Args:
        column: the codes.
        targets: the target of each row, see `standardized`.
        folds: the fold of each row, below `FOLDS`; None: random.
        rows: the number of rows of the table, if these are a sample; 0: these are all.
    """
    values, positions = distinct_values(column)
    some = np.array([value is not None for value in values])[positions].nonzero()[0]
    some = some[:: -(-len(some) // _ROWS)]
    texts = [value_name(values[i]) for i in positions[some]]
    if _count_rows(texts, rows or len(column)):
        return False
    at_random = np.random.default_rng(0).permutation(len(some)) % FOLDS
    by_fold = np.eye(FOLDS)[at_random if folds is None else folds[some]]
    matrix = TextEncoder.learned(dict.fromkeys(texts, 1), 1).matrix(texts)
    _, gain = coefficients(matrix, by_fold, by_fold[:, :, None] * targets[some, None])
    return gain >= _TELLING


def _count_rows(texts: list[str], rows: int) -> bool:
    """Whether codes of a table's rows differ in a number only, and these numbers leave out few.

    >>> _count_rows(["S-001", "S-003", "S-002"], 3), _count_rows(["N102UW", "N660SW", "N422UA"], 3)
    (True, False)
    """
    found = [_NUMBERED.fullmatch(text) for text in texts]
    if not all(found) or len({(match[1], match[3]) for match in found if match}) > 1:
        return False
    numbers = [int(match[2]) for match in found if match]
    return max(numbers) - min(numbers) <= _SPARSE * rows


def coefficients(matrix: Any, rows: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, float]:
    """The n-grams' coefficients, (n-grams, folds + 1, targets), and the fraction of variance predicted out of fold.

    The model of a fold is fitted to the other folds, and the last model to all folds. The penalty is the one with the
    best predictions out of fold.

    Args:
        matrix: the n-grams of different texts, see `TextEncoder.matrix`.
        rows: the total weight of each text's rows in each fold, (texts, folds).
        sums: the weighted sums of these rows' targets, (texts, folds, targets).
    """
    models, count = FOLDS + 1, sums.shape[2]
    seen = np.repeat(_of_models(rows)[:, :, None], count, axis=2).reshape(len(rows), -1)
    wanted = _of_models(sums).reshape(len(rows), -1)
    across = matrix.T.tocsr()
    curvature = across.power(2) @ seen
    found = best = np.zeros((matrix.shape[1], models * count))
    gain, whole = -np.inf, max(float(rows.sum()) * count, 1.0)
    for penalty in _PENALTIES:
        found = _ridge(matrix, across, seen, wanted, curvature + penalty, penalty, found)
        own = (matrix @ found[:, : FOLDS * count]).reshape(sums.shape)
        reached = float((2 * own * sums - rows[:, :, None] * own**2).sum()) / whole
        if reached <= gain:
            break
        gain, best = reached, found
        if gain <= 0:  # smaller penalties find no more where the largest finds nothing
            break
    return best.reshape(-1, models, count), gain


def _of_models(by_fold: np.ndarray) -> np.ndarray:
    """The sum of `by_fold` over the folds to which each model is fitted; the result has the models along axis 1.

    Each model is fitted to all folds but one, and the last model to all folds.
    """
    every = by_fold.sum(axis=1, keepdims=True)
    return np.concatenate([every - by_fold, every], axis=1)


def _ridge(
    matrix: Any,
    across: Any,
    seen: np.ndarray,
    wanted: np.ndarray,
    diagonal: np.ndarray,
    penalty: float,
    begin: np.ndarray,
) -> np.ndarray:
    """The solution of a ridge regression for each column of `wanted`, by some steps of conjugate gradients.

    The method is by Hestenes and Stiefel (1952), preconditioned with the Hessian's `diagonal`; `begin` is the initial
    solution.
    """

    def curved(x: np.ndarray) -> np.ndarray:
        return across @ (seen * (matrix @ x)) + penalty * x

    least = np.finfo(float).tiny
    found, residual = begin.copy(), across @ wanted - (curved(begin) if begin.any() else begin)
    direction = residual / diagonal
    size = np.einsum("ij,ij->j", residual, direction)
    for _ in range(_STEPS):
        image = curved(direction)
        length = size / np.maximum(np.einsum("ij,ij->j", direction, image), least)
        found += length * direction
        residual = residual - length * image
        scaled = residual / diagonal
        before, size = size, np.einsum("ij,ij->j", residual, scaled)
        direction = scaled + size / np.maximum(before, least) * direction
    return found
