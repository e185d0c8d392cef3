"""Types of columns whose values are names, which the network receives as codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lamina.table.columns import Column, value_name
from lamina.table.types.base import ColumnSchema, ColumnType, OfJson
from lamina.table.types.quantity import missing_said
from lamina.table.types.unused import Constant

MOST_ONE_HOT = 8
"""Maximum number of one-hot categories; columns with more categories are embedded."""

_MOST_CHOICES = 1000
"""Maximum number of a column's categories in its JSON Schema."""


@dataclass(frozen=True)
class Nominal(OfJson):
    """A type whose values are names, which the network receives as codes.

    Attributes:
        holds: the storage type of the training table's column, if its data type determines it; otherwise "mixed".
    """

    holds: str = "text"

    def fitted(self, name: str, column: Column) -> Column:
        """The column, with values converted to the training table's type.

        Raises:
            DataError: a value is not of this type; the message names the first affected row.
        """
        return column

    def name_of(self, value: object) -> str:
        """The name of the category to which a value belongs."""
        return value_name(value)

    def value_of(self, name: str) -> Any:
        """The value in a table for the category `name`, such as True for "true"."""
        return name

    def spellings(self, categories: Sequence[str]) -> dict[str, int]:
        """The code of each text that can be written for a category."""
        return {name: code for code, name in enumerate(categories, start=1)}

    def numbers_of(self, categories: Sequence[str]) -> tuple[float, ...] | None:
        """The categories as numbers.

        The result is None unless the categories were numbers or booleans in training, and are distinct in float64.
        """
        if self.holds not in ("number", "boolean"):
            return None
        truth = {"false": 0.0, "true": 1.0}
        values = tuple(truth[name] if name in truth else float(name) for name in categories)
        return values if len(set(values)) == len(values) else None

    def learn(self, column: Column, named: bool) -> ColumnSchema:
        """The schema of a training table's column of this type, with sorted categories."""
        counts = Counter[str]()
        for value, count in column.value_counts():
            counts[self.name_of(value)] += count
        names, missing = tuple(sorted(counts)), column.missing()
        found: ColumnType = replace(self, holds=column.storage if column.is_typed else "mixed")
        if len(names) == 1 and not missing and named:
            found = Constant(self.tag)
        rows = tuple(counts[name] for name in names)
        return ColumnSchema(column.name, found, column.type_name, missing, names, rows)

    def treatment(self, column: ColumnSchema) -> str:
        count = len(column.categories)
        if count <= 2:
            return "−1 or 1; missing: 0"
        return f"one-hot, {count} columns" if count <= MOST_ONE_HOT else f"embedding of {count:,} categories"

    def example(self, column: ColumnSchema) -> Any:
        """The most frequent value of the column."""
        pairs = zip(column.counts, column.categories, strict=True)
        return self.value_of(max(pairs)[1] if column.counts else column.categories[0])

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        """The JSON Schema of a column's values."""
        choices = {"enum": list(column.categories[:_MOST_CHOICES]), "description": "Values in training."}
        said = "Other values count as missing, with a note in the answer."
        other = {"type": ["string", "number", "boolean"], "description": said}
        said = f"One of {len(column.categories):,} categories. {missing_said(column)}"
        return {"anyOf": [choices, other, {"type": "null"}], "description": said}
