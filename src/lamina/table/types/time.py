"""Times of day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from lamina.table._values import time_in
from lamina.table.columns import Storage
from lamina.table.types.quantity import Quantity

__all__ = ["TimeOfDay"]


@dataclass(frozen=True)
class TimeOfDay(Quantity):
    """Times of day as seconds since midnight.

    >>> TimeOfDay().show(49510.5, str), TimeOfDay().parse("00:01"), TimeOfDay().parse("60"), TimeOfDay().parse("noon")
    ('13:45:10', 60.0, 60.0, None)
    """

    tag: ClassVar[str] = "time"
    reader: ClassVar[str] = "time"
    storage: ClassVar[Storage | None] = "time"
    plural: ClassVar[str] = "times of day"
    wanted: ClassVar[str] = "a time of day"
    example_texts: ClassVar[str] = "13:45"
    unit: ClassVar[str] = "seconds since midnight"
    remark: ClassVar[str] = "times of day in seconds"
    limits: ClassVar[tuple[float, float]] = (0.0, 86_400.0)

    def read(self, text: str) -> float | None:
        return time_in(text)

    def show(self, value: float, number: Callable[[float], str]) -> str:
        minutes, seconds = divmod(int(value), 60)  # without fractions of a second
        return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
