"""A run's folder: settings, one line of metrics an epoch, and the model with all that prediction needs."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from lamina.errors import DataError, LaminaError
from lamina.io.files import atomic_write
from lamina.io.tensors import load_tensors, save_tensors
from lamina.recipes.chapter import ChapterNetwork
from lamina.recipes.training import Epoch, Progress, Settings, network_of

__all__ = ["RunFolder"]

_FORMAT = "lamina digits 1"


class RunFolder:
    """The files of one run, each of which appears whole or not at all.

    ``model.safetensors`` is the one that counts: parameters, settings and progress together, so that a run
    which stopped anywhere continues from it exactly. ``settings.json`` and ``metrics.jsonl`` say the same for
    other programs; the pictures are made at the end.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.model = self.path / "model.safetensors"
        self.settings = self.path / "settings.json"
        self.metrics = self.path / "metrics.jsonl"
        self.learning_curves = self.path / "learning_curves.png"
        self.mistakes = self.path / "mistakes.png"

    @classmethod
    def create(cls, path: str | os.PathLike[str] | None = None, *, name: str = "mnist") -> RunFolder:
        """A new, empty folder: `path`, or the next free ``runs/<name>-<n>``.

        Raises:
            LaminaError: if `path` holds anything already.
        """
        if path is None:
            return cls(_next_free(Path("runs"), name))
        folder = cls(path)
        if folder.path.exists() and not folder.path.is_dir():
            raise LaminaError(f"{path} is a file; --out needs a folder")
        if folder.model.exists():
            raise LaminaError(
                f"{path} holds a run already; choose another --out, or continue that run with --resume {path}"
            )
        if folder.path.exists() and any(folder.path.iterdir()):
            raise LaminaError(f"{path} is not empty; choose another --out")
        folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    def save(self, settings: Settings, parameters: dict[str, np.ndarray], progress: Progress) -> None:
        """Write the state of a run."""
        metadata = {
            "format": _FORMAT,
            "settings": json.dumps(dataclasses.asdict(settings)),
            "progress": json.dumps(dataclasses.asdict(progress)),
            "input": "uint8 images of 28x28, ink 255 on 0, flattened by rows, divided by 255",
            "classes": json.dumps(list(range(10))),
        }
        save_tensors(self.model, parameters, metadata)
        with atomic_write(self.settings, "w") as file:
            json.dump(dataclasses.asdict(settings), file, indent=2)
            file.write("\n")
        with atomic_write(self.metrics, "w") as file:
            file.writelines(json.dumps(dataclasses.asdict(epoch)) + "\n" for epoch in progress.history)

    def load(self) -> tuple[Settings, dict[str, np.ndarray], Progress]:
        """The state that `save` wrote.

        Raises:
            DataError: if the folder holds no run, or its model is damaged or of another kind.
        """
        if not self.model.is_file():
            raise DataError(f"{self.path} holds no run: there is no {self.model.name} in it")
        parameters, metadata = load_tensors(self.model)
        if metadata.get("format") != _FORMAT:
            raise DataError(f"{self.model} is not a model that lamina trained on digits")
        try:
            settings: dict[str, Any] = json.loads(metadata["settings"])
            settings["hidden"] = tuple(settings["hidden"])
            progress = json.loads(metadata["progress"])
            history = [Epoch(**epoch) for epoch in progress.pop("history")]
            return Settings(**settings), parameters, Progress(**progress, history=history)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.model}: its settings are damaged: {error}") from error

    def network(self) -> ChapterNetwork:
        """The trained network, ready to predict; raises as `load` does."""
        settings, parameters, _ = self.load()
        inputs: Any = parameters.get("W1")
        network = network_of(settings, 784 if inputs is None else inputs.shape[0])
        network.load(parameters)
        return network


def _next_free(parent: Path, name: str) -> Path:
    """Make ``parent/name-n``, n one more than the highest there."""
    parent.mkdir(parents=True, exist_ok=True)
    taken = [path.name.removeprefix(f"{name}-") for path in parent.glob(f"{name}-*")]
    number = max((int(n) for n in taken if n.isdecimal()), default=0) + 1
    while True:
        path = parent / f"{name}-{number}"
        try:
            path.mkdir()
        except FileExistsError:  # another run started at the same moment
            number += 1
            continue
        return path
