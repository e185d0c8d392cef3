"""A search for the best network on a prepared table, in a run's folder: kept in time, stored, and gone on with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.estimators.search.trial import SearchObserver
from lamina.files.tensors import save_tensors
from lamina.runs._baselines import Baseline, baseline_outputs
from lamina.runs._model import TableModel
from lamina.runs._search_log import SearchLog
from lamina.runs.closing import Closing
from lamina.runs.data import Prepared, Request
from lamina.runs.run_folder import search_metadata
from lamina.runs.training import Trained, encoder_for, estimator_for, fit
from lamina.runs.trials import TrialFolder
from lamina.table.messages import DataWarning
from lamina.training.run_folder import CHECKPOINT, TRIALS, RunFolder

__all__ = ["baselines", "begin", "search"]


def begin(folder: RunFolder, request: Request) -> None:
    """Note in a new run's folder what was asked for, so that a search that is killed can go on."""

    def fill(filled: Path) -> None:
        save_tensors(filled / CHECKPOINT, {}, search_metadata(request))

    folder.put(fill)


def baselines(prepared: Prepared, request: Request) -> dict[str, Baseline]:
    """What a network has to beat, which needs none: measured before the search, so that its time is known."""
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
        request: what was asked for.
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
