"""Durations."""

from __future__ import annotations

from lamina.table.types.quantity import Quantity


class Duration(Quantity):
    """Durations in seconds; as texts, and in JSON, they are numbers."""

    tag = "duration"
    storage = "duration"
    unit = "seconds"
    remark = "durations in seconds"
