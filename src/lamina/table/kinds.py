"""Finds out what each column of a training table is: `infer` makes the `Schema` that encoding starts from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from lamina.errors import DataError
from lamina.table._tables import Table, as_table, by_column, dense
from lamina.table._values import MISSING_TOKENS, date_in, is_date, is_time, mean_of, number_in, time_in
from lamina.table.columns import Column, as_column, value_name
from lamina.table.messages import as_kind, closest, counted, is_on_command_line, listed, row, warn
from lamina.table.schema import ROW_NUMBERS, TEMPORAL, ColumnSchema, Schema, Target, Task
from lamina.table.target import infer_target, target_column

__all__ = [
    "CHOICES", "TOO_MANY", "Choice", "infer", "infinite_error", "judged", "kind_of_no_column", "may_count_rows",
    "name_of", "schema_of",
]  # fmt: skip

Choice = Literal["numeric", "categorical", "drop"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
"""What a user may say of a column."""

UNIQUE = 0.95
"""Text of which more than this share of rows is distinct tells rows apart instead of describing them."""

FEW_ROWS = 20
"""In a table of fewer rows, text that never repeats may do so by chance, and stays."""

MOSTLY = 0.9
"""Text of which at least this share is numbers was probably meant as numbers, or as codes."""


BEYOND_FLOATS = "alike in float64"
"""The note on a column whose whole numbers become one number there."""

_NAMES_ROWS = re.compile(
    r"(?i:(.*[\W_])?id|index|row|row[\W_]?(names?|number|id)|unnamed(: |_)\d+)|[A-Za-z]*[a-z]I[dD]|"
)
"""Names of columns that may count rows: id, customer_id, PassengerId, index, rownames, Unnamed: 0, none."""

TOO_MANY = "too many values to count"
"""The note on a column of text in a table that is streamed, of which that is so; its owner was told."""


def infer(
    data: Any,
    target: Any = None,
    *,
    task: Task | None = None,
    kinds: Mapping[Any, Choice] | None = None,
) -> Schema:
    """Find out what the columns of a training table are.

    Numbers stay numbers, integers with few distinct values too (say `kinds={"rank": "categorical"}` where
    they are names of things). Text and categorical types are categories; text that is mostly numbers with
    very many distinct values counts as numbers. Left out with a warning: constant columns, columns without a
    value, text that differs in (almost) every row, row numbers under names such as id or index. Columns of an array
    without names are all kept and constant ones become zeros, so that positions in the array are positions in the
    network.

    Args:
        data: the training table, see `as_table`.
        target: the name of the column to predict; or its values, if they are not in the table; or None.
        task: "classification" or "regression", where the inferred one is wrong.
        kinds: by column name (or position), what the column is: "numeric", "categorical" or "drop".

    Raises:
        DataError: no rows, 1 row, no usable column, an infinite number, dates in other forms than ISO 8601's,
            numbers with text among them,
            a type that no network can use; a target that is absent, missing somewhere, constant or of one
            class. The message names the column, the first such row, and what to do.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"age": [39, 50, 38], "sex": ["M", "F", None], "y": [0.5, 1.0, 2.5]})
        >>> schema = infer(frame, "y")
        >>> [(column.name, column.kind, column.missing) for column in schema.columns]
        [('age', 'numeric', 0), ('sex', 'categorical', 1)]
        >>> schema.target.task
        'regression'
    """
    table = as_table(data)
    _require_size(table)
    choices = _named_choices(table, kinds or {})
    found = _infer_target(table, target, task)
    own = target if isinstance(target, str) else None
    if table.matrix is not None and own is None:
        columns = _matrix_columns(table.matrix, table.names, choices)
    else:
        names = [name for name in table.names if name != own]
        columns = [judged(table.column(name), choices.get(name), table.named) for name in names]
    return schema_of(columns, table.rows, named=table.named, target=found)


def schema_of(columns: list[ColumnSchema], rows: int, *, named: bool, target: Target | None) -> Schema:
    """The schema of a table whose columns are judged; warns of what is left out.

    Raises:
        DataError: all is.
    """
    _report_left_out(columns)
    if not any(column.used for column in columns):
        raise DataError(
            f"none of the {len(columns)} columns can be learned from: "
            + "; ".join(f"{column.name!r} is {column.kind}" for column in columns[:10])
        )
    return Schema(tuple(columns), rows, named, target)


def _require_size(table: Table) -> None:
    if not table.names:
        raise DataError(
            f"Found 0 feature(s) (shape=({table.rows}, 0)) while a minimum of 1 is required: "
            "the table has no columns"
        )
    if table.rows < 2:
        rows = "no rows (0 samples)" if table.rows == 0 else "only 1 row (1 sample)"
        raise DataError(f"the table has {rows}; training needs at least 2")


def name_of(key: Any, names: Sequence[str]) -> str:
    """The column that a key of a dict by column means: a position among the names, or a name itself.

    >>> name_of(1, ["a", "b"]), name_of("a", ["a", "b"]), name_of(2024, ["2024"])
    ('b', 'a', '2024')
    """
    is_position = isinstance(key, int | np.integer) and not isinstance(key, bool) and 0 <= key < len(names)
    return names[int(key)] if is_position else str(key)


def kind_of_no_column(name: str, choice: str, names: Sequence[str]) -> DataError:
    """That a kind is chosen for a column that a table of these columns does not have.

    >>> raise kind_of_no_column("zipp", "drop", ["zip"])
    Traceback (most recent call last):
    lamina.errors.DataError: kinds names a column 'zipp' that the table does not have. Did you mean 'zip'?
    """
    said = as_kind(name, choice) if is_on_command_line() else "kinds"
    return DataError(f"{said} names a column {name!r} that the table does not have.{closest(name, names)}")


def _named_choices(table: Table, kinds: Mapping[Any, Choice]) -> dict[str, Choice]:
    choices: dict[str, Choice] = {}
    for key, choice in kinds.items():
        name = name_of(key, table.names)
        if name not in table:
            raise kind_of_no_column(name, choice, table.names)
        if choice not in CHOICES:
            raise DataError(f"kinds[{name!r}] is 'numeric', 'categorical' or 'drop', not {choice!r}")
        choices[name] = choice
    return choices


def _infer_target(table: Table, target: Any, task: Task | None) -> Target | None:
    if target is None:
        return None
    column = target_column(table, target) if isinstance(target, str) else as_column(target)
    if len(column) != table.rows:
        raise DataError(f"the target has {len(column)} values, the table {table.rows} rows")
    return infer_target(column, task)


def _report_left_out(columns: list[ColumnSchema]) -> None:
    reasons = {
        "constant": "with the same value in every row",
        "missing": "without any value",
        "id": "of text that differs in (almost) every row, as ids and names do",
        "text": "of sentences, which a network on tables cannot read (turn them into numbers first)",
    }
    alike = [column.name for column in columns if column.note == BEYOND_FLOATS]
    if alike:
        warn(
            f"left out {counted(len(alike), 'column')} of whole numbers that differ by less than float64, in which a "
            f"network computes, can tell: {listed(alike)}; {as_kind(alike[0], 'categorical')} would keep it"
        )
    numbered = [column.name for column in columns if column.note == ROW_NUMBERS]
    if numbered:
        warn(
            f"left out {counted(len(numbered), 'column')} that only counts the rows: {listed(numbered)} "
            f"({as_kind(numbered[0], 'numeric')} would keep it)"
        )
    for kind, reason in reasons.items():
        names = [
            column.name
            for column in columns
            if column.kind == kind and column.note not in (BEYOND_FLOATS, TOO_MANY, ROW_NUMBERS)
        ]
        if names:
            keep = f" ({as_kind(names[0], 'categorical')} would keep it)" if kind == "id" else ""
            warn(f"left out {counted(len(names), 'column')} {reason}: {listed(names)}{keep}")


def judged(column: Column, choice: Choice | None, named: bool) -> ColumnSchema:
    """What one column is; `choice`: as the user says."""
    if choice == "drop":
        return ColumnSchema(column.name, "dropped", column.type_name, note="left out by choice")
    missing = column.missing()
    if column.storage == "empty" or missing == len(column):
        return ColumnSchema(column.name, "missing" if named else "numeric", column.type_name, len(column))
    if column.storage == "other":
        raise DataError(
            f"column {column.name!r} has type {column.type_name}, which no network can use; turn it into "
            f"numbers or categories, or leave it out with {as_kind(column.name, 'drop')}"
        )
    if choice == "categorical":
        return _categorical(column, missing, named, "chosen")
    if column.storage in TEMPORAL:
        return _numeric(column, column.temporal(), named, TEMPORAL[column.storage])
    if column.storage == "number" and choice is None and _counts_rows(column):
        return ColumnSchema(column.name, "id", column.type_name, note=ROW_NUMBERS)
    if column.storage == "number" or (column.storage == "boolean" and choice == "numeric"):
        return _numeric(column, column.numbers(), named)
    if column.storage == "boolean":
        return _categorical(column, missing, named)
    return _judge_text(column, choice, missing, named)


def may_count_rows(name: str) -> bool:
    """Whether a name is one that columns of row numbers have.

    >>> [may_count_rows(name) for name in ("id", "customer_ID", "PassengerId", "Unnamed: 0", "paid", "Covid", "rows")]
    [True, True, True, True, False, False, False]
    """
    return _NAMES_ROWS.fullmatch(name.strip()) is not None


def _counts_rows(column: Column) -> bool:
    """Whether a column says where rows stand in the table, by its name and by all its values."""
    return len(column) >= FEW_ROWS and may_count_rows(column.name) and column.counts_rows()


def _date_error(column: Column, where: tuple[int, object]) -> DataError:
    index, value = where
    return DataError(
        f"column {column.name!r} holds dates that are not read, such as {value_name(value)!r} in {row(index)}; write "
        "them as in ISO 8601 (2011-10-02 or 2011-10-02 13:45), or put what matters in them into columns of numbers, "
        "such as the year, the month, the weekday or the days since a date (pandas: "
        f"frame[{column.name!r}].dt, polars: pl.col({column.name!r}).dt), or leave it out with "
        f"{as_kind(column.name, 'drop')}; if they are no dates, use {as_kind(column.name, 'categorical')}"
    )


def _odd_error(column: Column, what: str, where: tuple[int, object]) -> DataError:
    index, value = where
    return DataError(
        f"column {column.name!r} holds {what}, but {value_name(value)!r} in {row(index)}; correct it or make it "
        f"missing, or use {as_kind(column.name, 'categorical')}"
    )


def infinite_error(name: str, value: object, place: str) -> DataError:
    """The error of a column with an infinite number."""
    return DataError(
        f"column {name!r} has an infinite value, {value}, in {place}; correct it or make it missing (NaN)"
    )


def _numeric(column: Column, values: np.ndarray, named: bool, note: str = "") -> ColumnSchema:
    """Numbers: their range, missing ones NaN."""
    present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if not len(present):
        return ColumnSchema(column.name, "missing" if named else "numeric", column.type_name, len(values))
    low, high = float(present.min()), float(present.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.argmax(np.isinf(values)))
        raise infinite_error(column.name, values[bad], row(bad))
    missing = len(values) - len(present)
    kind = "constant" if low == high and not missing and named else "numeric"
    if kind == "constant" and present.min() != present.max():
        note = BEYOND_FLOATS
    mean = mean_of(present) if named else None
    return ColumnSchema(
        column.name, kind, column.type_name, missing, low=low, high=high, mean=mean, note=note
    )


def _categorical(column: Column, missing: int, named: bool, note: str = "") -> ColumnSchema:
    """Categories, sorted by name so that their order does not depend on the rows'."""
    counts: dict[str, int] = {}
    for value, count in column.value_counts():
        name = value_name(value)
        counts[name] = counts.get(name, 0) + count
    names = tuple(sorted(counts))
    kind = "boolean" if column.storage == "boolean" else "categorical"
    if len(names) == 1 and not missing and named:
        kind = "constant"
    rows = tuple(counts[name] for name in names)
    return ColumnSchema(column.name, kind, column.type_name, missing, names, rows, note=note)


def _judge_text(column: Column, choice: Choice | None, missing: int, named: bool) -> ColumnSchema:
    """Text, or Python objects of several types: categories, numbers, dates, times, ids or sentences."""
    if column.categorical and choice is None:
        return _categorical(column, missing, named)
    present = len(column) - missing
    unique = present >= FEW_ROWS and column.distinct() > UNIQUE * present
    if unique and choice is None:
        sample = column.head(1000).value_counts()
        if not any(_share(holds, sample) >= MOSTLY for holds in _MEANT.values()):
            words = sum(len(value_name(value).split()) for value, _ in sample) / len(sample)
            return ColumnSchema(column.name, "text" if words >= 4 else "id", column.type_name, missing)
    counts = column.value_counts()
    names: Counter[str] = Counter()
    for value, count in counts:
        names[value_name(value).strip().lower()] += count
    if choice is None and set(names) == {"false", "true"}:  # as programs write booleans into text files
        rows = (names["false"], names["true"])
        return ColumnSchema(column.name, "boolean", column.type_name, missing, ("false", "true"), rows)
    if (found := _judge_written(column, counts, choice, named)) is not None:
        return found
    if choice == "numeric" or (choice is None and _looks_measured(_is_number, counts)):
        return _numbers_in_text(column, choice, named)
    if choice is None:
        _warn_of_mixture(column, counts)
    return _categorical(column, missing, named)


def _is_number(text: str) -> bool:
    return number_in(text) is not None


_MEANT: dict[str, Callable[[str], bool]] = {
    "numbers": _is_number,
    "times of day": is_time,
    "dates": is_date,
}
"""What almost all texts of a column may be, and which texts are that."""


def _judge_written(
    column: Column, counts: list[tuple[object, int]], choice: Choice | None, named: bool
) -> ColumnSchema | None:
    """Texts that are times of day or dates, or almost all of which are; None of others."""
    for what, parse, note in (
        ("times of day", time_in, TEMPORAL["time"]),
        ("dates", date_in, TEMPORAL["date"]),
    ):
        holds = _MEANT[what]
        share = _share(holds, counts)
        if share < MOSTLY:
            continue
        values, unread = column.parsed(parse)
        if unread is None:
            return _numeric(column, values, named, note)
        if share == 1 or (choice == "numeric" and holds(value_name(unread[1]))):
            raise _date_error(column, unread)
        if choice == "numeric" or _looks_measured(holds, counts):
            raise _odd_error(column, what, unread)
    return None


def _share(holds: Callable[[str], bool], counts: list[tuple[object, int]]) -> float:
    """The share of rows with such a text among those that have one; 0 where none has."""
    present = [
        (text, count) for value, count in counts if (text := value_name(value)).strip() not in MISSING_TOKENS
    ]
    rows = sum(count for _, count in present)
    return sum(count for text, count in present if holds(text)) / rows if rows else 0.0


def _looks_measured(holds: Callable[[str], bool], counts: list[tuple[object, int]]) -> bool:
    """Whether texts are numbers (dates, times) that were measured, not a few codes: almost all are such, very many."""
    rows = sum(count for value, count in counts if value_name(value).strip() not in MISSING_TOKENS)
    different = sum(holds(value_name(value)) for value, _ in counts)
    return different > max(20, 0.05 * rows) and _share(holds, counts) >= MOSTLY


def _numbers_in_text(column: Column, choice: Choice | None, named: bool) -> ColumnSchema:
    numbers, wrong = column.parsed(number_in)
    if wrong is not None:
        raise _odd_error(column, "numbers", wrong)
    if choice is None:
        warn(
            f"column {column.name!r} holds numbers as text; it is used as numbers "
            f"({as_kind(column.name, 'categorical')} would make categories of it)"
        )
    return _numeric(column, numbers, named, "numbers as text")


def _warn_of_mixture(column: Column, counts: list[tuple[object, int]]) -> None:
    """Warn where categories are of several types, or numbers, dates or times and words: a typing slip, perhaps."""
    types: Counter[str] = Counter()
    for value, count in counts:
        types[type(value).__name__] += count
    meant, share = max(
        ((what, _share(holds, counts)) for what, holds in _MEANT.items()), key=lambda pair: pair[1]
    )
    if len(types) > 1:
        common = types.most_common(1)[0][0]
        odd = column.first_where(lambda value: type(value).__name__ != common)
        what = f"mixes types: mostly {common}, but"
    elif (1 - MOSTLY if meant == "numbers" else MOSTLY) <= share < 1:
        odd = column.first_where(
            lambda value: (
                value_name(value).strip() not in MISSING_TOKENS and not _MEANT[meant](value_name(value))
            )
        )
        what = f"holds {meant} in {100 * share:.0f} % of its rows, but"
    else:
        return
    assert odd is not None
    index, value = odd
    shown = f"{value!r} ({type(value).__name__})" if len(types) > 1 else repr(value)
    warn(f"column {column.name!r} {what} {shown} in {row(index)}; all its values are used as categories")


def _matrix_columns(matrix: Any, names: tuple[str, ...], choices: dict[str, Choice]) -> list[ColumnSchema]:
    """The columns of an array of numbers, whose ranges are found for all columns at once."""
    # NaN or infinite where the column has such a value.
    matrix = by_column(matrix)
    low, high = (dense(extreme).ravel() for extreme in (matrix.min(axis=0), matrix.max(axis=0)))
    type_name = str(matrix.dtype)
    columns: list[ColumnSchema] = []
    for i, name in enumerate(names):
        if name not in choices and np.isfinite(low[i]) and np.isfinite(high[i]):
            columns.append(ColumnSchema(name, "numeric", type_name, low=float(low[i]), high=float(high[i])))
            continue
        values = dense(matrix[:, [i]]).ravel()
        column = as_column(values, name)
        if name in choices:
            columns.append(judged(column, choices[name], named=False))
        else:
            columns.append(_numeric(column, values, named=False))
    return columns
