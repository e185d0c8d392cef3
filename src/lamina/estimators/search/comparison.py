"""Early stopping of trials: a trial that is worse than most earlier ones at the same point ends.

The answer depends on the trials' numbers alone, not on which of them happen to be complete: so a search comes to the
same bits however many trials are trained at a time. Trials come in rounds, each twice as long as the one before, and a
trial is compared with those of earlier rounds. So those of one round can be trained side by side, and no trial is
compared with much less than half of all earlier ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Curve", "falls_behind", "round_begins"]

_FEWEST_TO_COMPARE = 3
"""A trial is not ended for being worse than fewer others."""


@dataclass(frozen=True)
class Curve:
    """The curve of a trial: its planned number of epochs, and the score of each trained one."""

    epochs: int
    scores: Sequence[float]


def round_begins(number: int, openings: int, first: int) -> int:
    """The first trial of the round of trial `number`.

    Args:
        number: the trial's.
        openings: how many trials come before those that are drawn; they belong to the first round.
        first: how many of those that are drawn the first round has.

    >>> [round_begins(number, 3, 8) for number in (0, 10, 11, 26, 27, 58, 59)]
    [0, 0, 11, 11, 27, 27, 59]
    """
    begin, end, size = 0, openings + first, first
    while number >= end:
        size *= 2
        begin, end = end, end + size
    return begin


def falls_behind(share: float, score: float, others: Sequence[Curve]) -> bool:
    """Whether most of the others were better than `score` after this share of their epochs.

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
