"""Search for the best network on a prepared table, in a run's folder: kept in time, stored, and gone on with.

`Closing` moves the deadline so that measuring, report and page fit into the limit; `SearchLog` notes what was tried.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from lamina.errors import LaminaError
from lamina.estimators.fitted import FittedModel
from lamina.estimators.importance import MOST_ROWS, REPEATS
from lamina.estimators.network import Ensemble
from lamina.estimators.search.trial import SearchObserver, SearchView, Trial
from lamina.runs._model import TableModel
from lamina.runs.data import Prepared, Request
from lamina.runs.evaluation import Baseline, baseline_outputs, predictions_made
from lamina.runs.report import page_template
from lamina.runs.run_folder import search_metadata
from lamina.runs.training import Trained, encoder_for, estimator_for, fit
from lamina.runs.trials import TrialFolder
from lamina.support.files.tensors import save_tensors
from lamina.table.encode import Encoded
from lamina.table.messages import DataWarning
from lamina.training.run_folder import CHECKPOINT, TRIALS, RunFolder
from lamina.training.time_limit import Pace, seconds_over

__all__ = ["Closing", "SearchLog", "baselines", "begin", "search"]


def begin(folder: RunFolder, request: Request) -> None:
    """Write the request into a new run's folder, so that a search that is killed can go on."""

    def fill(filled: Path) -> None:
        save_tensors(filled / CHECKPOINT, {}, search_metadata(request))

    folder.put(fill)


def baselines(prepared: Prepared, request: Request) -> dict[str, Baseline]:
    """The baselines, measured before the search, so that their time is known."""
    estimator = estimator_for(prepared, request, [])
    encoder = encoder_for(estimator, prepared)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # held-out rows may have values that no training row has
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
    """Search, from the start or from the trials that are in the folder.

    Args:
        prepared: the table.
        request: the run's request.
        folder: the run's, which keeps each trial that is complete.
        observers: what watches.
        closing: what moves the deadline; None without a limit.
        since: the seconds since the command's start.
        device: where, as the estimators' parameter says.
        n_jobs: how many are trained at a time, as joblib counts them.

    Raises:
        LaminaError: settings that cannot work, or all trainings diverged.
        KeyboardInterrupt: Ctrl-C before there was a network.
    """
    log, begun = SearchLog(), since()
    watching = [*([] if closing is None else [closing]), log, *observers, TrialFolder(folder.path)]
    estimator = estimator_for(prepared, request, watching)
    limit = None if closing is None else closing.search_seconds()
    estimator.set_params(device=device, n_jobs=n_jobs, time_limit=limit)
    interrupted = False
    try:
        fit(estimator, prepared)
    except KeyboardInterrupt:
        if "fitted_" not in vars(estimator):
            raise
        interrupted = True
    except Exception as error:
        if not (folder.path / TRIALS).is_dir():  # nothing to go on from
            folder.remove(CHECKPOINT)
        if not isinstance(error, ValueError) or isinstance(error, LaminaError):
            raise
        raise LaminaError(str(error)) from error
    estimator.set_params(callbacks=None, n_jobs=None, time_limit=request.time_limit)
    model = TableModel.of(estimator)
    found = {**log.summary(), "limit": request.time_limit, "most_trials": request.trials}
    return Trained(
        model, _history(estimator), estimator.best_epoch_, interrupted, since() - begun, estimator.n_iter_,
        {**found, "lines": log.lines()},
    )  # fmt: skip


def _history(estimator: Any) -> list[dict[str, Any]]:
    """The epochs of the best trial in the average."""
    scores = estimator.validation_scores_ or [None] * len(estimator.loss_curve_)
    return [
        {"epoch": i, "loss": loss, "validation_score": score, "best": i == estimator.best_epoch_}
        for i, (loss, score) in enumerate(zip(estimator.loss_curve_, scores, strict=False), start=1)
    ]


# --- what was tried

_KEPT = ("number", "score", "seconds", "ended", "epochs", "best_epoch", "complete")


@dataclass
class SearchLog(SearchObserver):
    """Notes a search while it runs.

    Attributes:
        trials: of each trial that ended what JSON can hold of it, by number.
        best: seconds since the search began, and the score of the ensemble that was the best from then on.
        shares: of each trial in the present ensemble.
        seconds: how long the search took, of all runs.
        resumed: how many trials an earlier run left.
    """

    trials: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    best: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    shares: Mapping[int, float] = field(default_factory=dict[int, float])
    seconds: float = 0.0
    resumed: int = 0
    _has_begun: bool = False
    _pending: list[float] = field(default_factory=list[float])

    def on_search_begin(self, search: SearchView) -> None:
        self._has_begun, self.resumed = True, len(self.trials)

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        line = {name: getattr(trial, name) for name in _KEPT} | {"settings": dict(trial.settings)}
        line["score"] = trial.score if math.isfinite(trial.score) else None  # diverged, or never measured
        self.trials.append(line)
        if not self._has_begun:  # one that was stored; what became the best with it did so when it ended
            self.best += [(trial.ended, score) for score in self._pending[-1:]]
            self._pending.clear()

    def on_new_best(self, search: SearchView) -> None:
        self.shares = dict(search.shares)
        if search.best_score is not None and self._has_begun:
            self.best.append((search.seconds(), search.best_score))
        elif search.best_score is not None:
            self._pending.append(search.best_score)

    def on_search_end(self, search: SearchView, error: BaseException | None) -> None:
        self.seconds, self.shares = search.seconds(), dict(search.shares)

    def lines(self) -> list[dict[str, Any]]:
        """Each trial with its share."""
        return [{**trial, "share": self.shares.get(trial["number"], 0.0)} for trial in self.trials]

    def summary(self) -> dict[str, Any]:
        """The search's part of the run's results: its size, and the averaged trials."""
        return {
            "trials": len(self.trials),
            "seconds": round(self.seconds, 3),
            "best": [[round(seconds, 3), score] for seconds, score in self.best],
            "chosen": [line for line in self.lines() if line["share"]],
        }


# --- time for what follows the search

_FEWEST_ROWS = 200
"""The fewest rows for the importance of columns, however little time there is."""
_IMPORTANCE = 0.05
"""Of a limit, what the importance of columns may take where it takes long."""
_FIGURES = 7
_DRAWN = 2
"""Figures that are drawn to know the pace: a tenth of a second, in which others get their turns several times."""
_VARIES = 1.4
"""How many times as long something measured once may take."""
_COMPUTED, _SPARE, _SPARE_SHARE = 0.4, 0.2, 0.01
"""Computed seconds, seconds, and of the limit, that stay free: files are written, and the process ends."""
_FIRST_START = 0.3
"""Seconds that any network takes to be compiled: with less, the first is not begun."""
_BLOCKS = 8
_LEAST_LIMIT = 1e-3  # a search has a limit above 0; with this one it ends before it compiles


class Closing(SearchObserver):
    """Moves a search's deadline so that what follows it is done in time.

    Fixed costs are measured before the search, by drawing a figure. What depends on the networks is measured with the
    first trial (compiling a forward pass, and rows through it), and in proportion to the networks that are averaged
    it is what these take. All that is known in computed seconds takes as many times as long on the wall's clock as
    what was measured did: beside other busy processes, twice or five times.

    Args:
        prepared: the table.
        limit: the seconds of the whole command.
        since: what tells the seconds since its start.
        pace: of this process; what is measured here is added to it.
    """

    def __init__(
        self, prepared: Prepared, limit: float, since: Callable[[], float], pace: Pace | None = None
    ) -> None:
        self._limit, self._since, self._pace = limit, since, pace or Pace()
        page_template()  # now, not in the time of the report
        self._spare = _SPARE + _SPARE_SHARE * limit
        self._test_rows = len(prepared.judged[1])
        self._columns = min(len(prepared.schema.used), 30)
        self._figure = _computed_for_a_figure(self._pace)
        self._compiling = self._row = 0.0  # seconds for each layer, and for a row and a weight
        self._sizes: dict[int, tuple[int, int]] = {}  # layers and weights of each trial

    def search_seconds(self) -> float:
        """The seconds that a search may take that begins now, as long as no network is known."""
        left = self._limit - self._report - self._since()
        return left if left > _FIRST_START * self._pace.slowness else _LEAST_LIMIT

    def seconds_over(self) -> float:
        """The seconds that the command has exceeded its limit by now; 0 within it."""
        return seconds_over(self._since(), self._limit)

    @property
    def _report(self) -> float:
        """The seconds that the report, the files and the process's end take, at the present pace."""
        return self._pace.slowness * (_VARIES * _FIGURES * self._figure + _COMPUTED) + self._spare

    def on_search_begin(self, search: SearchView) -> None:
        """Deduct the time of earlier runs."""
        if search.earlier_seconds:
            self._limit -= search.earlier_seconds
            self._move(search)

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        """Measure the first, and move the deadline."""
        parts = trial.architecture
        weights = sum(int(np.prod(one.shape)) for one in parts.parameters().values())
        self._sizes[trial.number] = trial.members * (len(parts.hidden) + 1), trial.members * weights
        depends = self._since() < self._limit - self._report  # there is a deadline yet that may be moved
        if depends and not self._row and trial.state:
            with self._pace.watching():
                self._measure(trial)
        self._move(search)

    def on_new_best(self, search: SearchView) -> None:
        """Networks that are averaged now take another time."""
        self._move(search)

    def _move(self, search: SearchView) -> None:
        compiling, of_a_row = self._ensemble(search)
        rows = self._test_rows + self._explaining(MOST_ROWS)
        fewest = self._test_rows + self._explaining(_FEWEST_ROWS)
        allowed = max(fewest * of_a_row, min(rows * of_a_row, _IMPORTANCE * self._limit))
        ends = self._limit - self._report - _VARIES * (compiling + allowed)
        search.end_at(search.seconds() + ends - self._since())

    def _ensemble(self, search: SearchView) -> tuple[float, float]:
        """The seconds for compiling the present ensemble, and for one row through it."""
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
        """The number of predictions for the importance of columns, measured on `rows` rows."""
        return (self._columns * REPEATS + 1) * rows + predictions_made(rows, self._columns)

    def importance_rows(self, seconds_of_a_row: float) -> int:
        """On how many rows to measure the importance of columns, at `seconds_of_a_row` each."""
        left = self._limit - self._report - self._since()
        rows = left / max(seconds_of_a_row * self._explaining(1), 1e-12)
        return int(min(max(rows, _FEWEST_ROWS), MOST_ROWS))


def _computed_for_a_figure(pace: Pace) -> float:
    """The seconds that drawing computes, once what draws is imported; 0 where that is not installed."""
    from lamina.errors import MissingPackageError

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
