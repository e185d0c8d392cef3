"""What is shown while an estimator trains."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["reporter"]


class _Silent:
    """Shows nothing."""

    on_step: Any = None

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Nothing to close."""

    def on_epoch(self, epoch: Any) -> None:
        """Nothing to show."""


class _Lines(_Silent):
    """A line an epoch, for logs."""

    def __init__(self, epochs: int, metric: str, sign: int) -> None:
        self._epochs, self._metric, self._sign = epochs, metric, sign

    def on_epoch(self, epoch: Any) -> None:
        left = epoch.seconds / epoch.number * (self._epochs - epoch.number)
        parts = [f"loss {epoch.loss:.4f}", *_shown(epoch, self._metric, self._sign)]
        times = f"{epoch.seconds:.1f} s, at most {left:.1f} s left"
        print(f"epoch {epoch.number}/{self._epochs}: {', '.join(parts)}, {times}", flush=True)


class _Bar(_Silent):
    """A progress bar with loss, validation score, epoch and time left."""

    def __init__(self, epochs: int, metric: str, sign: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} epochs"),
            TimeRemainingColumn(),
            transient=False,
        )
        self._task = self._progress.add_task("training", total=epochs)
        self._metric, self._sign = metric, sign

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def on_step(self, epoch: int, done: int, of: int) -> None:
        """Part of an epoch is done."""
        self._progress.update(self._task, completed=epoch - 1 + done / max(of, 1))

    def on_epoch(self, epoch: Any) -> None:
        parts = [f"loss {epoch.loss:.4f}", *_shown(epoch, self._metric, self._sign)]
        self._progress.update(self._task, completed=epoch.number, description="  ".join(parts))


def _shown(epoch: Any, metric: str, sign: int) -> list[str]:
    """The validation score in words, if there is one."""
    if epoch.score is None:
        return []
    return [f"validation {metric} {sign * epoch.score:.4f}{' (best)' if epoch.is_best else ''}"]


def reporter(verbose: Any, epochs: int, metric: str = "score", sign: int = 1) -> Any:
    """Nothing, a progress bar (on a terminal), or a line an epoch; or what `verbose` makes, if it is a function.

    `metric` is what the validation score is called, shown times `sign`: −1 for a loss.
    """
    if callable(verbose):
        return verbose(epochs)
    if not verbose:
        return _Silent()
    return (_Bar if sys.stdout.isatty() else _Lines)(epochs, metric, sign)
