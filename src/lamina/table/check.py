"""Fits a new table to the training table's schema: columns by name, types converted where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.table._tables import Table, as_table
from lamina.table._values import date_in, number_in, time_in
from lamina.table.columns import ArrayColumn, Column, value_name
from lamina.table.formats.arrays import FILE, FIRST_PIXEL
from lamina.table.messages import closest, counted, listed, row, warn
from lamina.table.schema import TEMPORAL, UNITS, ColumnSchema, Schema

__all__ = ["TRUTH", "are_beyond", "check", "table_of", "what_is_read"]

TRUTH = {"true": 1.0, "t": 1.0, "yes": 1.0, "1": 1.0, "false": 0.0, "f": 0.0, "no": 0.0, "0": 0.0}
"""Texts, in small letters, that say yes or no."""


def check(schema: Schema, data: Any) -> Table:
    """A view of `data` with the columns that the network was trained on, in their order and with their types.

    Columns in another order are found by name. Extra ones are ignored with a warning (not the target's, nor
    one that training left out). A column of numbers that comes as text or booleans is converted if every
    value is a number; booleans may come as text or as 0 and 1; categories may come as any type, by
    `value_name`. Values that training did not have stay as they are: the encoder knows them as unknown.

    Args:
        schema: of the training table.
        data: the new table, see `as_table`; an array is matched by position. Any number of rows, 0 too.

    Raises:
        DataError: columns are missing (all are named), an array of another width, or a value that is not of
            the column's kind (names the column, the first such row and the value).

    >>> import numpy as np
    >>> from lamina.table.kinds import infer
    >>> schema = infer(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> check(schema, np.ones((5, 2))).names
    ('x0', 'x1')
    """
    table = as_table(data)
    used = schema.used
    find = _by_name if schema.named and table.named else _by_position
    positions = find(schema, used, table)
    whole = table.matrix is not None and positions == list(range(len(table.names)))
    plain = whole and all(column.kind == "numeric" and column.note not in _RANGES for column in used)

    def column(i: int) -> Column:
        return _fitted(used[i], table.column(table.names[positions[i]]))

    names = [column.name for column in used]
    return Table(names, table.rows, column, named=True, matrix=table.matrix if plain else None)


def _by_name(schema: Schema, used: Sequence[ColumnSchema], table: Table) -> list[int]:
    absent = [column.name for column in used if column.name not in table]
    if absent:
        hint = closest(absent[0], table.names)
        raise DataError(
            f"the table lacks {counted(len(absent), 'column')} that the model was trained on: "
            f"{listed(absent, limit=20)}.{hint}"
        )
    known = {column.name for column in schema.columns}
    known |= {schema.target.name} if schema.target else set()
    known |= {FILE} if FIRST_PIXEL in known else set()  # reading images adds their names, not the user
    extra = [name for name in table.names if name not in known]
    if extra:
        warn(f"ignored {counted(len(extra), 'column')} that the model was not trained on: {listed(extra)}")
    return [table.position(column.name) for column in used]


def _by_position(schema: Schema, used: Sequence[ColumnSchema], table: Table) -> list[int]:
    if len(table.names) != len(schema.columns):
        raise DataError(
            f"the table has {len(table.names)} columns, but the model was trained on {len(schema.columns)}"
            + (f": {listed([column.name for column in schema.columns], limit=20)}" if schema.named else "")
        )
    used_names = {column.name for column in used}
    return [i for i, column in enumerate(schema.columns) if column.name in used_names]


def _fitted(expected: ColumnSchema, column: Column) -> Column:
    """The column with the type that training had, under its name there."""
    if expected.kind == "numeric":
        if column.storage in ("number", "boolean"):
            _require_within(expected, column)
            return column
        if column.storage in TEMPORAL and expected.note == TEMPORAL[column.storage]:
            return ArrayColumn(expected.name, column.temporal())
        return ArrayColumn(expected.name, _converted(expected, column, *what_is_read(expected)))
    if expected.kind == "boolean" and column.storage not in ("boolean", "empty"):
        values = _converted(expected, column, lambda text: TRUTH.get(text.strip().lower()), "true or false")
        names = np.array(["false", "true"], object)[np.nan_to_num(values).astype(np.intp)]
        names[np.isnan(values)] = None
        return ArrayColumn(expected.name, names)
    return column


def _require_within(expected: ColumnSchema, column: Column) -> None:
    if expected.note not in _RANGES:
        return
    numbers = column.numbers()
    beyond = are_beyond(expected, numbers)
    if beyond.any():
        first = int(np.argmax(beyond))
        _, wanted = what_is_read(expected)
        raise DataError(
            f"column {expected.name!r}: {value_name(numbers[first])} in {row(first)} is not {wanted}, nor the "
            f"{UNITS[expected.note]} of one, which the model was trained on there; correct it or make it missing"
        )


def _converted(
    expected: ColumnSchema, column: Column, parse: Callable[[str], float | None], wanted: str
) -> np.ndarray:
    if column.storage == "empty":
        return np.full(len(column), np.nan)
    if column.storage in ("date", "time", "duration", "other"):
        raise DataError(
            f"column {expected.name!r} has type {column.type_name}; the model was trained on {wanted} there"
        )
    values, wrong = column.parsed(parse)
    if wrong is not None:
        raise DataError(
            f"column {expected.name!r}: {value_name(wrong[1])!r} in {row(wrong[0])} is not {wanted}, which the model "
            "was trained on there; correct it or make it missing"
        )
    return values


def what_is_read(column: ColumnSchema) -> tuple[Callable[[str], float | None], str]:
    """What makes numbers of a numeric column's texts, or None of one; and what such a text is.

    Times of day and dates may come as their numbers of seconds and days, too, see `are_beyond`.

    >>> parse, wanted = what_is_read(ColumnSchema("at", "numeric", note=TEMPORAL["time"]))
    >>> wanted, parse("00:01"), parse("60"), parse("noon")
    ('a time of day', 60.0, 60.0, None)
    """
    found = _READ.get(column.note)
    if found is None:
        return number_in, "a number"
    special, wanted = found

    def parse(text: str) -> float | None:
        number = special(text)
        if number is None and (number := number_in(text)) is not None:
            return None if are_beyond(column, np.float64(number)) else number
        return number

    return parse, wanted


def are_beyond(column: ColumnSchema, numbers: np.ndarray | np.float64) -> np.ndarray:
    """Where numbers cannot be times of day or dates of the years 1 to 9999; nowhere in columns of other numbers.

    >>> day = ColumnSchema("day", "numeric", note=TEMPORAL["date"])
    >>> are_beyond(day, np.array([15249.0, np.nan, 20111002.0]))
    array([False, False,  True])
    """
    low, high = _RANGES.get(column.note, (-np.inf, np.inf))
    return np.less(numbers, low) | np.greater(numbers, high)


_READ = {
    TEMPORAL["time"]: (time_in, "a time of day"),
    TEMPORAL["date"]: (date_in, "a date such as 2011-10-02 or 2011-10-02 13:45"),
}

_RANGES = {TEMPORAL["time"]: (0.0, 86_400.0), TEMPORAL["date"]: (-719_162.0, 2_932_897.0)}
"""What numbers of seconds and of days may be: 20111002 and the milliseconds since 1970 are no days."""


def table_of(columns: Mapping[str, np.ndarray], matrix: np.ndarray | None = None) -> Table:
    """A table of 1-D arrays by name, such as `check` and an encoder take, without a library of data frames.

    Args:
        columns: arrays of one length; numbers, or Python objects with None where a value is missing.
        matrix: the same numbers, (rows, columns), where all columns are numbers: encoded at once, it is quicker.

    >>> table_of({"age": np.array([39.0, np.nan]), "sex": np.array(["f", None], object)}).rows
    2
    """
    names = list(columns)
    rows = len(next(iter(columns.values())))
    return Table(names, rows, lambda i: ArrayColumn(names[i], columns[names[i]]), named=True, matrix=matrix)
