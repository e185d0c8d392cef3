"""The type of plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina.table.columns import Column
from lamina.table.messages import as_kind, warn
from lamina.table.types.base import MOSTLY, Candidate, ColumnSchema, ColumnType
from lamina.table.types.quantity import Quantity
from lamina.table.values import number_in


@dataclass(frozen=True)
class Number(Quantity):
    """Numbers of any type, truth values that the user declares numeric, and texts that are numbers.

    Attributes:
        dtype: NumPy's name of the column's type in the training table; empty for types that NumPy lacks (decimals).
        whole: whether `dtype` is an integer type.
        written: whether the numbers were texts in the training table.
    """

    dtype: str = ""
    whole: bool = False
    written: bool = False
    tag = "number"
    plural = "numbers"
    mixed_from = 1 - MOSTLY

    def range_said(self, low: float, high: float) -> str:
        return super().range_said(low, high) + (" (numbers as text)" if self.written else "")

    def recognize(self, candidate: Candidate) -> ColumnSchema | None:
        column, choice = candidate.column, candidate.choice
        if column.storage == "number" or (column.storage == "boolean" and choice == "numeric"):
            return self.learned(column, column.numbers(), candidate.named)
        is_meant = choice == "numeric" or (choice is None and candidate.looks_measured(self.looks_like))
        if not candidate.is_text or not is_meant:
            return None
        numbers, wrong = column.parsed(number_in)
        if wrong:
            if choice == "numeric":
                raise self.odd_error(column, wrong)
            return None
        if choice is None:
            warn(
                f"column {column.name!r} holds numbers as text; it is used as numbers "
                f"({as_kind(column.name, 'categorical')} would make them categories)"
            )
        return replace(self, written=True).learned(column, numbers, candidate.named)

    def learned(self, column: Column, values: np.ndarray, named: bool) -> ColumnSchema:
        known = replace(self, dtype=column.dtype, whole=column.whole)
        return super(Number, known).learned(column, values, named)

    def is_whole(self, column: Any) -> bool:
        return self.whole

    def example(self, column: ColumnSchema) -> Any:
        return round(self.middle(column)) if self.whole else super().example(column)


@dataclass(frozen=True)
class Coordinate(Number):
    """A number that encodes a value together with other numbers, such as the sine of a weekday.

    Coordinates have no embedding.
    """

    tag = "coordinate"
    plural = ""
    embedded = False

    recognize = ColumnType.recognize  # only parts of columns have this type
