"""``lamina train mnist``: train on MNIST, show progress, and write a run's folder."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lamina.cli._console import EXIT_INTERRUPTED, note, say, since_start, warnings_as_lines
from lamina.cli._options import one_of, option, said
from lamina.cli._train_options import Quiet, Replace, typed
from lamina.core.precision import PRECISIONS
from lamina.errors import LaminaError, NonFiniteLossError
from lamina.estimators.option_values import layers, seconds
from lamina.estimators.settings import OPTIONS
from lamina.table.messages import counted
from lamina.training.run_folder import RunFolder, held_run, new_run
from lamina.training.time_limit import TimeLimit, duration_said

if TYPE_CHECKING:
    from lamina.runs.recipes import Epoch, Settings, Training
    from lamina.training.checkpoint import Checkpoint
    from lamina.training.display import Display
    from lamina.training.loop import Observer

_OTHER = {"epochs": "time_limit", "time_limit": "epochs"}
"""The alternative to each of these settings; a run has only one of the two."""

_HEADER = f"{'epoch':>5}  {'moving loss':>11}  {'train accuracy':>14}  {'test accuracy':>13}  {'seconds':>7}"


def mnist(
    recipe: Annotated[
        str | None, option("Recipe: default (98.8 %), chapter (97 %) or best (takes minutes).", "default")
    ] = None,
    time_limit: Annotated[
        str | None,
        option("Train for this time, all included, instead of a number of epochs: 90s, 5m, 1h.", "best 5m"),
    ] = None,
    hidden: Annotated[
        str | None, option("Widths of the hidden layers, separated by commas.", "256,256, best 1024,512")
    ] = None,
    epochs: Annotated[
        int | None,
        option(
            "Passes over the images; for the recipe best, rounds of five passes.", "10, best as time allows"
        ),
    ] = None,
    batch_size: Annotated[int | None, option("Images per step.", "128, chapter 64, best 500")] = None,
    lr: Annotated[float | None, option("The learning rate.", "0.002, chapter 0.001, best 0.003")] = None,
    seed: Annotated[int | None, typed(OPTIONS["random_state"], None)] = None,
    device: Annotated[str | None, typed(OPTIONS["device"], None)] = None,
    precision: Annotated[str | None, typed(OPTIONS["precision"], None)] = None,
    out: Annotated[Path | None, option("The run's new folder.", "runs/mnist-<n>")] = None,
    resume: Annotated[
        Path | None, option("Continue the run in this folder where it stopped; --epochs may prolong it.")
    ] = None,
    replace: Replace = False,
    quiet: Quiet = False,
) -> int:
    """Train a multilayer perceptron on MNIST.

    The folder then contains the model, its settings, metrics by epoch, two pictures, and a page to draw digits on.
    Ctrl-C keeps the network trained so far.
    """
    units = None if hidden is None else layers("--hidden", hidden)
    chosen = said(
        recipe=recipe,
        hidden=units,
        epochs=epochs,
        time_limit=None if time_limit is None else seconds("--time-limit", time_limit),
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        precision=one_of("--precision", precision, PRECISIONS),
    )
    from lamina.runs.recipes import Settings

    with warnings_as_lines(quiet=quiet):
        if resume is None:
            settings = Settings.of(chosen.pop("recipe", "default"), **chosen)
            with new_run(out, "mnist", replace=replace) as folder:
                return _train(folder, settings, None, device or "cpu", quiet=quiet)
        with held_run(resume, out, replace=replace) as folder:
            return _train(folder, *_begun(folder, chosen), device or "cpu", quiet=quiet)


def _begun(folder: RunFolder, chosen: dict[str, Any]) -> tuple[Settings, Checkpoint]:
    """The settings of an earlier run, optionally with more epochs, and its checkpoint."""
    from lamina.runs.recipes.run import read_run

    settings, saved = read_run(folder.path)
    _require_same(settings, chosen)
    if settings.time_limit is not None and saved.position.get("used", 0.0) >= settings.time_limit:
        raise LaminaError(
            f"the run in {folder.replaces or folder.path} is complete: it has used its time limit of "
            f"{duration_said(settings.time_limit)}; start a new training with a longer limit"
        )
    return dataclasses.replace(settings, epochs=chosen.get("epochs", settings.epochs)), saved


def _require_same(settings: Settings, chosen: dict[str, Any]) -> None:
    """Raise `LaminaError` if a chosen setting, other than the number of epochs, differs from the resumed run's."""
    for name, value in chosen.items():
        if value != getattr(settings, name) and (name != "epochs" or settings.epochs is None):
            given = name if getattr(settings, name) is not None else _OTHER[name]
            had = getattr(settings, given)
            shown = duration_said(had) if given == "time_limit" else had
            raise LaminaError(f"the run began with --{given.replace('_', '-')} {shown}, which can't change")


def _train(
    folder: RunFolder, settings: Settings, saved: Checkpoint | None, device: str, *, quiet: bool
) -> int:
    """Train to the end or to Ctrl-C, then draw the figures; return the exit code."""
    from lamina.cli._finish_mnist import Rehearsal, finish
    from lamina.runs.recipes import Training, load_digits
    from lamina.runs.recipes.run import checkpoints
    from lamina.training.device import described

    observers: list[Observer] = [checkpoints(folder, settings, saved), *([] if quiet else [_display()])]
    limit = None
    if settings.time_limit is not None:
        limit = TimeLimit(settings.time_limit, since_start())
        observers.insert(1, Rehearsal(folder, limit))
    tell: Callable[[str], None] = (lambda _: None) if quiet else note
    training = Training(settings, *load_digits(), observers, device=device, limit=limit, tell=tell)
    if device != "cpu" and not quiet:
        note(f"trains on {described(training.context)}")
    try:
        for _ in training.run():
            pass
    except KeyboardInterrupt:
        return _say_interrupted(folder, training)
    except NonFiniteLossError as error:
        kept = f"{folder.path} keeps the network after {counted(len(training.past), 'epoch')}"
        raise NonFiniteLossError(f"{error} (--lr); {kept}") from error
    page = finish(folder, training)
    folder.publish()
    page = page and folder.path / page.name
    if quiet:
        say(str(folder.path))
        return 0
    say(f"saved in {folder.path}")
    if page is not None:
        say(f"next: open {page} in a browser and draw a digit")
    return 0


def _display() -> Display:
    """Create a display that prints a table on standard output, with a row per epoch."""
    from lamina.training.display import Display

    def row(epoch: Epoch) -> str:
        scores = epoch.scores
        return (
            f"{epoch.number:>5}  {epoch.loss:>11.4f}  {scores['train_accuracy']:>14.4f}  "
            f"{scores['test_accuracy']:>13.4f}  {scores['train_seconds']:>7.2f}"
        )

    return Display(sys.stdout, lambda _, epoch: f"loss {epoch.loss:.4f}", row, (_HEADER, "─" * len(_HEADER)))


def _say_interrupted(folder: RunFolder, training: Training) -> int:
    done, progress = len(training.past), training.progress
    batches = progress.batch if progress.epoch == done else 0
    note(
        f"interrupted after {counted(done, 'epoch')} and {batches} of {training.batches} "
        f"steps; saved in {folder.path}; continue with: lamina train mnist {folder.resuming}"
    )
    return EXIT_INTERRUPTED
