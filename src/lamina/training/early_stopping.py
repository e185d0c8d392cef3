"""Early stopping: a training ends when it no longer gets better."""

from __future__ import annotations

from lamina.training.loop import Epoch, Loop, Observer

__all__ = ["EarlyStopping"]


class EarlyStopping(Observer):
    """Stops after `patience` epochs of which none was better than all before by more than `tolerance`.

    Better is a higher validation score, or, without validation rows, a lower training loss.
    """

    def __init__(self, patience: int, tolerance: float = 0.0) -> None:
        self._patience, self._tolerance = patience, tolerance

    def on_begin(self, loop: Loop) -> None:
        """Count the epochs of an earlier run."""
        self._loss, self._score, self._waited = float("inf"), -float("inf"), 0
        for epoch in loop.past:
            self.on_epoch(loop, epoch)

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """Stop, if it has been long enough."""
        if epoch.score is None:
            improved = epoch.loss < self._loss - self._tolerance
        else:
            improved = epoch.score > self._score + self._tolerance
            self._score = max(self._score, epoch.score)
        self._loss = min(self._loss, epoch.loss)
        self._waited = 0 if improved else self._waited + 1
        if self._waited >= self._patience:
            loop.stop()
