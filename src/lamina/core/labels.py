"""Warns of labels that are not class numbers. For such labels, losses use the nearest class, as in MXNet."""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter
from typing import Any

import numpy as np

from lamina.core.array import Array
from lamina.core.finite import can_be_read
from lamina.core.state import state
from lamina.errors import LabelWarning
from lamina.support.messages import user_location, warn

_FIRST = 32  # checks without a pause; after each later check comes a pause of _REST times its duration
_REST = 200


class _Turns:
    """The number of label checks so far, and the time when the next check is due."""

    __slots__ = ("due", "looks")

    def __init__(self) -> None:
        self.looks, self.due = 0, 0.0


_turns: defaultdict[tuple[str, int], _Turns] = defaultdict(_Turns)
"""The schedules of label checks, by caller and number of classes."""
_told: set[str] = set()
"""The lines of the user's program that already caused a warning."""


def check_labels(label: Any, classes: int, who: str) -> None:
    """Warn of labels that are not class numbers below `classes`, in some calls; a traced step checks when it runs."""
    if state.trace is not None:
        state.trace.note_labels(label, classes, who)
    elif isinstance(label, Array):
        look_at_labels(label, classes, who)


def look_at_labels(label: Array, classes: int, who: str, rows: np.ndarray | None = None) -> None:
    """Check all labels, or only those at `rows`, outside a trace; skip labels that are still pending."""
    turns, started = _turns[who, classes], perf_counter()
    if started < turns.due or not can_be_read(label) or not isinstance(label._data, np.ndarray):
        return
    numbers = label._data
    if rows is not None:
        numbers = numbers[rows]
    wrong = ~((numbers > -1) & (numbers < classes))  # a fraction is cut off; NaN is no class
    if wrong.any():
        _tell(numbers, wrong, classes, who)
    turns.looks += 1
    if turns.looks >= _FIRST:
        now = perf_counter()
        turns.due = now + _REST * (now - started)


def _tell(numbers: np.ndarray, wrong: np.ndarray, classes: int, who: str) -> None:
    line = user_location()
    if line in _told:
        return
    _told.add(line)
    place = tuple(map(int, np.argwhere(wrong)[0]))
    warn(
        LabelWarning(
            f"{who}: label {numbers[place]:g} at position {list(place)} of {numbers.shape} is not a class: the labels "
            f"of {classes} classes are 0 to {classes - 1}. As in MXNet, the nearest class is used instead. To ignore "
            "samples, set their sample_weight to 0."
        )
    )
