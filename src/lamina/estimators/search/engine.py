"""The search: trial after trial until the time is over, and the best average of them in the estimator.

The order of the trials, and all that happens in each of them, depends on the table and the seed alone; the limit says
where the sequence is cut. So more time is never worse on the rows that validate, and as many trials give the same bits.

`MLPClassifier(time_limit=300).fit(X, y)` and `fit_table(estimator, X, y, schema, eval_set)` search if the estimator
has `time_limit`, `trials`, or `preset="best"`. Among its `callbacks` may be `SearchObserver`s, a `TrialStore`,
functions (estimator, epoch), of which a true result ends the search, and `Observer`s, which see each trial's training.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lamina import messages
from lamina.context import cpu
from lamina.deferral import eager
from lamina.errors import NonFiniteLossError
from lamina.estimators.base import Data, as_list
from lamina.estimators.conformal import HeldOut
from lamina.estimators.fitted import FittedModel
from lamina.estimators.monotone_columns import fixed_settings
from lamina.estimators.network import Ensemble, Network
from lamina.estimators.search import space
from lamina.estimators.search.budget import Budget, TimeIsOver
from lamina.estimators.search.checks import asked_for, limits_of, require_held_out
from lamina.estimators.search.lines import Lines
from lamina.estimators.search.selection import greedy, mixture
from lamina.estimators.search.training import Configuration, Shared, TrialTraining
from lamina.estimators.search.trial import SearchObserver, Trial
from lamina.table.encode import TableEncoder
from lamina.training.loop import Epoch, Observer

__all__ = ["Search"]

_MOST_POOLED = 12
"""How many trials are kept to choose from: the best ones, and those in the present ensemble."""
_MOST_COMPARED = 1 << 16
"""How many of the outputs for held-out rows are looked at to choose; what was chosen is judged on all of them."""
_FEWEST_TO_COMPARE = 3
"""A trial is not ended for being worse than fewer others."""
_START_VARIES = 1.5
"""Compiling the steps of another network takes so many times as long as the longest until now, at most."""


@dataclass(frozen=True)
class Best:
    """An average of calibrated trials.

    Attributes:
        score: of the held-out rows; None if it was never measured.
        trials: which.
        shares: of each.
        factor: what calibrates the average, which is less sure of itself than each.
    """

    score: float | None
    trials: Sequence[Trial]
    shares: Sequence[float]
    factor: float = 1.0


class Search:
    """A search for an estimator, whose time runs from when this is made; a `SearchView`.

    Raises:
        ValueError: the estimator's settings do not go with a search.
    """

    def __init__(self, estimator: Any, eval_set: Any = None) -> None:
        self.limit, self.most_trials = limits_of(estimator, eval_set)
        self._budget = Budget(self.limit)
        self._estimator = estimator
        callbacks = as_list(estimator.callbacks)
        self._observers = [one for one in callbacks if isinstance(one, SearchObserver)]
        self._of_trials = [one for one in callbacks if isinstance(one, Observer)]
        self._store = next((one for one in callbacks if hasattr(one, "load") and hasattr(one, "save")), None)
        others = (*self._observers, *self._of_trials, self._store)
        self._functions = [one for one in callbacks if not any(one is other for other in others)]
        if estimator.verbose:
            self._observers.append(Lines(estimator))
        self.trials: list[Trial] = []
        self._pool: dict[int, Trial] = {}
        self._best: Best | None = None
        self._diverged: NonFiniteLossError | None = None
        self._device = str(cpu())  # where nothing is left to train: an earlier run kept all trials

    # --- what observers may look at ------------------------------------------------------------------------------

    @property
    def best_score(self) -> float | None:
        """The score of the present ensemble."""
        return self._best and self._best.score

    @property
    def shares(self) -> Mapping[int, float]:
        """The share of each trial in it."""
        best = self._best
        return (
            {one.number: share for one, share in zip(best.trials, best.shares, strict=True)} if best else {}
        )

    @cached_property
    def fingerprint(self) -> str:
        """What the search is known by when it goes on."""
        parts = [*self._shared.train, *self._shared.held_out]
        digest = hashlib.sha256("".join(part.fingerprint() for part in parts).encode())
        varies = ("callbacks", "device", "n_jobs", "random_state", "time_limit", "trials", "verbose")
        settings = {k: repr(v) for k, v in self._estimator.get_params(deep=False).items() if k not in varies}
        digest.update(json.dumps([self._seed, settings], sort_keys=True).encode())
        return digest.hexdigest()

    def seconds(self) -> float:
        """Since the beginning."""
        return self._budget.seconds()

    def left(self) -> float | None:
        """Until the deadline."""
        return self._budget.left()

    def stop(self) -> None:
        """End soon, with the best so far."""
        self._budget.stop()

    def end_at(self, seconds: float) -> None:
        """Have the deadline be so many seconds after the beginning."""
        self.limit = self._budget.limit = seconds

    def refuse(self, what: str) -> None:
        """Raise `ValueError`: the search cannot be where the estimator is asked for `what`."""
        raise ValueError(
            f"{what} trains one network, and {asked_for(self._estimator)} compares many; leave one of them out"
        )

    # --- the search ----------------------------------------------------------------------------------------------

    def run(
        self, encoder: TableEncoder, target: Any, train: Sequence[Data], held_out: Sequence[Data], seed: int
    ) -> None:
        """Search, and fit the estimator."""
        require_held_out(self._estimator, held_out, len(train[0]))
        self._shared, self._seed = Shared.of(encoder, target, train, held_out), seed
        self._openings = space.openings(min(map(len, train)))
        self._measuring = (
            self._with(calibrate=False) if hasattr(self._estimator, "calibrate") else self._with()
        )
        self._judging = self._with()
        for one in (self._measuring, self._judging):
            one.fitted_ = FittedModel(encoder, None, target)  # pyright: ignore[reportArgumentType] - only the target
        error: BaseException | None = None
        try:
            with eager(), cpu():
                self._go_on_from_store()
                self._tell("on_search_begin")
                while self._fits_another():
                    self._try(len(self.trials))
                if self._best is None and self._diverged is not None:
                    raise self._diverged
        except TimeIsOver:
            pass
        except BaseException as raised:
            error = raised
            raise
        finally:  # Ctrl-C too leaves the best so far behind
            with eager(), cpu():
                self._finish()
            self._tell("on_search_end", error)

    def _go_on_from_store(self) -> None:
        trials = [] if self._store is None else self._store.load(self.fingerprint)
        for trial in trials:
            if len(trial.outputs):
                self._offer(trial)
            self._add(trial)
        if trials:
            self._budget.go_on(trials[-1].ended)

    def _fits_another(self) -> bool:
        if self.most_trials is not None and len(self.trials) >= self.most_trials:
            return False
        if not self.trials:
            return True
        # The first start of a process loads what the others need, too, so that it is not multiplied.
        start = max(
            self._budget.cost("start") * _START_VARIES,
            self._budget.cost("first start") * (len(self.trials) < 2),
        )
        return self._budget.has(start + self._budget.cost("end"))

    def _try(self, number: int) -> None:
        """Train another configuration, and choose the ensemble anew."""
        tried = self._configuration(number)
        training = TrialTraining(
            self._shared, tried, np.random.default_rng([self._seed, number]), self._budget, self._offer,
            self._falls_behind, lambda epoch: self._on_epoch(number, epoch), self._of_trials,
        )  # fmt: skip
        self._tell("on_trial_begin", number, tried.settings, training.settings["max_iter"])
        try:
            training.run()
        except NonFiniteLossError as error:
            self._diverged = error
        finally:
            self._device = getattr(tried.estimator, "device_", str(cpu()))
            trial = training.result()
            if trial is None and not self._best and not self._diverged:
                trial = training.unmeasured()
            if not self._best and trial is not None and not trial.is_failure:
                self._accept(Best(trial.score if trial.best_epoch else None, [trial], [1.0]))
            if trial is not None:
                self._add(trial, keep=True)

    def _configuration(self, number: int) -> Configuration:
        rows = min(map(len, self._shared.train))
        if number < len(self._openings):
            preset, rows = self._openings[number]
            chosen: dict[str, Any] = {}
        else:
            free = dict(space.suggested(self._seed, number - len(self._openings), self._rate_of))
            preset, fixed = free.pop("preset"), fixed_settings(self._estimator)
            chosen = {k: v for k, v in free.items() if getattr(self._estimator, k) is None and k not in fixed}
        settings = {"preset": preset, "rows": rows, **chosen}
        return Configuration(number, self._with(preset=preset, **chosen), settings, rows)

    def _rate_of(self, preset: str) -> float:
        return self._with(preset=preset)._resolved()["learning_rate_init"]

    def _with(self, **settings: Any) -> Any:
        """An estimator like the user's, with these settings, that does not search."""
        given = self._estimator.get_params(deep=False)
        given |= {
            "preset": "default",
            "time_limit": None,
            "trials": None,
            "callbacks": None,
            "verbose": False,
        }
        return type(self._estimator)(**{**given, **settings})

    def _add(self, trial: Trial, *, keep: bool = False) -> None:
        """A trial has ended."""
        if len(trial.outputs):
            self._pool[trial.number] = trial
        self.trials.append(trial)
        if keep and trial.complete and self._store is not None:
            self._store.save(trial)
        self._forget()
        self._tell("on_trial_end", trial)

    def _forget(self) -> None:
        """Keep the arrays of the best trials only."""
        ranked = sorted(self._pool.values(), key=lambda trial: (-trial.score, trial.number))
        for trial in ranked[_MOST_POOLED:]:
            if trial.number not in self.shares:
                del self._pool[trial.number]
                self.trials[trial.number] = dataclasses.replace(trial, outputs=trial.outputs[:0], state={})

    def _falls_behind(self, share: float, score: float) -> bool:
        """Whether most of the earlier trials of as many epochs were better after this share of them."""
        others = [
            max(trial.scores[: math.ceil(share * trial.epochs)])
            for trial in self.trials
            if trial.settings["preset"] == "default" and len(trial.scores) >= share * trial.epochs
        ]
        return len(others) >= _FEWEST_TO_COMPARE and share < 1 and score < float(np.median(others))

    # --- choosing ------------------------------------------------------------------------------------------------

    def _offer(self, trial: Trial) -> bool:
        """Choose the best average anew, with this trial as it is now; whether that is better than any before."""
        began = self._budget.seconds()
        pool = list({**self._pool, trial.number: trial}.values())
        chosen = self._chosen(pool)
        best = max(chosen, key=lambda one: _known(one.score))
        is_better = self._best is None or _known(best.score) > _known(self._best.score)
        if is_better:
            self._accept(best)
        self._budget.note("end", self._budget.seconds() - began)
        return is_better

    def _chosen(self, pool: Sequence[Trial]) -> list[Best]:
        """The best single trial, and the best average found."""
        single = max(pool, key=lambda one: (one.score, -one.number))
        found = [Best(single.score, [single], [1.0])]
        rows = slice(None, None, -(-single.outputs.size // _MOST_COMPARED))
        y, weights = self._shared.y[rows], self._shared.weights
        weights = None if weights is None else weights[rows]
        scaled = [one.outputs[rows] * np.float32(one.factor) for one in pool]
        counts = greedy(scaled, lambda outputs: self._measuring._score_outputs(outputs, y, weights))
        trials = [one for one, count in zip(pool, counts, strict=True) if count]
        if len(trials) > 1:
            shares = [count / sum(counts) for count in counts if count]
            mean, y, weights = _mixed(trials, shares), self._shared.y, self._shared.weights
            score, factor = (
                judge(mean, y, weights) for judge in (self._judging._score_outputs, self._judging._factor)
            )
            found.append(Best(float(score), trials, shares, factor))
        return found

    def _accept(self, best: Best) -> None:
        self._best = best
        self._tell("on_new_best")

    # --- the end -------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Have the best average in the estimator."""
        best, estimator, shared = self._best, self._estimator, self._shared
        if best is None:
            return
        if best.score is None:
            messages.warn(
                UserWarning(
                    "the time was over before an epoch of the first network was complete, so that it has hardly "
                    f"learned anything; give more than time_limit={estimator.time_limit!r}"
                )
            )
        estimator.fitted_ = FittedModel(shared.encoder, _network(best), shared.target, self._held_out(best))
        vars(estimator).pop("_position", None)
        main = max(best.trials, key=lambda trial: trial.score)
        main = self.trials[main.number] if main.number < len(self.trials) else main
        self._describe(main)
        estimator._keep_held_out(shared.held_out)

    def _held_out(self, best: Best) -> HeldOut | None:
        """What the average says of the rows that its members held out, for intervals."""
        if best.score is None:
            return None
        outputs = _mixed(best.trials, best.shares) * np.float32(best.factor)
        return HeldOut.of(self._shared.target, outputs, self._shared.y, self._shared.weights)

    def _describe(self, main: Trial) -> None:
        """What `fit` learns of a training is that of the best trial in the average."""
        estimator, shares = self._estimator, self.shares
        estimator.loss_curve_ = list(main.losses)
        estimator.loss_ = main.losses[-1] if main.losses else float("nan")
        estimator.validation_scores_ = list(main.scores)
        estimator.best_validation_score_ = self.best_score
        estimator.best_epoch_, estimator.best_loss_ = main.best_epoch, None
        estimator.n_iter_ = len(main.losses)
        estimator.t_ = len(main.losses) * main.settings["rows"]
        estimator.device_ = self._device
        estimator.trials_ = [
            {
                "number": trial.number,
                "settings": dict(trial.settings),
                "score": trial.score,
                "seconds": trial.seconds,
                "epochs": len(trial.losses),
                "complete": trial.complete,
                "share": shares.get(trial.number, 0.0),
            }
            for trial in self.trials
        ]

    # --- what others see -----------------------------------------------------------------------------------------

    def _on_epoch(self, number: int, epoch: Epoch) -> None:
        self._tell("on_trial_epoch", number, epoch)
        if any(function(self._estimator, epoch) for function in self._functions):
            self.stop()

    def _tell(self, method: str, *arguments: Any) -> None:
        for observer in self._observers:
            getattr(observer, method)(self, *arguments)


def _known(score: float | None) -> float:
    return -np.inf if score is None else score


def _mixed(trials: Sequence[Trial], shares: Sequence[float]) -> np.ndarray:
    """The outputs of an average for the held-out rows; each trial is calibrated by itself first."""
    return mixture(
        [one.outputs for one in trials], [one.factor * w for one, w in zip(trials, shares, strict=True)]
    )


def _network(best: Best) -> Ensemble:
    """The networks of an average, calibrated."""
    members: list[Network] = []
    shares: list[float] = []
    for trial, share in zip(best.trials, best.shares, strict=True):
        own = Ensemble.from_state([trial.architecture] * trial.members, trial.state)
        own.scale_outputs(trial.factor * best.factor)
        members += own.members
        shares += [share / trial.members] * trial.members
    return Ensemble(members, tuple(shares))
