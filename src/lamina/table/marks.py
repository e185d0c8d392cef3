"""Groups and times of rows, and detection of the columns that contain them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import DataError
from lamina.support.lazily import pl
from lamina.table.columns import Column, as_column, value_name
from lamina.table.dates import is_date
from lamina.table.kinds import judged
from lamina.table.messages import format_number, is_on_command_line, row, shown, warn
from lamina.table.ngram_targets import FOLDS
from lamina.table.types import Composite, Quantity
from lamina.table.types.unused import may_count_rows
from lamina.table.values import number_in

if TYPE_CHECKING:
    from lamina.table.schema import ColumnSchema, Schema


def as_mark(what: str, column: str) -> str:
    """The option that names the group or time column, spelled as in Python or on the command line.

    >>> from lamina.table.messages import on_command_line
    >>> as_mark("groups", "customer")
    'groups'
    >>> with on_command_line():
    ...     as_mark("groups", "customer"), as_mark("time", "sold at")
    ('--group customer', "--time 'sold at'")
    """
    option = {"groups": "--group", "time": "--time"}[what]
    return f"{option} {shlex.quote(column)}" if is_on_command_line() else what


def as_gap(gap: float) -> str:
    """The option for the gap in time between parts, spelled as in Python or on the command line.

    >>> as_gap(7.0)
    'time_gap=7'
    """
    return f"--time-gap {gap:g}" if is_on_command_line() else f"time_gap={gap:g}"


def group_codes(column: Column) -> np.ndarray:
    """The group number of each row, int32, in the order of the groups' names.

    Values with equal names are the same group.

    Raises:
        DataError: a row has no group.

    >>> from lamina.table.columns import as_column
    >>> group_codes(as_column(["b", "a", "b"])).tolist()
    [1, 0, 1]
    """
    return groups_named(column)[0]


def groups_named(column: Column) -> tuple[np.ndarray, list[str]]:
    """The group number of each row (see `group_codes`), and the groups' names in order."""
    _require_all(column, "groups", "give each such row a separate group, or leave them out")
    names: dict[str, int] = {}
    found = column.mapped(lambda value: names.setdefault(value_name(value), len(names)), np.int32)
    # Sorted, since libraries return distinct values in different orders.
    ordered = sorted(names)
    order = np.empty(len(names), np.int32)
    order[[names[name] for name in ordered]] = np.arange(len(names))
    return order[found], ordered


def times_of(column: Column, known: ColumnSchema[Any] | None = None) -> np.ndarray:
    """The time of each row as a number, float64: dates as days, other times as seconds.

    Args:
        column: the times.
        known: the column's schema; None: the schema is inferred.

    Raises:
        DataError: a row's time is missing, infinite, or neither a number nor a date.

    >>> from lamina.table.columns import as_column
    >>> times_of(as_column(["1970-01-03", "1970-01-01"])).tolist()
    [2.0, 0.0]
    """
    _require_all(column, "time", "fill them in, or leave such rows out")
    if column.storage in ("number", "boolean"):
        times = column.numbers().astype(np.float64)
    elif column.storage in ("date", "time", "duration"):
        times = column.temporal()
    else:
        known = known if known is not None and known.used else judged(column, None, named=True)
        times = numbers_of(known, column)
        if times is None:
            index, value = _first_odd(column) or (0, None)
            raise DataError(
                f"{as_mark('time', column.name)}: the values, such as {shown(value_name(value))} in {row(index)}, are "
                "not all numbers or all dates, so rows cannot be sorted by them; write numbers, or dates such as "
                "2011-10-02"
            )
    if not np.isfinite(times).all():
        bad = int(np.argmin(np.isfinite(times)))
        raise DataError(f"{as_mark('time', column.name)}: {times[bad]} in {row(bad)} is invalid; correct it")
    return times


def _first_odd(column: Column) -> tuple[int, object] | None:
    """The first row, and its value, of another kind than most values of a column of numbers or dates."""
    counts = [(value_name(value), rows) for value, rows in column.value_counts()]
    kinds = (lambda text: number_in(text) is not None), is_date
    holds = max(kinds, key=lambda kind: sum(rows for text, rows in counts if kind(text)))
    odd = column.first_where(lambda value: not holds(value_name(value)))
    return odd or column.first_where(lambda _: True)


def folds_of(rows: int, groups: Column | None, time: Column | None) -> np.ndarray:
    """The fold of each row, int64 (rows,).

    Folds are random, but all rows of a group have the same fold. With times, folds are consecutive periods.

    >>> np.bincount(folds_of(10, None, None)).tolist()
    [2, 2, 2, 2, 2]
    """
    if time is not None:
        ranks = np.empty(rows, np.int64)
        ranks[np.argsort(times_of(time), kind="stable")] = np.arange(rows)
        return ranks * FOLDS // max(rows, 1)
    units = np.arange(rows) if groups is None else group_codes(groups)
    return (np.random.default_rng(0).permutation(int(units.max(initial=0)) + 1) % FOLDS)[units]


def numbers_of(known: ColumnSchema, column: Column) -> np.ndarray | None:
    """A column's values as numbers, float64, with dates as days; None for categories and texts."""
    kind = known.type.of_values
    first = known.parts[0] if known.parts else known
    if isinstance(kind, Quantity):
        numbers = kind.fitted(known.name, column)
    elif isinstance(kind, Composite) and isinstance(first.type, Quantity) and first.name == known.name:
        numbers = kind.split(known, column)[0]  # not one of a text's several numbers
    else:
        return None
    return numbers.numbers().astype(np.float64)


def _require_all(column: Column, what: str, remedy: str) -> None:
    missing = column.missing()
    if missing:
        raise DataError(
            f"{as_mark(what, column.name)} is missing in {format_number(missing)} of {format_number(len(column))} "
            f"rows, first in {row(column.first_missing())}; {remedy}"
        )


# --- tables whose rows seem to belong together

_FEWEST_ROWS = 100
_FEWEST_TIMES, _FEWEST_BLOCKS, _MANY_BLOCKS = 5, 10, 20
_YEARS = (1800, 2100)
_MORE_RUNS = 1.5
"""Minimum number of runs per value of a column that is an attribute of groups, since it alternates between groups."""


def warn_if_sequential(schema: Schema, frame: pl.DataFrame) -> None:
    """Warn if rows look like a sequence or like groups, which a random split ignores.

    Args:
        schema: the table's schema.
        frame: the table's rows, in order.
    """
    if len(frame) < _FEWEST_ROWS:
        return
    if (name := sorted_by(schema, frame)) is not None:
        warn(
            f"rows are sorted by {name!r} but split at random, so that held-out rows are no later than training "
            f"rows; {as_mark('time', name)} holds out the last rows"
        )
    elif (name := in_blocks_of(schema, frame)) is not None:
        warn(
            f"rows with the same {name!r} are adjacent, but split at random into training rows and held-out rows; "
            f"{as_mark('groups', name)} keeps rows with the same value together"
        )


def sorted_by(schema: Schema, frame: pl.DataFrame) -> str | None:
    """The name of the column of dates or years that orders the rows; None if there is none.

    Years are integers.
    """
    for column in schema.columns:
        values = None if column.missing else _dates_or_years(column, frame)
        if values is None:
            continue
        steps = np.diff(values)
        if np.count_nonzero(steps) + 1 >= _FEWEST_TIMES and ((steps >= 0).all() or (steps <= 0).all()):
            return column.name
    return None


def _dates_or_years(column: ColumnSchema, frame: pl.DataFrame) -> np.ndarray | None:
    first = column.parts[0] if column.parts else column
    kind, values = first.type, as_column(frame[column.name], column.name)
    if isinstance(kind, Quantity) and kind.storage == "date":
        return numbers_of(column, values)
    if not values.whole or first.low is None or first.high is None:
        return None
    return values.numbers() if _YEARS[0] <= first.low and first.high <= _YEARS[1] else None


def in_blocks_of(schema: Schema, frame: pl.DataFrame) -> str | None:
    """The name of a column that looks like group ids in blocks, or None.

    In a block, all rows have the same id. Sorted numbers alone are not enough, since a table may be sorted by a
    measured column. So there must be another sign: a name typical of ids, another column that numbers the rows of each
    block, or an attribute of the groups, i.e. a column that is constant in each block and alternates between blocks.
    """
    for column in schema.columns:
        if column.missing or not _may_be_ids(frame[column.name]):
            continue
        ids = frame[column.name]
        blocks = ids.rle_id().to_numpy()
        count = int(blocks[-1]) + 1
        if count < _FEWEST_BLOCKS or count > len(ids) // 2 or ids.n_unique() != count:
            continue
        steps = np.diff(ids.to_numpy()) if ids.dtype.is_integer() else np.zeros(0)
        is_sorted = bool(len(steps)) and ((steps >= 0).all() or (steps <= 0).all())
        is_plain = count >= _MANY_BLOCKS and (not is_sorted or may_count_rows(column.name))
        others = (frame[other.name] for other in schema.columns if other.name != column.name)
        if is_plain or any(_belongs(other, blocks) for other in others):
            return column.name
    return None


def _may_be_ids(values: pl.Series) -> bool:
    return values.dtype.is_integer() or values.dtype.base_type().__name__ in ("String", "Categorical", "Enum")


def _belongs(values: pl.Series, blocks: np.ndarray) -> bool:
    """Whether a column is an attribute of the blocks, or numbers the rows in each block."""
    runs, changes = values.rle_id().to_numpy(), int(blocks[-1])
    within = (np.diff(runs) > 0) & (np.diff(blocks) == 0)
    different = values.n_unique()
    if different < 2:
        return False
    if not within.any():
        return different <= changes and runs[-1] + 1 >= max(3, _MORE_RUNS * different)
    if not _may_be_ids(values) or different > 1.5 * np.bincount(blocks).max():
        return False
    codes = values.rank("dense").to_numpy().astype(np.int64)
    return len(np.unique(blocks.astype(np.int64) * (different + 1) + codes)) == len(codes)
