"""Statistics of a table, collected in one pass; statistics of parts can be merged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from functools import partial
from typing import Any, cast

import numpy as np

from lamina.errors import DataError
from lamina.support.lazily import pl
from lamina.table import kinds as recognition
from lamina.table.columns import ArrayColumn, Column, NumberType, OfCell, as_column, is_missing, value_name
from lamina.table.distinct import distinct_values
from lamina.table.kinds import judged
from lamina.table.messages import as_kind, listed, rows_numbered
from lamina.table.schema import ColumnSchema, Schema, Target, Task
from lamina.table.stream.sample import MarkKeys, RowSample, folds_by, row_bytes
from lamina.table.tables import as_table
from lamina.table.target import infer_target, infinite_target, no_target_error
from lamina.table.types import Choice, Composite, Number, Quantity, Uncounted
from lamina.table.types.base import Targets
from lamina.table.types.quantity import warn_of_infinite
from lamina.table.types.unused import MOST_VALUES, may_count_rows
from lamina.table.written_numbers import Form, number_in_form


# --- summaries of columns: counts, ranges and means, without the rows -------------------------------------------------
@dataclass
class Moments:
    """The count, range, mean and spread of numbers, merged by the rule of Chan, Golub and LeVeque (1979).

    Attributes:
        count: the number of non-missing numbers.
        low, high: the minimum and maximum.
        mean, squares: the mean, and the sum of squared deviations from the mean.
        infinite: the first row with an infinite number, or None; infinite numbers are excluded from all other fields.
        worst: the number in row `infinite`.
    """

    count: int = 0
    low: Any = math.inf
    high: Any = -math.inf
    mean: float = 0.0
    squares: float = 0.0
    infinite: int | None = None
    worst: float = math.nan

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    def update(self, series: pl.Series, first: int) -> None:
        """Add the values of a block of rows, whose first row has the number `first`."""
        if series.dtype.is_decimal():
            series = series.cast(pl.Float64)
        if series.dtype.is_float():
            series = series.fill_nan(None)
        part = Moments()
        if series.dtype.is_float() and series.is_infinite().any():
            at = int(cast(int, series.is_infinite().arg_max()))
            part.infinite, part.worst = first + at, float(series[at])
            series = series.set(series.is_infinite(), None)
        part.count = len(series) - series.null_count()
        if part.count:
            part.low, part.high = series.min(), series.max()
            part.mean = float(cast(float, series.mean()))
            part.squares = float(cast(float, series.var(ddof=0))) * part.count
        self.merge(part)

    def merge(self, other: Moments) -> None:
        """Merge the moments of another part of the table."""
        if other.infinite is not None and (self.infinite is None or other.infinite < self.infinite):
            self.infinite, self.worst = other.infinite, other.worst
        if not other.count:
            return
        count = self.count + other.count
        distance, share = other.mean - self.mean, other.count / count
        self.mean += distance * share
        self.squares += other.squares + distance * distance * share * self.count
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.count = count


class Counted:
    """The count and the first row of each value of a column.

    Attributes:
        counts: the count of each value; empty if there are more than `MOST_VALUES` values.
        rows: the first row of each value; empty if there are more than `MOST_VALUES` values.
        overflowed: whether there are more than `MOST_VALUES` values.
    """

    def __init__(self) -> None:
        self.counts: dict[Any, int] = {}
        self.rows: dict[Any, int] = {}
        self.overflowed = False

    def update(self, series: pl.Series, first: int) -> None:
        """Add the values of a block of rows, whose first row has the number `first`."""
        if self.overflowed:
            return
        rows = pl.int_range(first, first + len(series), eager=True)
        groups = pl.DataFrame({"value": series, "row": rows}).group_by("value")
        found = groups.agg(pl.len(), pl.col("row").min())  # noqa: TID251
        self._add(one for one in found.iter_rows() if not is_missing(one[0]))

    def merge(self, other: Counted) -> None:
        """Merge the counts of another part of the table."""
        self.overflowed = self.overflowed or other.overflowed
        self._add((value, count, other.rows[value]) for value, count in other.counts.items())

    def _add(self, found: Iterable[tuple[Any, int, int]]) -> None:
        """Add values, each with its count and its first row."""
        for value, count, row in found:
            self.counts[value] = self.counts.get(value, 0) + count
            self.rows[value] = min(self.rows.get(value, row), row)
        if self.overflowed or len(self.counts) > MOST_VALUES:
            self.overflowed = True
            self.counts, self.rows = {}, {}


class Order:
    """The serial correlation of neighbouring rows' targets: one minus von Neumann's ratio (1941).

    The ratio is half the mean squared difference of neighbours, divided by the variance. For classes, it is the
    fraction of neighbours in different classes, divided by the same fraction of random pairs of rows.
    """

    def __init__(self) -> None:
        self._pairs = self._differ = 0
        self._squares = 0.0

    def update(self, series: pl.Series) -> None:
        """Add the targets of the next rows."""
        before = series.shift(1)
        self._pairs += max(len(series) - 1, 0)
        self._differ += int((series != before).sum() or 0)
        if series.dtype.is_numeric():
            values = series.cast(pl.Float64)
            self._squares += float((values.diff() ** 2).sum() or 0.0)

    def merge(self, other: Order) -> None:
        """Merge the statistic of another part of the table."""
        self._pairs += other._pairs
        self._differ += other._differ
        self._squares += other._squares

    def likeness(self, column: SummaryColumn) -> tuple[float, float]:
        """The correlation, and its standard error if the rows are in random order.

        The correlation is about 0 in random order, and 1 if all neighbours are equal.
        """
        if not self._pairs:
            return 0.0, 0.0
        if column.is_number:
            by_chance = 2 * column.moments.deviation**2
            differ = self._squares / self._pairs
        else:
            counts = [count for _, count in column.value_counts()]
            by_chance = 1 - sum((count / sum(counts)) ** 2 for count in counts)
            differ = self._differ / self._pairs
        return 1 - differ / by_chance if by_chance > 0 else 0.0, self._pairs**-0.5


class SummaryColumn(Column):
    """A column represented by the counts of its values.

    Methods that should return a value per row return a value per distinct value. This suffices for `judged` and
    `infer_target`, which use only the extremes of these values.

    Args:
        name: the column's name.
        kind: the column's polars type.
        counts: whether values are counted.
        any_type: whether values other than numbers and texts are allowed; if not, such a value rejects the column.
    """

    def __init__(self, name: str, kind: pl.DataType, counts: bool, any_type: bool = False) -> None:
        empty = as_column(pl.Series(name, [], dtype=kind), name)
        self.name, self.type_name = name, empty.type_name
        self.categorical, self.dtype, self.whole = empty.categorical, empty.dtype, empty.whole
        self.storage = "empty"
        self.counts = Counted() if counts else None
        self.moments = Moments()
        self._is_temporal = is_temporal(kind)
        self.is_number = kind.is_numeric() or self._is_temporal
        self._is_float = kind.is_float() or kind.is_decimal() or self._is_temporal
        self._rows = self._missing = 0
        self._first_missing: int | None = None
        self._any_type = any_type
        self._starts = {0, 1} if kind.is_integer() and may_count_rows(name) else set[int]()

    def update(self, series: pl.Series, first: int) -> None:
        """Add the column's values in a block of rows, whose first row has the number `first`."""
        if series.dtype.is_nested() or isinstance(series.dtype, pl.Binary | pl.Object):
            series = self._in_texts(series)
        absent = series.is_null() | series.is_nan() if series.dtype.is_float() else series.is_null()
        missing = int(absent.sum())
        if missing and self._first_missing is None:
            self._first_missing = first + int(cast(int, absent.arg_max()))
        if missing < len(series) and self.storage == "empty":
            self.storage = as_column(series, self.name).storage
        self._rows += len(series)
        self._missing += missing
        rows = first + np.arange(len(series) if self._starts else 0)
        self._starts = {start for start in self._starts if np.array_equal(series.to_numpy(), start + rows)}
        if self.is_number:
            self.moments.update(_in_numbers(series) if self._is_temporal else series, first)
        if self.counts is not None:
            if self.storage in ("other", "date", "time", "duration") and not self._any_type:
                texts = [] if self.counts.counts else [str(series.drop_nulls()[0])]
                series = pl.Series(texts, dtype=pl.String)
            elif self.categorical:
                series = series.cast(pl.String)
            self.counts.update(series, first)

    def _in_texts(self, series: pl.Series) -> pl.Series:
        """The cells as texts, where a cell without a text form becomes an empty text."""
        column = as_column(series, self.name)
        if column.storage not in ("text", "empty"):
            self.storage = "other"
        values, positions = distinct_values(column)
        texts = [value if value is None or isinstance(value, str) else "" for value in values]
        return pl.Series(self.name, texts, dtype=pl.String).gather(positions)

    def merge(self, other: SummaryColumn) -> None:
        """Merge the same column of another part of the table."""
        self.storage = other.storage if self.storage == "empty" else self.storage
        self._rows += other._rows
        self._missing += other._missing
        firsts = [at for at in (self._first_missing, other._first_missing) if at is not None]
        self._first_missing = min(firsts, default=None)
        self._starts &= other._starts
        self.moments.merge(other.moments)
        if self.counts is not None and other.counts is not None:
            self.counts.merge(other.counts)

    def number_moments(self, read: Callable[[str], float | None]) -> Moments:
        """The moments of the column's numbers, including numbers that `read` parses from texts."""
        if self.is_number:
            return self.moments
        assert self.counts is not None
        if self.counts.overflowed:
            raise DataError(
                f"column {self.name!r} holds numbers as text, more than {MOST_VALUES:,} different ones; store them as "
                "numbers to stream the table"
            )
        found = Moments()
        for value, count in self.counts.counts.items():
            number = float(value) if isinstance(value, bool) else read(value_name(value))
            if number is not None:
                found.merge(Moments(count, number, number, number))
        return found

    # --- a column ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._rows

    def head(self, rows: int) -> Column:
        return ArrayColumn(self.name, np.array([value for value, _ in self.value_counts()[:rows]], object))

    def missing(self) -> int:
        return self._missing

    def first_missing(self) -> int:
        return self._first_missing or 0

    def distinct(self) -> int:
        if self.counts is None or self.counts.overflowed:
            return MOST_VALUES + 1
        return len(self.counts.counts) + bool(self._missing)

    def numbers(self) -> np.ndarray:
        if self.counts is not None and not self.is_number:
            return self.mapped(
                lambda value: math.nan if value is None else float(cast(Any, value)), np.float64
            )
        extremes = [self.moments.low, self.moments.high] if self.moments.count else []
        extremes += [math.nan] * bool(self._missing)
        return np.array(extremes, np.float64 if self._is_float or self._missing else None)

    def counts_rows(self) -> bool:
        return bool(self._starts)

    def temporal(self) -> np.ndarray:
        return self.numbers()

    def value_counts(self) -> list[tuple[object, int]]:
        return [] if self.counts is None else list(self.counts.counts.items())

    def mapped(self, function: OfCell, dtype: NumberType) -> np.ndarray:
        values: list[object] = [value for value, _ in self.value_counts()]
        return np.array([*map(function, values), *([function(None)] if self._missing else [])], dtype)

    def row_of(self, value: object) -> int:
        return 0 if self.counts is None else self.counts.rows[value]

    def first_where(self, holds: Callable[[object], bool]) -> tuple[int, object] | None:
        found = [(self.row_of(value), value) for value, _ in self.value_counts() if holds(value)]
        return min(found, key=lambda pair: pair[0], default=None)


def is_temporal(kind: pl.DataType) -> bool:
    """Whether a type's values are times of day, durations or dates, which are converted to seconds or days."""
    return isinstance(kind, pl.Time | pl.Duration | pl.Date | pl.Datetime)


def _in_numbers(series: pl.Series) -> pl.Series:
    return pl.Series(as_column(series, series.name).temporal(), dtype=pl.Float64, nan_to_null=True)


_SAMPLE_ROWS = 160_000
_SAMPLE_BYTES = 64 << 20
_FEWEST_SAMPLED = 4096
_IN_RUNS = 0.1
"""Minimum correlation of neighbouring rows' targets (0: random order, 1: equal) of a table that counts as ordered."""


@dataclass(eq=False, repr=False)
class TableStatistics:
    """Statistics of a table, updated block by block.

    The number of missing values, the range and mean of numbers, and category counts are exact for any number of rows;
    quantiles are estimated from a sample of rows. Except for the last bits of means, the results don't depend on the
    division into blocks, or into parts that are read separately and merged.

    Args:
        types: the columns in order, with their types.
        target: the name of the column to predict, if it is in the table.
        task: the target's task, to override the inferred task.
        kinds: by column name, a kind that overrides the inferred kind.
        dates: the date format, as in `infer`.
        named: whether columns are matched by name, see `Schema`.
        seed: the sample's seed.
        first: the number of the part's first row in the table; parts must not overlap, but may leave gaps.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"age": [39, None, 50, 38], "sex": ["M", "F", None, "F"], "y": [0.5, 1.0, 2.5, 2.0]})
    >>> begin = TableStatistics(frame.schema, "y")
    >>> begin.update(frame[:2])
    >>> end = TableStatistics(frame.schema, "y", first=2)
    >>> end.update(frame[2:])
    >>> begin.merge(end)
    >>> [(column.name, column.kind, column.missing, column.counts) for column in begin.schema().columns]
    [('age', 'numeric', 1, ()), ('sex', 'categorical', 1, (2, 1))]
    """

    types: Mapping[str, pl.DataType]
    target: str | None = None
    _: KW_ONLY
    task: Task | None = None
    kinds: Mapping[str, Choice] = field(default_factory=dict[str, Choice])
    dates: str | None = None
    named: bool = True
    seed: InitVar[int] = 0
    first: InitVar[int] = 0

    def __post_init__(self, seed: int, first: int) -> None:
        self.types = dict(self.types)
        self._require_columns()
        self.rows, self._next = 0, first
        most = min(_SAMPLE_ROWS, max(_SAMPLE_BYTES // max(row_bytes(self.types), 1), _FEWEST_SAMPLED))
        self.sample = RowSample(most, seed)
        self._columns = {
            name: SummaryColumn(name, kind, self._counts(name, kind), self._is_named(name))
            for name, kind in self.types.items()
        }
        self._order = Order()
        self._form: Form | None = None  # of the target's texts

    def _require_columns(self) -> None:
        names = [*self.types]
        if self.target is not None and self.target not in self.types:
            raise no_target_error(self.target, names)
        for name, kind in self.kinds.items():
            if name not in self.types:
                raise recognition.kind_of_no_column(name, kind, names)

    def _counts(self, name: str, kind: pl.DataType) -> bool:
        """Whether to count how often each value of a column occurs, as for texts and labels."""
        if name == self.target:
            return not kind.is_float() or self.task == "classification"
        return not (kind.is_numeric() or is_temporal(kind)) or self._is_named(name)

    def _is_named(self, name: str) -> bool:
        """Whether the user declared the values of a column as labels."""
        return self.kinds.get(name) not in (None, "numeric", "drop")

    def update(self, block: pl.DataFrame) -> None:
        """Add the next block of rows."""
        if not len(block):
            return
        for name, column in self._columns.items():
            column.update(block[name], self._next)
        if self.target is not None:
            self._order.update(block[self.target])
        self.sample.update(block, self._next)
        self.rows += len(block)
        self._next += len(block)

    def merge(self, other: TableStatistics) -> None:
        """Merge the statistics of another part of the same table.

        Raises:
            DataError: the columns differ.
        """
        if self.types != other.types:
            differing = sorted(name for name, _ in set(self.types.items()) ^ set(other.types.items()))
            raise DataError(
                f"parts of the table differ in the types of the columns {listed(dict.fromkeys(differing))}; give all "
                "parts the same types"
            )
        for name, column in self._columns.items():
            column.merge(other._columns[name])
        self._order.merge(other._order)
        self.sample.merge(other.sample)
        self.rows += other.rows

    # --- results -------------------------------------------------------------------------------------------------

    def schema(
        self,
        labels: bool = False,
        monotone: Iterable[Any] = (),
        marks: Mapping[Any, str | None] | None = None,
    ) -> Schema:
        """The schema that `infer` would find for the whole table.

        Codes and labels are judged by the sample. A text column with more than 65,536 distinct values, which are too
        many to count, is ignored with a warning. Columns of dates, or of times of day, are not ignored.

        Args:
            labels, monotone: see `infer`; there are no labels if rows have groups or times.
            marks: the names of the columns for "groups" and "time", or None.

        Raises:
            DataError: the table is invalid, as in `infer`.
        """
        if self.rows < 2:
            rows = "no rows" if self.rows == 0 else "only 1 row"
            raise DataError(f"the table has {rows}; training needs at least 2")
        marks = marks or {}
        names = [name for name in self.types if name != self.target]
        understood = partial(self._understood, marks)
        target, columns, targets = recognition.judged_together(understood, self._judged, names)
        self._form = target and target.form
        is_array = not self.named and all(self.types[name].is_numeric() for name in names)
        if labels and targets and not is_array and not any(marks.values()):
            rows, fixed = as_table(self.sample.rows()[0]), (*self.kinds, *monotone)
            found = recognition.with_labels(rows, columns, targets, fixed)
            columns = [new if new in columns else self._of_sample(new) for new in found]
        return recognition.schema_of(columns, self.rows, named=self.named, target=target)

    def _understood(self, marks: Mapping[Any, str | None]) -> tuple[Target | None, Targets | None]:
        """The target, and a function that returns that of each row of the sample, with folds by the marks."""
        target, folds = self._target(), None
        if target is None:
            return None, None
        frame, numbers, _ = self.sample.rows()
        for mark, name in marks.items():
            with suppress(DataError):  # the division of all rows refuses such groups and times
                if name is not None:
                    keys = MarkKeys(mark, self._judged(name, None), self.sample.seed)
                    folds = folds_by(keys, 0, frame, numbers)(frame, numbers)
        return target, partial(recognition.targets_of, target, self._sampled(target.name), folds, self.rows)

    def moments(self) -> Moments:
        """The range, mean and spread of a numeric target, after `schema`."""
        assert self.target is not None
        return self._columns[self.target].number_moments(lambda text: number_in_form(text, self._form))

    @property
    def is_in_runs(self) -> bool:
        """Whether neighbouring rows have similar targets, as in a table sorted by label."""
        if self.target is None:
            return False
        likeness, error = self._order.likeness(self._columns[self.target])
        return likeness > _IN_RUNS + 3 * error

    def _judged(self, name: str, targets: Targets | None) -> ColumnSchema:
        column, choice = self._columns[name], self.kinds.get(name)
        if choice == "text":
            return self._of_sample(judged(self._sampled(name), choice, self.named))
        if column.counts is not None and column.counts.overflowed and choice != "drop":
            if (composite := self._composite(name, targets)) is not None:
                return composite
            if choice is not None:
                raise DataError(
                    f"column {name!r} has more than {MOST_VALUES:,} different values, too many to be counted in a "
                    f"streamed table; leave it out with {as_kind(name, 'drop')}"
                )
            return ColumnSchema(name, Uncounted(), column.type_name, column.missing())
        if column.storage == "number" and choice != "drop" and column.moments.infinite is not None:
            warn_of_infinite(name, column.moments.worst, column.moments.infinite)
        if column.storage in ("number", "date") and choice not in ("categorical", "drop"):
            composite = self._composite(name, targets)  # for all rows, only the extremes are known
            if composite is not None:
                return self._with_range(composite) if column.storage == "date" else composite
        found = judged(column, choice, self.named, self.dates, targets, self._sampled(name))
        if isinstance(found.type, Composite):
            learned = self._of_sample(found.type.learn(self._sampled(name), self.named))
            return replace(learned, reason=found.reason)
        kind = found.type.of_values
        if not isinstance(kind, Quantity) or found.low is None:
            return found
        return self._exact(found, column.number_moments(kind.read))

    def _composite(self, name: str, targets: Targets | None) -> ColumnSchema | None:
        """The schema of a column that is composite in the sample, or has formatted numbers; otherwise None."""
        try:
            with rows_numbered(self.sample.rows()[1]):
                found = judged(self._sampled(name), self.kinds.get(name), self.named, self.dates, targets)
        except DataError:
            return None
        is_read = isinstance(found.type, Composite | Quantity) and not isinstance(found.type, Number)
        return self._of_sample(found) if is_read else None

    def _with_range(self, found: ColumnSchema) -> ColumnSchema:
        """The schema of a date column with the range and mean of all rows."""
        days, (first, *others) = self._columns[found.name].moments, found.parts
        mean = days.mean if self.named else None
        first = replace(first, low=days.low, high=days.high, mean=mean)
        return replace(found, parts=(first, *others))

    def _sampled(self, name: str) -> Column:
        return as_column(self.sample.rows()[0][name], name)

    def _of_sample(self, found: ColumnSchema) -> ColumnSchema:
        """The schema of a column, learned from the sample, with counts scaled to all rows."""
        factor = self.rows / len(self.sample.rows()[0])

        def scaled(part: ColumnSchema) -> ColumnSchema:
            counts = tuple(max(round(count * factor), 1) for count in part.counts)
            return replace(part, missing=round(part.missing * factor), counts=counts)

        missing = max(self._columns[found.name].missing(), round(found.missing * factor))
        return replace(found, missing=missing, parts=tuple(map(scaled, found.parts)))

    def _exact(self, found: ColumnSchema, numbers: Moments) -> ColumnSchema:
        """The schema of a column with the exact mean and the exact number of missing rows."""
        mean = numbers.mean if self.named else None
        return replace(found, missing=self.rows - numbers.count, mean=mean)

    def _target(self) -> Target | None:
        if self.target is None:
            return None
        column = self._columns[self.target]
        if column.storage == "number" and column.moments.infinite is not None:
            raise infinite_target(column, column.moments.infinite)
        target = infer_target(column, self.task)
        if target.task == "classification":
            return target
        numbers = column.number_moments(lambda text: number_in_form(text, target.form))
        exact = column.counts is not None and not column.counts.overflowed
        reason = target.reason if exact or self.task else f"numbers of type {column.type_name}"
        low, high = float(numbers.low), float(numbers.high)
        return replace(target, reason=reason, low=low, high=high, mean=numbers.mean)
