"""Times of day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lamina.table.types.quantity import Quantity
from lamina.table.values import time_in


@dataclass(frozen=True)
class TimeOfDay(Quantity):
    """Times of day as seconds since midnight.

    Attributes:
        gaps: whether training had texts that are no times of day, which counted as missing.

    >>> TimeOfDay().show(49510.5, str), TimeOfDay().parse("00:01"), TimeOfDay().parse("60"), TimeOfDay().parse("noon")
    ('13:45:10', 60.0, 60.0, None)
    """

    gaps: bool = False  # pyright: ignore[reportIncompatibleVariableOverride]
    tag = "time"
    reader = "time"
    storage = "time"
    plural = "times of day"
    wanted = "a time of day"
    example_texts = "13:45"
    unit = "seconds since midnight"
    remark = "times of day in seconds"
    limits = (0.0, 86_400.0)

    def read(self, text: str) -> float | None:
        return time_in(text)

    def with_gaps(self) -> TimeOfDay:
        return replace(self, gaps=True)

    def show(self, value: float, number: Callable[[float], str]) -> str:
        minutes, seconds = divmod(int(value), 60)  # fractions of a second are dropped
        return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
