"""A common interface to every kind of table.

Tables are DataFrames (pandas, polars, pyarrow), NumPy arrays, and sparse matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import (
    FEW,
    ArrayColumn,
    Column,
    Once,
    import_narwhals,
    is_missing,
    require_different,
    require_names_differ,
    series_column,
    unmasked,
)

Block = tuple[list[int], np.ndarray]
"""Positions of columns, and their values (rows, columns)."""


@dataclass(eq=False)
class Table:
    """Columns of equal length with distinct names.

    Attributes:
        names: the columns' names; for a table without names (an array) "x0", "x1", …
        named: whether the table itself had names; if not, columns are matched by position.
        rows: the number of rows.
        column_at: returns the column at a position.
        matrix: the 2-D array or sparse matrix of numbers or booleans that holds the whole table, if there is one; of a
            data frame only if `as_table` took its values together.
        blocks: returns the columns of plain numbers among those at some positions, as pairs of positions and an array
            (rows, columns) of the columns' own dtype; columns may be left out.
    """

    names: tuple[str, ...]
    rows: int
    column_at: Callable[[int], Column]
    _: KW_ONLY
    named: bool
    matrix: Any = None
    blocks: Callable[[Sequence[int]], Iterable[Block]] = lambda _: ()

    @cached_property
    def _positions(self) -> dict[str, int]:
        require_different(self.names)
        return {name: i for i, name in enumerate(self.names)}

    def position(self, name: str) -> int:
        return self._positions[name]

    def column(self, name: str) -> Column:
        return self.column_at(self._positions[name])

    def numbers(self, names: Sequence[str]) -> Iterator[Block]:
        """The values of columns of numbers, NaN where missing.

        Returns pairs of positions in `names` and an array (rows, columns); each position occurs once.
        """
        rest = {self._positions[name]: j for j, name in enumerate(names)}
        for positions, block in self.blocks([*rest]):
            yield [rest.pop(i) for i in positions], block
        row: dict[np.dtype[Any], tuple[list[int], list[np.ndarray]]] = {}
        for i, j in rest.items():
            values = self.column_at(i).numbers()
            if self.rows != 1:
                yield [j], values.reshape(-1, 1)
                continue
            at, of_dtype = row.setdefault(values.dtype, ([], []))
            at.append(j)
            of_dtype.append(values)
        for at, of_dtype in row.values():
            yield at, np.array(of_dtype).T

    def with_columns(self, given: Mapping[str, np.ndarray]) -> Table:
        """The table with some columns replaced by these values, (rows,)."""
        if not given:
            return self

        def column(i: int) -> Column:
            name = self.names[i]
            return ArrayColumn(name, given[name]) if name in given else self.column_at(i)

        def blocks(positions: Sequence[int]) -> Iterable[Block]:
            return self.blocks([i for i in positions if self.names[i] not in given])

        return Table(self.names, self.rows, column, named=self.named, blocks=blocks)

    def __contains__(self, name: object) -> bool:
        return name in self._positions


def as_table(data: Any, *, taken: bool = False) -> Table:
    """The data as a `Table`, without copying.

    Args:
        taken: whether to take the values of a frame of few rows together, which is quicker than to ask for each column;
            the columns then say less about missing values.
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
        return (_few_rows(data) if taken else None) or _frame_table(data)
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
    given: list[Any] = []
    if hasattr(data, "set_axis"):  # pandas and its like are slow to list names
        given = data.columns.tolist()
        data = data.set_axis(range(len(given)), axis=1)
    try:
        frame = narwhals.from_native(data)
    except TypeError:
        return _matrix_table(np.asarray(data))
    if isinstance(frame, narwhals.LazyFrame):
        raise DataError(
            f"a lazy table ({type(data).__name__}) has no rows yet; pass the result of its .collect()"
        )
    keys = frame.columns
    given = given or keys
    named = [*given] != [*range(len(keys))]  # pandas' numbers for columns without names
    names = tuple(map(str, given)) if named else _numbered(len(keys))

    def column(i: int) -> Column:
        return series_column(names[i], frame.get_column(keys[i]))

    is_small = len(frame) * len(names) <= _KEPT
    at = Once[int, Column](column).__getitem__ if is_small else column
    return Table(names, len(frame), at, named=named, blocks=_blocks_of(frame))


def _blocks_of(frame: Any) -> Callable[[Sequence[int]], Iterator[Block]]:
    """The `Table.blocks` of a narwhals frame; each array has at most `_BLOCK` values."""
    data, rows = frame.to_native(), len(frame)
    is_pandas = frame.implementation.is_pandas_like()

    def blocks(positions: Sequence[int]) -> Iterator[Block]:
        # A large table's columns are handed on one by one, without a copy.
        width, groups = _BLOCK // max(rows, 1), dict[Any, list[int]]()
        dtypes = [*getattr(data, "dtypes", ())] if width > 1 and positions else []
        for i in positions if dtypes else ():
            groups.setdefault(dtypes[i], []).append(i)
        for kind, found in groups.items():
            dtype = _PLAIN.get(str(kind).lower())
            if dtype is None:
                continue
            for start in range(0, len(found), width):
                part = found[start : start + width]
                block = (data.iloc[:, part] if is_pandas else frame[:, part]).to_numpy()
                if block.dtype == dtype:
                    yield part, block

    return blocks


_KEPT = 1 << 20
"""Maximum number of cells of a frame whose columns are kept, with what is known of them."""

_BLOCK = 1 << 14
"""Maximum number of values that are converted together."""

_PLAIN = {str(np.dtype(code)): np.dtype(code) for code in "bBhHiIlLfd"}
"""NumPy's types of plain numbers by the names that libraries have for them, in lower case."""

_NUMBERS = frozenset(_PLAIN.values())
_BOOLEANS = {bool, np.bool_}


# --- data frames of a single row --------------------------------------------------------------------------------------


def cells_of_row(data: Any, names: Sequence[str], numbers: Sequence[int]) -> Sequence[object] | None:
    """The values of a frame of pandas, polars or pyarrow that has a single row, and these columns in order.

    The result is None for any other table, where one of the columns `numbers` has a type that is not scaled in
    float64, and for pandas' frames of numbers alone.
    """
    library = type(data).__module__.partition(".")[0]
    if type(data).__name__ != _FRAMES.get(library) or len(data) != 1:
        return None
    found = data.column_names if library == "pyarrow" else data.columns
    if (found.tolist() if library == "pandas" else found) != names:
        return None
    if library == "pandas":
        if len(numbers) == len(names) or (row := data.iloc[0]).dtype != object:
            return None  # numbers keep their types beside a text only
        cells = row.tolist()
        kinds = {type(cells[i]).__name__ for i in numbers}
    elif library == "polars":
        dtypes, cells = data.dtypes, data.row(0)
        kinds = {type(dtypes[i]).__name__.lower() for i in numbers}
    else:
        dtypes, cells = data.schema.types, [column[0].as_py() for column in data.columns]
        kinds = {str(dtypes[i]) for i in numbers}
    return cells if kinds <= _AS_FLOAT64 else None


_FRAMES = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "Table"}
_AS_FLOAT64 = frozenset({"float64", "double", "int64", "int32", "uint64", "uint32"})


# --- data frames of few rows, whose values are taken together ---------------------------------------------------------


def _few_rows(data: Any) -> Table | None:
    """The table of a pandas or polars frame of at most `FEW` rows; None for other frames."""
    module, rows = type(data).__module__.partition(".")[0], len(data) if hasattr(type(data), "__len__") else 0
    if module not in ("pandas", "polars") or not 0 < rows <= FEW:
        return None
    names, dtypes = (x if isinstance(x, list) else x.tolist() for x in (data.columns, data.dtypes))
    named = {*map(type, names)} == {str}
    if not named and names != [*range(len(names) or 1)]:
        return None
    names = tuple(names) if named else _numbered(len(names))
    require_different(names)
    # By classes, since polars' types take long to compare; parameters don't matter to those that are taken.
    each = dict(zip(map(type, dtypes), dtypes, strict=True))
    of_class = {kind: _type_of_cells(dtype) for kind, dtype in each.items()}
    types = [of_class[type(one)] for one in dtypes]
    whole = _of_one_type(data, types[0]) if len(of_class) == 1 else None
    cells: Any = _cells(data) if whole is None else whole.T
    is_array, others = isinstance(cells, np.ndarray), Once[None, Table](lambda _: _frame_table(data))

    def values(i: int) -> np.ndarray | None:
        """A column's values in its type; None if the type does not have them, as of a missing integer."""
        dtype, own = types[i], cells[i]
        if dtype is None or (dtype.kind == "b" and not all(type(cell) in _BOOLEANS for cell in own)):
            return None
        if dtype.kind == "O" and not all(type(cell) is str or is_missing(cell) for cell in own):
            return None
        with suppress(TypeError, ValueError):
            return np.fromiter(own, dtype, rows)
        return None

    def column(i: int) -> Column:
        found = values(i)
        if found is None:
            return others[None].column(names[i])
        if found.dtype.kind == "f" and np.isnan(found).all():
            found = np.full(rows, None, object)  # an empty column, which is not one of numbers
        return ArrayColumn(names[i], found)

    def blocks(positions: Sequence[int]) -> Iterator[Block]:
        for dtype in _NUMBERS & {*of_class.values()}:
            group, block = [i for i in positions if types[i] is dtype], None
            with suppress(TypeError, ValueError):  # of missing integers
                block = np.array(cells[group] if is_array else [cells[i] for i in group], dtype).T
            if group and block is not None:
                yield group, block

    return Table(names, rows, column, named=named, matrix=whole, blocks=blocks)


def _of_one_type(data: Any, dtype: np.dtype[Any] | None) -> np.ndarray | None:
    """The values of a frame whose columns are all of this type of plain numbers; None if some are missing integers."""
    if dtype not in _NUMBERS:
        return None
    with suppress(TypeError):
        found = np.array(data.rows(), dtype) if hasattr(data, "rows") else data.to_numpy()
        return found if found.dtype == dtype else None
    return None


def _cells(data: Any) -> Any:
    """The values of a frame as Python objects, by column and row."""
    return [*zip(*data.rows(), strict=True)] if hasattr(data, "rows") else data.to_numpy(object).T


@lru_cache
def _type_of_cells(dtype: Any) -> np.dtype[Any] | None:
    """The NumPy dtype for a column's plain numbers or booleans, `object` for texts; None for other types."""
    name = str(dtype).lower()
    others = {"str": object, "string": object, "object": object, "bool": bool, "boolean": bool}
    return np.dtype(others[name]) if name in others else _PLAIN.get(name)
