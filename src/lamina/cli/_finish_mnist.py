"""The work after the last step of a training on MNIST: drawing figures, and writing the page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lamina.cli._console import note
from lamina.errors import MissingPackageError
from lamina.export.page_file import write_run_page
from lamina.runs.recipes import Epoch, Training, evaluate
from lamina.runs.recipes.run import draw_learning_curves, draw_mistakes
from lamina.training.loop import Loop, Observer
from lamina.training.run_folder import RunFolder
from lamina.training.time_limit import TimeLimit


class Rehearsal(Observer):
    """An observer that reserves time for the work after the last step, by a trial before the first step.

    The trial writes into a temporary folder. The first time is the slowest, so the reserved time is more than enough.
    """

    def __init__(self, folder: RunFolder, limit: TimeLimit) -> None:
        self._folder, self._limit = folder, limit

    def on_begin(self, loop: Loop) -> None:
        """Rehearse the work, and deduct its duration from the time limit; the run's folder must contain a model."""
        assert isinstance(loop, Training)
        with self._limit.keeping(), self._folder.scratch() as aside:
            measured = Epoch(1, 0.0, None, is_best=False, seconds=0.0, scores=loop.accuracies())
            with suppress(MissingPackageError):
                _draw(aside, loop, [measured])
            write_run_page(self._folder.path, aside)


def finish(folder: RunFolder, training: Training) -> Path | None:
    """Draw the figures, if Matplotlib is installed, and write the page; return the path of the page.

    The path is None if the page would be too large.
    """
    try:
        _draw(folder.path, training, training.past)
    except MissingPackageError as error:
        note(f"no pictures: {error}")
    return write_run_page(folder.path)


def _draw(path: Path, training: Training, past: Sequence[Epoch]) -> None:
    test = training.test
    probabilities = evaluate(training.network, test)[2]
    draw_learning_curves(path / "learning_curves.png", past)
    draw_mistakes(path / "mistakes.png", test.images.asnumpy(), test.labels.asnumpy(), probabilities)
