"""Faster weight decay of rare categories' embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.estimators._data import Data

__all__ = ["decays_of_categories", "rare_columns"]

_ROWS = 10.0
"""The number of rows at which a category's embedding decays twice as fast as a frequent one's."""

_COMMON = 100
"""The minimum number of rows of a frequent category."""


def rare_columns(data: Data, cardinalities: Sequence[int]) -> set[int]:
    """Positions of the code columns that have rare categories."""
    return {j for j, count in enumerate(cardinalities) if _counts(data, j, count)[1:].min() < _COMMON}


def decays_of_categories(data: Data, j: int, cardinality: int) -> np.ndarray:
    """Decay factors of a column's embeddings, (cardinality,): 1 + (10 / rows)² for each code.

    For a category with few rows, an embedding learns noise. So it stays near 0, like the code of missing and
    unknown values if training has none, so that unknown values are treated like rare ones.
    """
    counts = _counts(data, j, cardinality)
    return np.where(counts < _COMMON, 1 + (_ROWS / np.maximum(counts, 1)) ** 2, 1.0)


def _counts(data: Data, j: int, cardinality: int) -> np.ndarray:
    """The number of rows of each code."""
    assert data.codes is not None
    codes = data.codes[:, j] if data.rows is None else data.codes[data.rows, j]
    return np.bincount(codes, minlength=cardinality)
