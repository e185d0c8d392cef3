"""The time limit of a training: wall time from the command's start until its last file is written."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

_NAMES = {
    1.0: "s sec secs second seconds",
    60.0: "m min mins minute minutes",
    3600.0: "h hour hours",
    86400.0: "d day days",
}
_UNITS = {name: seconds for seconds, names in _NAMES.items() for name in names.split()}
_PART = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+)\s*")

_ALLOWED, _ALLOWED_SHARE = 1.0, 0.02
"""Tolerance over a limit: seconds, or a share of the limit."""


class TimeLimit:
    """The time limit of a training, with a reserve for the work after the last step.

    Args:
        seconds: the limit.
        used: seconds already used.
        clock: returns seconds since an arbitrary moment; tests replace it.
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
        """The seconds available for steps, and for the work between steps."""
        return max(0.0, self.seconds - self.kept)

    @property
    def left(self) -> float:
        """The remaining available seconds; negative after the time for steps is over."""
        return self.available - self.used

    @property
    def share(self) -> float:
        """The used share of the available time, from 0 to 1."""
        return min(1.0, self.used / self.available) if self.available else 1.0

    def go_on(self, used: float) -> None:
        """Count the seconds of an earlier run as used."""
        self._start -= used

    @contextmanager
    def keeping(self) -> Generator[None]:
        """Measure the time of this context, and reserve it for repeating the same work after the last step."""
        start = self.clock()
        yield
        self.kept += self.clock() - start


class Pace:
    """A measurement of wall seconds per CPU second of this thread.

    The ratio is about 3 if two other processes are busy on the same core.

    Args:
        wall: returns seconds since an arbitrary moment; tests replace it.
        computed: returns this thread's CPU seconds.
    """

    def __init__(
        self, wall: Callable[[], float] = time.perf_counter, computed: Callable[[], float] = time.thread_time
    ) -> None:
        self._wall, self._computed = wall, computed
        self._seconds = self._of_these_computed = 0.0

    @property
    def slowness(self) -> float:
        """The wall seconds per CPU second in all measured contexts; 1 before the first."""
        return max(1.0, self._seconds / self._of_these_computed) if self._of_these_computed else 1.0

    @contextmanager
    def watching(self) -> Generator[None]:
        """Measure the pace within this context, in which the thread must wait only for the CPU."""
        wall, computed = self._wall(), self._computed()
        yield
        self._seconds += self._wall() - wall
        self._of_these_computed += self._computed() - computed


def seconds_over(used: float, limit: float) -> float:
    """The seconds beyond a limit; 0 if within a second or 2 % of the limit.

    >>> seconds_over(300.0, 300.0), seconds_over(305.0, 300.0), seconds_over(310.0, 300.0)
    (0.0, 0.0, 10.0)
    """
    over = used - limit
    return over if over > max(_ALLOWED, _ALLOWED_SHARE * limit) else 0.0


def seconds_of(limit: Any) -> float:
    """Parse a time limit from user input to seconds.

    Args:
        limit: seconds, or text: a number of seconds, or numbers with units ("s", "m", "h", "d").

    Raises:
        ValueError: the limit is not positive, not finite, or can't be parsed.

    >>> seconds_of(90), seconds_of("90"), seconds_of("1h 30m"), seconds_of("1.5 minutes")
    (90.0, 90.0, 5400.0, 90.0)
    """
    try:
        seconds = _read(limit.strip().lower()) if isinstance(limit, str) else float(limit)
    except TypeError:
        seconds = None
    except OverflowError:
        seconds = float("inf")
    if seconds is None or isinstance(limit, bool):
        raise ValueError(
            f"time_limit={limit!r} is not a time: give seconds, or text such as '90s', '5m' or '1h30m'"
        )
    if not 0 < seconds < float("inf"):
        raise ValueError(f"time_limit must be above 0 and finite, got {limit!r}")
    return seconds


def _read(text: str) -> float | None:
    """Parse a text to seconds; None if it is no duration."""
    with suppress(ValueError):
        return float(text)
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text) or not all(unit in _UNITS for _, unit in parts):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def duration_said(seconds: float) -> str:
    """Format a duration with units, such as "5m".

    >>> duration_said(300), duration_said(5430), duration_said(0.5)
    ('5m', '1h30m30s', '0.5s')
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m")) if n]
    return "".join([*parts, f"{rest:g}s"] if rest or not parts else parts)
