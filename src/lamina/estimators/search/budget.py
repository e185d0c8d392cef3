"""The time a search has: a deadline, and what its steps have cost so far, by which to tell what still fits."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Budget", "TimeIsOver", "clock", "seconds_of"]

clock: Callable[[], float] = time.perf_counter
"""Seconds since any moment."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NAMES = {"s": "s|secs?|seconds?", "m": "m|mins?|minutes?", "h": "h|hours?", "d": "d|days?"}
_PART = re.compile(
    rf"\s*(\d+(?:\.\d*)?|\.\d+)\s*(?:{'|'.join(f'(?P<{u}>{n})' for u, n in _NAMES.items())})\b\s*"
)
_PARTED = re.compile(r"(?<=[a-z])(?=\d)")


class TimeIsOver(Exception):  # noqa: N818 - not an error
    """Ends the trial in whose steps the deadline falls."""


def seconds_of(limit: Any) -> float:
    """A limit as people give it, in seconds.

    Args:
        limit: seconds, or text: a number of seconds, or numbers with units, of which "s", "m", "h" and "d" are known.

    Raises:
        ValueError: it is not above 0, not finite, or cannot be read.

    >>> seconds_of(90), seconds_of("90"), seconds_of("1h 30m"), seconds_of("1.5 minutes")
    (90.0, 90.0, 5400.0, 90.0)
    """
    try:
        seconds = _read(limit.strip().lower()) if isinstance(limit, str) else float(limit)
    except TypeError:
        seconds = None
    if seconds is None or isinstance(limit, bool):
        raise ValueError(
            f"time_limit={limit!r} is no time: give seconds, or text such as '90s', '5m' or '1h30m'"
        )
    if not 0 < seconds < float("inf"):
        raise ValueError(f"time_limit must be above 0 and finite, got {limit!r}")
    return seconds


def _read(text: str) -> float | None:
    """The seconds that a text says, or None."""
    try:
        return float(text)
    except ValueError:
        pass
    text, at, total = _PARTED.sub(" ", text), 0, 0.0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        total += float(part[1]) * next(_UNITS[unit] for unit in _UNITS if part[unit])
        at = part.end()
    return total if at else None


class Budget:
    """The seconds from now on, and the longest that each kind of step has taken.

    Args:
        limit: how many seconds there are; None: as many as it takes.
    """

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self._start = clock()
        self._longest: dict[str, float] = {}
        self._is_stopped = False

    def go_on(self, seconds: float) -> None:
        """An earlier run has used so many seconds."""
        self._start -= seconds

    def stop(self) -> None:
        """There is no time left."""
        self._is_stopped = True

    def seconds(self) -> float:
        """Since the beginning."""
        return clock() - self._start

    def left(self) -> float | None:
        """Until the deadline; None without one."""
        return None if self.limit is None else self.limit - self.seconds()

    def has(self, seconds: float) -> bool:
        """Whether so many seconds are left."""
        left = self.left()
        return not self._is_stopped and (left is None or left > seconds)

    def note(self, kind: str, seconds: float) -> None:
        """A step of this kind has taken so long."""
        self._longest[kind] = max(seconds, self.cost(kind))

    def cost(self, kind: str, unknown: float = 0.0) -> float:
        """How long a step of this kind may take: the longest one until now, or `unknown`, if there was none."""
        return self._longest.get(kind, unknown)
