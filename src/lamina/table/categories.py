"""Conversion of categories to codes, and the treatment of values that training did not have or that can't be read."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lamina.errors import DataError
from lamina.support.messages import being
from lamina.table.columns import Column, is_missing, value_name
from lamina.table.messages import as_option, counted, is_later_part, listed, row, shown, warn
from lamina.table.values import number_in

if TYPE_CHECKING:
    from lamina.table.types.base import ColumnSchema

_MOST_NAMED = 5
"""Maximum number of columns in a warning."""

_WRONG, _FEWEST = 0.9, 20
"""Minimum share and number of rows of unreadable values in a column that is probably not the column of training."""


def category_codes(expected: ColumnSchema, column: Column) -> np.ndarray:
    """The code of each row of a column, int32.

    The code is 1 + the category's index, or 0 for a missing or unknown value. A warning reports unknown values.
    """
    lookup = expected.codes
    unknown: dict[str, object] = {}

    def code(value: object) -> int:
        name = value_name(value)
        if name not in lookup and not is_missing(value):
            unknown[name] = value
        return lookup.get(name, 0)

    codes = column.mapped(code, np.int32)
    note_unknown(expected.name, column, unknown)
    return codes


def code_of_cell(lookup: Mapping[str, int], cell: object) -> int | None:
    """The code of a known or missing value that is a text, a number or a boolean; None for other values."""
    if type(cell) not in _SIMPLE:
        return None
    return lookup.get(value_name(cell)) or (0 if is_missing(cell) else None)


_SIMPLE = {str, bool, int, float, type(None), np.bool_, np.int64, np.float64}


def numbers_in(
    name: str, column: Column, parsed: Callable[[], tuple[np.ndarray, Mapping[str, object]]], wanted: str
) -> np.ndarray:
    """The numbers that are read from the values' names, float64; other values are missing, see `note_unknown`.

    Args:
        name: the column's name in messages.
        column: the column.
        parsed: returns the result of the column's `parsed`.
        wanted: the type in training, for messages; empty: other values are usual, as in training.

    Raises:
        DataError: the column has dates, times or other values that have no text to parse, or nearly no value is read.
    """
    if column.storage == "empty":
        return np.full(len(column), np.nan)
    require_texts(name, column, wanted)
    values, unread = parsed()
    note_unknown(name, column, unread if wanted else {}, wanted)
    return values


def require_texts(name: str, column: Column, wanted: str) -> None:
    """Raise `DataError` for a column of dates, times or objects, whose values have no texts that could be `wanted`."""
    if column.storage in ("date", "time", "duration", "other"):
        raise DataError(
            f"column {name!r} has type {column.type_name}; in training, each value was {wanted or 'a text'}"
        )


def note_unknown(name: str, column: Column, unknown: Mapping[str, object], wanted: str = "") -> None:
    """Report a column's values unseen in training, or not of the `wanted` type, which count as missing.

    `unknown` maps the values' names to the values. A warning names them; inside an `unknown_values` context, they are
    added to the context's list instead.

    Raises:
        DataError: nearly all values, at the table's beginning, are not of the `wanted` type.
    """
    if not unknown or (wanted and name in _told.get()):
        return
    names, counts = sorted(unknown), column.value_counts()
    rows = sum(count for value, count in counts if value_name(value) in unknown)
    present, first = sum(count for _, count in counts), row(column.row_of(unknown[names[0]]))
    if wanted and rows >= max(_FEWEST, _WRONG * present) and not is_later_part():
        has_commas = all(number_in(one.replace(",", ".", 1)) is not None for one in names)
        remedy = (
            f"decimal commas need {as_option('decimal', ',')}"
            if has_commas
            else "correct them or make them missing"
        )
        raise DataError(
            f"column {name!r}: {rows:,} of {counted(present, 'value')} could not be read as {wanted}, as in training, "
            f"such as {shown(names[0])} in {first}; {remedy}"
        )
    warn_of_unknown([Unknown(name, names, first, wanted, rows)])


@dataclass(frozen=True)
class Unknown:
    """Values of a column that count as missing.

    Training had no such values, or they have the wrong type.

    Attributes:
        column: the column's name.
        values: the names of the values.
        first_row: the name of the first row with such a value.
        wanted: the expected type, such as "a date"; empty: the categories seen in training.
        rows: the number of rows with such values.
    """

    column: str
    values: Sequence[str]
    first_row: str
    wanted: str = ""
    rows: int = 1

    def said(self, shown: str) -> str:
        """The reason why a value counts as missing, for a message; `shown` is the value's text."""
        return f"{shown} is not {self.wanted}" if self.wanted else f"training did not have {shown}"

    def values_said(self, limit: int) -> str:
        """The first values, and the first row with the first one."""
        first = f"{shown(self.values[0])} in {self.first_row}"
        return f"{listed(self.values, limit)}; {first}" if len(self.values) > 1 else first


_unknown_together: ContextVar[list[Unknown] | None] = ContextVar("unknown values together", default=None)
_told: ContextVar[Container[str]] = ContextVar("columns whose unreadable values were told", default=())


def told_of(columns: Container[str]) -> AbstractContextManager[None]:
    """A context for further training rows: values that these columns' types can't read are missing without a warning.

    A block of a table may have nothing else, where a new table would not be the one of training.
    """
    return being(_told, columns)


@contextmanager
def unknown_values(owners: Mapping[str, str]) -> Generator[list[Unknown]]:
    """A context that collects the values reported by `note_unknown` in a list, with an entry per table column.

    Args:
        owners: for each part of a composite column, the name of the table column; see `Schema.owners`.
    """
    found: list[Unknown] = []
    with being(_unknown_together, found):
        yield found
    by_column: dict[str, Unknown] = {}
    for one in found:
        name = owners.get(one.column, one.column)
        known = by_column.setdefault(name, replace(one, column=name))
        if others := dict.fromkeys(one.values).keys() - {*known.values}:
            wanted = known.wanted if known.wanted == one.wanted else ""
            values, rows = [*known.values, *sorted(others)], max(known.rows, one.rows)
            by_column[name] = replace(known, values=values, wanted=wanted, rows=rows)
    found[:] = by_column.values()


def warn_of_unknown(found: Sequence[Unknown]) -> None:
    """Warn of what `unknown_values` has collected, if anything, in one message; or add it to a context around."""
    together = _unknown_together.get()
    if together is not None:
        together += found
    if not found or together is not None:
        return
    first = found[0]
    lacks = f"could not be read as {first.wanted}" if first.wanted else "training did not have"
    if len({one.wanted for one in found}) > 1:
        lacks = "training did not have or that could not be read"
    count, rows = len(first.values), f", in {first.rows:,} rows," if first.rows > len(first.values) else ""
    what, which = f"column {first.column!r} has {counted(count, 'value')}{rows}", first.values_said(5)
    if len(found) > 1:
        parts = [f"{one.column!r} ({one.values_said(2)})" for one in found]
        more = f", and {counted(len(parts) - _MOST_NAMED, 'more column')}" if len(parts) > _MOST_NAMED else ""
        what, which, count = f"{len(found)} columns have values", ", ".join(parts[:_MOST_NAMED]) + more, 2
    message = f"{what} that {lacks}; {'it counts' if count == 1 else 'they count'} as missing: {which}"
    warn(message, subjects=[f"unknown values in {one.column!r}" for one in found])
