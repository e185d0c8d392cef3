"""The search, which trains trials until the time is over; their best ensemble becomes the estimator's model.

The sequence of trials, and each trial's training, depend only on the table and the seed; the limit only determines
where the sequence ends. So more time never makes the validation score worse, once the presets are trained, and equal
numbers of trials give equal bits.

`MLPClassifier(time_limit=300).fit(X, y)` and `fit_table(estimator, X, y, schema, eval_set)` search if the estimator
has `time_limit`, `trials`, or `preset="best"`. The estimator's `callbacks` may include `SearchObserver`s, a
`TrialStore`, functions (estimator, epoch) that end the search by returning true, and `Observer`s of each trial's
training.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from lamina.compiler.deferral import eager
from lamina.core.interrupts import interrupts_later
from lamina.device.context import cpu
from lamina.errors import NonFiniteLossError
from lamina.estimators.conformal import HeldOut
from lamina.estimators.data import Data
from lamina.estimators.fitted import FittedModel
from lamina.estimators.scoring import shown_score
from lamina.estimators.search import plan
from lamina.estimators.search.average import Average, Best
from lamina.estimators.search.candidates import CandidateTraining, planned, training_of
from lamina.estimators.search.training import Shared
from lamina.estimators.search.trial import (
    BLEND,
    Budget,
    Curve,
    OtherSearchError,
    SearchObserver,
    SearchView,
    TimeIsOver,
    Trial,
    blend_said,
)
from lamina.estimators.search.worker import Blackboard, Event, Job, Outcome, SideBySide
from lamina.estimators.settings import DECLARED, as_list
from lamina.estimators.targets import Classes
from lamina.estimators.training import at_a_time
from lamina.support import messages
from lamina.table.encode import TableEncoder
from lamina.training.loop import Epoch, Observer
from lamina.training.time_limit import seconds_over

_START_VARIES = 1.5
"""Safety factor on the longest compilation so far, for the time to compile another network."""
_WORKERS_START = 4.0
"""Minimum remaining seconds for starting workers."""
_WORTH = 20.0
"""Minimum remaining time for parallel trials, in durations of the first trial, if `n_jobs` is not given."""
_AHEAD = 16
"""The maximum number of trials per worker that may begin while an earlier trial is incomplete, and wait for it."""
_GRACE = 10.0
"""Maximum seconds for workers to end."""
_BLEND_SHARE, _BLEND_SECONDS, _SECONDS_A_VALUE = 0.05, 0.5, 1e-6
"""The share of a search's time for measuring the gain of a blend, the minimum seconds, and those per training value."""


class Search:
    """A search for the best model of an estimator, with the interface of `SearchView`.

    The time limit counts from construction.

    Raises:
        ValueError: a setting is incompatible with a search.
    """

    def __init__(self, estimator: Any, eval_set: Any = None) -> None:
        self.limit, self.most_trials = plan.limits_of(estimator, eval_set)
        self._given = self.limit
        self._estimator = estimator
        self._measures_blend = not (estimator.candidates or plan.only_of_networks(estimator))
        self.blend_score: float | None = None
        self._budget = Budget(self._last_training)
        jobs = at_a_time(estimator.n_jobs)
        callbacks = as_list(estimator.callbacks)
        self._observers = [one for one in callbacks if isinstance(one, SearchObserver)]
        self._of_trials = [one for one in callbacks if isinstance(one, Observer)]
        self._store = next((one for one in callbacks if hasattr(one, "load") and hasattr(one, "save")), None)
        others = (*self._observers, *self._of_trials, self._store)
        self._functions = [one for one in callbacks if not any(one is other for other in others)]
        plan.require_no_steps(self._of_trials, jobs)
        self._is_given = estimator.n_jobs is not None or jobs > 1
        in_order = [*self._functions, *self._of_trials, *(one for one in self._observers if one.in_order)]
        self._jobs = jobs if self._is_given else plan.usual_jobs(estimator, in_order)
        if estimator.verbose:
            self._observers.append(Lines(estimator))
        self.trials: list[Trial] = []
        self._told = 0
        self.earlier_seconds, self._is_earlier = 0.0, False
        self._waiting: dict[int, Trial] = {}  # trained trials that wait for earlier ones
        self._cut: list[Trial] = []
        self._begun: set[int] = set()
        self._diverged: NonFiniteLossError | None = None
        self._board: Blackboard | None = None
        self._device = str(cpu())  # if an earlier run has trained all trials

    # --- the view for observers ----------------------------------------------------------------------------------

    @property
    def best_score(self) -> float | None:
        """The score of the current ensemble."""
        return self._average.best and self._average.best.score

    @property
    def shares(self) -> Mapping[int, float]:
        """The share of each trial in the current ensemble."""
        return self._average.shares

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the rows, the seed and the settings, which identifies the search when it is resumed."""
        parts = [*self._shared.train, *self._shared.held_out]
        digest = hashlib.sha256("".join(part.fingerprint() for part in parts).encode())
        given = self._estimator.get_params(deep=False)
        settings = {name: repr(value) for name, value in given.items() if self._is_fixed(name, value)}
        digest.update(json.dumps([self._seed, settings], sort_keys=True).encode())
        return digest.hexdigest()

    def _is_fixed(self, name: str, value: Any) -> bool:
        """Whether a resumed search must have the same `value` of the setting `name` as before."""
        fixed = DECLARED[name].fixed if name in DECLARED else "always"
        return fixed == "always" or (fixed == "given" and value != getattr(self._estimator.__class__, name))

    def seconds(self) -> float:
        """The seconds since the start."""
        return self._budget.seconds()

    def left(self) -> float | None:
        """The seconds until the deadline; None without a deadline."""
        return self._budget.left()

    @property
    def _last_training(self) -> float | None:
        """The deadline of training, which leaves the time for measuring the gain of a blend."""
        rest = _BLEND_SHARE * (self.limit or 0.0)
        has_rest = self._measures_blend and rest >= _BLEND_SECONDS
        return self.limit - rest if self.limit is not None and has_rest else self.limit

    def stop(self) -> None:
        """End the search soon, with the best ensemble so far."""
        self._budget.stop()

    def end_at(self, seconds: float) -> None:
        """Set the deadline, in seconds after the start."""
        self.limit = seconds
        self._budget.limit = self._last_training
        if self._board is not None:
            self._board.end_at(self._budget.limit)

    def refuse(self, what: str) -> None:
        """Raise a `ValueError` with the message that a search can't be combined with `what`."""
        asked = plan.asked_for(self._estimator)
        raise ValueError(f"{what} trains one network, but {asked} searches among many; leave one of them out")

    # --- the search ----------------------------------------------------------------------------------------------

    def run(
        self,
        encoder: TableEncoder,
        target: Any,
        train: Sequence[Data],
        held_out: Sequence[Data],
        seed: int,
        *,
        in_time: bool = False,
    ) -> bool:
        """Run the search; the best ensemble of trials becomes the estimator's fitted model.

        `in_time`: whether the held-out rows are later than the training rows.

        Returns false, once, if the stored trials are not of these rows: earlier versions held out other ones.
        """
        plan.require_held_out(self._estimator, held_out, len(train[0]))
        self._shared, self._seed = Shared.of(encoder, target, train, held_out), seed
        self.__dict__.pop("fingerprint", None)
        try:
            stored = () if self._store is None else self._store.load(self.fingerprint)
        except OtherSearchError:
            if self._is_earlier:
                raise
            self._is_earlier = True
            return False
        self._plan = plan.Plan(self._estimator, seed, min(map(len, train)), len(train), stored)
        as_it_is = {"calibrate": False} if hasattr(self._estimator, "calibrate") else {}
        bare = self._plan.bare
        judges = bare(**as_it_is), bare(), bare(**as_it_is, scoring=None)
        measuring, judging, self._loss = map(self._shared.judge, judges)
        self._average = Average(self._shared, measuring, judging, lambda: self._tell("on_new_best"))
        error: BaseException | None = None
        try:
            with eager(), cpu():
                self._go_on_from(stored)
                self._tell("on_search_begin")
                with suppress(TimeIsOver):
                    self._train_all()
                if self._average.best is None and self._diverged is not None:
                    raise self._diverged
                self._end_waiting()
                self._measure_blend()
        except BaseException as raised:
            error = raised
            raise
        finally:  # the best average so far is kept after Ctrl-C, too
            with eager(), cpu():
                self._end_waiting()
                if (best := self._average.best) is not None:
                    learn(self._estimator, self._shared, best, self.trials, self._device, in_time=in_time)
                    self._estimator.blend_score_ = self.blend_score
            self._tell("on_search_end", error)
        self._say_if_late()
        return True

    def _say_if_late(self) -> None:
        """Warn if work that can't be interrupted exceeded the time limit.

        There is no warning if an observer has moved the deadline.
        """
        limit, seconds = self._given, self.seconds()
        if limit is not None and limit == self.limit and (over := seconds_over(seconds, limit)):
            messages.warn(
                f"fit took {seconds:.1f} s, {over:.1f} s more than time_limit={round(limit, 1)}: "
                "compiling, a step and a validation cannot be interrupted; give fit a longer time_limit"
            )

    def _go_on_from(self, stored: Iterable[Trial]) -> None:
        for trial in stored:
            self.earlier_seconds = max(self.earlier_seconds, trial.ended)
            self._waiting[trial.number] = trial
            self._begun.add(trial.number)
            self._take_those_next(again=True)
        self._budget.go_on(self.earlier_seconds)

    def _train_all(self) -> None:
        """Train trials until the requested number is reached, or the time is over.

        The first trial is always trained in this process, so that results and errors come early.
        """
        while self._fits_another():
            if self._goes_on_in_parallel():
                self._train_side_by_side()
                return
            self._try(len(self.trials))
            self._take_those_next()

    def _goes_on_in_parallel(self) -> bool:
        """Whether the remaining trials are trained in parallel, where each takes longer."""
        if self._jobs == 1 or not self.trials or (self.most_trials or math.inf) - len(self.trials) < 2:
            return False
        return self._budget.has(
            max(_WORKERS_START, 0.0 if self._is_given else _WORTH * self.trials[0].seconds)
        )

    def _fits_another(self) -> bool:
        """Whether another trial is requested, and enough time is left to start it."""
        is_wanted = len(self.trials) < (self.most_trials or sys.maxsize)
        return is_wanted and (not self.trials or self._budget.has(self._start()))

    def _start(self) -> float:
        """The time needed to start a trial, in seconds.

        A trial is started only if this time is left, since a start can't be interrupted.
        """
        # The first start also loads modules and data for later ones, so it has no safety factor.
        start = max(
            self._budget.cost("start") * _START_VARIES,
            self._budget.cost("first start") * (len(self.trials) < 2),
        )
        return start + self._budget.cost("end")

    def _try(self, number: int) -> None:
        """Train trial `number` in this process; the ensemble is updated whenever the trial may improve it."""
        tried = self._plan.configuration(number)
        training = training_of(
            self._shared, tried, np.random.default_rng([self._seed, number]), self._budget, self._offer,
            self._curves(self._plan.compared(tried)), partial(self._on_epoch, number), self._of_trials,
        )  # fmt: skip
        self._tell("on_trial_begin", number, tried.settings, planned(tried, self._shared))
        try:
            training.run()
        except NonFiniteLossError as error:
            self._diverged = error
        finally:
            self._device = getattr(tried.estimator, "device_", str(cpu()))
            trial = training.result()
            if trial is None and not self._average.best and not self._diverged:
                trial = training.unmeasured()
            if trial is not None:
                self._add(trial, keep=True)

    # --- parallel trials -----------------------------------------------------------------------------------------

    def _train_side_by_side(self) -> None:
        """Train the remaining trials in parallel; results are processed in the order of sequential training."""
        with SideBySide(self._jobs, self._shared, self._next_job) as workers:
            self._board = workers.board
            self._board.end_at(self._budget.limit)
            try:
                for event in workers.events():
                    self._hear(event)
                    if not self._budget.has(self._budget.cost("end")):
                        break
            finally:
                self._board.end_at(0.0)
                left = self._budget.left()
                seconds = _GRACE if left is None else min(left - self._budget.cost("end"), _GRACE)
                for event in workers.rest(seconds):
                    self._hear(event)
                self._board = None

    def _next_job(self, folder: Path) -> Job | None:
        """The job of the next trial; None if there is none.

        The next trial is the first that has not begun, and that is compared only with complete trials. The method is
        called from other threads while waiting trials are processed.
        """
        waiting, done = self._waiting.copy(), len(self.trials)  # in this order: no trial is missed
        if not self._fits_another():
            return None
        for number in range(done, min(self.most_trials or sys.maxsize, done + _AHEAD * self._jobs)):
            if number in self._begun:
                continue
            tried = self._plan.configuration(number)
            compared = self._plan.compared(tried)
            if all(other < done or other in waiting for other in compared):
                self._begun.add(number)
                # At the end, a worker's result takes time to arrive.
                end = self._budget.cost("end") + self._budget.cost("way")
                costs = {**self._budget.costs, "end": end}
                return Job(
                    tried, self._seed, self._curves(compared), self._budget.limit, self._start(), costs,
                    self.seconds(), time.time(), folder,
                )  # fmt: skip
        return None

    def _hear(self, event: Event) -> None:
        if isinstance(event, Job):
            epochs = planned(event.tried, self._shared)
            self._tell("on_trial_begin", event.tried.number, event.tried.settings, epochs)
        elif isinstance(event, Outcome):
            self._receive(event)
        elif event is not None:
            self._on_epoch(*event)

    def _receive(self, outcome: Outcome) -> None:
        for kind, seconds in outcome.costs.items():
            if kind != "end":
                self._budget.note(kind, seconds)
        self._budget.note("way", self.seconds() - outcome.ended)
        self._device = outcome.device
        if outcome.diverged is not None:
            self._diverged = NonFiniteLossError(outcome.diverged)
        trial = outcome.trial
        if trial is None:
            return
        if not trial.complete:
            self._cut.append(trial)
            return
        self._waiting[trial.number] = trial
        if trial.number > len(self.trials):
            self._keep(trial)
            self._tell("on_trial_waits", trial)
        self._take_those_next()

    def _take_those_next(self, *, again: bool = False) -> None:
        """Process the waiting trials that are next in the order of trial numbers.

        `again`: whether the store already has these trials.
        """
        while (trial := self._waiting.get(len(self.trials))) is not None:
            kept = None
            for stage in (*trial.earlier, trial):
                if len(stage.outputs) and self._offer(stage):
                    kept = stage
            self._add(trial.as_in(kept or trial), keep=not again or bool(trial.earlier))

    def _end_waiting(self) -> None:
        """Add the interrupted and the waiting trials in their current state, at the end of the search."""
        self._tell_of_trials()
        ended = sorted([*self._waiting.values(), *self._cut], key=lambda trial: trial.number)
        self._waiting, self._cut = {}, []
        learned = [trial for trial in ended if len(trial.outputs)]
        if learned:
            self._average.offer(*learned)
        for trial in ended:
            self._add(dataclasses.replace(trial, earlier=()))

    def _curves(self, numbers: Sequence[int]) -> list[Curve]:
        waiting = self._waiting.copy()  # before `trials`, to which waiting trials move
        ended = waiting | {trial.number: trial for trial in self.trials}
        return [Curve(ended[number].epochs, ended[number].scores) for number in numbers]

    # --- choosing ------------------------------------------------------------------------------------------------

    def _offer(self, trial: Trial) -> bool:
        """Offer a trial in its current state for the ensemble; return whether the ensemble improved."""
        began = self._budget.seconds()
        is_better = self._average.offer(trial)
        self._budget.note("end", self._budget.seconds() - began)
        return is_better

    def _measure_blend(self) -> None:
        """Measure the gain of linear models and boosted trees beside networks, in a share of the search's time."""
        seconds, shared = _BLEND_SHARE * self.seconds(), self._shared
        if self.limit is not None:
            seconds = min(seconds, self.limit - self.seconds())
        seconds -= 2 * self._budget.cost("end")  # for choosing shares
        values = sum(len(part) * part.numeric.shape[1] for part in shared.train)
        if not self._measures_blend or seconds < max(_BLEND_SECONDS, _SECONDS_A_VALUE * values):
            return
        if isinstance(shared.target, Classes) and not shared.target.multilabel and shared.y.ndim > 1:
            return  # probabilities as targets, which boosted trees don't take
        budget, others = Budget(seconds), list[np.ndarray]()
        for tried in map(self._plan.candidate, BLEND):
            rng = np.random.default_rng(self._seed)
            training = CandidateTraining(shared, tried, rng, budget, self._offer, (), lambda _: None)
            if (best := training.fit()) is not None:
                found = best[2].outputs
                factor = tried.estimator._factor(found, shared.y, shared.weights)
                others.append(found * np.float32(factor))
        self.blend_score = self._average.score_with(others, self._loss)

    def _add(self, trial: Trial, *, keep: bool = False) -> None:
        """Add a finished trial; it becomes the ensemble if there is none yet, so that the search has a result.

        The arrays of trials that can no longer be chosen for the ensemble are freed.
        """
        if self._average.best is None and not trial.is_failure:
            self._average.accept(Best(trial.score if trial.best_epoch else None, [trial], [1.0]))
        self.trials.append(trial)
        self._waiting.pop(trial.number, None)
        if keep and trial.complete:
            self._keep(trial)
        dropped = self._average.keep(trial)
        for i, one in enumerate(self.trials):
            if one.number in dropped:
                self.trials[i] = dataclasses.replace(one, outputs=one.outputs[:0], state={})
        self._tell_of_trials()

    def _tell_of_trials(self) -> None:
        """Report finished trials to all observers, before Ctrl-C can end the search."""
        with interrupts_later():
            while self._told < len(self.trials):
                self._told += 1
                self._tell("on_trial_end", self.trials[self._told - 1])

    def _keep(self, trial: Trial) -> None:
        if self._store is not None:
            self._store.save(trial)

    # --- reports to observers ------------------------------------------------------------------------------------

    def _on_epoch(self, number: int, epoch: Epoch) -> None:
        self._tell("on_trial_epoch", number, epoch)
        if any(function(self._estimator, epoch) for function in self._functions):
            self.stop()

    def _tell(self, method: str, *arguments: Any) -> None:
        for observer in self._observers:
            getattr(observer, method)(self, *arguments)


class Lines(SearchObserver):
    """An observer that prints a line with the scores of each trial and of the ensemble."""

    def __init__(self, estimator: Any) -> None:
        self._name, self._sign = shown_score(estimator._chosen_scoring())

    def on_trial_end(self, search: SearchView, trial: Trial) -> None:
        best, left = search.best_score, search.left()
        settings = ", ".join(f"{name}={value!r}" for name, value in trial.settings.items())
        whole = "" if best is None else f", ensemble {self._sign * best:.4f}"
        rest = "" if left is None else f", {max(left, 0):.0f} s left"
        print(
            f"trial {trial.number}: {settings}: validation {self._name} "
            f"{self._sign * trial.score:.4f}{whole}, {trial.seconds:.1f} s{rest}",
            flush=True,
        )

    def on_search_end(self, search: SearchView, error: BaseException | None) -> None:
        if search.best_score is not None and search.blend_score is not None:
            shown = self._name, self._sign
            print(blend_said(search.best_score, search.blend_score, shown, f"candidates={BLEND}"), flush=True)


def learn(
    estimator: Any, shared: Shared, best: Best, trials: Sequence[Trial], device: str, *, in_time: bool = False
) -> None:
    """Set the estimator's fitted attributes from the best ensemble.

    Attributes about the training describe the best trial.

    Args:
        estimator: the user's estimator.
        shared: the common data.
        best: the best ensemble.
        trials: all trials.
        device: the device of the training.
        in_time: whether the held-out rows are later than the training rows.
    """
    if best.score is None:
        limit = estimator.time_limit
        now = "" if limit is None else f"; give the search more time (now time_limit={limit!r})"
        messages.warn(
            "the search ended before an epoch of the first network was complete, so that the network has hardly "
            f"learned anything{now}"
        )
    estimator.fitted_ = FittedModel(shared.encoder, best.network(), shared.target)
    estimator.best_validation_score_ = best.score
    outputs = best.outputs()
    if outputs is not None and not estimator._calibrate_classes(outputs, shared.held_out):
        outputs = best.outputs()
    target = estimator._decide(shared.target, outputs, shared.y, shared.weights)
    if in_time and outputs is not None:
        target = estimator._with_trend(target, outputs, shared.train, shared.held_out)
    held_out = None if outputs is None else HeldOut.of(shared.target, outputs, shared.y, shared.weights)
    estimator.fitted_ = dataclasses.replace(estimator.fitted_, target=target, held_out=held_out)
    estimator.__dict__.pop("_position", None)
    # Other candidates have no epochs; if no network has a share, the best network's epochs are reported.
    groups = ([one for one in some if "candidate" not in one.settings] for some in (best.trials, trials))
    main = max(next(filter(None, groups), best.trials), key=lambda trial: trial.score)
    main = next((trial for trial in trials if trial.number == main.number), main)
    estimator.loss_curve_ = list(main.losses)
    estimator.loss_ = main.losses[-1] if main.losses else float("nan")
    estimator.validation_scores_ = list(main.scores)
    estimator.best_epoch_, estimator.best_loss_ = main.best_epoch, None
    estimator.n_iter_ = len(main.losses)
    estimator.t_ = len(main.losses) * main.settings["rows"]
    estimator.device_ = device
    shares, names = best.by_number(), ("number", "score", "seconds", "complete", "predicting")
    estimator.trials_ = [
        {name: getattr(trial, name) for name in names}
        | {"settings": dict(trial.settings), "epochs": len(trial.losses)}
        | {"share": shares.get(trial.number, 0.0)}
        for trial in trials
    ]
    estimator._keep_held_out(shared.held_out)
