"""A search's time budget: the deadline, and the durations of steps, which predict whether a step still fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

clock: Callable[[], float] = time.perf_counter
"""A clock: seconds since an arbitrary moment."""


class TimeIsOver(Exception):  # noqa: N818 - not an error
    """The exception that ends a trial at the deadline."""


class Budget:
    """A search's time budget, which starts at construction, and the longest duration of each kind of step.

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
        """Include the duration of earlier runs of the search, in seconds."""
        self._start -= seconds

    def stop(self) -> None:
        """End the budget now."""
        self._is_stopped = True

    def seconds(self) -> float:
        """The seconds since the start."""
        return clock() - self._start

    def left(self) -> float | None:
        """The seconds until the deadline; None without a deadline."""
        return None if self.limit is None else self.limit - self.seconds()

    def has(self, seconds: float) -> bool:
        """Whether the budget has more than `seconds` left."""
        left = self.left()
        return not self._is_stopped and (left is None or left > seconds)

    def note(self, kind: str, seconds: float) -> None:
        """Record the duration of a step of this kind."""
        self.costs[kind] = max(seconds, self.cost(kind))

    def cost(self, kind: str, unknown: float = 0.0) -> float:
        """The longest duration so far of steps of this kind, in seconds; `unknown` before the first."""
        return self.costs.get(kind, unknown)
