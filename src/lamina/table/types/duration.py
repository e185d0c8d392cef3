"""Durations."""

from __future__ import annotations

from lamina.table.types.quantity import Quantity


class Duration(Quantity):
    """Durations in seconds; numbers in texts and in JSON."""

    tag = "duration"
    storage = "duration"
    unit = "seconds"
    remark = "durations in seconds"
