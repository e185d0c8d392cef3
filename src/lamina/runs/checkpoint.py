"""The state of a training in its run's folder, saved every few seconds: a run that is killed goes on from there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from lamina.errors import DataError, LaminaError
from lamina.estimators.engine import Data, Epoch, Trainer
from lamina.io.aside import lock
from lamina.io.tensors import load_tensors, save_tensors
from lamina.runs.data import Request
from lamina.runs.run_folder import CHECKPOINT, add_to_run, require_unfinished, write_run
from lamina.table.messages import warn

__all__ = ["NOT_SAVED", "Checkpoints"]

NOT_SAVED = "a checkpoint could not be saved"
"""How the warning of a full disk begins."""

_FORMAT = "lamina checkpoint 1"
_SECONDS = 10.0  # of training between two checkpoints
_COST = 0.02  # the share of the time that saving them may take


class Checkpoints:
    """Saves a training's state in its run's folder, which the first checkpoint makes.

    A context manager: in it, the run's folder is held, so that two processes never train the same run (`LaminaError`).
    With the state goes the request, from which the same rows and the same initial network come again: `resumed` reads
    it, and `begin` has the training go on from the last checkpoint to the bits of a run that was never interrupted.

    Args:
        request: what is trained.
        out: the run's folder, or None for the next free one, see `run_folder.write_run`.

    Attributes:
        folder: the run's folder; None before the first checkpoint.
        past: the epochs of the earlier run.
    """

    def __init__(self, request: Request, out: Path | None) -> None:
        self.request = request
        self.folder: Path | None = None
        self.past: list[Epoch] = []
        self._out = out
        self._saved: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None
        self._known: list[str] | None = None
        self._lock: int | None = None

    def __enter__(self) -> Self:
        if self.folder is not None:
            self._hold()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._lock is not None:
            os.close(self._lock)

    @classmethod
    def resumed(cls, folder: Path) -> Checkpoints:
        """Those of an earlier run.

        Raises:
            LaminaError: there is nothing to go on from.
            DataError: the checkpoint is damaged.
        """
        require_unfinished(folder)
        arrays, metadata = load_tensors(folder / CHECKPOINT)
        try:
            if metadata["format"] != _FORMAT:
                raise ValueError(f"its format is {metadata['format']!r}")
            position = json.loads(metadata["position"])
            checkpoints = cls(Request.from_dict(json.loads(metadata["request"])), folder)
            checkpoints.past = [Epoch(**epoch) for epoch in position["trainer"]["past"]]
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise _damaged(folder, error) from error
        checkpoints.folder, checkpoints._saved = folder, (arrays, position)
        return checkpoints

    # --- while the estimator trains ------------------------------------------------------------------------------

    def begin(self, trainer: Trainer, parts: Sequence[Data | None]) -> None:
        """Put a trainer where the earlier run was.

        Args:
            trainer: not begun.
            parts: the rows that train and validate.

        Raises:
            DataError: the rows are not the earlier run's, or the checkpoint does not fit.
        """
        self._due = time.perf_counter() + _SECONDS
        if self._saved is None:
            return
        (arrays, position), self._saved = self._saved, None
        assert self.folder is not None
        if position.get("data") != self._fingerprints(parts):
            raise DataError(
                f"the rows are not those with which the run in {self.folder} began, so it can't go on; "
                "train anew, with another --out"
            )
        try:
            trainer.restore(arrays, position["trainer"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(self.folder, error) from error

    def after_epoch(self, trainer: Trainer, parts: Sequence[Data | None]) -> None:
        """Save the state, if it is time."""
        start = time.perf_counter()
        if start < self._due:
            return
        try:
            self._save(trainer, parts)
        except OSError as error:
            warn(
                f"{NOT_SAVED}, and what is trained since the last one is lost if the run is killed: {error}",
                NOT_SAVED,
            )
        end = time.perf_counter()
        self._due = end + max(_SECONDS, (end - start) / _COST)

    def _save(self, trainer: Trainer, parts: Sequence[Data | None]) -> None:
        arrays, state = trainer.state()
        position = {"data": self._fingerprints(parts), "trainer": state}
        texts = {"request": json.dumps(self.request.to_dict()), "position": json.dumps(position)}

        def fill(folder: Path) -> None:
            save_tensors(folder / CHECKPOINT, arrays, {"format": _FORMAT, **texts})

        if self.folder is None:
            self.folder = write_run(self._out, self.request.run_name, fill)
            self._hold()
        else:
            fill(self.folder)

    def _fingerprints(self, parts: Sequence[Data | None]) -> list[str]:
        if self._known is None:
            self._known = [part.fingerprint() for part in parts if part is not None]
        return self._known

    def _hold(self) -> None:
        assert self.folder is not None
        try:
            self._lock = lock(self.folder)
        except BlockingIOError as error:
            raise LaminaError(f"another process is training the run in {self.folder}") from error

    # --- the end -------------------------------------------------------------------------------------------------

    def complete(self, fill: Callable[[Path], None], *, finished: bool) -> Path:
        """Write the run's folder with `fill`; only a run that is not `finished` keeps its checkpoint.

        Raises:
            LaminaError: the folder is taken.
            OSError: the folder cannot be written.
        """
        if self.folder is None:
            return write_run(self._out, self.request.run_name, fill)
        add_to_run(self.folder, fill)
        if finished:
            (self.folder / CHECKPOINT).unlink()
        return self.folder

    def discard(self) -> None:
        """Remove what is of no use because going on from it fails again."""
        if self.folder is not None:
            (self.folder / CHECKPOINT).unlink(missing_ok=True)
            with suppress(OSError):  # an earlier Ctrl-C kept the best epoch there
                os.rmdir(self.folder)


def _damaged(folder: Path, error: Exception) -> DataError:
    return DataError(f"{folder / CHECKPOINT} is damaged, or of another version of lamina: {error}")
