"""The base class of types whose values the network receives as numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from lamina.errors import DataError
from lamina.table.categories import note_unknown, numbers_in
from lamina.table.columns import ArrayColumn, Column, Storage, value_name
from lamina.table.messages import as_kind, format_number, row, warn
from lamina.table.types.base import MOSTLY, Candidate, ColumnSchema, ColumnType, but_holds, else_categories
from lamina.table.types.unused import Alike, Constant, Missing
from lamina.table.values import mean_of, number_in

_JSON_NUMBERS = {int, float, type(None)}


@dataclass(frozen=True)
class Quantity(ColumnType):
    """A type whose values the network receives as numbers.

    `read` and `show` convert from and to text.

    Attributes:
        storage: the storage type of columns whose values always have this type; None if there is none.
        plural: the plural name of the values in messages; empty: texts are never recognized as this type.
        wanted: a description of a valid value, in messages.
        example_texts: examples of texts allowed in JSON; empty: JSON has only numbers.
        unit: the unit of the numbers, for output; empty for plain numbers.
        remark: a remark on a range of values, such as "dates in days"; empty for none.
        limits: the smallest and the largest valid number.
        embedded: whether the number has an embedding in the network.
        mixed_from: the minimum share of texts of this type in a column at which other texts may be typing errors.
        gaps: whether training had texts of another type, which counted as missing; then others need no warning.
        may_be_missing: whether a number outside the limits counts as missing; else it is an error.
    """

    kind = "numeric"
    choice = "numeric"
    storage: ClassVar[Storage | None] = None
    plural: ClassVar[str] = ""
    wanted: ClassVar[str] = "a number"
    example_texts: ClassVar[str] = ""
    unit: ClassVar[str] = ""
    remark: ClassVar[str] = ""
    limits: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    embedded: ClassVar[bool] = True
    mixed_from: ClassVar[float] = MOSTLY
    gaps: ClassVar[bool] = False
    may_be_missing: ClassVar[bool] = True

    # --- values ------------------------------------------------------------------------------------------------------

    def read(self, text: str) -> float | None:
        """The number that a text of this type represents; None for other texts."""
        return number_in(text)

    def looks_like(self, text: str) -> bool:
        return bool(self.plural) and self.read(text) is not None

    def parse(self, text: str) -> float | None:
        """The number that a text represents, of this type or as a plain number; None for other texts."""
        found = self.read(text)
        if found is None and (found := number_in(text)) is not None and self.are_beyond(np.float64(found)):
            return None
        return found

    def are_beyond(self, numbers: np.ndarray | np.float64) -> np.ndarray:
        """A mask of the numbers outside the valid range."""
        low, high = self.limits
        return np.less(numbers, low) | np.greater(numbers, high)

    @property
    def takes_any_number(self) -> bool:
        """Whether every number is valid for this type."""
        return self.limits == (-np.inf, np.inf)

    def fitted(self, name: str, column: Column) -> Column:
        """The column as numbers, under its name in training; values of another type are missing, with a warning.

        Raises:
            DataError: the column, or nearly all its values, are of another type.
        """
        if column.storage == self.storage:
            return ArrayColumn(name, column.temporal())
        if column.storage not in ("number", "boolean"):
            parsed = partial(column.once, self, partial(column.parsed, self.parse))
            return ArrayColumn(name, numbers_in(name, column, parsed, "" if self.gaps else self.wanted))
        if not self.takes_any_number and (beyond := self.are_beyond(column.numbers())).any():
            numbers = column.numbers()
            if not self.may_be_missing:
                first = int(np.argmax(beyond))
                said = f"{value_name(numbers[first])} in {row(first)} {self._no_such_number}"
                raise DataError(f"column {name!r}: {said}, as in training; correct it")
            note_unknown(
                name, column, {value_name(one): one for one in numbers[beyond].tolist()}, self.wanted
            )
            return ArrayColumn(name, np.where(beyond, np.nan, numbers))
        return column

    @property
    def _no_such_number(self) -> str:
        return f"is not {self.wanted}, nor a number of {self.unit}"

    def refusal(self, value: Any) -> str:
        """The reason why a JSON value is invalid; empty if it is valid."""
        if isinstance(value, str) and self.example_texts:
            return ""  # other texts count as missing, as in files
        if type(value) not in _JSON_NUMBERS:
            return "is not a number"
        try:
            return self._no_such_number if self.are_beyond(np.float64(value or 0)) else ""
        except OverflowError:
            return "is beyond the range of float64"

    def from_json(self, values: Sequence[Any]) -> np.ndarray | None:
        """JSON values, of one or several columns of this type, as numbers; None if a value is invalid."""
        if self.example_texts:
            values = [self.parse(value) if isinstance(value, str) else value for value in values]
        try:
            numbers = np.array(values, np.float64) if set(map(type, values)) <= _JSON_NUMBERS else None
        except OverflowError:
            return None
        if numbers is None or self.takes_any_number:
            return numbers
        return None if self.are_beyond(numbers).any() else numbers

    # --- training columns --------------------------------------------------------------------------------------------

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        column = candidate.column
        if column.storage == self.storage:
            return self.learn(column, candidate.named)
        if not self.plural or not candidate.is_text or candidate.iso_days is not None:
            return None
        if not candidate.are_most(self.looks_like):
            return None
        values, unread = column.parsed(self.read)
        if unread:
            if candidate.choice == "numeric":
                raise self.odd_error(column, unread)
            if not candidate.looks_measured(self.looks_like):
                return None
            warn(f"{but_holds(column, f'holds {self.plural}', unread, gaps=True)} {else_categories(column)}")
            return self.with_gaps().learned(column, values, candidate.named)
        return self.learned(column, values, candidate.named)

    def with_gaps(self) -> Quantity:
        """The type of a training column whose other texts count as missing."""
        return self

    def odd_error(self, column: Column, unread: Collection[str]) -> DataError:
        """The error for a training column that has these values of another type."""
        odd = but_holds(column, f"was requested as {self.plural}", unread)
        them, remedy = "it" if len(unread) == 1 else "them", as_kind(column.name, "categorical")
        return DataError(f"{odd} can't be read; correct {them} or make {them} missing, or use {remedy}")

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        """The schema of a training table's column of this type."""
        return self.learned(column, self.fitted(column.name, column).numbers(), named)

    def learned(self, column: Column, values: np.ndarray, named: bool) -> ColumnSchema:
        """The schema of a column of these numbers, NaN where missing.

        Raises:
            DataError: a number is infinite, in a table without names.
        """
        present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        if not len(present):
            return ColumnSchema(column.name, Missing() if named else self, column.type_name, len(values))
        low, high = float(present.min()), float(present.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            if named:
                return self.learned(column, finite(column.name, values), named)
            bad = int(np.argmax(np.isinf(values)))
            raise infinite_error(column.name, values[bad], row(bad))
        missing = len(values) - len(present)
        found: ColumnType = self
        if low == high and not missing and named:
            found = Constant(self.tag) if present.min() == present.max() else Alike()
        mean = mean_of(present) if named else None
        return ColumnSchema(column.name, found, column.type_name, missing, low=low, high=high, mean=mean)

    def page_data(self) -> dict[str, Any]:
        """Additional data for a web page's `reader`, for JSON."""
        return {}

    # --- descriptions ------------------------------------------------------------------------------------------------

    def range_said(self, low: float, high: float) -> str:
        """A range of values as text.

        Integers of four digits have no thousands separator, since they may be years.
        """
        are_years = low.is_integer() and high.is_integer() and 1000 <= low <= high <= 9999
        number = "{:.0f}".format if are_years else format_number
        said = f"{self.show(low, number)} … {self.show(high, number)}"
        return f"{said} ({self.remark})" if self.remark else said

    def is_whole(self, column: Any) -> bool:
        """Whether all values of the column must be whole numbers, including values that training did not have."""
        return False

    def treatment(self, column: ColumnSchema) -> str:
        return "number, scaled" + ("; missing: median and a flag" if column.missing else "")

    def example(self, column: ColumnSchema) -> Any:
        """A value near the middle of the column, for JSON."""
        middle = self.middle(column)
        if self.example_texts:
            return self.show(middle, format_number)
        low, high, short = column.low or 0.0, column.high or 0.0, float(f"{middle:.4g}")
        return short if low <= short <= high else middle

    def middle(self, column: ColumnSchema) -> float:
        """A number near the middle of a column."""
        low, high = column.low or 0.0, column.high or 0.0
        return column.mean if column.mean is not None else low / 2 + high / 2

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        """The JSON Schema of a column's values."""
        return self.json_schema_in(column, self.unit, self.example_texts)

    def json_schema_in(self, column: ColumnSchema, unit: str, texts: str) -> dict[str, Any]:
        """The JSON Schema of values in this unit.

        `texts` has examples of allowed texts; empty: texts are not allowed.
        """
        what = "A number" + (f" ({unit})" if unit else "")
        what += f", or a text such as {texts}" if texts else ""
        if column.low is not None and column.high is not None:
            low, high = (self.show(limit, "{:g}".format) for limit in (column.low, column.high))
            what += f"; in training from {low} to {high}"
        types = ["number", "string", "null"] if texts else ["number", "null"]
        limits = [column.low, column.high]
        return {"type": types, "description": f"{what}. {missing_said(column)}", "x-training-range": limits}


def missing_said(column: ColumnSchema) -> str:
    """What null means in JSON, and whether training had no missing values."""
    return "null: missing." if column.missing else "null: missing. Never missing in training."


def finite(name: str, values: np.ndarray) -> np.ndarray:
    """A column's numbers with NaN for infinite numbers; warns about infinite numbers."""
    infinite = np.isinf(values)
    if not infinite.any():
        return values
    first = int(np.argmax(infinite))
    warn_of_infinite(name, float(values[first]), first)
    return np.where(infinite, np.nan, values)


def warn_of_infinite(name: str, value: float, index: int) -> None:
    """Warn about infinite numbers in a column; the first, `value`, is in row `index`."""
    warn(
        f"column {name!r} has infinite values, such as {value} in {row(index)}; they count as missing",
        subjects=[f"infinite values in {name!r}"],
    )


def infinite_error(name: str, value: object, place: str) -> DataError:
    """The error for a column with an infinite number."""
    return DataError(
        f"column {name!r} has an infinite value, {value}, in {place}; correct it or make it missing (NaN)"
    )
