"""Early stopping: a training ends when it no longer gets better."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.training.loop import Epoch, Loop, Observer

__all__ = ["CycleStopping", "EarlyStopping"]


class EarlyStopping(Observer):
    """Stop after `patience` epochs without improving on the best by more than `tolerance`.

    Better is a higher validation score, or, without validation rows, a lower training loss.
    """

    def __init__(self, patience: float, tolerance: float = 0.0) -> None:
        self._patience, self._tolerance = patience, tolerance

    def on_begin(self, loop: Loop) -> None:
        """Count the epochs of a resumed run."""
        self._loss, self._score, self._waited = float("inf"), -float("inf"), 0
        for epoch in loop.past:
            self.on_epoch(loop, epoch)

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """Stop, if the patience is exhausted."""
        if epoch.score is None:
            improved = epoch.loss < self._loss - self._tolerance
        else:
            improved = epoch.score > self._score + self._tolerance
            self._score = max(self._score, epoch.score)
        self._loss = min(self._loss, epoch.loss)
        self._waited = 0 if improved else self._waited + 1
        if self._waited >= self._patience:
            loop.stop()


class CycleStopping(Observer):
    """Stop at the end of a learning-rate cycle that improved the validation score by too little.

    Within a cycle the score is noisy, since the rate is high; at its end, the score is at its best until the
    end of the next cycle, which is twice as long. The first cycles are too short to judge by.

    Args:
        ends: shares of the training at which cycles end; if the first ends within an epoch, training is never stopped.
        least: minimum gain of a cycle, relative to the best earlier score, to justify the next.
    """

    _JUDGED_FROM = 2  # the third cycle

    def __init__(self, ends: Sequence[float], least: float) -> None:
        self._ends, self._least = ends, least

    def on_begin(self, loop: Loop) -> None:
        """Stop at once, if the resumed run had stopped."""
        if loop.past:
            self.on_epoch(loop, loop.past[-1])

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """Stop at the end of a cycle with too little gain."""
        if not self._ends or self._ends[0] * loop.epochs < 1:
            return
        ends = [math.ceil(share * loop.epochs) for share in self._ends]
        if epoch.number not in ends[self._JUDGED_FROM :]:
            return
        scores = [past.score for past in loop.past]
        began = ends[ends.index(epoch.number) - 1]
        before, within = ([x for x in part if x is not None] for part in (scores[:began], scores[began:]))
        if before and within and max(within) - max(before) <= self._least * abs(max(before)):
            loop.stop()
