"""Encoded numbers of a sparse table, dense only for the rows in use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["SparseNumbers"]


@dataclass(frozen=True)
class SparseNumbers:
    """A sparse float32 matrix that returns dense rows, ``numbers[rows]``, like an array.

    Attributes:
        zeros: the encoding of a zero in each column, float32.
        entries: the encoding of the other entries: a SciPy CSR array or matrix without duplicates.

    >>> from scipy.sparse import csr_array
    >>> numbers = SparseNumbers(np.array([0, -1], np.float32), csr_array(np.eye(2, dtype=np.float32)))
    >>> numbers[np.array([1, 1])]
    array([[0., 1.],
           [0., 1.]], dtype=float32)
    >>> numbers[:, 1]
    array([-1.,  1.], dtype=float32)
    """

    zeros: np.ndarray
    entries: Any

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.entries.shape

    @property
    def parts(self) -> list[np.ndarray]:
        """The arrays that store it."""
        return [self.zeros, self.entries.data, self.entries.indices, self.entries.indptr]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, tuple):
            rows, column = key
            return self._column(column)[rows]
        part = self.entries[key]
        out = np.empty(part.shape, np.float32)
        self._write(part, out)
        return out

    def write(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Write these rows into `out` (rows, columns)."""
        self._write(self.entries[rows], out)

    def _write(self, part: Any, out: np.ndarray) -> None:
        out[:] = self.zeros
        out[np.repeat(np.arange(len(out)), np.diff(part.indptr)), part.indices] = part.data

    def _column(self, j: int) -> np.ndarray:
        by_column = self._by_column
        entries = slice(by_column.indptr[j], by_column.indptr[j + 1])
        column = np.full(len(self), self.zeros[j])
        column[by_column.indices[entries]] = by_column.data[entries]
        return column

    @cached_property
    def _by_column(self) -> Any:
        return self.entries.tocsc()
