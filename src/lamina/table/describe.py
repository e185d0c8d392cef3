"""Descriptions of a table's columns, with the same wording in the terminal and in the report."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lamina.support.messages import printable
from lamina.table.messages import format_number
from lamina.table.schema import ColumnSchema, Schema, Target
from lamina.table.types import TYPES, Composite, Constant, Number, Quantity

_MOST_NAMED = 10  # maximum number of classes in a sentence
_MANY = 8
"""Minimum number of numbered columns of one kind, such as pixels, that share a line."""


@dataclass(frozen=True)
class ColumnRow:
    """The description of a column, as a row of a table of all columns."""

    name: str
    kind: str
    missing: str
    values: str
    treatment: str
    used: bool

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """The texts of the row's cells, from left to right."""
        return self.name, self.kind, self.missing, self.values, self.treatment


_CONSTRAINTS = {1: "; predictions never fall with it", -1: "; predictions never rise with it"}


def column_rows(schema: Schema, monotone: Mapping[str, int] | None = None) -> list[ColumnRow]:
    """The description of each column; columns like pixel_0, pixel_1, … share a description.

    Numbered columns share a description if they have the same kind.

    Args:
        schema: the table's columns.
        monotone: by column name, 1 if predictions never fall as the column rises, -1 if they never rise.
    """
    rows: list[ColumnRow] = []
    constrained = monotone or {}
    for group in column_groups(schema.columns, constrained):
        first = group[0]
        row = _row(next((column for column in group if column.used), first), schema.rows)
        since = [_shown(one.type.since) for one in schema.intervals if one.type.until == first.name]
        treatment = row.treatment + (f"; the days since {' and '.join(since)}" if since else "")
        row = replace(row, treatment=treatment + _CONSTRAINTS.get(constrained.get(first.name, 0), ""))
        if len(group) > 1:
            missing = sum(column.missing for column in group)
            name = f"{_shown(first.name)} … {_shown(group[-1].name)} ({len(group)} columns)"
            row = replace(row, name=name, missing=f"{missing:,}" if missing else "–", values=_range_of(group))
        rows.append(row)
    return rows


def column_groups(
    columns: Sequence[ColumnSchema], monotone: Mapping[str, int] | None = None
) -> list[list[ColumnSchema]]:
    """The columns, in groups that share a row of the description."""
    constrained = monotone or {}
    groups: list[list[ColumnSchema]] = []
    for (stem, _), alike in itertools.groupby(
        columns, lambda column: (_stem(column), constrained.get(column.name, 0))
    ):
        run = list(alike)
        groups += [run] if stem and len(run) >= _MANY else [[column] for column in run]
    return groups


def _stem(column: ColumnSchema) -> tuple[str, str] | None:
    """The name without its number, and the type's tag, which are equal for columns in a shared row.

    The result is None if the column needs a separate row.
    """
    match = re.fullmatch(r"(.*?)\d+", column.name)
    if not match or column.low is None:
        return None
    return match.group(1), column.type.of_values.tag


def _range_of(group: Sequence[ColumnSchema]) -> str:
    lows = [column.low for column in group if column.low is not None]
    highs = [column.high for column in group if column.high is not None]
    constant = sum(isinstance(column.type, Constant) for column in group)
    note = f", {constant} constant" if constant else ""
    stem = _stem(group[0])
    kind = TYPES[stem[1]] if stem else None
    return f"{kind.range_said(min(lows), max(highs))}{note}" if isinstance(kind, Quantity) else ""


def _row(column: ColumnSchema, rows: int) -> ColumnRow:
    share = 100 * column.missing / max(rows, 1)
    missing = f"{column.missing:,} ({share:.0f} %)" if share >= 1 else f"{column.missing:,}"
    kind = f"{column.kind} ({column.reason})" if column.reason else column.kind
    missing = missing if column.missing else "–"
    treatment = column.type.treatment(column)
    return ColumnRow(_shown(column.name), kind, missing, _values(column), treatment, column.used)


def _values(column: ColumnSchema) -> str:
    if isinstance(column.type, Composite):
        return _shown(column.type.values_said(column)) or _values(column.parts[0])
    if column.low is not None and column.high is not None:
        if isinstance(column.type, Quantity):
            return column.type.range_said(column.low, column.high)
        return column.type.of_values.show(column.low, format_number)
    if column.categories:
        ordered = sorted(zip(column.counts, column.categories, strict=True), key=lambda pair: -pair[0])
        names = (_shown(name) for _, name in ordered[:3])
        shown = ", ".join(name if len(name) <= 20 else name[:19] + "…" for name in names)
        more = len(ordered) - 3
        return f"{shown} + {more:,} more" if more > 0 else shown
    return ""


def _shown(name: str) -> str:
    """A name or value from the data as a single line without control characters."""
    return printable(name, keep="")


def describe_rows(parts: Mapping[str, int]) -> str:
    """The number of rows of each part of a table, as text.

    >>> describe_rows({"training": 1200, "test": 300})
    '1,200 training, 300 test'
    """
    return ", ".join(f"{count:,} {name}" for name, count in parts.items())


def describe_target(target: Target) -> str:
    """A description of the target: the task, the target's name, and the range or the classes.

    >>> describe_target(Target("income", "classification", "text values", ("no", "yes"), (3, 1)))
    "classification of 'income' into 2 classes: no (75.0 %), yes (25.0 %)"
    """
    if target.task == "regression":
        known = ""
        if target.low is not None and target.high is not None:
            known = f": {Number().range_said(target.low, target.high)}"
        mean = "" if target.mean is None else f", mean {format_number(target.mean)}"
        return f"regression of {target.name!r}{known}{mean}"
    return f"classification of {target.name!r} into {len(target.classes):,} classes: {_classes_named(target)}"


def _classes_named(target: Target) -> str:
    """The names of the classes with their shares of the rows, if known.

    Of many classes, only the most frequent are named.
    """
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
