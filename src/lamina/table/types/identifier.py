"""Columns that tell rows apart: ids, names, the rows' numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from lamina.table.columns import value_name
from lamina.table.types.base import FEW_ROWS, Candidate, Choice, ColumnSchema
from lamina.table.types.unused import Sentences, Unused

__all__ = ["Identifier", "RowNumbers", "Uncounted", "may_count_rows"]

_NAMES_ROWS = re.compile(
    r"(?i:(.*[\W_])?id|index|row|row[\W_]?(names?|number|id)|unnamed(: |_)\d+)|[A-Za-z]*[a-z]I[dD]|"
)
"""Names of columns that may count rows: id, customer_id, PassengerId, index, rownames, Unnamed: 0, none."""

_FEW_WORDS = 4
"""Text of fewer words a row, on average, is names, not sentences."""


def may_count_rows(name: str) -> bool:
    """Whether a name is one that columns of row numbers have.

    >>> [may_count_rows(name) for name in ("id", "customer_ID", "PassengerId", "Unnamed: 0", "paid", "Covid", "rows")]
    [True, True, True, True, False, False, False]
    """
    return _NAMES_ROWS.fullmatch(name.strip()) is not None


@dataclass(frozen=True)
class Identifier(Unused):
    """Text that differs in (almost) every row."""

    tag: ClassVar[str] = "identifier"
    kind: ClassVar[str] = "id"
    left_out: ClassVar[str] = "left out: text that differs in every row"
    adjective: ClassVar[str] = "of text that differs in (almost) every row, as ids and names do"
    kept_as: ClassVar[Choice | None] = "categorical"

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        column = candidate.column
        if candidate.choice is not None or not candidate.is_text or not candidate.is_unique:
            return None
        words = sum(len(value_name(value).split()) for value, _ in candidate.head) / len(candidate.head)
        found = Sentences() if words >= _FEW_WORDS else self
        return ColumnSchema(column.name, found, column.type_name, column.missing())


@dataclass(frozen=True)
class RowNumbers(Unused):
    """The rows' numbers from 0 or 1, under a name that says so."""

    tag: ClassVar[str] = "row numbers"
    kind: ClassVar[str] = "id"
    left_out: ClassVar[str] = "left out: row numbers"
    adjective: ClassVar[str] = "that only counts the rows"
    kept_as: ClassVar[Choice | None] = "numeric"

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        column = candidate.column
        if candidate.choice is not None or column.storage != "number" or len(column) < FEW_ROWS:
            return None
        if not may_count_rows(column.name) or not column.counts_rows():
            return None
        return ColumnSchema(column.name, self, column.type_name)


@dataclass(frozen=True)
class Uncounted(Unused):
    """Text of more different values than are counted in a table that is streamed."""

    tag: ClassVar[str] = "uncounted"
    kind: ClassVar[str] = "id"
    left_out: ClassVar[str] = "left out: text that differs in every row"
    adjective: ClassVar[str] = (
        "of text with more than 65,536 different values, which are too many to be counted in a table that is streamed"
    )
