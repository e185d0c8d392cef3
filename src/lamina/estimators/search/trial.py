"""The trials of a search: their records, observers and stores, time budget, and comparison."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from lamina.errors import DataError
from lamina.estimators.architecture import Architecture
from lamina.training.loop import Epoch


@dataclass(frozen=True, eq=False)
class Trial:
    """A trained configuration, with the state and the outputs that an ensemble needs.

    Attributes:
        number: the trial's number, from 0; the number and the search's seed determine all random choices of the trial.
        settings: the trial's settings, as plain values by the estimators' parameter names.
        score: the score on the members' held-out rows, higher is better.
        seconds: the trial's duration.
        ended: when the trial ended, in seconds after the start of the search, without pauses between runs.
        epochs: the planned number of epochs.
        best_epoch: the epoch of the kept network, from 1.
        complete: whether the trial ended regularly; false if the deadline or Ctrl-C ended the trial.
        losses: the training loss of each epoch.
        scores: the score of each epoch.
        factor: the calibration factor of this trial alone.
        outputs: uncalibrated outputs for the held-out rows, concatenated: (rows, outputs), float32.
        architecture: the networks' architecture.
        members: the number of networks.
        state: the networks' arrays, named as in `Ensemble.state`.
        predicting: the seconds to predict 1,000 rows with all networks; None if not measured.
        earlier: the trial's states at the ends of earlier learning-rate cycles; () once the ensemble's choice among
            them is known.
    """

    number: int
    settings: Mapping[str, Any]
    score: float
    seconds: float
    ended: float
    epochs: int
    best_epoch: int
    complete: bool
    losses: Sequence[float] = ()
    scores: Sequence[float] = ()
    factor: float = 1.0
    outputs: np.ndarray = field(repr=False, kw_only=True)
    architecture: Architecture = field(repr=False, kw_only=True)
    members: int = 1
    state: Mapping[str, np.ndarray] = field(repr=False, default_factory=dict[str, np.ndarray])
    predicting: float | None = None
    earlier: Sequence[Trial] = field(default=(), repr=False)

    @property
    def is_failure(self) -> bool:
        """Whether the trial diverged before its first validation.

        A failed trial has no outputs and no state.
        """
        return self.complete and not self.best_epoch

    def as_in(self, stage: Trial) -> Trial:
        """The trial with the networks and the score of `stage`, which is in `earlier` or the trial itself."""
        taken = ("score", "best_epoch", "factor", "outputs", "architecture", "members", "state")
        return replace(self, **{name: getattr(stage, name) for name in taken}, earlier=())


def named(settings: Mapping[str, Any]) -> str:
    """A short description of a trial with these settings.

    >>> named({"candidate": "boosting"}), named({"preset": "medium", "dropout": 0.1})
    ('boosting', 'network (medium)')
    """
    return settings.get("candidate") or f"network ({settings['preset']})"


def known_score(score: float | None) -> float:
    """The score; −∞ for None, since any score is better."""
    return -np.inf if score is None else score


BLEND = "linear", "boosting"
"""The models whose gain is measured after a search with networks alone."""


def blend_said(score: float, blend: float, shown: tuple[str, int], how: str) -> str:
    """A sentence about the gain of a blend.

    Args:
        score: the validation score of the average of networks.
        blend: the score of the average with linear models and boosted trees.
        shown: the name and the sign of displayed scores; see `shown_score`.
        how: the setting that allows the blend.

    >>> blend_said(-0.316, -0.3121, ("loss", -1), "candidates=('linear', 'boosting')")
    "linear models and boosted trees beside networks: validation loss 0.3121 instead of 0.3160; candidates=('linear', \
'boosting') allows them"
    """
    (name, sign), (new, old) = shown, (blend, score)
    return (
        f"linear models and boosted trees beside networks: validation {name} {sign * new:.4f} instead of "
        f"{sign * old:.4f}; {how} allows them"
    )


def leaderboard(
    trials: Sequence[Mapping[str, Any]], score: float | None, blend: float | None = None
) -> list[dict[str, Any]]:
    """The ensemble and all trials as records, from best to worst.

    Args:
        trials: records with ``number``, ``settings``, ``score``, ``seconds``, ``predicting`` and ``share``.
        score: the ensemble's score.
        blend: the score of a blend, which gets a record if it was measured and is better.
    """
    names = ("score", "seconds", "predicting", "share")
    lines = [
        {"what": named(one["settings"]), "number": one["number"], **{name: one[name] for name in names}}
        for one in trials
    ]
    of_whole = [one for one in trials if one["share"]]
    costs = {name: sum(one[name] or 0.0 for one in of_whole) for name in ("seconds", "predicting")}
    whole = {"what": "ensemble", "number": None, "score": score, **costs, "share": 1.0}
    unknown = dict.fromkeys(("number", "seconds", "predicting"))
    others = {"what": f"ensemble with {', '.join(BLEND)}", **unknown, "score": blend, "share": 0.0}
    return [
        whole,
        *([] if blend is None else [others]),
        *sorted(lines, key=lambda one: known_score(one["score"]), reverse=True),
    ]


class SearchView(Protocol):
    """A running search, as observers see it.

    Attributes:
        trials: finished trials in the order of their numbers. With parallel training, a finished trial is added only
            after all trials with lower numbers, so that the ensemble is the same as with sequential training.
        shares: each trial's share in the current ensemble, by number; the sum is 1.
        best_score: the current ensemble's score on held-out rows, higher is better; None without an ensemble.
        limit: the time limit in seconds; None: no limit.
        most_trials: the number of trials; None if unlimited.
        fingerprint: the SHA-256 of the data, the seed, and the settings common to all trials.
        earlier_seconds: the duration of earlier runs of the same search; 0 if there are none.
        blend_score: the ensemble's score with linear models and boosted trees, measured after a search with networks
            alone; None if the loss would not be 0.5 % lower, or was not measured.
    """

    trials: Sequence[Trial]
    shares: Mapping[int, float]
    best_score: float | None
    limit: float | None
    most_trials: int | None
    fingerprint: str
    earlier_seconds: float
    blend_score: float | None

    def seconds(self) -> float:
        """The seconds since the search began, including earlier runs."""
        ...

    def left(self) -> float | None:
        """The remaining seconds; None without a limit."""
        ...

    def stop(self) -> None:
        """End the search soon with the best ensemble so far, as at the deadline."""
        ...

    def end_at(self, seconds: float) -> None:
        """Set the deadline to `seconds` after the start, e.g. because later work needs more time."""
        ...


class SearchObserver:
    """An observer of a search, passed in an estimator's `callbacks`; subclasses override some of its methods.

    An error from any method ends the search, and the estimator gets the best network so far.

    >>> class Trials(SearchObserver):
    ...     def on_trial_end(self, search, trial):
    ...         print(f"trial {trial.number}: {trial.score:.4f} after {trial.ended:.0f} s")
    """

    in_order: bool = True
    """Whether trials should be trained one after another, unless the user gives `n_jobs`."""

    def on_search_begin(self, search: SearchView) -> None:
        """Called before the first trial; in a resumed search, `search.trials` has the earlier trials."""

    def on_trial_begin(
        self, search: SearchView, number: int, settings: Mapping[str, Any], epochs: int
    ) -> None:
        """Called before a trial; `epochs` is the trial's maximum number of epochs."""

    def on_trial_epoch(self, search: SearchView, number: int, epoch: Epoch) -> None:
        """Called after an epoch of a trial.

        For a trial in a worker, the call is up to a quarter of a second late.
        """

    def on_trial_waits(self, search: SearchView, trial: Trial) -> None:
        """Called when a trained trial is stored, but must wait for trials with lower numbers before `on_trial_end`."""

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        """Called when a trial has ended and is in `search.trials`, and the ensemble has been updated."""

    def on_new_best(self, search: SearchView) -> None:
        """Called when the ensemble has improved, or a trial of `default` has joined it: see `search.best_score`."""

    def on_search_end(self, search: SearchView, error: BaseException | None) -> None:
        """Called at the end; `error` is the exception that ended the search, e.g. `KeyboardInterrupt`, or None."""


class OtherSearchError(DataError):
    """An error for stored trials of another search, with other rows or settings."""


class TrialStore(Protocol):
    """A store of trials, passed in an estimator's `callbacks`, from which an interrupted search can be resumed."""

    def load(self, fingerprint: str) -> Iterable[Trial]:
        """The trials of an earlier run of the same search, by number; [] without an earlier run.

        They are iterated over several times. After parallel training, numbers may be missing.

        Raises:
            OtherSearchError: the stored trials are from another search.
        """
        ...

    def save(self, trial: Trial) -> None:
        """Store a complete trial, and replace its earlier state; called before observers are notified.

        A waiting trial is stored with its `earlier` states, and again without these states once it has ended.
        """
        ...


# --- the time budget: the deadline, and the durations of steps, which predict whether a step still fits ---------------
clock: Callable[[], float] = time.perf_counter
"""A clock: seconds since an arbitrary moment."""


class TimeIsOver(Exception):  # noqa: N818 - not an error
    """The exception that ends a trial at the deadline."""


class Budget:
    """A search's time budget, which starts at construction, and the longest duration of each kind of step.

    Args:
        limit: the limit in seconds; None: no limit.
        costs: the longest known duration of each kind of step, in seconds.
    """

    def __init__(self, limit: float | None = None, costs: Mapping[str, float] | None = None) -> None:
        self.limit = limit
        self._start = clock()
        self.costs: dict[str, float] = dict(costs or {})
        self._is_stopped = False

    def go_on(self, seconds: float) -> None:
        """Include the duration of earlier runs of the search, in seconds."""
        self._start -= seconds

    def stop(self) -> None:
        """End the budget now."""
        self._is_stopped = True

    def seconds(self) -> float:
        """The seconds since the start."""
        return clock() - self._start

    def left(self) -> float | None:
        """The seconds until the deadline; None without a deadline."""
        return None if self.limit is None else self.limit - self.seconds()

    def has(self, seconds: float) -> bool:
        """Whether the budget has more than `seconds` left."""
        left = self.left()
        return not self._is_stopped and (left is None or left > seconds)

    def note(self, kind: str, seconds: float) -> None:
        """Record the duration of a step of this kind."""
        self.costs[kind] = max(seconds, self.cost(kind))

    def cost(self, kind: str, unknown: float = 0.0) -> float:
        """The longest duration so far of steps of this kind, in seconds; `unknown` before the first."""
        return self.costs.get(kind, unknown)


# --- early stopping of bad trials, by comparison with earlier ones at the same fraction of their epochs ---------------
# Trials are numbered in rounds, each with twice as many trials as the previous round. A trial is compared with the
# trials of earlier rounds, i.e. with about half of all earlier trials or more. So the trials of a round can be trained
# in parallel, and a search gives the same bits for any number of parallel trials.


_TELLS_FROM = 3 / 15
"""The share of the epochs from which a trial may end early: scores after a shorter first cycle tell little."""


@dataclass(frozen=True)
class Curve:
    """The learning curve of a trial: the planned number of epochs, and the score after each completed epoch."""

    epochs: int
    scores: Sequence[float]


def round_begins(number: int, openings: int, first: int) -> int:
    """The number of the first trial in the round to which trial `number` belongs.

    Args:
        number: the trial's number.
        openings: the number of fixed trials before the random trials; fixed trials are the first round.
        first: the number of random trials in the second round.

    >>> [round_begins(number, 3, 8) for number in (0, 2, 3, 10, 11, 26, 27)]
    [0, 0, 3, 3, 11, 11, 27]
    """
    begin, end, size = 0, openings, first
    while number >= end:
        begin, end, size = end, end + size, 2 * size
    return begin


def falls_behind(share: float, score: float, others: Sequence[Curve]) -> bool:
    """Whether `score` is below the median of the other trials' best scores in this fraction of their epochs.

    The result is false if none of the other trials has completed this fraction, or if it is hardly any or the whole of
    the training.

    >>> others = [Curve(4, [0.1, 0.2, 0.3, 0.4])]
    >>> falls_behind(0.5, 0.15, others), falls_behind(0.5, 0.25, others), falls_behind(0.1, 0.05, others)
    (True, False, False)
    """
    reached = [
        max(one.scores[: math.ceil(share * one.epochs)])
        for one in others
        if len(one.scores) >= share * one.epochs
    ]
    return bool(reached) and _TELLS_FROM <= share < 1 and score < float(np.median(reached))
