"""The `Schema` of a training table: the types and statistics of its columns, convertible to JSON."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from itertools import count
from typing import Any

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.support.files.typed_json import strict
from lamina.support.messages import excerpt
from lamina.table import Task
from lamina.table.messages import closest
from lamina.table.types import Calendar, ColumnSchema, Interval, Nominal, Quantity
from lamina.table.types.base import RowForm
from lamina.table.written_numbers import Form


def free_name(name: str, taken: Container[str]) -> str:
    """The name, or the name with as many primes as it takes to differ from the names that are taken.

    >>> free_name("day", ["day", "day'"]), free_name("day", [])
    ("day''", 'day')
    """
    return next(found for found in (name + "'" * i for i in count()) if found not in taken)


FORMAT_VERSION = 3
"""Version of the JSON form; 1 had a kind and a note per column instead of a type, and 2 had no intervals."""


@dataclass(frozen=True)
class Target:
    """The schema of the column to predict.

    Attributes:
        name: the column's name.
        task: "classification" or "regression".
        reason: the reason for this task, and how to choose the other task.
        classes: for classification, the classes in order: numbers by size, texts alphabetically.
        counts: the number of rows of each class.
        low, high, mean: for regression, the target's minimum, maximum and mean.
        form: for regression, the format of numbers in texts; None for plain digits.
    """

    name: str
    task: Task
    reason: str = ""
    classes: tuple[str | int | float | bool, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    form: Form | None = None

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Target:
        """The target from its JSON form."""
        form: Any = msgspec.convert(content.get("form"), strict(Form) | None)
        known: dict[str, Any] = {**content, "form": form and Form(**msgspec.structs.asdict(form))}
        known |= {name: tuple(known[name]) for name in ("classes", "counts") if name in known}
        return cls(**known)


@dataclass(frozen=True)
class Schema:
    """The schema of a training table: the columns other than the target, and the target.

    Attributes:
        columns: every column, in table order; the type of an ignored column gives the reason.
        rows: the number of rows examined.
        named: whether the table had column names; if not, columns are matched by position.
        target: the column to predict, in the table or separate; None without a target.
        intervals: the days between columns of dates, as additional inputs.

    >>> from lamina.table.types import Identifier, Number
    >>> schema = Schema((ColumnSchema("age", Number()), ColumnSchema("row", Identifier())), rows=9, named=True)
    >>> [column.name for column in schema.used]
    ['age']
    >>> Schema.from_dict(schema.to_dict()) == schema
    True
    """

    columns: tuple[ColumnSchema[Any], ...]
    rows: int
    named: bool
    target: Target | None = None
    intervals: tuple[ColumnSchema[Interval], ...] = ()

    @cached_property
    def used(self) -> tuple[ColumnSchema[Any], ...]:
        """The columns that the network uses."""
        return tuple(column for column in self.columns if column.used)

    @cached_property
    def positions(self) -> dict[str, int]:
        """The positions in the table of the columns that the network uses, by the columns' names."""
        return {column.name: i for i, column in enumerate(self.columns) if column.used}

    @cached_property
    def is_matrix(self) -> bool:
        """Whether all columns are plain numbers.

        If so, a numeric array needs no conversion.
        """
        return self.columns == self.quantities and len(self.plain) == len(self.columns)

    @cached_property
    def inputs(self) -> tuple[ColumnSchema[Any], ...]:
        """The encoder's input columns, in table order, followed by intervals.

        They are the columns that the network uses; a composite column is replaced by its parts.
        """
        parts = (part for column in self.used for part in column.parts or (column,))
        return *(part for part in parts if part.used), *self.intervals

    @cached_property
    def plain(self) -> dict[int, str]:
        """The names of the columns for which every number is valid, by position in `inputs`."""
        own = {*map(id, self.columns)}  # and not parts of columns
        return {
            i: one.name
            for i, one in enumerate(self.inputs)
            if isinstance(one.type, Quantity) and one.type.takes_any_number and id(one) in own
        }

    @cached_property
    def quantities(self) -> tuple[ColumnSchema[Quantity], ...]:
        """The numeric inputs of the network; inputs with an embedding come first."""
        found = (column for column in self.inputs if isinstance(column.type, Quantity))
        return tuple(sorted(found, key=lambda column: not column.type.embedded))

    @cached_property
    def embedded(self) -> tuple[ColumnSchema[Quantity], ...]:
        """The numeric inputs that have an embedding, which are the first `quantities`."""
        return tuple(column for column in self.quantities if column.type.embedded)

    @cached_property
    def nominals(self) -> tuple[ColumnSchema[Nominal], ...]:
        """The categorical inputs of the network, which are passed as codes."""
        return tuple(column for column in self.inputs if isinstance(column.type, Nominal))

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """The names of the `inputs`."""
        return tuple(column.name for column in self.inputs)

    @cached_property
    def row_form(self) -> RowForm:
        """How rows are exchanged with people and programs; the type of the columns decides, if all have the same."""
        kinds = [column.type for column in self.columns]
        alike = bool(kinds) and kinds.count(kinds[0]) == len(kinds)
        return (kinds[0].row_form if alike else RowForm)(self)

    @cached_property
    def owners(self) -> dict[str, str]:
        """The name of the table column to which each input belongs, by the input's name.

        An interval belongs to its column `until`.
        """
        pairs = ((part.name, column.name) for column in self.used for part in column.parts or (column,))
        return {**dict(pairs), **{one.name: one.type.until for one in self.intervals}}

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays learned by composite columns, with names such as ``"column3.idf"``."""
        return {
            f"column{i}.{name}": array
            for i, column in enumerate(self.columns)
            for name, array in column.arrays.items()
        }

    def with_arrays(self, arrays: Mapping[str, np.ndarray]) -> Schema:
        """The schema with these arrays, which the `arrays` of an equal schema returned.

        Names of other arrays are ignored.
        """
        own: dict[int, dict[str, np.ndarray]] = {}
        for name, array in arrays.items():
            owner, _, rest = name.partition(".")
            if rest and owner.startswith("column"):
                own.setdefault(int(owner.removeprefix("column")), {})[rest] = array
        if not own:
            return self
        columns = tuple(replace(column, arrays=own.get(i, {})) for i, column in enumerate(self.columns))
        return replace(self, columns=columns)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that must stay text when a file is read for prediction.

        Their values may look like numbers in this file. The target is included if its numbers are formatted texts.
        """
        own = (self.target.name,) if self.target and self.target.form else ()
        return (*(column.name for column in self.columns if column.type.reads_text), *own)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __getitem__(self, name: str) -> ColumnSchema[Any]:
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        raise KeyError(f"the table has no column {name!r}.{closest(name, names)}")

    def to_dict(self) -> dict[str, Any]:
        """The schema as a dictionary for `json.dumps`, without the `arrays`."""
        columns = [column.to_dict() for column in self.columns]
        target = self.target and asdict(self.target)
        found = {"columns": columns, "rows": self.rows, "named": self.named, "target": target}
        if not self.intervals:
            return {"version": 2, **found}
        return {"version": FORMAT_VERSION, **found, "intervals": [one.to_dict() for one in self.intervals]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Schema:
        """The schema from the result of `to_dict` in any version, also after a round trip through JSON.

        Raises:
            DataError: `content` was written by a newer version, or is not a schema.
        """
        if content.get("version") not in (1, 2, FORMAT_VERSION):
            raise DataError(
                f"the table's schema has version {content.get('version')!r}, but this lamina reads 1 to "
                f"{FORMAT_VERSION}; update lamina if the version is newer"
            )
        try:
            columns = tuple(map(ColumnSchema.from_dict, content["columns"]))
            target = content["target"] and Target.from_dict(content["target"])
            intervals = tuple(map(ColumnSchema.from_dict, content.get("intervals", ())))
            dates = {column.name for column in columns if isinstance(column.type, Calendar)}
            for one in intervals:
                if not isinstance(one.type, Interval) or not {one.type.since, one.type.until} <= dates:
                    raise ValueError("an interval names a column that is not a column of dates")
            return cls(columns, int(content["rows"]), bool(content["named"]), target, intervals)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"not a table's schema: {excerpt(error)}") from error
