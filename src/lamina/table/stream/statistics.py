"""Statistics of a table, collected in one pass; statistics of parts can be merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lamina.errors import DataError
from lamina.support.lazily import pl
from lamina.table.columns import Column, as_column
from lamina.table.kinds import judged, kind_of_no_column, schema_of, with_one_sign
from lamina.table.messages import as_kind, listed, rows_numbered
from lamina.table.schema import ColumnSchema, Schema, Target, Task
from lamina.table.stream._summaries import Moments, Order, SummaryColumn, is_temporal
from lamina.table.stream.sample import RowSample, row_bytes
from lamina.table.target import infer_target, infinite_target, no_target_error
from lamina.table.types import Choice, Composite, Number, Quantity, Uncounted
from lamina.table.types.quantity import warn_of_infinite
from lamina.table.types.unused import MOST_VALUES
from lamina.table.written_numbers import Form, number_in_form

_SAMPLE_ROWS = 160_000
_SAMPLE_BYTES = 64 << 20
_FEWEST_SAMPLED = 4096
_IN_RUNS = 0.1
"""Minimum correlation of neighbouring rows' targets (0: random order, 1: equal) of a table that counts as ordered."""


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

    def __init__(
        self,
        types: Mapping[str, pl.DataType],
        target: str | None = None,
        *,
        task: Task | None = None,
        kinds: Mapping[str, Choice] | None = None,
        dates: str | None = None,
        named: bool = True,
        seed: int = 0,
        first: int = 0,
    ) -> None:
        self.types, self.target, self.named = dict(types), target, named
        self.task: Task | None = task
        self.kinds: dict[str, Choice] = dict(kinds or {})
        self.dates = dates
        self._require_columns()
        self.rows = 0
        self._next = first
        most = min(_SAMPLE_ROWS, max(_SAMPLE_BYTES // max(row_bytes(self.types), 1), _FEWEST_SAMPLED))
        self.sample = RowSample(most, seed)
        self._columns = {
            name: SummaryColumn(name, kind, self._counts(name, kind), self._is_named(name))
            for name, kind in types.items()
        }
        self._order = Order()
        self._form: Form | None = None  # of the target's texts

    def _require_columns(self) -> None:
        names = [*self.types]
        if self.target is not None and self.target not in self.types:
            raise no_target_error(self.target, names)
        for name, kind in self.kinds.items():
            if name not in self.types:
                raise kind_of_no_column(name, kind, names)

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

    def schema(self) -> Schema:
        """The schema that `infer` would find for the whole table.

        A text column with more than 65,536 distinct values, which are too many to count, is ignored with a warning.
        Columns of dates, or of times of day, are not ignored.

        Raises:
            DataError: the table is invalid, as in `infer`.
        """
        if self.rows < 2:
            rows = "no rows" if self.rows == 0 else "only 1 row"
            raise DataError(f"the table has {rows}; training needs at least 2")
        target, *columns = with_one_sign(
            lambda name: self._target() if name == self.target else self._judged(str(name)),
            dict.fromkeys([self.target, *self.types]),
        )
        self._form = target and target.form
        return schema_of(columns, self.rows, named=self.named, target=target)

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

    def _judged(self, name: str) -> ColumnSchema:
        column, choice = self._columns[name], self.kinds.get(name)
        if choice == "text":
            return self._of_sample(judged(self._sampled(name), choice, self.named))
        if column.counts is not None and column.counts.overflowed and choice != "drop":
            if choice != "categorical" and (written := column.written()) is not None:
                kind, seen = written
                learned = kind.learned(column, seen.extremes(bool(seen.count < self.rows)), self.named)
                return self._exact(learned, seen)
            if (composite := self._composite(name)) is not None:
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
            composite = self._composite(name)  # for all rows, only the extremes are known
            if composite is not None:
                return self._with_range(composite) if column.storage == "date" else composite
        found = judged(column, choice, self.named, self.dates)
        if isinstance(found.type, Composite):
            learned = self._of_sample(found.type.learn(self._sampled(name), self.named))
            return replace(learned, reason=found.reason)
        kind = found.type.of_values
        if not isinstance(kind, Quantity) or found.low is None:
            return found
        return self._exact(found, column.number_moments(kind.read))

    def _composite(self, name: str) -> ColumnSchema | None:
        """The schema of a column that is composite in the sample, or has formatted numbers; otherwise None."""
        try:
            with rows_numbered(self.sample.rows()[1]):
                found = judged(self._sampled(name), self.kinds.get(name), self.named, self.dates)
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
