"""Detection of the steps of a loop in a program that doesn't mark its steps.

The functions find the length of a step, and the beginnings of steps, in a long sequence of events.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina.compiler.deferral._entries import Applied


def period_of(events: Sequence[Any]) -> int | None:
    """The period of a long sequence, in events; None if the sequence does not repeat."""
    marks = [(event.primitive, str(getattr(event, "params", ""))) for event in reversed(events)]
    for period in range(1, len(marks) // 3):
        if all(marks[i] == marks[i + period] for i in range(2 * period)):
            return period
    return None


def until_boundary(events: Sequence[Any], period: int) -> int:
    """The number of events until the best boundary between sequences of `period` events.

    The best boundary is where the least data crosses: such data must be stored, and is not fused with its readers.
    Between two steps of a loop, only parameters and counters cross.
    """
    first = len(events) - 2 * period
    made = {event.output: i for i, event in enumerate(events) if isinstance(event, Applied)}
    last_use: dict[int, int] = {}
    for i, event in enumerate(events):
        for where in event.reads:
            last_use[where] = i
    handed_on = [0] * period
    for where, i in made.items():
        elements = math.prod(events[i].shape)
        for boundary in range(max(i + 1, first), min(last_use.get(where, i) + 1, first + period)):
            handed_on[boundary - first] += elements
    return handed_on.index(min(handed_on))
