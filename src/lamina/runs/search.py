"""Hyperparameter search on a prepared table, which can be resumed from the trials in the run's folder.

`Closing` moves the search's deadline, so that evaluation and report fit into the time limit. `SearchLog` records the
trials, and `TrialFolder` stores them, with a file per trial: safetensors with a digest, written atomically, and checked
against the declarations here. Complete trials are kept, no matter how the search ends. Trials belong to the same search
if they have the same `fingerprint`, a digest of rows, seed and settings.
"""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import numpy as np

from lamina.errors import DataError, MissingPackageError
from lamina.estimators.architecture import Architecture
from lamina.estimators.file_schema import MOST_MEMBERS, Scalar
from lamina.estimators.fitted import FittedModel
from lamina.estimators.importance import MOST_ROWS, REPEATS
from lamina.estimators.network import Ensemble, part_of
from lamina.estimators.persistence import as_json, require_networks
from lamina.estimators.saved_network import not_finite
from lamina.estimators.search.trial import OtherSearchError, SearchObserver, SearchView, Trial
from lamina.runs.data import Prepared, Request
from lamina.runs.evaluation import Baseline, baseline_outputs, predictions_made
from lamina.runs.model import TableModel, Trained, history_of
from lamina.runs.report import page_template
from lamina.runs.run_folder import search_metadata
from lamina.runs.training import encoder_for, estimator_for, fit_or_keep
from lamina.support.files.tensors import TensorFile, open_tensors, save_tensors
from lamina.support.files.typed_json import Count, decoded, strict
from lamina.support.messages import warn
from lamina.table.encode import Encoded
from lamina.table.messages import DataWarning
from lamina.training.checkpoint import NotSavedWarning
from lamina.training.run_folder import CHECKPOINT, TRIALS, RunFolder
from lamina.training.time_limit import Pace, seconds_over


def begin(folder: RunFolder, request: Request) -> None:
    """Write the request into a new run's folder, so that a killed search can be resumed."""
    metadata = search_metadata(request)
    folder.put(lambda filled: save_tensors(filled / CHECKPOINT, {}, metadata))


def baselines(prepared: Prepared, request: Request) -> dict[str, Baseline]:
    """Compute the baselines' outputs before the search, so that their duration need not be estimated."""
    estimator = estimator_for(prepared, request, [])
    encoder = encoder_for(estimator, prepared)
    # The warnings are about held-out values that training rows lack.
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        return baseline_outputs(estimator, encoder, encoder.schema, prepared, prepared.judged[1])


def search(
    prepared: Prepared,
    request: Request,
    folder: RunFolder,
    observers: Sequence[SearchObserver],
    closing: Closing | None,
    since: Callable[[], float],
    *,
    device: str = "cpu",
    n_jobs: int | None = None,
) -> Trained:
    """Run a search from the start, or resume it from the trials in the folder.

    Args:
        prepared: the table.
        request: the run's request.
        folder: the run's folder, which stores each complete trial.
        observers: further observers of the search.
        closing: the observer that moves the deadline; None without a time limit.
        since: a function that returns the seconds since the command's start.
        device: as for the estimators' parameter `device`.
        n_jobs: the number of parallel trials, as for the estimators' parameter `n_jobs`.

    Raises:
        LaminaError: the settings are invalid, or all trainings diverged.
        KeyboardInterrupt: Ctrl-C was pressed before the first network was trained.
    """
    log, begun = SearchLog(), since()
    watching = [*([] if closing is None else [closing]), log, *observers, TrialFolder(folder.path)]
    estimator = estimator_for(prepared, request, watching)
    limit = None if closing is None else closing.search_seconds()
    estimator.set_params(device=device, n_jobs=n_jobs, time_limit=limit)
    try:
        interrupted = fit_or_keep(estimator, prepared, lambda: "fitted_" in vars(estimator))
    except Exception:
        if not (folder.path / TRIALS).is_dir():  # there is nothing to resume from
            folder.remove(CHECKPOINT)
        raise
    estimator.set_params(callbacks=None, n_jobs=None, time_limit=request.time_limit)
    model = TableModel.of(estimator)
    found = {**log.summary(), "limit": request.time_limit, "most_trials": request.trials}
    return Trained(
        model, history_of(estimator), estimator.best_epoch_, interrupted, since() - begun, estimator.n_iter_,
        {**found, "lines": log.lines()},
    )  # fmt: skip


# --- the record of trials

_KEPT = ("number", "score", "seconds", "ended", "epochs", "best_epoch", "complete", "predicting")


@dataclass
class SearchLog(SearchObserver):
    """A log of a search's trials and scores.

    Attributes:
        trials: the finished trials as JSON values, in the order of their numbers.
        best: for each new best ensemble, the seconds since the search began and the ensemble's score.
        shares: each trial's share in the current ensemble.
        seconds: the search's duration, including earlier runs of the command.
        blend: the ensemble's score with linear models and boosted trees, if the loss would be 0.5 % lower.
    """

    in_order = False
    trials: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    best: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    shares: Mapping[int, float] = field(default_factory=dict[int, float])
    seconds: float = 0.0
    blend: float | None = None
    _has_begun: bool = False
    _pending: list[float] = field(default_factory=list[float])

    def on_search_begin(self, search: SearchView) -> None:
        self._has_begun = True

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        line = {name: getattr(trial, name) for name in _KEPT} | {"settings": dict(trial.settings)}
        line["score"] = trial.score if math.isfinite(trial.score) else None  # None: diverged or unmeasured
        self.trials.append(line)
        if not self._has_begun:  # for a stored trial, the best score dates from the trial's end
            self.best += [(trial.ended, score) for score in self._pending[-1:]]
            self._pending.clear()

    def on_new_best(self, search: SearchView) -> None:
        self.shares = dict(search.shares)
        if search.best_score is not None and self._has_begun:
            self.best.append((search.seconds(), search.best_score))
        elif search.best_score is not None:
            self._pending.append(search.best_score)

    def on_search_end(self, search: SearchView, error: BaseException | None) -> None:
        self.seconds, self.shares, self.blend = search.seconds(), dict(search.shares), search.blend_score

    def lines(self) -> list[dict[str, Any]]:
        """The trials as JSON objects, each with its share in the ensemble."""
        return [{**trial, "share": self.shares.get(trial["number"], 0.0)} for trial in self.trials]

    def summary(self) -> dict[str, Any]:
        """Summarize the search for the run's results; see `run_folder._Search`."""
        return {
            "trials": len(self.trials),
            "seconds": round(self.seconds, 3),
            "best": [[round(seconds, 3), score] for seconds, score in self.best],
            "chosen": [line for line in self.lines() if line["share"]],
            "blend": self.blend,
        }


# --- time for the work after the search

_FEWEST_ROWS = 200
"""Minimum number of rows for column importance, even if time is short."""
_IMPORTANCE = 0.05
"""The maximum share of the limit for column importance."""
_FIGURES = 7
_DRAWN = 2
"""Number of figures drawn to measure the pace; drawing takes a tenth of a second, in which other processes run, too."""
_VARIES = 1.4
"""Safety factor on a duration that was measured once."""
_COMPUTED, _SPARE, _SPARE_SHARE = 0.4, 0.2, 0.01
"""Reserve for writing files and exiting: CPU seconds, wall seconds, and a share of the limit."""
_FIRST_START = 0.3
"""Minimum time to compile any network; with less left, no trial is started."""
_BLOCKS = 8
_LEAST_LIMIT = 1e-3  # the least time limit of a search, which then ends before compiling


class Closing(SearchObserver):
    """An observer that moves a search's deadline, so that the report is ready within the time limit.

    The time for figures is measured before the search, by drawing some. The times for compiling a network and for
    predicting rows are measured on the first trial, and scaled to the averaged networks. CPU seconds are converted to
    wall time by the measured ratio of both, which may be two to five if other processes are busy.

    Args:
        prepared: the table.
        limit: the time limit of the whole command, in seconds.
        since: a function that returns the seconds since the command's start.
        pace: the measured ratio of wall time to CPU time, to which this class adds measurements.
    """

    in_order = False

    def __init__(
        self, prepared: Prepared, limit: float, since: Callable[[], float], pace: Pace | None = None
    ) -> None:
        self._limit, self._since, self._pace = limit, since, pace or Pace()
        page_template()  # loaded before the search, so that the report takes less time
        self._spare = _SPARE + _SPARE_SHARE * limit
        self._test_rows = len(prepared.judged[1])
        self._columns = min(len(prepared.schema.used), 30)
        self._figure = _computed_for_a_figure(self._pace)
        self._compiling = self._row = 0.0  # seconds per layer, and per row and weight
        self._sizes: dict[int, tuple[int, int]] = {}  # numbers of layers and weights of each trial

    def search_seconds(self) -> float:
        """The time budget, in seconds, of a search that begins now.

        The budget does not yet consider the time for evaluating networks.
        """
        left = self._limit - self._report - self._since()
        return left if left > _FIRST_START * self._pace.slowness else _LEAST_LIMIT

    def seconds_over(self) -> float:
        """The command's time beyond its limit, in seconds; 0 within the limit."""
        return seconds_over(self._since(), self._limit)

    @property
    def _report(self) -> float:
        """The estimated seconds for writing the report and the files, and for exiting."""
        return self._pace.slowness * (_VARIES * _FIGURES * self._figure + _COMPUTED) + self._spare

    def on_search_begin(self, search: SearchView) -> None:
        """Deduct the time of earlier runs of the search from the limit."""
        if search.earlier_seconds:
            self._limit -= search.earlier_seconds
            self._move(search)

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        """Measure the speed of the first trial's networks, and move the deadline."""
        parts = trial.architecture
        weights = sum(int(np.prod(one.shape)) for one in parts.parameters().values())
        self._sizes[trial.number] = trial.members * (len(parts.hidden) + 1), trial.members * weights
        depends = self._since() < self._limit - self._report  # there is still time, so that costs matter
        if depends and not self._row and trial.state:
            with self._pace.watching():
                self._measure(trial)
        self._move(search)

    def on_new_best(self, search: SearchView) -> None:
        """Move the deadline, since the evaluation of the new average may take more or less time."""
        self._move(search)

    def _move(self, search: SearchView) -> None:
        compiling, of_a_row = self._ensemble(search)
        rows = self._test_rows + self._explaining(MOST_ROWS)
        fewest = self._test_rows + self._explaining(_FEWEST_ROWS)
        allowed = max(fewest * of_a_row, min(rows * of_a_row, _IMPORTANCE * self._limit))
        ends = self._limit - self._report - _VARIES * (compiling + allowed)
        search.end_at(search.seconds() + ends - self._since())

    def _ensemble(self, search: SearchView) -> tuple[float, float]:
        """The current ensemble's compile time, and its prediction time per row, in seconds."""
        sizes = [self._sizes.get(number, (0, 0)) for number in search.shares]
        return self._compiling * sum(n for n, _ in sizes), self._row * sum(n for _, n in sizes)

    def _measure(self, trial: Trial) -> None:
        parts = trial.architecture
        network, unused = Ensemble.from_state([parts] * trial.members, trial.state), cast("Any", None)
        fitted = FittedModel(unused, network, unused)
        layers, weights = self._sizes[trial.number]

        def seconds(rows: int) -> float:
            numeric = np.zeros((rows, parts.inputs), np.float32)
            codes = np.zeros((rows, len(parts.cardinalities)), np.int32)
            begun = time.perf_counter()
            fitted.outputs(Encoded(numeric, codes))
            return time.perf_counter() - begun

        self._compiling = seconds(256) / layers
        self._row = seconds(_BLOCKS * 256) / (_BLOCKS * 256 * weights)

    def _explaining(self, rows: int) -> int:
        """The number of predictions for computing the importance of columns on `rows` rows."""
        return (self._columns * REPEATS + 1) * rows + predictions_made(rows, self._columns)

    def importance_rows(self, seconds_of_a_row: float) -> int:
        """The number of rows for column importance that the remaining time allows.

        `seconds_of_a_row` is the prediction time per row.
        """
        left = self._limit - self._report - self._since()
        rows = left / max(seconds_of_a_row * self._explaining(1), 1e-12)
        return int(min(max(rows, _FEWEST_ROWS), MOST_ROWS))


def _computed_for_a_figure(pace: Pace) -> float:
    """Measure the CPU seconds for drawing a figure, without imports; 0 if Matplotlib is not installed."""
    try:
        _draw()
    except MissingPackageError:
        return 0.0
    begun = time.thread_time()
    with pace.watching():
        for _ in range(_DRAWN):
            _draw()
    return (time.thread_time() - begun) / _DRAWN


def _draw() -> None:
    from lamina.runs import figures

    line = {"epoch": 1, "loss": 1.0, "validation_score": -1.0}
    figures.learning_curves([line, {**line, "epoch": 2}], 1, "loss")


# --- storage of trials -----------------------------------------------------------------------------------------------

_FORMAT = "lamina trial 2"
_KNOWN = ("lamina trial 1", _FORMAT)  # format 1 had no earlier stages
_OUTPUTS, _NETWORK = "outputs", "network."
_ARRAYS = (_OUTPUTS, "state")
_MOST_STAGES = 16

_OTHERS = (*_ARRAYS, "settings", "architecture", "earlier")
_PLAIN = [field.name for field in dataclasses.fields(Trial) if field.name not in _OTHERS]
_Stage: Any = msgspec.defstruct(
    "Stage", [("score", float), ("best_epoch", Annotated[int, msgspec.Meta(ge=1)]), ("factor", float)],
    forbid_unknown_fields=True, kw_only=True,
)  # fmt: skip
"""The JSON form of a trial's state at the end of an earlier cycle."""
_InFile: Any = strict(
    Trial, **dict.fromkeys(("number", "epochs", "best_epoch"), Count), **dict.fromkeys(_ARRAYS),
    settings=dict[str, Scalar | list[Scalar]], architecture=strict(Architecture), losses=list[float],
    members=Annotated[int, msgspec.Meta(ge=1, le=MOST_MEMBERS)], scores=list[float],
    earlier=Annotated[list[_Stage], msgspec.Meta(max_length=_MOST_STAGES)],
)  # fmt: skip
_Said: Any = msgspec.defstruct("Said", [("fingerprint", str)], bases=(_InFile,), frozen=True, kw_only=True)
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
            OtherSearchError: a file is from another search.
            DataError: a file is damaged.
        """
        self._fingerprint = fingerprint
        found = (self.run / TRIALS).glob("*.safetensors")
        files = {int(file.stem): file for file in found if file.stem.isdecimal()}
        paths = [files[number] for number in sorted(files)]
        for path in paths:
            with _opened(path) as (said, _):
                is_other = said.fingerprint != fingerprint
            if is_other:
                raise OtherSearchError(
                    f"the rows or the settings differ from those at the start of the search in {self.run}, so it "
                    "can't be resumed; start a new search with another --out"
                )
        return StoredTrials(paths)

    def save(self, trial: Trial) -> None:
        """Save a trial; if that fails, e.g. for lack of space, warn that the trial may be lost."""
        said = {name: getattr(trial, name) for name in (*_PLAIN, "settings")}
        said |= {"fingerprint": self._fingerprint, "architecture": dataclasses.asdict(trial.architecture)}
        said["earlier"] = [
            {name: getattr(stage, name) for name in _Stage.__struct_fields__} for stage in trial.earlier
        ]
        text = as_json(said)
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


class StoredTrials(Iterable[Trial]):
    """Trials in the order of their numbers; each iteration reads the files anew, one at a time."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def __iter__(self) -> Iterator[Trial]:
        for path in self._files:
            with _opened(path) as (said, file):
                trial = _trial(said, file)
            yield trial


@contextmanager
def _opened(path: Path) -> Generator[tuple[Any, TensorFile]]:
    """Open a trial's file; the values are the trial's JSON values, and the file.

    Raises:
        DataError: the file is damaged, or its trial's number differs from its name; the message has the advice to
            delete the file.
    """
    try:
        with open_tensors(path) as file, file.converted():
            if file.metadata.get("format") not in _KNOWN or not file.is_signed:
                raise file.damaged("it is not a trial, or has lost its digest")
            said: Any = decoded(file.metadata.get("trial", ""), _Said, f"{file.name} is damaged")
            if said.number != int(path.stem):
                raise file.damaged(f"it contains trial {said.number}, not the trial in its name")
            yield said, file
    except DataError as error:
        raise DataError(f"{error}; delete {path.name} to train its trial again") from error


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
    settings = {name: tuple(x) if isinstance(x, list) else x for name, x in said.settings.items()}
    outputs, state = arrays[_OUTPUTS], part_of(arrays, _NETWORK)
    trial = Trial(**values, settings=settings, architecture=architecture, outputs=outputs, state=state)
    earlier = [
        dataclasses.replace(
            trial,
            **msgspec.structs.asdict(stage),
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
