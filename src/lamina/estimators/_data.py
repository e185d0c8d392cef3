"""Encoded rows for networks, and a member's share of a batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina import nd
from lamina.table.sparse import SparseNumbers

__all__ = ["Data", "share_of"]


@dataclass(frozen=True)
class Data:
    """Encoded rows: numeric float32 (n, inputs), codes int32 (n, q) or None, target float32, weights or None.
    For a large sparse table, `numeric` is `SparseNumbers`.

    `rows` (int32) selects rows, e.g. the training or validation rows of one table, without
    copying; None: all.
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
        """The index of the selected rows, or of some of them, into the arrays."""
        return slice(begin, end) if self.rows is None else self.rows[begin:end]

    def fingerprint(self) -> str:
        """The SHA-256 of all data, to recognize it."""
        digest = hashlib.sha256()
        numbers = [self.numeric] if isinstance(self.numeric, np.ndarray) else self.numeric.parts
        for part in (*numbers, self.codes, self.target, self.weights, self.rows):
            digest.update(b"none" if part is None else f"{part.dtype}{part.shape}".encode())
            digest.update(b"" if part is None else np.ascontiguousarray(part).data)
        return digest.hexdigest()


def share_of(x: Any, i: int, members: int) -> Any:
    """Member i's rows of a batch with equally many rows per member, concatenated."""
    if x is None or members == 1:
        return x
    rows = x.shape[0] // members
    return nd.slice_axis(x, axis=0, begin=i * rows, end=(i + 1) * rows)
