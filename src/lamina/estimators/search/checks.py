"""Checks of an estimator's settings before a search."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from lamina.core.threads import get_num_threads
from lamina.errors import MissingPackageError
from lamina.estimators.declaring import LIBRARIES, declared
from lamina.estimators.settings import DECLARED, as_list
from lamina.training.time_limit import seconds_of

TRIALS = 16
"""The number of trials of `preset="best"` without limits."""


def limits_of(estimator: Any, eval_set: Any) -> tuple[float | None, int | None]:
    """The time limit of a search in seconds, and the maximum number of trials; None means unlimited.

    Raises:
        ValueError: a setting is invalid, or incompatible with a search.
    """
    limit = None if estimator.time_limit is None else seconds_of(estimator.time_limit)
    trials = estimator.trials
    DECLARED["trials"].check("trials", trials)
    said = asked_for(estimator)
    if estimator.preset not in ("default", "best"):
        raise ValueError(
            f"{said} tries the settings of the presets 'fast' and 'medium' and others; leave out "
            f"preset={estimator.preset!r}, or use preset='best'"
        )
    for name, about in declared(estimator.__class__).items():
        value = getattr(estimator, name)
        if about.not_in_search and value is not None and value is not False:
            raise ValueError(
                f"{name}={value!r} can't be combined with {said}: {about.not_in_search}; leave one of them out"
            )
    if estimator.candidates:
        _require_candidates(estimator)
    if estimator.early_stopping is False and eval_set is None:
        raise ValueError(
            f"{said} compares networks on rows that they were not trained on, and early_stopping=False holds none out; "
            "leave early_stopping out, or give fit an eval_set"
        )
    if trials is None:
        return limit, TRIALS if limit is None else None
    return limit, int(trials)


def _require_candidates(estimator: Any) -> None:
    """Raise an error if a candidate model in the estimator's settings can't be fitted."""
    for name in as_list(estimator.candidates):
        if name in LIBRARIES and find_spec(name) is None:
            raise MissingPackageError(
                f"the candidate {name!r} needs its library, which is not installed: pip install {name}"
            )
    if other := only_of_networks(estimator):
        raise ValueError(
            f"candidates={estimator.candidates!r} can't be combined with {other}={getattr(estimator, other)!r}, "
            "which only networks support; leave one of them out"
        )


def only_of_networks(estimator: Any) -> str | None:
    """The name of a setting that only networks support; None if there is none."""
    others = {
        "loss": estimator.loss not in (None, "squared_error", "log_loss"),
        "monotone": estimator.monotone,
        "preprocess": estimator.preprocess is False,
    }
    return next((name for name, is_given in others.items() if is_given), None)


def require_held_out(estimator: Any, held_out: Any, rows: int) -> None:
    """Raise `ValueError` if there are no held-out rows on which networks can be compared."""
    if not held_out:
        raise ValueError(
            f"{asked_for(estimator)} compares networks on rows that they were not trained on, and {rows} rows are too "
            "few to hold any out; leave it out, or give fit an eval_set"
        )


def require_no_steps(observers: Sequence[Any], jobs: int) -> None:
    """Raise `ValueError` if there are observers of training steps, and trials are trained in parallel.

    Workers don't report steps.
    """
    if observers and jobs > 1:
        raise ValueError(
            f"a {type(observers[0]).__name__} among callbacks observes training steps, but {jobs} trials at a time "
            "are trained by workers, which don't report steps; pass n_jobs=1, or observe epochs with a SearchObserver "
            "or a function"
        )


def usual_jobs(estimator: Any, in_order: Sequence[Any]) -> int:
    """The number of parallel trials if the user gives none: one per thread.

    It is 1 on other devices, with the user's own loss or score, and with callbacks that expect trials `in_order`.
    """
    is_own = bool(in_order) or callable(estimator.loss) or callable(estimator.scoring)
    return 1 if is_own or estimator.device != "cpu" else get_num_threads()


def asked_for(estimator: Any) -> str:
    """The setting that starts the search, as the user wrote it, e.g. "trials=5"."""
    for name in ("time_limit", "trials"):
        if getattr(estimator, name) is not None:
            return f"{name}={getattr(estimator, name)!r}"
    return "preset='best'"
