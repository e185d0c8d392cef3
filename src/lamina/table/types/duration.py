"""Durations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lamina.table.columns import Storage
from lamina.table.types.quantity import Quantity

__all__ = ["Duration"]


@dataclass(frozen=True)
class Duration(Quantity):
    """Durations in seconds; as texts, and in JSON, they are numbers."""

    tag: ClassVar[str] = "duration"
    storage: ClassVar[Storage | None] = "duration"
    unit: ClassVar[str] = "seconds"
    remark: ClassVar[str] = "durations in seconds"
