"""One view of every kind of table: DataFrames (pandas, polars, pyarrow), NumPy arrays, sparse matrices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import ArrayColumn, Column, SeriesColumn, import_narwhals
from lamina.table.messages import listed

__all__ = ["Table", "as_table", "by_column", "dense"]


class Table:
    """Columns of equal length under names that differ.

    Attributes:
        names: the columns' names; for a table without names (an array) "x0", "x1", …
        named: whether the table itself had names. Without them columns are matched by position.
        rows: the number of rows.
        matrix: the 2-D array or sparse matrix of numbers or booleans that holds the whole table, if there is one.
    """

    def __init__(
        self,
        names: Iterable[str],
        rows: int,
        column: Callable[[int], Column],
        *,
        named: bool,
        matrix: Any = None,
    ) -> None:
        self.names = tuple(names)
        self.rows = rows
        self.named = named
        self.matrix = matrix
        self._column = column
        self._positions = {name: i for i, name in enumerate(self.names)}
        if len(self._positions) < len(self.names):
            repeated = [name for name, count in Counter(self.names).items() if count > 1]
            raise DataError(
                f"column names are repeated: {listed(repeated)}; give each column a name of its own"
            )

    def position(self, name: str) -> int:
        return self._positions[name]

    def column(self, name: str) -> Column:
        return self._column(self._positions[name])

    def __contains__(self, name: object) -> bool:
        return name in self._positions


def as_table(data: Any) -> Table:
    """`data` as a `Table`, without copying.

    Args:
        data: a DataFrame (pandas, polars, pyarrow, or another that narwhals knows), a 2-D NumPy array or what
            `np.asarray` makes one of, a SciPy sparse matrix, or a Table.

    Raises:
        DataError: not two-dimensional, complex numbers, repeated column names, or a lazy frame.
        MissingPackageError: a DataFrame, and narwhals is not installed.

    >>> as_table(np.eye(3)).names
    ('x0', 'x1', 'x2')
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, np.ndarray):
        return _array_table(data)
    if hasattr(data, "tocsc") and hasattr(data, "nnz"):
        return _sparse_table(data)
    if any(hasattr(type(data), mark) for mark in ("columns", "column_names", "__narwhals_dataframe__")):
        return _frame_table(data)
    return _array_table(np.asarray(data))


def _array_table(array: np.ndarray) -> Table:
    if array.ndim != 2:
        raise DataError(
            f"Expected 2D array, got {array.ndim}D array instead, of shape {array.shape}; reshape one column "
            "with .reshape(-1, 1), one row with .reshape(1, -1)"
        )
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported: give the real and the imaginary part a column each")
    names = [f"x{i}" for i in range(array.shape[1])]
    return Table(
        names,
        array.shape[0],
        lambda i: ArrayColumn(names[i], array[:, i]),
        named=False,
        matrix=array if array.dtype.kind in "biuf" else None,
    )


def _sparse_table(data: Any) -> Table:
    if data.dtype.kind == "c":
        raise DataError("Complex data not supported: give the real and the imaginary part a column each")
    names = [f"x{i}" for i in range(data.shape[1])]
    columns = cache(lambda: by_column(data))
    return Table(
        names,
        data.shape[0],
        lambda i: ArrayColumn(names[i], dense(columns()[:, [i]]).ravel()),
        named=False,
        matrix=data,
    )


def by_column(matrix: Any) -> Any:
    """A `Table.matrix` in a form whose columns are quickly taken: an array as it is, sparse ones by column."""
    return matrix if isinstance(matrix, np.ndarray) else matrix.tocsc()


def dense(matrix: Any) -> np.ndarray:
    """A part of a `Table.matrix` as an array."""
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def _frame_table(data: Any) -> Table:
    narwhals = import_narwhals()
    try:
        frame = narwhals.from_native(data)
    except TypeError:
        return _array_table(np.asarray(data))
    except narwhals.exceptions.DuplicateError as error:
        repeated = [name for name, count in Counter(map(str, data.columns)).items() if count > 1]
        raise DataError(
            f"column names are repeated: {listed(repeated)}; give each column a name of its own"
        ) from error
    if isinstance(frame, narwhals.LazyFrame):
        raise DataError(
            f"a lazy table ({type(data).__name__}) has no rows yet; pass the result of its .collect()"
        )
    keys = frame.columns
    named = all(isinstance(key, str) for key in keys)
    names = [key if named else f"x{i}" for i, key in enumerate(keys)]
    series = list(frame.iter_columns())
    return Table(names, len(frame), lambda i: SeriesColumn(names[i], series[i]), named=named)
