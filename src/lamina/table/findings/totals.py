"""Rows that are totals of all others, as spreadsheets have them."""

from __future__ import annotations

import numpy as np

from lamina.table.columns import Column, value_name
from lamina.table.findings.results import Finding
from lamina.table.messages import listed, row, shown
from lamina.table.tables import Table
from lamina.table.written_numbers import form_of, number_in_form

_WORDS = {
    "total", "totals", "grand total", "sum", "overall", "all", "gesamt", "gesamtsumme", "insgesamt", "summe", "somme",
    "suma", "totale", "totaal", "итого", "合计", "合計",
}  # fmt: skip
_MOST_ROWS = 20_000
"""Maximum number of rows of a table that is examined; larger tables are not from spreadsheets."""

_ALIKE = 1e-3
"""Maximum difference between a total and the sum, as a share of the sum, since numbers may be rounded."""


def total_row(table: Table) -> Finding | None:
    """The finding about a row named "Total" or like it whose numbers are the sums of all other rows; None without one.

    >>> import polars as pl
    >>> from lamina.table.tables import as_table
    >>> finding = total_row(as_table(pl.DataFrame({"shop": ["a", "b", "Total"], "sales": [1, 2, 3]})))
    >>> finding.columns
    ('shop', 'sales')
    """
    if table.matrix is not None or not 2 < table.rows <= _MOST_ROWS:
        return None
    columns = [table.column(name) for name in table.names]
    for column in columns:
        found = column.first_where(_is_total) if column.storage == "text" else None
        if found is not None:
            sums = [one.name for one in columns if one is not column and _is_sum(one, found[0])]
            if sums:
                said = f"{listed(sums, 3)} {'are the sums' if len(sums) > 1 else 'is the sum'}"
                message = (
                    f"{row(found[0])} looks like a total: {column.name!r} is {shown(value_name(found[1]))}, and {said} "
                    "of all other rows; leave the row out"
                )
                return Finding("columns", "warning", (column.name, *sums), message)
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

    def number(value: object) -> float:
        found = number_in_form(value_name(value), form)
        return np.nan if found is None else found

    return column.mapped(number, np.float64)
