"""``lamina train mnist``: train on MNIST, show the table, fill a run's folder."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lamina.cli._console import EXIT_INTERRUPTED, say, warnings_as_lines
from lamina.cli._options import layers, option, said
from lamina.errors import LaminaError, MissingPackageError, NonFiniteLossError
from lamina.table.messages import counted

if TYPE_CHECKING:
    from lamina.recipes import Epoch, Settings, Training
    from lamina.training.checkpoint import Checkpoint
    from lamina.training.display import Display
    from lamina.training.run_folder import RunFolder

__all__ = ["mnist"]

_HEADER = f"{'epoch':>5}  {'moving loss':>11}  {'train accuracy':>14}  {'test accuracy':>13}  {'seconds':>7}"


def mnist(
    recipe: Annotated[
        str | None, option("How to train: default (98.8 %) or chapter (97 %).", "default")
    ] = None,
    hidden: Annotated[str | None, option("Units of the hidden layers, with commas.", "256,256")] = None,
    epochs: Annotated[int | None, option("Passes over the images.", "10")] = None,
    batch_size: Annotated[int | None, option("Images a step.", "128, chapter 64")] = None,
    lr: Annotated[float | None, option("The learning rate.", "0.002, chapter 0.001")] = None,
    seed: Annotated[int | None, option("The seed of all randomness.", "0")] = None,
    device: Annotated[
        str | None, option("Where to train: cpu, gpu, gpu:1 …, auto (a GPU, if it is worth it).", "cpu")
    ] = None,
    out: Annotated[Path | None, option("The run's folder, new.", "runs/mnist-<n>")] = None,
    resume: Annotated[
        Path | None, option("Continue the run in this folder where it stopped; --epochs may prolong it.")
    ] = None,
) -> int:
    """Train a multilayer perceptron on MNIST.

    The folder then holds the model, its settings, metrics by epoch, two pictures, and a page to draw digits on.
    Ctrl-C keeps what is trained so far.
    """
    units = None if hidden is None else layers(hidden)
    chosen = said(recipe=recipe, hidden=units, epochs=epochs, batch_size=batch_size, lr=lr, seed=seed)
    with warnings_as_lines():
        if resume is not None:
            return _resume(chosen, resume, out, device or "cpu")
        return _begin(chosen, out, device or "cpu")


def _begin(chosen: dict[str, Any], out: Path | None, device: str) -> int:
    from lamina.recipes import Settings
    from lamina.training.run_folder import new_run

    settings = Settings.of(chosen.pop("recipe", "default"), **chosen)
    with new_run(out, "mnist") as folder:
        return _train(folder, settings, device)


def _resume(chosen: dict[str, Any], path: Path, out: Path | None, device: str) -> int:
    """Go on with an earlier run: with its own settings, but perhaps more epochs."""
    from lamina.recipes.run import read_run
    from lamina.training.run_folder import held_run

    if out is not None:
        raise LaminaError("--resume continues in the run's own folder; leave --out away")
    with held_run(path) as folder:
        settings, saved = read_run(path)
        for name, value in chosen.items():
            if name != "epochs" and value != getattr(settings, name):
                option = "--" + name.replace("_", "-")
                raise LaminaError(
                    f"the run was begun with {option} {getattr(settings, name)}; it can't change"
                )
        settings = dataclasses.replace(settings, epochs=chosen.get("epochs", settings.epochs))
        return _train(folder, settings, device, saved)


def _train(folder: RunFolder, settings: Settings, device: str, saved: Checkpoint | None = None) -> int:
    """Train to the end or to Ctrl-C; then draw the pictures."""
    from lamina.export.run_page import write_run_page
    from lamina.recipes import Training, load_digits
    from lamina.recipes.run import checkpoints, write_settings
    from lamina.training.device import described

    observers = [checkpoints(folder, settings, saved), _display()]
    training = Training(settings, *load_digits(), observers, device=device)
    if device != "cpu":
        say(f"lamina: trains on {described(training.context)}", error=True)
    write_settings(folder, settings)
    try:
        for _ in training.run():
            pass
    except KeyboardInterrupt:
        return _say_interrupted(folder, training)
    except NonFiniteLossError as error:
        kept = f"{folder.path} keeps the network as it was after {counted(len(training.past), 'epoch')}"
        raise NonFiniteLossError(f"{error} (--lr); {kept}") from error
    _draw(folder, training)
    page = write_run_page(folder.path)
    say(f"saved in {folder.path}")
    if page is not None:
        say(f"next: open {page} in a browser and draw a digit")
    return 0


def _display() -> Display:
    """A table that grows by a row an epoch."""
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
    say(
        f"lamina: interrupted after {counted(done, 'epoch')} and {batches} of {training.batches} "
        f"steps; saved in {folder.path}; continue with: lamina train mnist --resume {folder.path}",
        error=True,
    )
    return EXIT_INTERRUPTED


def _draw(folder: RunFolder, training: Training) -> None:
    """The two pictures, if Matplotlib is there; the run is complete without them."""
    from lamina.recipes import evaluate
    from lamina.recipes.pictures import draw_learning_curves, draw_mistakes

    test = training.test
    probabilities = evaluate(training.network, test)[2]
    try:
        draw_learning_curves(folder.path / "learning_curves.png", training.past)
        mistakes = folder.path / "mistakes.png"
        draw_mistakes(mistakes, test.images.asnumpy(), test.labels.asnumpy(), probabilities)
    except MissingPackageError as error:
        say(f"lamina: no pictures: {error}", error=True)
