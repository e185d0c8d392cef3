"""Files of runs on MNIST: saving checkpoints, resuming a run, loading its network, and drawing its figures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np

from lamina.errors import DataError, LaminaError
from lamina.estimators.fitted import FittedModel
from lamina.estimators.saved_network import BlockNetwork, not_finite, numbers_fitted
from lamina.estimators.targets import Classes, target_named
from lamina.runs.recipes._networks import MOMENTS, ChapterNetwork, parameter_shapes
from lamina.runs.recipes._training import Progress, Settings, evaluate, load_digits, network_of
from lamina.support.files.atomic import atomic_write
from lamina.support.files.tensors import TensorFile, open_tensors
from lamina.support.files.typed_json import Count, decoded, strict
from lamina.support.messages import counted
from lamina.table.schema import Schema
from lamina.table.types.pixel import Pixel, pixel_columns
from lamina.training.checkpoint import Checkpoint, Checkpoints, Position, damaged
from lamina.training.loop import Epoch
from lamina.training.pictures import Curves, drawn, learning_curves
from lamina.training.run_folder import MODEL, RunFolder, model_file
from lamina.training.time_limit import duration_said

_FIRST_FORMAT = "lamina digits 1"
_SETTINGS = strict(Settings)


class _Position(Position, kw_only=True):
    """The JSON form of a `Training`'s progress in a checkpoint."""

    epoch: Count
    batch: Count
    moving_loss: float | None
    seconds: float
    used: float = 0.0
    variant: str = ""


class _FirstLine(msgspec.Struct, forbid_unknown_fields=True):
    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    train_seconds: float


class _FirstProgress(msgspec.Struct, forbid_unknown_fields=True):
    epoch: Count
    batch: Count
    moving_loss: float | None
    seconds: float
    history: list[_FirstLine]


_METADATA = {
    "input": "uint8 images of 28x28, ink 255 on 0, flattened by rows, divided by 255",
    "classes": json.dumps(list(range(10))),
}


def checkpoints(folder: RunFolder, settings: Settings, saved: Checkpoint | None = None) -> Checkpoints:
    """Create the observer that saves a checkpoint after epochs, and first restores the state `saved`."""
    return Checkpoints(folder, asdict(settings), _METADATA, saved)


def read_run(path: Path) -> tuple[Settings, Checkpoint]:
    """Read the settings of a run, and the checkpoint for resuming the run.

    Args:
        path: the run's folder, or its model file.

    Raises:
        DataError: `path` is not a run, or the run's model is damaged or of another type.
    """
    file = model_file(path)
    if not file.is_file():
        raise DataError(
            f"{path} contains no run; name a run's folder, which contains {MODEL}, or a model file"
        )
    with open_tensors(file) as opened:
        if "classes" not in opened.metadata:
            raise DataError(f"{file} is not a model that lamina trained on digits")
        if opened.metadata.get("format") == _FIRST_FORMAT:
            saved = _first_format(opened)
        else:
            saved = Checkpoint.of(opened, _SETTINGS, _Position, _check)
    return _settings(saved.request, opened), saved


def _settings(request: Mapping[str, Any], file: TensorFile) -> Settings:
    values: dict[str, Any] = {**request, "hidden": tuple(request["hidden"])}
    try:
        return Settings(**values)
    except LaminaError as error:
        raise damaged(file.name, error) from error


def _check(asked: Any, file: TensorFile) -> None:
    """Raise `DataError` unless the file's arrays have the names, shapes and dtypes for these settings.

    The check precedes any allocation of arrays.
    """
    inputs = file.shapes.get("W1", ())[:1]
    if 2 * len(asked.hidden) >= len(file.shapes):
        raise damaged(
            file.name, f"{len(file.shapes)} arrays are too few for {len(asked.hidden)} hidden layers"
        )
    parameters = parameter_shapes((*inputs, *asked.hidden, 10))
    known = parameters | {moment + name: shape for name, shape in parameters.items() for moment in MOMENTS}
    for name in [*parameters, *file.shapes]:
        if name not in known or file.shapes.get(name) != known[name] or file.dtypes[name] != np.float32:
            fits = f"a network with hidden layers of {asked.hidden}"
            raise damaged(file.name, f"the array {name!r} does not fit {fits}")


def _first_format(file: TensorFile) -> Checkpoint:
    """Read the checkpoint from a file in lamina's first format, which was only for digits."""
    what = str(damaged(file.name, "its metadata"))
    asked = decoded(file.metadata.get("settings", ""), _SETTINGS, what)
    progress = decoded(file.metadata.get("progress", ""), _FirstProgress, what)
    _check(asked, file)
    past: list[dict[str, Any]] = []
    seconds = 0.0
    for line in progress.history:
        scores = msgspec.structs.asdict(line)
        number, loss = scores.pop("epoch"), scores.pop("loss")
        seconds += line.train_seconds
        past.append(asdict(Epoch(number, loss, None, is_best=False, seconds=seconds, scores=scores)))
    position = {name: getattr(progress, name, value) for name, value in asdict(Progress()).items()}
    position |= {"past": past, "best": [0, -np.inf, np.inf]}
    return Checkpoint(msgspec.to_builtins(asked), file.arrays(), position, data=[])


def network_of_run(path: Path) -> ChapterNetwork:
    """Load the trained network of a run; raises like `read_run`."""
    return _trained(path, *read_run(path))


def _trained(path: Path, settings: Settings, saved: Checkpoint) -> ChapterNetwork:
    if infinite := not_finite(saved.arrays):
        raise damaged(model_file(path), f"{infinite!r} has values that are not finite")
    network = network_of(settings, saved.arrays["W1"].shape[0])
    network.load(dict(saved.arrays))
    return network


def fitted_of_run(path: Path) -> tuple[FittedModel[Any], dict[str, Any]]:
    """Load a run's network as a table model with a column per pixel, and details as from `open_model`.

    In the details, "settings" has the recipe's settings, "metrics" the epochs so far, "measured" the last accuracies,
    and "done" two descriptions, of the recipe and of the progress.
    """
    settings, saved = read_run(path)
    network = _trained(path, settings, saved)
    if network.sizes[0] != Pixel.side**2:
        raise DataError(
            f"the network in {path} has {network.sizes[0]} inputs, but pictures of digits have {Pixel.side**2} pixels"
        )
    classes = network.sizes[-1]
    target = Classes(np.arange(classes))
    schema = Schema(pixel_columns(), 0, False, target_named("digit", target))
    adapter = PictureNetwork(network, network.sizes[:1], np.dtype(np.uint8), classes)
    fitted = numbers_fitted(schema, adapter, target)
    past = [epoch.line() for epoch in saved.past]
    measured = {name: past[-1][name] for name in ("train_accuracy", "test_accuracy")} if past else {}
    details = {"settings": asdict(settings), "results": None, "metrics": past, "measured": measured}
    said = (
        f"recipe {settings.recipe}: batches of {settings.batch_size}, learning rate {settings.lr:g}, "
        f"seed {settings.seed}"
    )
    return fitted, details | {"done": [said, _done_said(settings, saved, past)]}


def tested(fitted: FittedModel[Any]) -> dict[str, Any]:
    """The accuracy, mean loss and confusion matrix (lists, true classes first) on MNIST's test images."""
    test, network = load_digits()[1], cast("PictureNetwork", fitted.network)
    accuracy, loss, probabilities = evaluate(network.block, test)
    counts = np.zeros((probabilities.shape[1],) * 2, np.int64)
    np.add.at(counts, (test.labels.asnumpy().astype(int), probabilities.argmax(axis=1)), 1)
    return {"accuracy": accuracy, "loss": loss, "confusion": counts.tolist()}


class PictureNetwork(BlockNetwork):
    """An adapter from a recipe's network to the interface that `FittedModel` expects."""

    @property
    def widths(self) -> tuple[int, ...]:
        """The layer widths."""
        return self.block.sizes

    @property
    def said(self) -> str:
        return f"layers {' – '.join(map(str, self.widths))}"

    @property
    def parameter_count(self) -> int:
        return sum((inputs + 1) * outputs for inputs, outputs in pairwise(self.widths))


def _done_said(settings: Settings, saved: Checkpoint, past: Sequence[Mapping[str, Any]]) -> str:
    if settings.time_limit is None:
        done = f"{len(past)} of {counted(settings.epochs or 0, 'epoch')}"
    else:
        used = saved.position.get("used", 0.0) / settings.time_limit
        done = f"{counted(len(past), 'epoch')}, {used:.0%} of a time limit of {duration_said(settings.time_limit)}"
    if not past:
        return done
    last = past[-1]
    return f"{done}; accuracy {last['train_accuracy']:.4f} (training), {last['test_accuracy']:.4f} (test)"


# --- figures: learning curves, and a sheet of misclassified test digits -----------------------------------------------


_COLUMNS, _MOST_ROWS = 10, 6
_CELL_WIDTH, _CELL_HEIGHT, _CAPTION = 40, 46, 16  # in the digits' pixels


def draw_learning_curves(path: str | os.PathLike[str], history: Sequence[Epoch]) -> None:
    """Draw loss and accuracy by epoch to a PNG file; raises `MissingPackageError` without Matplotlib."""
    percents: dict[str, list[float]] = {}
    for part in ("train", "test"):
        values = [100 * epoch.scores[f"{part}_accuracy"] for epoch in history]
        percents[f"{part}, {values[-1]:.2f} % at the end"] = values
    losses = Curves(
        "moving average of cross-entropy", {"training loss": [e.loss for e in history]}, begins_at_0=True
    )
    parts = (losses, Curves("images classified correctly (%)", percents))
    _save(partial(learning_curves, [epoch.number for epoch in history], parts), 10, 4.2, path)


def draw_mistakes(
    path: str | os.PathLike[str], images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray
) -> None:
    """Draw the misclassified images to a PNG file, the most confident errors first.

    Args:
        path: the file to write.
        images: shape (n, 784) or (n, 28, 28), with 0 for the background.
        labels: the true digits, shape (n,).
        probabilities: the network's class probabilities, shape (n, 10).

    Raises:
        MissingPackageError: Matplotlib is not installed.
    """
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.nonzero(answers != labels)[0]
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    shown = wrong[: _COLUMNS * _MOST_ROWS]
    rows = max(1, -(-len(shown) // _COLUMNS))

    def draw(figure: Any) -> None:
        extent = f", the {len(shown)} most confident" if len(shown) < len(wrong) else ""
        figure.suptitle(f"{len(wrong):,} mistakes in {len(labels):,} test images{extent}")
        axes = figure.subplots()
        axes.set_axis_off()
        sheet = np.zeros((rows * _CELL_HEIGHT, _COLUMNS * _CELL_WIDTH))
        for place, i in enumerate(shown):
            top, left = place // _COLUMNS * _CELL_HEIGHT, place % _COLUMNS * _CELL_WIDTH
            sheet[top + _CAPTION : top + _CAPTION + 28, left + 6 : left + 34] = images[i].reshape(28, 28)
            caption = f"{answers[i]}, not {labels[i]:.0f}\n({100 * confidence[i]:.0f} % sure)"
            axes.text(left + 20, top + _CAPTION - 1, caption, fontsize=8, ha="center", va="bottom")
        axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")

    _save(draw, 11, 0.8 + 1.35 * rows, path)


def _save(draw: Callable[[Any], None], width: float, height: float, path: str | os.PathLike[str]) -> None:
    content = drawn(draw, width, height, "png")
    with atomic_write(path) as file:
        file.write(content)
