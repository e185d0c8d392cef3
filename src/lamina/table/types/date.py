"""Dates as numbers of days, without phases in cycles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.table.dates import DateForm, day_in
from lamina.table.types.base import ColumnSchema
from lamina.table.types.quantity import Quantity


class Date(Quantity):
    """Dates of the years 1 to 9999 as days since 1970-01-01, in UTC.

    The first part of a `Calendar` column has this type. In models of earlier versions, table columns have it, too;
    their dates are in ISO 8601 or have month names.

    >>> Date().show(15249.5, str), Date().parse("1970-01-02"), Date().parse("20111002")
    ('2011-10-02 12:00', 1.0, None)
    """

    tag = "date"
    reader = "date"
    storage = "date"
    wanted = "a date such as 2011-10-02 or 2011-10-02 13:45"
    example_texts = "2011-10-02 or 2011-10-02 13:45"
    unit = "days since 1970-01-01"
    remark = "dates in days"
    # Numbers such as 20111002, and milliseconds since 1970, are out of range.
    limits = (-719_162.0, 2_932_897.0)

    def read(self, text: str) -> float | None:
        return day_in(text)

    def page_data(self) -> dict[str, Any]:
        return DateForm().page_data() | {"such": self.example_texts.rpartition(" or ")[2]}

    def show(self, value: float, number: Callable[[float], str]) -> str:
        seconds = round(value * 86400)
        unit = "s" if seconds % 60 else "m" if seconds % 86400 else "D"
        return str(np.datetime64(seconds, "s").astype(f"M8[{unit}]")).replace("T", " ")

    def is_whole(self, column: Any) -> bool:
        low, high = column.low, column.high
        return low is not None and high is not None and low.is_integer() and high.is_integer()

    def middle(self, column: ColumnSchema) -> float:
        return round(super().middle(column))
