"""``lamina train mnist``: train on MNIST, show the table, fill a run's folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamina.cli.console import say
from lamina.cli.exit_codes import EXIT_INTERRUPTED
from lamina.cli.options import layers
from lamina.errors import LaminaError, MissingPackageError, NonFiniteLossError
from lamina.table.messages import counted

if TYPE_CHECKING:
    from lamina.recipes.run_folder import RunFolder
    from lamina.recipes.training import Epoch, Settings, Training

__all__ = ["mnist"]


def mnist(
    recipe: Annotated[
        str | None,
        typer.Option(help="How to train: default (98.8 %) or chapter (97 %).", show_default="default"),
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Units of the hidden layers, with commas.", show_default="256,256")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images.", show_default="10")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images a step.", show_default="128, chapter 64")
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="The learning rate.", show_default="0.002, chapter 0.001")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of all randomness.", show_default="0")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder, new.", show_default="runs/mnist-<n>")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Continue the run in this folder where it stopped; --epochs may prolong it."),
    ] = None,
) -> int:
    """Train a multilayer perceptron on MNIST.

    The folder then holds the model, its settings, metrics by epoch, and two pictures.
    Ctrl-C keeps what is trained so far.
    """
    given = {
        "recipe": recipe,
        "hidden": None if hidden is None else layers(hidden),
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "seed": seed,
    }
    folder, training = _begin(given, out, resume)
    return _train(folder, training)


def _begin(given: dict[str, Any], out: Path | None, resume: Path | None) -> tuple[RunFolder, Training]:
    """A new run, or an earlier one as it stood."""
    from lamina.recipes import Settings, Training, load_digits
    from lamina.recipes.run_folder import RunFolder

    chosen = {name: value for name, value in given.items() if value is not None}
    if resume is None:
        settings = Settings.of(chosen.pop("recipe", "default"), **chosen)
        training = Training(settings, *load_digits())
        return RunFolder.create(out), training  # last: what cannot be trained leaves no empty folder
    if out is not None:
        raise LaminaError("--resume continues in the run's own folder; leave --out away")
    folder = RunFolder(resume)
    settings, parameters, progress = folder.load()
    settings = _prolonged(settings, chosen)
    return folder, Training(settings, *load_digits(), parameters=parameters, progress=progress)


def _prolonged(settings: Settings, chosen: dict[str, Any]) -> Settings:
    """The settings of a resumed run: its own, but for more epochs."""
    for name, value in chosen.items():
        if name != "epochs" and value != getattr(settings, name):
            option = "--" + name.replace("_", "-")
            raise LaminaError(f"the run was begun with {option} {getattr(settings, name)}; it can't change")
    return dataclasses.replace(settings, epochs=chosen.get("epochs", settings.epochs))


def _train(folder: RunFolder, training: Training) -> int:
    """Train to the end or to Ctrl-C, saving after every epoch; then draw the pictures."""
    from lamina.cli.training_table import TrainingTable

    def save() -> None:
        folder.save(training.settings, training.arrays(), training.progress)

    save()
    with TrainingTable(training) as table:

        def after_epoch(epoch: Epoch) -> None:
            save()
            table.after_epoch(epoch)

        try:
            training.run(table.after_stretch, after_epoch)
        except KeyboardInterrupt:
            save()
            return _say_interrupted(folder, training)
        except NonFiniteLossError as error:
            kept = (
                f"{folder.path} keeps the network as it was after {counted(training.progress.epoch, 'epoch')}"
            )
            raise NonFiniteLossError(f"{error} (--lr); {kept}") from error
    _draw(folder, training)
    say(f"saved in {folder.path}")
    return 0


def _say_interrupted(folder: RunFolder, training: Training) -> int:
    progress = training.progress
    say(
        f"lamina: interrupted after {counted(progress.epoch, 'epoch')} and {progress.batch} of {training.batches} "
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
        draw_learning_curves(folder.learning_curves, training.progress.history)
        draw_mistakes(folder.mistakes, test.images.asnumpy(), test.labels.asnumpy(), probabilities)
    except MissingPackageError as error:
        say(f"lamina: no pictures: {error}", error=True)
