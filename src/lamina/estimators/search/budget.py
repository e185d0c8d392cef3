"""A search's time budget: the deadline, and the durations of steps, which predict whether a step still fits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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


# --- early stopping of bad trials, by comparison with earlier ones at the same fraction of their epochs ---------------
# Trials are numbered in rounds, each with twice as many trials as the previous round. A trial is compared with the
# trials of earlier rounds, i.e. with about half of all earlier trials or more. So the trials of a round can be trained
# in parallel, and a search gives the same bits for any number of parallel trials.


_FEWEST_TO_COMPARE = 3
"""Minimum number of other trials to compare with before ending one."""


@dataclass(frozen=True)
class Curve:
    """The learning curve of a trial: the planned number of epochs, and the score after each completed epoch."""

    epochs: int
    scores: Sequence[float]


def round_begins(number: int, openings: int, first: int) -> int:
    """The number of the first trial in the round to which trial `number` belongs.

    Args:
        number: the trial's number.
        openings: the number of fixed trials before the random trials; fixed trials belong to the first round.
        first: the number of random trials in the first round.

    >>> [round_begins(number, 3, 8) for number in (0, 10, 11, 26, 27, 58, 59)]
    [0, 0, 11, 11, 27, 27, 59]
    """
    begin, end, size = 0, openings + first, first
    while number >= end:
        size *= 2
        begin, end = end, end + size
    return begin


def falls_behind(share: float, score: float, others: Sequence[Curve]) -> bool:
    """Whether `score` is below the median of the other trials' best scores in this fraction of their epochs.

    The result is false if too few of the other trials have completed this fraction, or if it is the whole training.

    >>> others = [Curve(4, [0.1, 0.2, 0.3, 0.4])] * 3
    >>> falls_behind(0.5, 0.15, others), falls_behind(0.5, 0.25, others), falls_behind(0.5, 0.15, others[:2])
    (True, False, False)
    """
    reached = [
        max(one.scores[: math.ceil(share * one.epochs)])
        for one in others
        if len(one.scores) >= share * one.epochs
    ]
    return len(reached) >= _FEWEST_TO_COMPARE and share < 1 and score < float(np.median(reached))
