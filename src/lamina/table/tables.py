"""A common interface to every kind of table.

Tables are DataFrames (pandas, polars, pyarrow), NumPy arrays, and sparse matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import (
    ArrayColumn,
    Column,
    import_narwhals,
    require_different,
    require_names_differ,
    series_column,
    unmasked,
)


class Table:
    """Columns of equal length with distinct names.

    Attributes:
        names: the columns' names; for a table without names (an array) "x0", "x1", …
        named: whether the table itself had names; if not, columns are matched by position.
        rows: the number of rows.
        matrix: the 2-D array or sparse matrix of numbers or booleans that holds the whole table, if there is one.
        row: returns the only row of a frame as a `matrix`, if all its numbers are finite floats or NaN of one type.
    """

    def __init__(
        self,
        names: Iterable[str],
        rows: int,
        column: Callable[[int], Column],
        *,
        named: bool,
        matrix: Any = None,
        row: Callable[[], np.ndarray | None] = lambda: None,
    ) -> None:
        self.names = tuple(names)
        self.rows = rows
        self.named = named
        self.matrix = matrix
        self.row = row
        self._column = column

    @cached_property
    def _positions(self) -> dict[str, int]:
        require_different(self.names)
        return {name: i for i, name in enumerate(self.names)}

    def position(self, name: str) -> int:
        return self._positions[name]

    def column(self, name: str) -> Column:
        return self._column(self._positions[name])

    def with_columns(self, given: Mapping[str, np.ndarray]) -> Table:
        """The table with some columns replaced by these values, (rows,)."""
        if not given:
            return self

        def column(i: int) -> Column:
            name = self.names[i]
            return ArrayColumn(name, given[name]) if name in given else self._column(i)

        return Table(self.names, self.rows, column, named=self.named)

    def __contains__(self, name: object) -> bool:
        return name in self._positions


def as_table(data: Any) -> Table:
    """The data as a `Table`, without copying.

    Args:
        data: a DataFrame (pandas, polars, pyarrow, or another that narwhals supports), a 2-D NumPy array or anything
            that `np.asarray` converts to one, a SciPy sparse matrix, or a Table.

    Raises:
        DataError: the data is complex, a lazy frame, or not two-dimensional, or has repeated column names.
        MissingPackageError: the data is a DataFrame, and narwhals is not installed.

    >>> as_table(np.eye(3)).names
    ('x0', 'x1', 'x2')
    """
    if isinstance(data, Table):
        return data
    if isinstance(data, np.ndarray) or (hasattr(data, "tocsc") and hasattr(data, "nnz")):
        return _matrix_table(data)
    if any(hasattr(type(data), mark) for mark in ("columns", "column_names", "__narwhals_dataframe__")):
        return _frame_table(data)
    return _matrix_table(np.asarray(data))


def _matrix_table(matrix: Any) -> Table:
    """A table with the columns of an array or a sparse matrix."""
    matrix = unmasked(matrix)
    if matrix.ndim != 2:
        raise DataError(
            f"Expected 2D array, got {matrix.ndim}D array instead, of shape {matrix.shape}; reshape one column "
            "with .reshape(-1, 1), one row with .reshape(1, -1)"
        )
    if matrix.dtype.kind == "c":
        raise DataError("Complex data not supported: use separate columns for real and imaginary parts")
    rows, width = matrix.shape
    names = _numbered(width)
    columns = None if isinstance(matrix, np.ndarray) else cache(matrix.tocsc)

    def column(i: int) -> Column:
        return ArrayColumn(names[i], matrix[:, i] if columns is None else dense(columns()[:, [i]]).ravel())

    of_numbers = matrix.dtype.kind in "biuf"
    return Table(names, rows, column, named=False, matrix=matrix if of_numbers else None)


@lru_cache(8)  # as they are looked at for each row that is predicted
def _numbered(width: int) -> tuple[str, ...]:
    """The names of the columns of a table without names."""
    return tuple(f"x{i}" for i in range(width))


def by_column(matrix: Any) -> Any:
    """A `Table.matrix` with fast column access.

    Arrays are unchanged; sparse matrices are converted to CSC format.
    """
    return matrix if isinstance(matrix, np.ndarray) else matrix.tocsc()


def dense(matrix: Any) -> np.ndarray:
    """A part of a `Table.matrix` as a dense array."""
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def _frame_table(data: Any) -> Table:
    narwhals = import_narwhals()
    require_names_differ(data)
    try:
        frame = narwhals.from_native(data)
    except TypeError:
        return _matrix_table(np.asarray(data))
    if isinstance(frame, narwhals.LazyFrame):
        raise DataError(
            f"a lazy table ({type(data).__name__}) has no rows yet; pass the result of its .collect()"
        )
    keys = frame.columns
    named = all(isinstance(key, str) for key in keys)
    names = keys if named else _numbered(len(keys))
    series = cache(lambda: list(frame.iter_columns()))

    def row() -> np.ndarray | None:
        dtypes = {*getattr(data, "dtypes", ())} if len(frame) == 1 else ()
        if {str(dtype).lower() for dtype in dtypes} not in ({"float32"}, {"float64"}):
            return None
        values = frame.to_numpy()
        return values if values.dtype.kind == "f" and not np.isinf(values).any() else None

    return Table(names, len(frame), lambda i: series_column(names[i], series()[i]), named=named, row=row)
