"""What is shown while an estimator trains."""

from __future__ import annotations

import sys
import time
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

    def on_epoch(self, epoch: Any) -> None:
        score = "" if epoch.score is None else f", validation {epoch.score:.4f}"
        print(f"epoch {epoch.number}: loss {epoch.loss:.4f}{score}, {epoch.seconds:.1f} s", flush=True)


class _Bar(_Silent):
    """A progress bar with loss, validation score, epoch and time left."""

    def __init__(self, epochs: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} epochs"),
            TimeRemainingColumn(),
            transient=False,
        )
        self._task = self._progress.add_task("training", total=epochs)
        self._start = time.perf_counter()

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def on_step(self, epoch: int, done: int, of: int) -> None:
        """Part of an epoch is done."""
        self._progress.update(self._task, completed=epoch - 1 + done / max(of, 1))

    def on_epoch(self, epoch: Any) -> None:
        score = (
            ""
            if epoch.score is None
            else f"  validation {epoch.score:.4f}{' (best)' if epoch.is_best else ''}"
        )
        self._progress.update(self._task, completed=epoch.number, description=f"loss {epoch.loss:.4f}{score}")


def reporter(verbose: Any, epochs: int) -> Any:
    """Nothing, a progress bar (on a terminal), or a line an epoch; or what `verbose` makes, if it is a function."""
    if callable(verbose):
        return verbose(epochs)
    if not verbose:
        return _Silent()
    return _Bar(epochs) if sys.stdout.isatty() else _Lines()
