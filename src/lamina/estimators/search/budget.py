"""A search's time budget: the deadline, and the measured durations of steps, which tell what still fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

clock: Callable[[], float] = time.perf_counter
"""A clock: seconds since an arbitrary moment."""


class TimeIsOver(Exception):  # noqa: N818 - not an error
    """Raised to end a trial at the deadline."""


class Budget:
    """A search's time budget, which counts from its creation, and the longest duration of each kind of step.

    Args:
        limit: the limit in seconds; None: no limit.
        costs: the longest known duration of each kind of step, in seconds.
    """

    def __init__(self, limit: float | None = None, costs: Mapping[str, float] | None = None) -> None:
        self.limit = limit
        self._start = clock()
        self.costs: dict[str, float] = dict(costs or {})
        self._is_stopped = False

    def go_on(self, seconds: float) -> None:
        """Count the seconds that earlier runs of the search took, too."""
        self._start -= seconds

    def stop(self) -> None:
        """End the budget now."""
        self._is_stopped = True

    def seconds(self) -> float:
        """Seconds since the start."""
        return clock() - self._start

    def left(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self.limit is None else self.limit - self.seconds()

    def has(self, seconds: float) -> bool:
        """Whether more than `seconds` are left."""
        left = self.left()
        return not self._is_stopped and (left is None or left > seconds)

    def note(self, kind: str, seconds: float) -> None:
        """Record the duration of a step of this kind."""
        self.costs[kind] = max(seconds, self.cost(kind))

    def cost(self, kind: str, unknown: float = 0.0) -> float:
        """The expected seconds of a step of this kind: the longest so far, or `unknown` if there was none."""
        return self.costs.get(kind, unknown)
