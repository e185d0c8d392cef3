"""The time that a training may take: from the command to its last file, on the wall's clock."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from lamina.errors import LaminaError

__all__ = ["TimeLimit", "duration_said", "since_start", "time_limit_seconds"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smh])\s*")


class TimeLimit:
    """Seconds that a training may take, of which some are kept for what comes after its last step.

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
        """Seconds that are over."""
        return self.clock() - self._start

    @property
    def available(self) -> float:
        """Seconds that steps, and what is done between them, may take in all."""
        return max(0.0, self.seconds - self.kept)

    @property
    def left(self) -> float:
        """How many of the available seconds are left; below 0 when steps should have ended."""
        return self.available - self.used

    @property
    def share(self) -> float:
        """How much of the available time is over, from 0 to 1."""
        return min(1.0, self.used / self.available) if self.available else 1.0

    def go_on(self, used: float) -> None:
        """An earlier run used so many seconds, besides those of this one."""
        self._start -= used

    @contextmanager
    def keeping(self) -> Generator[None]:
        """What happens inside happens once more after the last step: its time is kept for that."""
        start = self.clock()
        yield
        self.kept += self.clock() - start


def since_start() -> float:
    """Seconds since this process began, about: until a command is read, it computes without waiting."""
    return time.process_time()


def time_limit_seconds(text: str) -> float:
    """A time as people write it, in seconds.

    Raises:
        LaminaError: it is no time above 0.

    >>> time_limit_seconds("90"), time_limit_seconds("5m"), time_limit_seconds("1h 30m")
    (90.0, 300.0, 5400.0)
    """
    said = text.strip().lower()
    parts = _PART.findall(said)
    if re.fullmatch(r"\d+(\.\d+)?", said):
        seconds = float(said)
    else:
        seconds = (
            sum(float(number) * _UNITS[unit] for number, unit in parts) if _PART.sub("", said) == "" else 0
        )
    if not 0 < seconds < float("inf"):
        raise LaminaError(f"--time-limit takes a time above 0, like 90s, 5m or 1h30m; not {text!r}")
    return seconds


def duration_said(seconds: float) -> str:
    """A time as people write it.

    >>> duration_said(300), duration_said(5430), duration_said(0.5)
    ('5m', '1h30m30s', '0.5s')
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m")) if n]
    return "".join([*parts, f"{rest:g}s"] if rest or not parts else parts)
