"""Rows that nothing can be learned from: those without a target, and the totals of a spreadsheet."""

from __future__ import annotations

import numpy as np

from lamina.support.lazily import pl
from lamina.table import Task
from lamina.table.columns import Column, as_column, value_name
from lamina.table.findings.results import Finding
from lamina.table.messages import as_option, counted, listed, row, rows_from, shown, warn
from lamina.table.tables import Table, as_table
from lamina.table.types.base import but_holds
from lamina.table.types.mixed import few_words
from lamina.table.values import number_in
from lamina.table.written_numbers import form_of, number_in_form

_WORDS = {
    "total", "totals", "grand total", "sum", "overall", "all", "gesamt", "gesamtsumme", "insgesamt", "summe", "somme",
    "suma", "totale", "totaal", "итого", "合计", "合計",
}  # fmt: skip
MOST_ROWS = 20_000
"""Maximum number of rows of a table that is examined; larger tables are not from spreadsheets."""

_ALIKE = 1e-3
"""Maximum difference between a total and the sum, as a share of the sum, since numbers may be rounded."""


def rows_to_learn(
    frame: pl.DataFrame, target: str, task: Task | None = None
) -> tuple[pl.DataFrame, np.ndarray]:
    """A table without its rows of totals and without a target, and the numbers of the rows that are left (int64).

    A warning says which rows are left out, also those with one of a few words in a target of numbers. A table without
    any target is unchanged, as is one without the column.

    >>> import warnings
    >>> import polars as pl
    >>> with warnings.catch_warnings(record=True, action="always") as said:
    ...     frame, numbers = rows_to_learn(pl.DataFrame({"x": [1, 2, 3], "y": [5, None, 7]}), "y")
    >>> frame.rows(), numbers.tolist(), str(said[0].message)
    ([(1, 5), (3, 7)], [0, 2], "the target 'y' is missing in 1 of 3 rows, first in row 1 (counting from 0); left out")
    """
    numbers = np.arange(len(frame))
    if (total := total_left_out(frame)) is not None:
        numbers = np.delete(numbers, total)
    if target in frame.columns:
        frame = without_words(frame, target, task)
        present = has_value(frame[target])
        absent = numbers[~present[numbers]]
        if len(absent) and len(absent) < len(numbers):
            warn(target_missing(target, len(absent), len(frame), int(absent[0])))
            numbers = numbers[present[numbers]]
    return (frame if len(numbers) == len(frame) else frame[numbers]), numbers


def without_words(frame: pl.DataFrame, target: str, task: Task | None, start: int = 0) -> pl.DataFrame:
    """The table without the few words in a target of numbers, which a warning names; plain numbers become float64.

    A part of a table begins at row `start`.
    """
    if frame[target].dtype != pl.String or task == "classification":
        return frame
    column = as_column(frame[target], target)
    if not (words := few_words(column, known=task == "regression")):
        return frame
    with rows_from(start):
        said = but_holds(column, "holds numbers", words, gaps=True)
    warn(f"{said} ({as_option('task', 'classification')} would make all values classes)")
    values = [None if value in words else value for value in frame[target]]
    numbers = [None if value is None else number_in(value) for value in values]
    is_plain = numbers.count(None) == values.count(None)
    return frame.with_columns(pl.Series(target, numbers if is_plain else values))


def total_left_out(frame: pl.DataFrame) -> int | None:
    """The number of a table's row of totals, about which a warning says that it is left out; None without one."""
    if (total := _total(as_table(frame))) is None:
        return None
    place, _, said = total
    warn(f"{said}; it is left out")
    return place


def has_value(values: pl.Series) -> np.ndarray:
    """A mask of the values that are neither null nor NaN."""
    values = values.alias("values")  # polars would take its name for a pattern, as in ^y$
    found = values.is_not_null()
    return (found & values.is_not_nan().fill_null(False) if values.dtype.is_float() else found).to_numpy()


def target_missing(name: str, missing: int, rows: int, first: int) -> str:
    """The warning about rows without a target; `first` is the first of them."""
    return f"the target {name!r} is missing in {missing:,} of {counted(rows, 'row')}, first in {row(first)}; left out"


def total_row(table: Table) -> Finding | None:
    """The finding about a row named "Total" or like it whose numbers are the sums of all other rows; None without one.

    >>> import polars as pl
    >>> finding = total_row(as_table(pl.DataFrame({"shop": ["a", "b", "Total"], "sales": [1, 2, 3]})))
    >>> finding.columns
    ('shop', 'sales')
    """
    if (total := _total(table)) is None:
        return None
    _, columns, said = total
    return Finding("columns", "warning", columns, f"{said}; leave the row out")


def _total(table: Table) -> tuple[int, tuple[str, ...], str] | None:
    """The row of totals, the columns that show it, and a sentence about it; None without one."""
    if table.matrix is not None or not 2 < table.rows <= MOST_ROWS:
        return None
    columns = [table.column(name) for name in table.names]
    for column in columns:
        found = column.first_where(_is_total) if column.storage == "text" else None
        if found is not None:
            sums = [one.name for one in columns if one is not column and _is_sum(one, found[0])]
            if sums:
                said = (
                    f"{row(found[0])} looks like a total: {column.name!r} is {shown(value_name(found[1]))}, and "
                    f"{listed(sums, 3)} {'are the sums' if len(sums) > 1 else 'is the sum'} of all other rows"
                )
                return found[0], (column.name, *sums), said
    return None


def _is_total(value: object) -> bool:
    return value_name(value).strip(" :=").casefold() in _WORDS


def _is_sum(column: Column, index: int) -> bool:
    if column.storage not in ("number", "text"):
        return False
    numbers = column.numbers().astype(np.float64) if column.storage == "number" else _written(column)
    total, others = numbers[index], np.delete(numbers, index)
    others = others[np.isfinite(others)]
    with np.errstate(over="ignore", invalid="ignore"):
        several = np.count_nonzero(others) > 1
        return bool(several and abs(total - others.sum()) <= _ALIKE * abs(total))


def _written(column: Column) -> np.ndarray:
    """The numbers in a column of texts; NaN for texts that are no numbers."""
    form = form_of([(value_name(value), count) for value, count in column.value_counts()])
    return column.parsed(lambda text: number_in_form(text, form))[0]
