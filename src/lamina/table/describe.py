"""What people are told of a table's columns: the same words in the terminal and in the report."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamina.messages import printable
from lamina.table.schema import ROW_NUMBERS, TEMPORAL, ColumnSchema, Schema, Target

__all__ = [
    "ColumnRow",
    "column_rows",
    "describe_rows",
    "describe_target",
    "format_clock",
    "format_date",
    "format_number",
    "format_of",
]

_MAX_ONE_HOT = 8
_MOST_NAMED = 10  # classes in a sentence
_MANY = 8
"""Columns of pixels and the like, of one kind and numbered, are one line from this number on."""


@dataclass(frozen=True)
class ColumnRow:
    """One line about a column: texts for people."""

    name: str
    kind: str
    missing: str
    values: str
    treatment: str
    used: bool

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The texts, in order."""
        return self.name, self.kind, self.missing, self.values, self.treatment


_CONSTRAINTS = {1: "; predictions never fall with it", -1: "; predictions never rise with it"}


def column_rows(schema: Schema, monotone: Mapping[str, int] | None = None) -> list[ColumnRow]:
    """A line for each column, or for a run of numbered columns (pixel_0, pixel_1, …) of one kind.

    Args:
        schema: the table's columns.
        monotone: by column, 1 where predictions never fall with it, -1 where they never rise.
    """
    rows: list[ColumnRow] = []
    constrained = monotone or {}
    for group in _groups(schema.columns, constrained):
        first, last = group[0], group[-1]
        row = _row(next((column for column in group if column.used), first), schema.rows)
        row = replace(row, treatment=row.treatment + _CONSTRAINTS.get(constrained.get(first.name, 0), ""))
        if len(group) > 1:
            missing = sum(column.missing for column in group)
            row = replace(
                row,
                name=f"{_shown(first.name)} … {_shown(last.name)} ({len(group)} columns)",
                missing=f"{missing:,}" if missing else "–",
                values=_range_of(group),
            )
        rows.append(row)
    return rows


def _groups(columns: Sequence[ColumnSchema], monotone: Mapping[str, int]) -> list[list[ColumnSchema]]:
    groups: list[list[ColumnSchema]] = []
    for (stem, _), alike in itertools.groupby(
        columns, lambda column: (_stem(column), monotone.get(column.name, 0))
    ):
        run = list(alike)
        groups += [run] if stem and len(run) >= _MANY else [[column] for column in run]
    return groups


def _stem(column: ColumnSchema) -> tuple[str, str] | None:
    """The name without its number, for columns that may be told of together."""
    match = re.fullmatch(r"(.*?)\d+", column.name)
    together = column.kind in ("numeric", "constant") and column.low is not None
    measure = column.note if column.note in TEMPORAL.values() else "number"
    return (match.group(1), measure) if match and together else None


def _range_of(group: Sequence[ColumnSchema]) -> str:
    lows = [column.low for column in group if column.low is not None]
    highs = [column.high for column in group if column.high is not None]
    constant = sum(column.kind == "constant" for column in group)
    note = f", {constant} constant" if constant else ""
    return f"{_between(min(lows), max(highs), group[0].note)}{note}" if lows else ""


def _between(low: float, high: float, note: str) -> str:
    """The range of a column with this note, in the words of what it holds."""
    shown = format_of(note)
    text = f"{shown(low)} … {shown(high)}"
    return f"{text} ({note})" if note in TEMPORAL.values() else text


def _row(column: ColumnSchema, rows: int) -> ColumnRow:
    share = 100 * column.missing / max(rows, 1)
    missing = f"{column.missing:,} ({share:.0f} %)" if share >= 1 else f"{column.missing:,}"
    kind = f"{column.kind} (as told)" if column.note == "chosen" else column.kind
    missing = missing if column.missing else "–"
    return ColumnRow(_shown(column.name), kind, missing, _values(column), _treatment(column), column.used)


def _values(column: ColumnSchema) -> str:
    if column.kind == "constant" and column.low is not None:
        return format_of(column.note)(column.low)
    if column.low is not None and column.high is not None:
        text = _between(column.low, column.high, column.note)
        return f"{text} ({column.note})" if column.note == "numbers as text" else text
    if column.categories:
        ordered = sorted(zip(column.counts, column.categories, strict=True), key=lambda pair: -pair[0])
        names = (_shown(name) for _, name in ordered[:3])
        shown = ", ".join(name if len(name) <= 20 else name[:19] + "…" for name in names)
        more = len(ordered) - 3
        return f"{shown} + {more:,} more" if more > 0 else shown
    return ""


def format_clock(seconds: float) -> str:
    """The time of day so many seconds after midnight; fractions of a second are left out.

    >>> format_clock(420), format_clock(49510.5)
    ('00:07', '13:45:10')
    """
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def format_date(days: float) -> str:
    """The date of days since 1970-01-01, with the time of what is not whole days.

    >>> format_date(15249), format_date(15249.5), format_date(15249.500117)
    ('2011-10-02', '2011-10-02 12:00', '2011-10-02 12:00:10')
    """
    seconds = round(days * 86400)
    unit = "s" if seconds % 60 else "m" if seconds % 86400 else "D"
    return str(np.datetime64(seconds, "s").astype(f"M8[{unit}]")).replace("T", " ")


def _treatment(column: ColumnSchema) -> str:
    if not column.used:
        return "left out: row numbers" if column.note == ROW_NUMBERS else _LEFT_OUT[column.kind]
    if column.kind == "numeric":
        plain = "number, scaled" + ("; missing: median and a flag" if column.missing else "")
        return f"{plain}; no month or weekday" if column.note == TEMPORAL["date"] else plain
    count = len(column.categories)
    if count <= 2:
        return "−1 or 1; missing: 0"
    return f"one-hot, {count} columns" if count <= _MAX_ONE_HOT else f"embedding of {count:,} categories"


def _shown(name: str) -> str:
    """A name or a value from data, such that it neither acts on a terminal nor looks like more than one line."""
    return printable(name, keep="")


def describe_rows(parts: Mapping[str, int]) -> str:
    """How many rows each part of a table has.

    >>> describe_rows({"training": 1200, "test": 300})
    '1,200 training, 300 test'
    """
    return ", ".join(f"{count:,} {name}" for name, count in parts.items())


def describe_target(target: Target) -> str:
    """One sentence on what is predicted.

    >>> describe_target(Target("income", "classification", "text values", ("no", "yes"), (3, 1)))
    "classification of 'income' into 2 classes: no (75.0 %), yes (25.0 %)"
    """
    if target.task == "regression":
        known = (
            "" if target.low is None or target.high is None else f": {_between(target.low, target.high, '')}"
        )
        mean = "" if target.mean is None else f", mean {format_number(target.mean)}"
        return f"regression of {target.name!r}{known}{mean}"
    return f"classification of {target.name!r} into {len(target.classes):,} classes: {_classes_named(target)}"


def _classes_named(target: Target) -> str:
    """The classes with their shares of the rows, where these are known; of many, the most frequent."""
    if not target.counts:
        names = [_shown(str(name)) for name in target.classes[:_MOST_NAMED]]
        left = len(target.classes) - len(names)
        return ", ".join(names) + (f" and {left:,} more" if left else "")
    total = sum(target.counts)
    classes = list(zip(target.classes, target.counts, strict=True))
    if len(classes) > _MOST_NAMED:
        classes = sorted(classes, key=lambda pair: -pair[1])[:_MOST_NAMED]
    shares = ", ".join(f"{_shown(str(name))} ({100 * n / total:.1f} %)" for name, n in classes)
    left = len(target.classes) - len(classes)
    return shares + (f" and {left:,} rarer ones" if left else "")


def format_number(value: float) -> str:
    """A number as short as it can be read.

    >>> [format_number(x) for x in (3.0, 0.12345, 1234567.0, -2.5e-7)]
    ['3', '0.1235', '1,234,567', '-2.5e-07']
    """
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def format_of(note: str, others: Callable[[float], str] = format_number) -> Callable[[float], str]:
    """What makes texts of the numbers of a column with this note: times and dates as such, `others` as is said.

    >>> format_of(TEMPORAL["date"])(15249), format_of("")(15249)
    ('2011-10-02', '15,249')
    """
    return {TEMPORAL["time"]: format_clock, TEMPORAL["date"]: format_date}.get(note, others)


_LEFT_OUT = {
    "constant": "left out: one value only",
    "missing": "left out: no values",
    "id": "left out: text that differs in every row",
    "text": "left out: sentences",
    "dropped": "left out, as told",
}
