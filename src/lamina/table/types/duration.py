"""Durations."""

from __future__ import annotations

from lamina.table.types.quantity import Quantity


class Duration(Quantity):
    """Durations in seconds; texts and JSON hold them as plain numbers."""

    tag = "duration"
    storage = "duration"
    unit = "seconds"
    remark = "durations in seconds"
