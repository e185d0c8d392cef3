"""Dates, with or without a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.table.columns import Column, value_name
from lamina.table.messages import as_kind, row
from lamina.table.types.base import ColumnSchema
from lamina.table.types.quantity import Quantity
from lamina.table.values import date_in, is_date

__all__ = ["Date"]


class Date(Quantity):
    """Dates of the years 1 to 9999 as days since 1970-01-01, in UTC.

    >>> Date().show(15249.5, str), Date().parse("1970-01-02"), Date().parse("20111002")
    ('2011-10-02 12:00', 1.0, None)
    """

    tag = "date"
    reader = "date"
    storage = "date"
    plural = "dates"
    wanted = "a date such as 2011-10-02 or 2011-10-02 13:45"
    example_texts = "2011-10-02 or 2011-10-02 13:45"
    unit = "days since 1970-01-01"
    remark = "dates in days"
    # 20111002 and the milliseconds since 1970 are no days.
    limits = (-719_162.0, 2_932_897.0)

    def read(self, text: str) -> float | None:
        return date_in(text)

    def looks_like(self, text: str) -> bool:
        return is_date(text)

    def show(self, value: float, number: Callable[[float], str]) -> str:
        seconds = round(value * 86400)
        unit = "s" if seconds % 60 else "m" if seconds % 86400 else "D"
        return str(np.datetime64(seconds, "s").astype(f"M8[{unit}]")).replace("T", " ")

    def is_whole(self, column: Any) -> bool:
        low, high = column.low, column.high
        return low is not None and high is not None and low.is_integer() and high.is_integer()

    def middle(self, column: ColumnSchema) -> float:
        return round(super().middle(column))

    def treatment(self, column: ColumnSchema) -> str:
        return f"{super().treatment(column)}; no month or weekday"

    def unread_error(self, column: Column, where: tuple[int, object]) -> DataError:
        index, value = where
        return DataError(
            f"column {column.name!r} holds dates that are not read, such as {value_name(value)!r} in {row(index)}; "
            "write them as in ISO 8601 (2011-10-02 or 2011-10-02 13:45), or put what matters in them into columns of "
            "numbers, such as the year, the month, the weekday or the days since a date (pandas: "
            f"frame[{column.name!r}].dt, polars: pl.col({column.name!r}).dt), or leave it out with "
            f"{as_kind(column.name, 'drop')}; if they are no dates, use {as_kind(column.name, 'categorical')}"
        )
