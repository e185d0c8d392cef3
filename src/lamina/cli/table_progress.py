"""The progress of a training on a table, on standard error: epoch, loss, validation loss, best epoch, time left."""

from __future__ import annotations

import sys
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["TableProgress"]


class TableProgress:
    """Shows how a training gets on while standard error is a terminal; silent elsewhere.

    Args:
        epochs: the greatest number of epochs.
    """

    def __init__(self, epochs: int) -> None:
        self._best = ""
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("epoch {task.completed:.0f} of {task.total:.0f}"),
            BarColumn(bar_width=12),
            TextColumn("{task.description}"),
            TextColumn("at most"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task("compiling …", total=epochs)
        self.on_step: Any = self._on_step if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if not self._bar.disable:  # Rich before 14.1 ends a bar that was never shown with an empty line
            self._bar.stop()

    def _on_step(self, epoch: int, done: int, of: int) -> None:
        self._bar.update(self._task, completed=epoch - 1 + done / max(of, 1))

    def on_epoch(self, epoch: Any) -> None:
        """Show what is known after an epoch."""
        parts = [f"loss {epoch.loss:.4f}"]
        if epoch.score is not None:
            if epoch.is_best:
                self._best = f" (best {-epoch.score:.4f} in {epoch.number})"
            parts.append(f"validation {-epoch.score:.4f}{self._best}")
        self._bar.update(self._task, completed=epoch.number, description=", ".join(parts))
