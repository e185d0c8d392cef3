"""Columns that a network cannot learn from, or that the user leaves out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lamina.table.messages import as_kind, counted, listed
from lamina.table.types.base import FEW_ROWS, TYPES, Candidate, Choice, ColumnSchema, ColumnType

_NAMES_ROWS = re.compile(
    r"(?i:(.*[\W_])?id|#|(s|sr|lfd)?[. ]*n[or]\.?|index|row|row[\W_]?(names?|number|id)|unnamed(: |_)\d+)"
    r"|[A-Za-z]*[a-z]I[dD]|"
)
"""Names of columns that may count rows: id, customer_id, PassengerId, S.No., #, index, rownames, Unnamed: 0 or ""."""

MOST_VALUES = 1 << 16
"""Maximum number of distinct values counted per column of a streamed table; each takes some 300 bytes."""


def may_count_rows(name: str) -> bool:
    """Whether a name is typical for a column of row numbers.

    >>> [may_count_rows(name) for name in ("id", "customer_ID", "PassengerId", "Unnamed: 0", "paid", "Covid", "rows")]
    [True, True, True, True, False, False, False]
    """
    return _NAMES_ROWS.fullmatch(name.strip()) is not None


@dataclass(frozen=True)
class Unused(ColumnType):
    """A type of columns that are left out.

    Attributes:
        left_out: the reason for leaving the column out, shown in tables of columns.
        adjective: the adjective for columns of this type in a warning; empty: no warning.
        kept_as: the kind to choose for keeping the column; None if there is none.
    """

    used: ClassVar[bool] = False
    left_out: ClassVar[str]
    adjective: ClassVar[str] = ""
    kept_as: ClassVar[Choice | None] = None

    def warning(self, names: Sequence[str]) -> str:
        """The warning about columns of this type."""
        kept = "it" if len(names) == 1 else "the first"
        keep = f" ({as_kind(names[0], self.kept_as)} would keep {kept})" if self.kept_as else ""
        return f"left out {counted(len(names), 'column')} {self.adjective}: {listed(names)}{keep}"

    def treatment(self, column: ColumnSchema) -> str:
        return self.left_out


class Missing(Unused):
    """Columns without values."""

    tag = "missing"
    kind = "missing"
    left_out = "left out: no values"
    adjective = "without any value"


class Sentences(Unused):
    """Columns of text of several words that differs in almost every row.

    Only models of earlier versions have this type.
    """

    tag = "sentences"
    kind = "text"
    left_out = "left out: sentences"


class Unreadable(Unused):
    """Columns of objects or bytes that can't be converted to numbers, texts or times."""

    tag = "unreadable"
    kind = "objects"
    left_out = "left out: neither numbers nor texts"
    adjective = "of objects or bytes that can't be converted to numbers, texts or times"


class Dropped(Unused):
    """Columns that the user leaves out."""

    tag = "dropped"
    kind = "dropped"
    left_out = "left out, as requested"


@dataclass(frozen=True)
class Constant(Unused):
    """Columns with the same value in every row.

    Attributes:
        of: the tag of the value's type.
    """

    of: str = "number"
    tag = "constant"
    kind = "constant"
    left_out = "left out: one value only"
    adjective = "with the same value in every row"

    @property
    def of_values(self) -> ColumnType:
        return TYPES.get(self.of, self)


class Alike(Constant):
    """Columns of different integers that become equal in float64."""

    tag = "alike"
    adjective = "of whole numbers that become equal in float64, the number format for encoding"
    kept_as = "categorical"


class Identifier(Unused):
    """Columns of text that differs in (almost) every row, and does not consist of words."""

    tag = "identifier"
    kind = "id"
    left_out = "left out: text that differs in every row"
    adjective = "of text that differs in (almost) every row, like ids"
    kept_as = "categorical"

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        is_told_apart = candidate.choice is None and candidate.is_text and candidate.differs
        return self.schema_of(candidate.column) if is_told_apart and not candidate.looks_meant else None


class RowNumbers(Unused):
    """Columns of row numbers from 0 or 1, with a typical name such as "id" or "index"."""

    tag = "row numbers"
    kind = "id"
    left_out = "left out: row numbers"
    adjective = "of row numbers"
    kept_as = "numeric"

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        column = candidate.column
        is_plain = candidate.choice is None and column.storage == "number" and len(column) >= FEW_ROWS
        counts = is_plain and may_count_rows(column.name) and column.counts_rows()
        return ColumnSchema(column.name, self, column.type_name) if counts else None


class Uncounted(Unused):
    """Columns of text with more distinct values than a streamed table can count."""

    tag = "uncounted"
    kind = "id"
    left_out = "left out: text that differs in every row"
    adjective = (
        f"of text with more than {MOST_VALUES:,} different values, "
        "which are too many to be counted in a streamed table"
    )
