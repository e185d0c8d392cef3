"""What is seen of a training: a bar that fills within an epoch, and a table that grows by a row an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from lamina.recipes.training import Epoch, Training
    from lamina.recipes.training import Progress as TrainingProgress

__all__ = ["TrainingTable"]

_HEADER = f"{'epoch':>5}  {'moving loss':>11}  {'train accuracy':>14}  {'test accuracy':>13}  {'seconds':>7}"


class TrainingTable:
    """Prints the table row by row, with the bar below it while standard output is a terminal.

    Rows are plain text of fixed width, so a file or a pipe gets the same table without control characters.
    """

    def __init__(self, training: Training, console: Console | None = None) -> None:
        self._training = training
        self._console = console or Console(highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40),
            TaskProgressColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=training.batches, loss="")

    def __enter__(self) -> Self:
        self._console.print(_HEADER, style="bold", soft_wrap=True)
        self._console.print("─" * len(_HEADER), soft_wrap=True)
        for epoch in self._training.progress.history:
            self._print(epoch)
        self._bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if not self._bar.disable:  # Rich before 14.1 ends a bar that was never shown with an empty line
            self._bar.stop()

    def after_stretch(self, progress: TrainingProgress) -> None:
        """Move the bar."""
        if progress.batch <= self._bar.tasks[0].completed:
            self._bar.reset(self._task)
        self._bar.update(
            self._task,
            completed=progress.batch,
            description=f"epoch {progress.epoch + 1:>2} of {self._training.settings.epochs}",
            loss=f"{progress.moving_loss:.4f}",
        )

    def after_epoch(self, epoch: Epoch) -> None:
        """Add a row."""
        self._print(epoch)

    def _print(self, epoch: Epoch) -> None:
        self._console.print(
            f"{epoch.epoch:>5}  {epoch.loss:>11.4f}  {epoch.train_accuracy:>14.4f}  "
            f"{epoch.test_accuracy:>13.4f}  {epoch.train_seconds:>7.2f}",
            soft_wrap=True,
        )
