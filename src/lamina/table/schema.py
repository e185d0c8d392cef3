"""What is known of a table's columns once training data has been looked at: `Schema`, which JSON can hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast, get_args

from lamina.errors import DataError
from lamina.table.messages import closest

__all__ = ["ROW_NUMBERS", "TASKS", "TEMPORAL", "UNITS", "ColumnSchema", "Kind", "Schema", "Target", "Task"]

Kind = Literal["numeric", "boolean", "categorical", "constant", "missing", "id", "text", "dropped"]
"""The first three are what a network can learn from; columns of the other kinds are left out.

`constant` has one value, `missing` none, `id` is text that differs in (almost) every row or the rows' numbers, `text`
is such text with sentences, `dropped` was left out by the user.
"""

Task = Literal["classification", "regression"]
TASKS: tuple[Task, ...] = get_args(Task)

FORMAT_VERSION = 1

TEMPORAL = {
    "time": "times of day in seconds",
    "duration": "durations in seconds",
    "date": "dates in days",
}
"""By what a numeric column holds in the table, its note."""

ROW_NUMBERS = "row numbers"
"""The note on a column that is left out as it only counts the rows."""

UNITS = {
    TEMPORAL["time"]: "seconds since midnight",
    TEMPORAL["duration"]: "seconds",
    TEMPORAL["date"]: "days since 1970-01-01",
}
"""By a column's note, what its numbers count."""

T = TypeVar("T")


@dataclass(frozen=True)
class ColumnSchema:
    """One column of the training table.

    Attributes:
        name: the column's name.
        kind: what it is for the network.
        type_name: the type it had in the training table, for people ("Int64", "String", …).
        missing: the number of rows without a value.
        categories: of a categorical or boolean column, the names of its values (see `value_name`), sorted.
        counts: the number of rows of each category.
        low, high: of a numeric column, its extremes.
        mean: of a numeric column in a table with names, its mean.
        note: why it has this kind, where that is not plain; else empty.
    """

    name: str
    kind: Kind
    type_name: str = ""
    missing: int = 0
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    note: str = ""

    @property
    def used(self) -> bool:
        """Whether the network sees this column."""
        return self.kind in ("numeric", "boolean", "categorical")


@dataclass(frozen=True)
class Target:
    """The column to predict.

    Attributes:
        name: its name.
        task: "classification" or "regression".
        reason: why this task, and how to choose the other.
        classes: of a classification, the classes in order: numbers by size, texts by alphabet.
        counts: the number of rows of each class.
        low, high, mean: of a regression, the target's extremes and mean.
    """

    name: str
    task: Task
    reason: str = ""
    classes: tuple[str | int | float | bool, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None
    mean: float | None = None


@dataclass(frozen=True)
class Schema:
    """The columns of a training table, without the target, and the target.

    Attributes:
        columns: every column, in the table's order; the left-out ones too, with the reason in their kind.
        rows: the number of rows that were looked at.
        named: whether the table had names of its own; if not, columns are matched by position.
        target: the column to predict, if it was part of the table or given.

    >>> schema = Schema((ColumnSchema("age", "numeric"), ColumnSchema("row", "id")), rows=9, named=True)
    >>> [column.name for column in schema.used]
    ['age']
    >>> Schema.from_dict(schema.to_dict()) == schema
    True
    """

    columns: tuple[ColumnSchema, ...]
    rows: int
    named: bool
    target: Target | None = None

    @property
    def used(self) -> tuple[ColumnSchema, ...]:
        """The columns that the network sees."""
        return tuple(column for column in self.columns if column.used)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that must stay text when a file is read for prediction, even if they look like numbers there."""
        texts = ("String", "Categorical", "Enum")
        return tuple(
            column.name for column in self.used if column.kind == "categorical" and column.type_name in texts
        )

    def __getitem__(self, name: str) -> ColumnSchema:
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        raise KeyError(f"the table has no column {name!r}.{closest(name, names)}")

    def to_dict(self) -> dict[str, Any]:
        """A dictionary that `json.dumps` takes as it is."""
        return {"version": FORMAT_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Schema:
        """The schema that `to_dict` wrote, also after a round trip through JSON.

        Raises:
            DataError: written by a newer version, or not a schema.
        """
        if content.get("version") != FORMAT_VERSION:
            raise DataError(
                f"a table's schema of version {content.get('version')!r}; this lamina reads {FORMAT_VERSION}"
            )
        try:
            columns = tuple(_from_dict(ColumnSchema, column) for column in content["columns"])
            target = content["target"] and _from_dict(Target, content["target"])
            return cls(columns, int(content["rows"]), bool(content["named"]), target)
        except (KeyError, TypeError) as error:
            raise DataError(f"not a table's schema: {error}") from error


def _from_dict(kind: type[T], content: Mapping[str, Any]) -> T:
    lists = {key: tuple(value) for key, value in content.items() if isinstance(value, (list, tuple))}
    return cast(Any, kind)(**{**content, **lists})
