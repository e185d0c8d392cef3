"""The time that a training may take: from the command to its last file, on the wall's clock."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["Pace", "TimeLimit", "duration_said", "seconds_of", "seconds_over"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NAMES = {"s": "s|secs?|seconds?", "m": "m|mins?|minutes?", "h": "h|hours?", "d": "d|days?"}
_PART = re.compile(
    rf"\s*(\d+(?:\.\d*)?|\.\d+)\s*(?:{'|'.join(f'(?P<{u}>{n})' for u, n in _NAMES.items())})\b\s*"
)
_PARTED = re.compile(r"(?<=[a-z])(?=\d)")

_ALLOWED, _ALLOWED_SHARE = 1.0, 0.02
"""Seconds, or share of a limit, that may be added to it."""


class TimeLimit:
    """Time limit of a training, with a reserve for the work after its last step.

    Args:
        seconds: how many there are.
        used: how many are over already.
        clock: seconds since any moment; tests count with one of their own.
    """

    def __init__(
        self, seconds: float, used: float = 0.0, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.seconds = seconds
        self.kept = 0.0
        self.clock = clock
        self._start = clock() - used

    @property
    def used(self) -> float:
        """The elapsed seconds."""
        return self.clock() - self._start

    @property
    def available(self) -> float:
        """Seconds available for steps and the work between them."""
        return max(0.0, self.seconds - self.kept)

    @property
    def left(self) -> float:
        """The remaining available seconds; below 0 when steps should have ended."""
        return self.available - self.used

    @property
    def share(self) -> float:
        """The used share of the available time, from 0 to 1."""
        return min(1.0, self.used / self.available) if self.available else 1.0

    def go_on(self, used: float) -> None:
        """Add the seconds that an earlier run used."""
        self._start -= used

    @contextmanager
    def keeping(self) -> Generator[None]:
        """Time the block, and reserve that time: it runs once more after the last step."""
        start = self.clock()
        yield
        self.kept += self.clock() - start


class Pace:
    """Elapsed seconds per second that this thread computes: about 3 beside two busy processes on its core.

    Args:
        wall: seconds since any moment; tests count with one of their own.
        computed: the seconds that this thread has computed.
    """

    def __init__(
        self, wall: Callable[[], float] = time.perf_counter, computed: Callable[[], float] = time.thread_time
    ) -> None:
        self._wall, self._computed = wall, computed
        self._seconds = self._of_these_computed = 0.0

    @property
    def slowness(self) -> float:
        """Seconds on the wall's clock for one that is computed, in all that was watched; 1 before that."""
        return max(1.0, self._seconds / self._of_these_computed) if self._of_these_computed else 1.0

    @contextmanager
    def watching(self) -> Generator[None]:
        """Measure the pace inside the block, where this thread waits for nothing but the processor."""
        wall, computed = self._wall(), self._computed()
        yield
        self._seconds += self._wall() - wall
        self._of_these_computed += self._computed() - computed


def seconds_over(used: float, limit: float) -> float:
    """The seconds over a limit; 0 within a second, or 2 % of it.

    >>> seconds_over(300.0, 300.0), seconds_over(305.0, 300.0), seconds_over(310.0, 300.0)
    (0.0, 0.0, 10.0)
    """
    over = used - limit
    return over if over > max(_ALLOWED, _ALLOWED_SHARE * limit) else 0.0


def seconds_of(limit: Any) -> float:
    """A limit as people give it, in seconds.

    Args:
        limit: seconds, or text: a number of seconds, or numbers with units ("s", "m", "h", "d").

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


def duration_said(seconds: float) -> str:
    """A time as people write it.

    >>> duration_said(300), duration_said(5430), duration_said(0.5)
    ('5m', '1h30m30s', '0.5s')
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m")) if n]
    return "".join([*parts, f"{rest:g}s"] if rest or not parts else parts)
