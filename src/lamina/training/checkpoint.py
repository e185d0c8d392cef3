"""Checkpoints: a training's complete state in its run's folder, so that a killed run loses little."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lamina.errors import DataError, NonFiniteLossError
from lamina.support.files.tensors import TensorFile, save_tensors
from lamina.support.files.typed_json import Count, decoded, strict
from lamina.support.messages import excerpt, warn
from lamina.training.loop import Epoch, Loop, Observer
from lamina.training.run_folder import CHECKPOINT, METRICS, MODEL, SETTINGS, RunFolder

_FORMAT = "lamina checkpoint 2"
"""The current format, with a digest; format 1 has none."""

_FORMATS = ("lamina checkpoint 1", _FORMAT)
_EPOCH = strict(Epoch)
_Check = Callable[[Any, TensorFile], None]
"""A comparison of a request with its file's header, which raises `LaminaError` if they differ."""

Lines = Sequence[Mapping[str, Any]]
"""The lines of a log about epochs or trials, as JSON objects."""

_SECONDS = 10.0  # minimum seconds of training between two checkpoints
_COST = 0.02  # maximum share of the time for saving checkpoints


class NotSavedWarning(UserWarning):
    """A warning that a checkpoint could not be saved, for example because the disk is full; training continues."""

    subjects = frozenset({"a checkpoint could not be saved"})


class Position(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The JSON values of every `Loop.state`; a subclass declares the further values of its loop."""

    past: list[_EPOCH]  # pyright: ignore[reportInvalidTypeForm] - defined above
    best: tuple[Count, float, float]


@dataclass(frozen=True)
class Checkpoint:
    """The state from which a training can be resumed.

    Attributes:
        request: the options as JSON, which determine the rows and the initial network.
        arrays, position: the training's `Loop.state`.
        data: digests of the training's rows; see `Loop.fingerprints`.
    """

    request: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    position: Mapping[str, Any]
    data: list[str]

    @property
    def past(self) -> list[Epoch]:
        """The completed epochs."""
        return [Epoch(**epoch) for epoch in self.position["past"]]

    @classmethod
    def of(cls, file: TensorFile, request: Any, position: Any, check: _Check | None = None) -> Checkpoint:
        """Read the checkpoint in an open file.

        Args:
            file: the file.
            request, position: the msgspec types of the JSON values; `position` is a subclass of `Position`.
            check: compares the request with the file's header, before arrays are read; raises `LaminaError`.

        Raises:
            DataError: the file is damaged.
        """
        what = str(damaged(file.name, "its metadata"))
        written = file.metadata.get("format")
        if written not in _FORMATS or (written == _FORMAT and not file.is_signed):
            lost = "it has lost its digest" if written == _FORMAT else f"its format is {written!r}"
            raise damaged(file.name, lost)
        asked = decoded(file.metadata.get("request", ""), request, what)
        place = msgspec.defstruct(
            "Place", [("data", list[str]), ("trainer", position)], forbid_unknown_fields=True
        )
        at: Any = decoded(file.metadata.get("position", ""), place, what)
        if check is not None:
            check(asked, file)
        return cls(msgspec.to_builtins(asked), file.arrays(), msgspec.to_builtins(at.trainer), at.data)

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the checkpoint as a safetensors file, with additional metadata."""
        position = {"data": self.data, "trainer": self.position}
        texts = {"request": json.dumps(self.request), "position": json.dumps(position)}
        save_tensors(path, self.arrays, {**metadata, "format": _FORMAT, **texts})


class Checkpoints(Observer):
    """An observer that saves a training's state and metrics in the run's folder, and restores them.

    The first checkpoint is written after the first epoch; later ones are far enough apart to cost little. They are in a
    separate file, `CHECKPOINT`, which is removed when the loss becomes non-finite. If the model alone suffices to
    resume the training, the model is the checkpoint: it is saved before the first step and after each epoch, with the
    request as `SETTINGS`, and never removed. After Ctrl-C the state is saved if the training can be resumed within an
    epoch.

    Args:
        folder: the run's folder.
        request: see `Checkpoint`.
        model: the model's metadata, if the model is the checkpoint.
        saved: the checkpoint of an earlier run.
    """

    def __init__(
        self,
        folder: RunFolder,
        request: Mapping[str, Any],
        model: Mapping[str, str] | None = None,
        saved: Checkpoint | None = None,
    ) -> None:
        self.folder, self.request = folder, request
        self._model, self._saved = model, saved
        self._file = CHECKPOINT if model is None else MODEL
        self._data: list[str] = []
        self._due, self._is_behind = 0.0, False

    def on_begin(self, loop: Loop) -> None:
        """Restore the state of the earlier run.

        Raises:
            DataError: the rows differ from the earlier run's, or the checkpoint does not fit the training.
        """
        self._data = loop.fingerprints()
        if self._saved is not None:
            self._resume(loop, self._saved)
            self._due = time.perf_counter() + _SECONDS
        if self._model is not None:
            self._save(loop)

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        """Save the state, if a checkpoint is due."""
        start = time.perf_counter()
        if self._model is None and start < self._due:
            return
        try:
            self._save(loop)
            self._is_behind = False
        except OSError as error:
            self._is_behind = True
            lost = "the training since the last checkpoint is lost if the run is killed"
            why = f"{error.filename}: {error.strerror}"
            warn(NotSavedWarning(f"a checkpoint could not be saved, so {lost}: {why}"))
        end = time.perf_counter()
        self._due = end + max(_SECONDS, (end - start) / _COST)

    def on_end(self, loop: Loop, error: BaseException | None) -> None:
        """Save the state after Ctrl-C, and a model that could not be saved after the last epoch.

        The checkpoint is removed after a non-finite loss, which would occur again.

        Raises:
            LaminaError, OSError: see `RunFolder.put_trained`.
        """
        if self._model is None and isinstance(error, NonFiniteLossError):
            self.folder.remove(CHECKPOINT)
            if not self.folder.has(MODEL):  # a model kept by an earlier Ctrl-C
                self.folder.remove(METRICS)
        if loop.resumes_within_epochs and isinstance(error, KeyboardInterrupt):
            self._save(loop)
        elif error is None and self._is_behind and self._model is not None:
            self._save(loop, self.folder.put_trained)

    def _resume(self, loop: Loop, saved: Checkpoint) -> None:
        if saved.data != self._data:
            raise DataError(
                f"the rows differ from those at the start of the run in {self.folder.path}, so it can't be resumed; "
                "start a new run with another --out"
            )
        try:
            loop.restore(saved.arrays, saved.position)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise damaged(self.folder.path / self._file, error) from error
        self._saved = None

    def _save(self, loop: Loop, put: Callable[[Callable[[Path], object]], None] | None = None) -> None:
        arrays, position = loop.state()
        checkpoint = Checkpoint(self.request, arrays, position, self._data)

        def fill(folder: Path) -> None:
            checkpoint.write(folder / self._file, self._model or {})
            write_json_lines(folder / METRICS, [epoch.line() for epoch in loop.past])
            if self._model is not None:
                write_settings(folder, self.request)

        (put or self.folder.put)(fill)


def damaged(path: Path | str, error: object) -> DataError:
    """The error for a checkpoint file that can't be used."""
    return DataError(f"{path} is damaged, or of another version of lamina: {excerpt(error)}")


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write a run's settings as JSON to its folder."""
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", "utf-8")


def write_json_lines(path: Path, lines: Lines) -> None:
    """Write a file with a JSON object per line."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
