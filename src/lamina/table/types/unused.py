"""Columns that a network cannot learn from, or that the user leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lamina.table.messages import as_kind, counted, listed
from lamina.table.types.base import Choice, ColumnSchema, ColumnType

__all__ = ["Dropped", "Missing", "Sentences", "Unused"]


@dataclass(frozen=True)
class Unused(ColumnType):
    """A type whose columns are left out.

    Attributes:
        left_out: the reason, in a table of columns.
        adjective: what such columns are, in a warning; empty: there is none.
        kept_as: what a user would say to keep one; None: that would be no use.
    """

    used: ClassVar[bool] = False
    left_out: ClassVar[str]
    adjective: ClassVar[str] = ""
    kept_as: ClassVar[Choice | None] = None

    def warning(self, names: Sequence[str]) -> str:
        """What users are told of columns of this type."""
        keep = f" ({as_kind(names[0], self.kept_as)} would keep it)" if self.kept_as else ""
        return f"left out {counted(len(names), 'column')} {self.adjective}: {listed(names)}{keep}"

    def treatment(self, column: ColumnSchema) -> str:
        return self.left_out


@dataclass(frozen=True)
class Missing(Unused):
    """No row has a value."""

    tag: ClassVar[str] = "missing"
    kind: ClassVar[str] = "missing"
    left_out: ClassVar[str] = "left out: no values"
    adjective: ClassVar[str] = "without any value"


@dataclass(frozen=True)
class Sentences(Unused):
    """Text that differs in almost every row, of several words."""

    tag: ClassVar[str] = "sentences"
    kind: ClassVar[str] = "text"
    left_out: ClassVar[str] = "left out: sentences"
    adjective: ClassVar[str] = (
        "of sentences, which a network on tables cannot read (turn them into numbers first)"
    )


@dataclass(frozen=True)
class Dropped(Unused):
    """The user said so."""

    tag: ClassVar[str] = "dropped"
    kind: ClassVar[str] = "dropped"
    left_out: ClassVar[str] = "left out, as told"
