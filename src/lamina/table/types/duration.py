"""Durations."""

from __future__ import annotations

from lamina.table.types.quantity import Quantity


class Duration(Quantity):
    """Durations in seconds, which are plain numbers in texts and JSON."""

    tag = "duration"
    storage = "duration"
    unit = "seconds"
    remark = "durations in seconds"
