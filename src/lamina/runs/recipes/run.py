"""A run on MNIST in its folder: its model, with the settings and the progress that prediction and resuming need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lamina.errors import DataError, LaminaError
from lamina.runs.recipes._augmented import MOMENTS
from lamina.runs.recipes._chapter import ChapterNetwork, parameter_shapes
from lamina.runs.recipes._settings import Settings
from lamina.runs.recipes._training import Progress, network_of
from lamina.support.files.tensors import TensorFile, open_tensors
from lamina.support.files.typed_json import Count, decoded, strict
from lamina.training.checkpoint import Checkpoint, Checkpoints, Position, damaged
from lamina.training.loop import Epoch
from lamina.training.run_folder import MODEL, SETTINGS, RunFolder, model_file

__all__ = ["as_line", "checkpoints", "is_digits_run", "network_of_run", "read_run", "write_settings"]

_FIRST_FORMAT = "lamina digits 1"
_SETTINGS = strict(Settings)


class _Position(Position, kw_only=True):
    """Of a `Training`."""

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
    """The observer that saves the run's model, and resumes it from `saved`."""
    return Checkpoints(folder, asdict(settings), as_line, _METADATA, saved)


def as_line(epoch: Epoch) -> dict[str, Any]:
    """An epoch for JSON."""
    return {"epoch": epoch.number, "loss": epoch.loss, **epoch.scores}


def write_settings(folder: RunFolder, settings: Settings) -> None:
    """Write the settings for people and other programs."""
    text = json.dumps(asdict(settings), indent=2) + "\n"
    folder.put(lambda filled: (filled / SETTINGS).write_text(text, "utf-8"))


def read_run(path: Path) -> tuple[Settings, Checkpoint]:
    """The settings of a run, and the checkpoint it goes on from.

    Args:
        path: its folder, or its model file.

    Raises:
        DataError: there is no run, or its model is damaged or of another kind.
    """
    file = model_file(path)
    if not file.is_file():
        raise DataError(f"{path} holds no run: there is no {MODEL} in it")
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
        raise damaged(Path(file.name), error) from error


def _check(asked: Any, file: TensorFile) -> None:
    """The file holds the arrays of a network of these settings, and nothing has been allocated for them yet."""
    inputs = file.shapes.get("W1", ())[:1]
    if 2 * len(asked.hidden) >= len(file.shapes):
        raise damaged(Path(file.name), f"{len(asked.hidden)} hidden layers, but {len(file.shapes)} arrays")
    parameters = parameter_shapes((*inputs, *asked.hidden, 10))
    known = parameters | {
        f"{moment}{name}": shape for name, shape in parameters.items() for moment in MOMENTS
    }
    for name in [*parameters, *file.shapes]:
        if name not in known or file.shapes.get(name) != known[name] or file.dtypes[name] != np.float32:
            raise damaged(
                Path(file.name), f"{name!r} is not as in a network with hidden layers of {asked.hidden}"
            )


def is_digits_run(path: Path) -> bool:
    """Whether a folder holds a run on MNIST, or a model file is of one; False too if there is no run."""
    try:
        with open_tensors(model_file(path)) as file:
            return "classes" in file.metadata
    except (OSError, DataError):
        return False


def _first_format(file: TensorFile) -> Checkpoint:
    """The checkpoint in a model that was saved before tables and digits had one format."""
    what = str(damaged(Path(file.name), "its metadata"))
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
    """The trained network, ready to predict; raises as `read_run` does."""
    settings, saved = read_run(path)
    for name, array in saved.arrays.items():
        if not np.isfinite(array).all():
            raise damaged(model_file(path), f"{name!r} has values that are not finite")
    network = network_of(settings, saved.arrays["W1"].shape[0])
    network.load(dict(saved.arrays))
    return network
