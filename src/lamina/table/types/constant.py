"""Columns with one value in every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lamina.table.types.base import TYPES, Choice, ColumnType
from lamina.table.types.unused import Unused

__all__ = ["Alike", "Constant"]


@dataclass(frozen=True)
class Constant(Unused):
    """The same value in every row.

    Attributes:
        of: the tag of the type that the value has.
    """

    of: str = "number"
    tag: ClassVar[str] = "constant"
    kind: ClassVar[str] = "constant"
    left_out: ClassVar[str] = "left out: one value only"
    adjective: ClassVar[str] = "with the same value in every row"

    @property
    def of_values(self) -> ColumnType:
        return TYPES.get(self.of, self)


@dataclass(frozen=True)
class Alike(Constant):
    """Whole numbers that become one number in float64."""

    tag: ClassVar[str] = "alike"
    adjective: ClassVar[str] = (
        "of whole numbers that differ by less than float64, in which a network computes, can tell"
    )
    kept_as: ClassVar[Choice | None] = "categorical"
