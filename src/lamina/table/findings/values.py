"""The values of columns as arrays for statistics, in the same form for training and new tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamina.table.columns import Column, is_missing, value_name
from lamina.table.messages import format_number
from lamina.table.stream.sample import mixed
from lamina.table.types import ColumnSchema, Composite, Nominal, Quantity

Names = dict[str, int]
"""The codes of the names of values, in their order."""


def _codes(column: Column, names: Names) -> np.ndarray:
    """The code of each row's value, int32; −1 if the value is missing. New names are added to `names`."""

    def code(value: object) -> int:
        return -1 if is_missing(value) else names.setdefault(value_name(value), len(names))

    return column.mapped(code, np.int32)


@dataclass(frozen=True)
class Series:
    """A column's values as numbers, or as codes of names.

    Attributes:
        column: the name of the table column; if the series is a part of a column, the whole column's name.
        name: the name of the part, or of the column.
        values: float64, NaN where missing; or int32 codes, −1 where missing.
        names: the names for the codes, which columns read with the same names share; None for numbers.
        show: formats a number for display.
    """

    column: str
    name: str
    values: np.ndarray
    names: Names | None = None
    show: Callable[[float], str] = format_number

    def __len__(self) -> int:
        return len(self.values)

    @property
    def present(self) -> np.ndarray:
        """A mask of the rows whose value is not missing."""
        return ~np.isnan(self.values) if self.names is None else self.values >= 0

    def of(self, rows: np.ndarray) -> Series:
        """The series of selected rows; `rows` has indices, or is a mask."""
        return replace(self, values=self.values[rows])

    def distinct(self) -> int:
        """The number of distinct values."""
        return len(np.unique(self.values[self.present]))


def cells_of(schema: ColumnSchema | None, column: Column, known: Series | None = None) -> Series:
    """A column's values for comparing rows: numbers for a quantity, codes of names for other types.

    Args:
        schema: the column's schema in training; None if the column has no type.
        column: the column, of any table.
        known: the training table's values, whose codes are reused.

    Raises:
        DataError: a value is not of the column's type.
    """
    return _read(schema, column, column.name if schema is None else schema.name, known)


def _read(schema: ColumnSchema | None, column: Column, owner: str, known: Series | None) -> Series:
    """The series of a column, which may be a part of the table column `owner`."""
    kind, name = (None, column.name) if schema is None else (schema.type, schema.name)
    fitted = kind.fitted(name, column) if isinstance(kind, Quantity | Nominal) else column
    if isinstance(kind, Quantity):
        numbers = fitted.numbers().astype(np.float64)
        numbers[np.isinf(numbers)] = np.nan  # infinite numbers are missing in training, too
        return Series(owner, name, numbers, None, lambda value: kind.show(value, format_number))
    names = Names() if known is None or known.names is None else known.names
    return Series(owner, name, _codes(fitted, names), names)


def features_of(
    schema: ColumnSchema | None, column: Column, cells: Series, known: Sequence[Series] | None = None
) -> list[Series]:
    """The inputs to a network from a column: `cells`, a series per part, or [] for an unused column.

    The codes of `known`, the training table's inputs of this column, are reused.

    Raises:
        DataError: a value is not of the column's type.
    """
    if schema is None or not schema.used:
        return []
    if not isinstance(schema.type, Composite):
        return [cells]
    parts = zip(schema.parts, schema.type.split(schema, column), strict=True)
    used = [(part, found) for part, found in parts if part.used]
    before = known or [None] * len(used)
    return [_read(part, found, schema.name, one) for (part, found), one in zip(used, before, strict=True)]


_ODD = 0x9E3779B97F4A7C15


def row_keys(series: Series, place: int) -> np.ndarray:
    """The 64-bit hash of each value of a column.

    A row's key is the sum of its values' hashes. Equal values have equal hashes. `place` is the column's index, which
    makes the key depend on the order of the values. The probability that any two different rows among 10 million have
    the same key is 3 in a million.
    """
    if series.names is None:
        # −0 equals 0, and all NaNs are equal.
        bits = np.where(series.present, series.values + 0.0, np.nan).view(np.uint64)
    else:
        bits = series.values.astype(np.int64).view(np.uint64)
    return mixed(bits + np.uint64(_ODD * (2 * place + 1) % 2**64))
