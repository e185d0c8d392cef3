"""The display of an estimator's training progress, and its record of epochs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from lamina.table.messages import counted
from lamina.training.display import Display, shows_bar
from lamina.training.loop import Epoch, Loop, Observer


def progress(epochs: int, metric: str, sign: int) -> Display:
    """A display of an estimator's training progress.

    On a terminal or in a notebook, it is a progress bar, which ends as a line of results; elsewhere, a line per epoch.
    `metric` is the validation score's name, and `sign` its displayed sign: −1 for a loss.
    """

    def said(epoch: Epoch) -> str:
        parts = [f"loss {epoch.loss:.4f}"]
        if epoch.score is not None:
            parts.append(f"validation {metric} {sign * epoch.score:.4f}{' (best)' if epoch.is_best else ''}")
        return ", ".join(parts)

    def line(epoch: Epoch) -> str:
        left = epoch.seconds / epoch.number * (epochs - epoch.number)
        times = f"{epoch.seconds:.1f} s, at most {left:.1f} s left"
        return f"epoch {epoch.number}/{epochs}: {said(epoch)}, {times}"

    def last(loop: Loop) -> str:
        end = loop.past[-1]
        done = f"{counted(end.number, 'epoch')} in {end.seconds:.1f} s: loss {end.loss:.4f}"
        if end.score is None:
            return done
        return f"{done}; kept epoch {loop.best_epoch}, validation {metric} {sign * loop.best_score:.4f}"

    line_or_none = None if shows_bar(sys.stdout) else line
    return Display(sys.stdout, lambda _loop, epoch: said(epoch), line_or_none, stays=True, last=last)


class Learner(Observer):
    """An observer that records each epoch in the estimator, and calls the user's callbacks.

    A resumed training's past epochs are recorded, too.
    """

    def __init__(
        self, note: Callable[[Epoch], None], functions: Sequence[Callable[..., Any]], estimator: Any
    ) -> None:
        self._note, self._functions, self._estimator = note, functions, estimator
        self.stopped = False

    def on_begin(self, loop: Loop) -> None:
        for epoch in loop.past:
            self._note(epoch)

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        self._note(epoch)
        if any(function(self._estimator, epoch) for function in self._functions):
            self.stopped = True
            loop.stop()
