"""A run on MNIST in its folder: its model, with the settings and the progress that prediction and resuming need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.io.tensors import load_tensors
from lamina.recipes.chapter import ChapterNetwork
from lamina.recipes.training import Settings, network_of
from lamina.training.checkpoint import Checkpoint, Checkpoints
from lamina.training.loop import Epoch
from lamina.training.run_folder import MODEL, SETTINGS, RunFolder

__all__ = ["as_line", "checkpoints", "is_digits_run", "network_of_run", "read_run", "write_settings"]

_FIRST_FORMAT = "lamina digits 1"
_METADATA = {
    "input": "uint8 images of 28x28, ink 255 on 0, flattened by rows, divided by 255",
    "classes": json.dumps(list(range(10))),
}


def checkpoints(folder: RunFolder, settings: Settings, saved: Checkpoint | None = None) -> Checkpoints:
    """What keeps the run's model up to date, and has it go on from what is `saved`."""
    return Checkpoints(folder, asdict(settings), as_line, _METADATA, saved)


def as_line(epoch: Epoch) -> dict[str, Any]:
    """What JSON holds of an epoch."""
    return {"epoch": epoch.number, "loss": epoch.loss, **epoch.scores}


def write_settings(folder: RunFolder, settings: Settings) -> None:
    """Write the settings for people and other programs."""
    text = json.dumps(asdict(settings), indent=2) + "\n"
    folder.put(lambda filled: (filled / SETTINGS).write_text(text, "utf-8"))


def read_run(path: Path) -> tuple[Settings, Checkpoint]:
    """The settings of a run, and what it goes on from.

    Args:
        path: its folder, or its model file.

    Raises:
        DataError: there is no run, or its model is damaged or of another kind.
    """
    file = _model_file(path)
    if not file.is_file():
        raise DataError(f"{path} holds no run: there is no {MODEL} in it")
    arrays, metadata = load_tensors(file)
    if "classes" not in metadata:
        raise DataError(f"{file} is not a model that lamina trained on digits")
    read = _first_format if metadata.get("format") == _FIRST_FORMAT else Checkpoint.of
    try:
        saved = read(arrays, metadata)
        asked: dict[str, Any] = {**saved.request, "hidden": tuple(saved.request["hidden"])}
        return Settings(**asked), saved
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{file}: its settings are damaged: {error}") from error


def is_digits_run(path: Path) -> bool:
    """Whether a folder holds a run on MNIST, or a model file is of one; False too if there is no run."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(_model_file(path), framework="numpy") as file:
            return "classes" in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def _model_file(path: Path) -> Path:
    return path / MODEL if path.is_dir() else path


def _first_format(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> Checkpoint:
    """The checkpoint in a model that was saved before tables and digits had one format."""
    progress = dict(json.loads(metadata["progress"]))
    past: list[dict[str, Any]] = []
    seconds = 0.0
    for line in progress.pop("history"):
        number, loss = line.pop("epoch"), line.pop("loss")
        seconds += line["train_seconds"]
        past.append(asdict(Epoch(number, loss, None, is_best=False, seconds=seconds, scores=line)))
    position = {**progress, "past": past, "best": [0, -np.inf, np.inf]}
    return Checkpoint(json.loads(metadata["settings"]), arrays, position, data=[])


def network_of_run(path: Path) -> ChapterNetwork:
    """The trained network, ready to predict; raises as `read_run` does."""
    settings, saved = read_run(path)
    inputs: Any = saved.arrays.get("W1")
    network = network_of(settings, 784 if inputs is None else inputs.shape[0])
    network.load(dict(saved.arrays))
    return network
