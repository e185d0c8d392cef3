"""A search's time: its deadline, and the cost of its steps so far, which tells what still fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

__all__ = ["Budget", "TimeIsOver", "clock"]

clock: Callable[[], float] = time.perf_counter
"""Seconds since any moment."""


class TimeIsOver(Exception):  # noqa: N818 - not an error
    """Ends the trial in whose steps the deadline falls."""


class Budget:
    """The seconds from now on, and the longest that each kind of step has taken.

    Args:
        limit: how many seconds there are; None: as many as it takes.
        costs: what is known by now of the longest that each kind of step has taken.
    """

    def __init__(self, limit: float | None = None, costs: Mapping[str, float] | None = None) -> None:
        self.limit = limit
        self._start = clock()
        self.costs: dict[str, float] = dict(costs or {})
        self._is_stopped = False

    def go_on(self, seconds: float) -> None:
        """Count the seconds that an earlier run has used."""
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
        """Whether more than `seconds` are left."""
        left = self.left()
        return not self._is_stopped and (left is None or left > seconds)

    def note(self, kind: str, seconds: float) -> None:
        """Note how long a step of this kind has taken."""
        self.costs[kind] = max(seconds, self.cost(kind))

    def cost(self, kind: str, unknown: float = 0.0) -> float:
        """The expected seconds of a step of this kind: the longest so far, or `unknown` if there was none."""
        return self.costs.get(kind, unknown)
