"""Storage of a search's trials in the run's folder, with a file per trial, for resuming the search.

The files are safetensors with a digest, written atomically, and checked against the declarations here. Complete trials
are kept, no matter how the search ends. Trials belong to the same search if they have the same `fingerprint`, a digest
of rows, seed and settings.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, overload

import msgspec
import numpy as np

from lamina.errors import DataError
from lamina.estimators.architecture import Architecture
from lamina.estimators.network import part_of
from lamina.estimators.persistence import not_finite, plain, require_networks
from lamina.estimators.search.trial import Trial
from lamina.support.files.tensors import TensorFile, open_tensors, save_tensors
from lamina.support.files.typed_json import Count, decoded, strict
from lamina.support.messages import warn
from lamina.training.checkpoint import NotSavedWarning
from lamina.training.run_folder import TRIALS

_FORMAT = "lamina trial 2"
_KNOWN = ("lamina trial 1", _FORMAT)  # format 1 had no earlier stages
_OUTPUTS, _NETWORK = "outputs", "network."
_ARRAYS = (_OUTPUTS, "state")
_OF_STAGES = ("score", "best_epoch", "factor")
_MOST_STAGES = 16
_MOST_MEMBERS = 1 << 16
"""Limit on members, since memory is allocated for each before the arrays are counted."""

_PLAIN = tuple(
    field.name
    for field in dataclasses.fields(Trial)
    if field.name not in (*_ARRAYS, "settings", "architecture", "earlier")
)
_Scalar = None | bool | int | float | str
_Stage: Any = msgspec.defstruct(
    "Stage", [("score", float), ("best_epoch", Annotated[int, msgspec.Meta(ge=1)]), ("factor", float)],
    forbid_unknown_fields=True, kw_only=True,
)  # fmt: skip
"""The JSON form of a trial's state at the end of an earlier cycle."""
_Said: Any = msgspec.defstruct(
    "Said",
    [
        ("fingerprint", str),
        ("settings", dict[str, _Scalar | list[_Scalar]]),
        ("architecture", strict(Architecture)),
        ("members", Annotated[int, msgspec.Meta(ge=1, le=_MOST_MEMBERS)]),
        *((name, Count) for name in ("number", "epochs", "best_epoch")),
        *((name, float) for name in ("score", "seconds", "ended", "factor")),
        ("complete", bool),
        ("predicting", float | None, msgspec.field(default=None)),
        *((name, list[float]) for name in ("losses", "scores")),
        (
            "earlier",
            Annotated[list[_Stage], msgspec.Meta(max_length=_MOST_STAGES)],
            msgspec.field(default_factory=list),
        ),
    ],
    forbid_unknown_fields=True,
    kw_only=True,
)
"""The JSON form of a `Trial`, with the search's fingerprint."""


class TrialFolder:
    """A `TrialStore` in a run's folder.

    Args:
        run: the run's folder, which this process must have locked.
    """

    def __init__(self, run: Path) -> None:
        self.run, self._fingerprint = run, ""

    def load(self, fingerprint: str) -> StoredTrials:
        """Load the trials of the search with this fingerprint, in the order of their numbers.

        Files are read on access. Numbers may be missing if several trials were trained in parallel.

        Raises:
            DataError: a file is damaged, or from another search.
        """
        self._fingerprint = fingerprint
        files = {
            int(file.stem): file
            for file in (self.run / TRIALS).glob("*.safetensors")
            if file.stem.isdecimal()
        }
        trials = StoredTrials([files[number] for number in sorted(files)])
        for said in map(trials.said, range(len(trials))):
            if said.fingerprint != fingerprint:
                raise DataError(
                    f"the rows or the settings differ from those at the start of the search in {self.run}, so it "
                    "can't be resumed; start a new search with another --out"
                )
        return trials

    def save(self, trial: Trial) -> None:
        """Save a trial; if that fails, e.g. for lack of space, warn that the trial may be lost."""
        said = {field.name: getattr(trial, field.name) for field in dataclasses.fields(trial)}
        said |= {"fingerprint": self._fingerprint, "architecture": dataclasses.asdict(trial.architecture)}
        said["earlier"] = [{name: getattr(stage, name) for name in _OF_STAGES} for stage in trial.earlier]
        text = json.dumps({name: plain(value) for name, value in said.items() if name not in _ARRAYS})
        arrays: dict[str, np.ndarray] = {}
        for i, stage in enumerate((trial, *trial.earlier)):
            arrays |= {f"{_prefix(i)}{_NETWORK}{name}": array for name, array in stage.state.items()}
            arrays[f"{_prefix(i)}{_OUTPUTS}"] = stage.outputs
        try:
            self._file(trial.number).parent.mkdir(exist_ok=True)
            save_tensors(self._file(trial.number), arrays, {"format": _FORMAT, "trial": text})
        except OSError as error:
            lost = "it and later trials are lost if the run is killed"
            warn(NotSavedWarning(f"trial {trial.number} could not be saved, and {lost}: {error}"))

    def _file(self, number: int) -> Path:
        return self.run / TRIALS / f"{number:05}.safetensors"


class StoredTrials(Sequence[Trial]):
    """A sequence of trials, in the order of their numbers; each access reads a file."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def said(self, at: int) -> Any:
        """The values of the trial at position `at`, without its arrays.

        Raises:
            DataError: the file is damaged, or its trial's number differs from its name.
        """
        with _with_advice(self._files[at]), open_tensors(self._files[at]) as file:
            return _said(file, self._files[at])

    @overload
    def __getitem__(self, at: int) -> Trial: ...
    @overload
    def __getitem__(self, at: slice) -> list[Trial]: ...
    def __getitem__(self, at: int | slice) -> Trial | list[Trial]:
        if isinstance(at, slice):
            return [self[i] for i in range(len(self))[at]]
        path = self._files[at]
        with _with_advice(path), open_tensors(path) as file:
            try:
                return _trial(_said(file, path), file)
            except (ValueError, TypeError, OverflowError) as error:
                if isinstance(error, DataError) and file.name in str(error):
                    raise
                raise file.damaged(error) from error


@contextmanager
def _with_advice(file: Path) -> Generator[None]:
    """Extend a `DataError` about a trial's file by advice: delete the file to train the trial again."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{error}; delete {file.name} to train its trial again") from error


def _said(file: TensorFile, path: Path) -> Any:
    if file.metadata.get("format") not in _KNOWN or not file.is_signed:
        raise file.damaged("it is not a trial, or has lost its digest")
    said: Any = decoded(file.metadata.get("trial", ""), _Said, f"{file.name} is damaged")
    if said.number != int(path.stem):
        raise file.damaged(f"it contains trial {said.number}, not the trial in its name")
    return said


def _trial(said: Any, file: TensorFile) -> Trial:
    architecture = Architecture(**msgspec.structs.asdict(said.architecture))
    learned = said.best_epoch > 0
    others = tuple(_prefix(i) for i in range(1, len(said.earlier) + 1))
    require_networks([architecture] * said.members if learned else [], file, (_OUTPUTS, *others))
    shape = file.shapes.get(_OUTPUTS, ())
    if len(shape) != 2 or shape[1] != architecture.outputs or file.dtypes[_OUTPUTS] != np.float32:
        raise ValueError(
            f"its outputs are {file.dtypes.get(_OUTPUTS)} of shape {shape}, not float32 (rows, {architecture.outputs})"
        )
    for prefix in others:
        _require_alike(file, prefix)
    arrays = file.arrays()
    if learned and (name := not_finite(arrays)):
        raise ValueError(f"{name} has values that are not finite")
    values: dict[str, Any] = {name: getattr(said, name) for name in _PLAIN}
    settings = {name: _frozen(value) for name, value in said.settings.items()}
    outputs, state = arrays[_OUTPUTS], part_of(arrays, _NETWORK)
    trial = Trial(**values, settings=settings, architecture=architecture, outputs=outputs, state=state)
    earlier = [
        dataclasses.replace(
            trial,
            **{name: getattr(stage, name) for name in _OF_STAGES},
            outputs=arrays[f"{prefix}{_OUTPUTS}"],
            state=part_of(arrays, f"{prefix}{_NETWORK}"),
        )
        for stage, prefix in zip(said.earlier, others, strict=True)
    ]
    return dataclasses.replace(trial, earlier=tuple(earlier))


def _prefix(stage: int) -> str:
    """The name prefix of a stage's arrays; stage 0 is the trial itself, stage i is `Trial.earlier[i - 1]`."""
    return f"earlier.{stage - 1}." if stage else ""


def _require_alike(file: TensorFile, prefix: str) -> None:
    """Raise `ValueError` unless an earlier stage's arrays match the trial's own in name, shape and dtype."""
    own = {name: shape for name, shape in file.shapes.items() if name.startswith((_OUTPUTS, _NETWORK))}
    its = part_of(file.shapes, prefix)
    if own != its or any(file.dtypes[f"{prefix}{name}"] != file.dtypes[name] for name in own):
        raise ValueError(f"the arrays named {prefix}… differ from the trial's own in name, shape or dtype")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
