"""Columns stored in two parts: a list of distinct values, and for each row the index of its value in the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.table.columns import Column, NumberType, OfCell, Once, is_missing, storage_of_values


def distinct_values(column: Column) -> tuple[list[Any], np.ndarray]:
    """A column's distinct values, and the index of each row's value in this list (int32).

    Missing values are None.

    >>> from lamina.table.columns import as_column
    >>> distinct_values(as_column(["b", "a", None, "b"]))
    (['b', 'a', None], array([0, 1, 2, 0], dtype=int32))
    """
    if (coded := column.coded()) is not None:
        return coded[0], coded[1].astype(np.int32)
    values: list[Any] = []

    def position(value: object) -> float:
        values.append(None if is_missing(value) else value)
        return len(values) - 1

    return values, column.mapped(position, np.int32)


class DistinctColumn(Column):
    """A column of Python objects, stored as a list of values and each row's index into the list.

    Args:
        name: the column's name.
        values: the list of values, None for missing; a value may occur twice, or in no row.
        positions: the index in `values` of each row's value.
    """

    is_typed = False

    def __init__(self, name: str, values: Sequence[Any], positions: np.ndarray) -> None:
        self.name, self.type_name = name, "object"
        self._values, self._positions = values, positions
        self._counts: list[int] = np.bincount(positions, minlength=len(values)).tolist()
        of_each_type: dict[type, Any] = {}
        for value, count in self._pairs():
            if count and type(value) not in of_each_type and not is_missing(value):
                of_each_type[type(value)] = value
        self.storage = storage_of_values([*of_each_type.values()])

    def _pairs(self) -> zip[tuple[Any, int]]:
        return zip(self._values, self._counts, strict=True)

    def __len__(self) -> int:
        return len(self._positions)

    def head(self, rows: int) -> Column:
        return DistinctColumn(self.name, self._values, self._positions[:rows])

    def missing(self) -> int:
        return sum(count for value, count in self._pairs() if is_missing(value))

    def value_counts(self) -> list[tuple[object, int]]:
        found = Counter[tuple[type, object]]()
        for value, count in self._pairs():
            if count and not is_missing(value):
                found[type(value), value] += count
        return [(value, count) for (_, value), count in found.items()]

    def numbers(self) -> np.ndarray:
        if {*map(type, self._values)} <= {float, type(None)}:
            return np.array(self._values, np.float64)[self._positions]
        return self.mapped(lambda value: np.nan if is_missing(value) else float(value), np.float64)  # pyright: ignore[reportArgumentType]

    def mapped(self, function: OfCell, dtype: NumberType) -> np.ndarray:
        results = Once[tuple[type, object], float](lambda key: function(key[1]))
        each = [results[type(value), value] if count else 0 for value, count in self._pairs()]
        return np.array(each, dtype)[self._positions]
