"""Encoded rows for networks, and a member's share of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina import nd
from lamina.table.encode import SparseNumbers


@dataclass(frozen=True)
class Data:
    """Encoded rows: numeric float32 (n, inputs), codes int32 (n, q), target float32, weights float32 (n,).

    `codes` and `weights` may be None. For a large sparse table, `numeric` is a `SparseNumbers`.

    `rows` (int32) selects rows of these arrays without a copy, e.g. the training rows; None selects all.
    """

    numeric: np.ndarray | SparseNumbers
    codes: np.ndarray | None
    target: np.ndarray
    weights: np.ndarray | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.numeric) if self.rows is None else len(self.rows)

    def shuffled(self, rng: np.random.Generator) -> np.ndarray:
        """The selected rows in random order, int32."""
        order = np.arange(len(self), dtype=np.int32) if self.rows is None else self.rows.copy()
        rng.shuffle(order)
        return order

    def chosen(self, begin: int = 0, end: int | None = None) -> slice | np.ndarray:
        """An index into the arrays that selects `rows[begin:end]`."""
        return slice(begin, end) if self.rows is None else self.rows[begin:end]

    def fingerprint(self) -> str:
        """The SHA-256 of all arrays, used by a resumed training to recognize its data."""
        digest = hashlib.sha256()
        numbers = [self.numeric] if isinstance(self.numeric, np.ndarray) else self.numeric.parts
        for part in (*numbers, self.codes, self.target, self.weights, self.rows):
            digest.update(b"none" if part is None else f"{part.dtype}{part.shape}".encode())
            digest.update(b"" if part is None else np.ascontiguousarray(part).data)
        return digest.hexdigest()


def share_of(x: Any, i: int, members: int) -> Any:
    """The rows of member `i` in a batch.

    A batch has the rows of all members, concatenated, with the same number of rows for each.
    """
    if x is None or members == 1:
        return x
    rows = x.shape[0] // members
    return nd.slice_axis(x, axis=0, begin=i * rows, end=(i + 1) * rows)


_ROWS = 10.0
"""The number of rows at which a category's embedding decays twice as fast as a frequent one's."""

_COMMON = 100
"""The minimum number of rows of a frequent category."""


def rare_columns(data: Data, cardinalities: Sequence[int]) -> set[int]:
    """The positions of the code columns that have a rare category."""
    return {j for j, count in enumerate(cardinalities) if _counts(data, j, count)[1:].min() < _COMMON}


def decays_of_categories(data: Data, j: int, cardinality: int) -> np.ndarray:
    """Decay factors of a column's embeddings, (cardinality,): 1 + (10 / rows)² for each rare code, otherwise 1.

    The embedding of a category with few rows would learn noise, so a strong decay keeps it near 0. The same holds for
    code 0 (missing and unknown values), if few training rows have it.
    """
    return decays_of_rare(_counts(data, j, cardinality))


def decays_of_rare(counts: np.ndarray) -> np.ndarray:
    """Decay factors of categories with these numbers of rows; see `decays_of_categories`."""
    return np.where(counts < _COMMON, 1 + (_ROWS / np.maximum(counts, 1)) ** 2, 1.0)


def _counts(data: Data, j: int, cardinality: int) -> np.ndarray:
    """The number of rows with each code in column `j`, (cardinality,)."""
    assert data.codes is not None
    codes = data.codes[:, j] if data.rows is None else data.codes[data.rows, j]
    return np.bincount(codes, minlength=cardinality)
