"""Durations."""

from __future__ import annotations

from lamina.table.types.quantity import Quantity
from lamina.table.written_numbers import Form, number_in_form

_SECONDS = Form(measure="s")


class Duration(Quantity):
    """Durations in seconds: plain numbers in JSON; texts may have units or days and a clock, as pandas writes them.

    >>> [Duration().read(text) for text in ("90", "4 days 15:01:15", "2 h 5 min", "soon")]
    [90.0, 399675.0, 7500.0, None]
    """

    tag = "duration"
    storage = "duration"
    unit = "seconds"
    remark = "durations in seconds"

    def read(self, text: str) -> float | None:
        return None if text.count(":") == 1 else number_in_form(text, _SECONDS)  # 9:30: hours or minutes?
