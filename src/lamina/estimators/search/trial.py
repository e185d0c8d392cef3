"""Trials of a search, and the interfaces of their observers and stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from lamina.estimators.architecture import Architecture
from lamina.training.loop import Epoch

__all__ = ["SearchObserver", "SearchView", "Trial", "TrialStore"]


@dataclass(frozen=True, eq=False)
class Trial:
    """One configuration that was trained.

    Attributes:
        number: from 0 on; with the search's seed it fixes all randomness of the trial.
        settings: what it was trained with, by the names of the estimators' parameters: plain values.
        score: of the rows that the members held out, higher is better.
        seconds: how long it took.
        ended: when it ended, in seconds since the search began (of all runs, if it was resumed).
        epochs: how many epochs were planned.
        best_epoch: the epoch whose network is kept, from 1 on.
        complete: whether it ended by itself; False if the deadline or Ctrl-C cut it.
        losses: the training loss of each epoch.
        scores: the score of each epoch.
        factor: what calibrates the outputs of this trial alone.
        outputs: of the held-out rows, part after part, not calibrated: (rows, outputs), float32.
        architecture: of its networks.
        members: how many networks it has.
        state: their arrays, as `Ensemble.state` names them.
        earlier: the trial as it was at the ends of earlier cycles of its rate, while it is not settled in which of them
            it helps the average most; none, once it is.
    """

    number: int
    settings: Mapping[str, Any]
    score: float
    seconds: float
    ended: float
    epochs: int
    best_epoch: int
    complete: bool
    losses: Sequence[float]
    scores: Sequence[float]
    factor: float
    outputs: np.ndarray = field(repr=False)
    architecture: Architecture = field(repr=False)
    members: int
    state: Mapping[str, np.ndarray] = field(repr=False)
    earlier: Sequence[Trial] = field(default=(), repr=False)

    @property
    def is_failure(self) -> bool:
        """Whether it diverged before anything was learned; then it has no outputs and no state."""
        return self.complete and not self.best_epoch

    def as_in(self, stage: Trial) -> Trial:
        """This trial with the networks of one of its stages: of `earlier`, or its own."""
        taken = ("score", "best_epoch", "factor", "outputs", "architecture", "members", "state")
        return replace(self, **{name: getattr(stage, name) for name in taken}, earlier=())


class SearchView(Protocol):
    """The view of a running search for observers.

    Attributes:
        trials: those that have ended, by number. Where several are trained at a time, one that ends before another
            of a smaller number waits for it, so that the average is the same as of one after another.
        shares: of each trial in the present ensemble, by the trial's number; they add up to 1.
        best_score: of the present ensemble on the held-out rows, higher is better; None before there is one.
        limit: the seconds there are; None without a limit.
        most_trials: the trials there are to be; None without a number.
        fingerprint: the SHA-256 of the data, the seed, and the settings that hold for all trials.
        earlier_seconds: how long the runs took before this one, which goes on with the same search; 0 if there is none.
    """

    trials: Sequence[Trial]
    shares: Mapping[int, float]
    best_score: float | None
    limit: float | None
    most_trials: int | None
    fingerprint: str
    earlier_seconds: float

    def seconds(self) -> float:
        """Since the search began (of all runs, if it was resumed)."""
        ...

    def left(self) -> float | None:
        """The seconds that are left; None without a limit."""
        ...

    def stop(self) -> None:
        """End the search as its deadline does: soon, with the best so far."""
        ...

    def end_at(self, seconds: float) -> None:
        """Move the deadline, in seconds after the beginning, as when what follows the search takes longer."""
        ...


class SearchObserver:
    """Observes a search; a subclass overrides the methods that it needs. It is passed among an estimator's `callbacks`.

    Whatever a method raises ends the search, with the best so far left in the estimator.

    >>> class Trials(SearchObserver):
    ...     def on_trial_end(self, search, trial):
    ...         print(f"trial {trial.number}: {trial.score:.4f} after {trial.ended:.0f} s")
    """

    def on_search_begin(self, search: SearchView) -> None:
        """Called before the first trial; `search.trials` holds those of an earlier run that goes on."""

    def on_trial_begin(
        self, search: SearchView, number: int, settings: Mapping[str, Any], epochs: int
    ) -> None:
        """A trial is about to be trained, for at most `epochs` epochs."""

    def on_trial_epoch(self, search: SearchView, number: int, epoch: Epoch) -> None:
        """An epoch of a trial is complete and measured; of one in another process, a quarter of a second ago."""

    def on_trial_waits(self, search: SearchView, trial: Trial) -> None:
        """A trial is trained and kept, and waits for those before it; `on_trial_end` follows."""

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        """A trial has ended and is among `search.trials`; the ensemble has been chosen anew."""

    def on_new_best(self, search: SearchView) -> None:
        """The ensemble is better than any before: `search.best_score` and `search.shares`."""

    def on_search_end(self, search: SearchView, error: BaseException | None) -> None:
        """Called when the search is over and the estimator fitted, or when `error` ended it: Ctrl-C is a
        `KeyboardInterrupt`."""


class TrialStore(Protocol):
    """Stores trials, so that an interrupted search can go on. It is passed among an estimator's `callbacks`."""

    def load(self, fingerprint: str) -> Sequence[Trial]:
        """The trials of an earlier run of the same search, by number; none, if there is none.

        Of several that were trained at a time, one may be missing where a later one is there.

        Raises:
            DataError: what is kept is of another search.
        """
        ...

    def save(self, trial: Trial) -> None:
        """Store a complete trial, replacing its earlier state; called before observers hear of it.

        One that waits for others is kept with `earlier`, and again without once it has ended.
        """
        ...
