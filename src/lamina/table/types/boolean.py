"""Truth values: yes and no."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from lamina.table.categories import numbers_in
from lamina.table.columns import Column, value_name
from lamina.table.distinct import DistinctColumn
from lamina.table.types.base import Candidate, ColumnSchema
from lamina.table.types.nominal import Nominal
from lamina.table.types.quantity import missing_said

_TRUTH = {"true": 1.0, "t": 1.0, "yes": 1.0, "1": 1.0, "false": 0.0, "f": 0.0, "no": 0.0, "0": 0.0}
"""Lower-case texts for true (1) and false (0)."""


class Boolean(Nominal):
    """Truth values, and the texts "true" and "false"; the categories are "false" and "true"."""

    tag = "boolean"
    kind = "boolean"
    choice = None
    json_types: ClassVar[set[type]] = {bool, type(None)}
    wanted = "true or false"

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        if candidate.column.storage == "boolean" and candidate.choice != "numeric":
            return self.learn(candidate.column, candidate.named)
        if candidate.choice is not None or not candidate.is_text:
            return None
        # Spellings of truth values, as other programs write them; the first rows reveal most other columns.
        both = {"false", "true"}
        is_truth = self._names(candidate.first.counts) <= both and self._names(candidate.counts) == both
        return self.learn(candidate.column, candidate.named) if is_truth else None

    def _names(self, counts: Sequence[tuple[object, int]]) -> set[str]:
        return {self.name_of(value) for value, _ in counts}

    def name_of(self, value: object) -> str:
        return value_name(value).strip().lower()

    def value_of(self, name: str) -> Any:
        return name == "true"

    def fitted(self, name: str, column: Column) -> Column:
        if column.storage in ("boolean", "empty"):
            return column
        parsed = partial(column.parsed, lambda text: _TRUTH.get(text.strip().lower()))
        values = numbers_in(name, column, parsed, self.wanted)
        return DistinctColumn(name, ["false", "true", None], np.nan_to_num(values, nan=2.0).astype(np.intp))

    def spellings(self, categories: Sequence[str]) -> dict[str, int]:
        found = super().spellings(categories)
        for text, truth in _TRUTH.items():
            code = found.get("true" if truth else "false", 0)
            found |= dict.fromkeys((text, text.capitalize(), text.upper()), code)
        return found

    def json_schema(self, column: ColumnSchema) -> dict[str, Any]:
        return {"type": ["boolean", "null"], "description": missing_said(column)}
