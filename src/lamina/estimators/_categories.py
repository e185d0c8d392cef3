"""Faster weight decay of rare categories' embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.estimators._data import Data

__all__ = ["decays_of_categories", "rare_columns"]

_ROWS = 10.0
"""Rows of a category whose embedding decays twice as fast as that of a frequent one."""

_COMMON = 100
"""Rows from which on a category is frequent."""


def rare_columns(data: Data, cardinalities: Sequence[int]) -> set[int]:
    """The positions of the code columns some of whose categories have few rows."""
    return {j for j, count in enumerate(cardinalities) if _counts(data, j, count)[1:].min() < _COMMON}


def decays_of_categories(data: Data, j: int, cardinality: int) -> np.ndarray:
    """The factors on the decay of a column's embeddings, (cardinality,): 1 + (10 / rows)² for each code.

    Of a category with few rows an embedding learns their noise. So it stays near 0, where the code of missing and
    unknown values is, too, if training has none of them: an unknown value is then like a rare one.
    """
    counts = _counts(data, j, cardinality)
    return np.where(counts < _COMMON, 1 + (_ROWS / np.maximum(counts, 1)) ** 2, 1.0)


def _counts(data: Data, j: int, cardinality: int) -> np.ndarray:
    """How many rows each code has."""
    assert data.codes is not None
    codes = data.codes[:, j] if data.rows is None else data.codes[data.rows, j]
    return np.bincount(codes, minlength=cardinality)
