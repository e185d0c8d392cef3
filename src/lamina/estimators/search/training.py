"""The training of a trial, until its end or the deadline.

During the training, good states are offered for the ensemble.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.errors import NonFiniteLossError
from lamina.estimators.data import Data, targets_of
from lamina.estimators.fitted import FittedModel, own_outputs
from lamina.estimators.search.trial import Budget, Curve, TimeIsOver, Trial, falls_behind
from lamina.estimators.settings import Settings
from lamina.support.schedules import CYCLES_END
from lamina.table.encode import TableEncoder
from lamina.training.loop import Epoch, Loop, Observer

_MOST_HELD_OUT = 100_000
"""Maximum number of validation rows, so that validation takes less time than the training in between."""


@dataclass(frozen=True)
class Shared:
    """The common data of all trials.

    Attributes:
        encoder, target: the fitted encoder and target of the estimator.
        train: each member's training rows.
        held_out: each member's held-out rows, or the `eval_set`.
        y, weights: the targets and the weights of the held-out rows, concatenated.
    """

    encoder: TableEncoder
    target: Any
    train: Sequence[Data]
    held_out: Sequence[Data]
    y: np.ndarray
    weights: np.ndarray | None

    @classmethod
    def of(
        cls, encoder: TableEncoder, target: Any, train: Sequence[Data], held_out: Sequence[Data]
    ) -> Shared:
        """The common data, with a sample of the held-out rows if there are many."""
        each = -(-sum(map(len, held_out)) // _MOST_HELD_OUT)
        some = [part if part.rows is None else part.some(slice(None, None, each)) for part in held_out]
        return cls(encoder, target, train, some, *targets_of(some))

    def __sizeof__(self) -> int:
        """The size of the arrays in bytes.

        Since it is large, Dask sends the object to each worker only once.
        """
        parts = [*self.train, *self.held_out]
        arrays = {id(x): x for part in parts for x in (part.numeric, part.codes, part.target, part.rows)}
        return sum(getattr(x, "nbytes", 0) for x in arrays.values())

    def judge(self, estimator: Any) -> Any:
        """Make an estimator ready to score and calibrate outputs; return it."""
        estimator.fitted_ = FittedModel(self.encoder, None, self.target)  # pyright: ignore[reportArgumentType] - only the target
        return estimator

    def first_rows(self, count: int, rng: np.random.Generator) -> Sequence[Data]:
        """At most `count` random rows of each member."""
        if count >= min(map(len, self.train)):
            return self.train
        return [dataclasses.replace(part, rows=np.sort(part.shuffled(rng)[:count])) for part in self.train]


@dataclass(frozen=True)
class Configuration:
    """A trial's configuration: an estimator with these settings, on `rows` rows of each member.

    Attributes:
        number: the trial's number.
        estimator: an estimator with all settings, which does not search.
        settings: the settings that vary between trials and identify the configuration.
        rows: the number of training rows per member.
    """

    number: int
    estimator: Any
    settings: Mapping[str, Any]
    rows: int

    @property
    def candidate(self) -> str | None:
        """The kind of model, e.g. "linear" or "boosting", if the trial does not train a network; otherwise None."""
        return self.settings.get("candidate")


def settled(tried: Configuration, shared: Shared) -> Settings:
    """All settings of a configuration, including the number of epochs."""
    rows = tried.rows if tried.rows < min(map(len, shared.train)) else len(shared.train[0])
    return tried.estimator._settled_epochs(tried.estimator._resolved(), rows)


@dataclass(eq=False)
class TrialRun:
    """The arguments of a trial's training.

    Attributes:
        shared: the common data.
        tried: the configuration.
        rng: the generator of all random numbers.
        budget: the time budget.
        offer: called with the trial whenever it may improve the ensemble, at the end of each learning-rate cycle;
            returns whether to keep the trial's current state.
        others: the learning curves of earlier trials; a trial that is worse than most of these is stopped.
        tell: called after each epoch.
        observers: other observers of the training, which are called first.
    """

    shared: Shared
    tried: Configuration
    rng: np.random.Generator
    budget: Budget
    offer: Callable[[Trial], bool]
    others: Sequence[Curve]
    tell: Callable[[Epoch], None]
    observers: Sequence[Observer] = ()

    def __post_init__(self) -> None:
        self._begun = self.budget.seconds()
        self._kept: Trial | None = None

    def _made(self, score: float, outputs: np.ndarray, **values: Any) -> Trial:
        """A trial with this score, these outputs for held-out rows, and these values of other attributes."""
        ended, shared = self.budget.seconds(), self.shared
        factor = self.tried.estimator._factor(outputs, shared.y, shared.weights) if len(outputs) else 1.0
        return Trial(
            self.tried.number, self.tried.settings, score, ended - self._begun, ended,
            factor=factor, outputs=outputs, **values,
        )  # fmt: skip


class TrialTraining(TrialRun, Observer):
    """The training of a trial's networks."""

    watches_steps = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._validation, self._is_complete, self._offered_epoch = np.inf, False, 0
        self._snapshot: tuple[int, float, np.ndarray, Mapping[str, np.ndarray]] | None = None
        self._training: Loop | None = None
        estimator, shared = self.tried.estimator, self.shared
        self.settings = settings = settled(self.tried, shared)
        self._train = shared.first_rows(self.tried.rows, self.rng)
        estimator._begin(shared.encoder, shared.target, self._train, settings, self.rng)
        shares = CYCLES_END.get(settings.learning_rate, ())
        self._cycle_ends = {-int(-share * settings.epochs // 1) for share in (*shares, 1.0)}
        self._may_have_path = not shares  # states of one trial have the same arrays

    def run(self) -> None:
        """Train the networks to the end.

        Raises:
            TimeIsOver: the deadline passed.
            NonFiniteLossError: the training diverged.
        """
        estimator, settings = self.tried.estimator, self.settings
        if not self.budget.has(0):
            raise TimeIsOver
        with estimator._on_device(len(self._train[0]) * settings.epochs) as network:
            observers = [*self.observers, *estimator._cycle_stopping(settings), self]
            training: Loop = estimator._training_of(
                network, self._train, self.shared.held_out, self._judged, settings, self.rng, observers
            )
            self._training = training
            try:
                for _ in training.run():
                    pass
            except NonFiniteLossError:
                self._end(training)
                raise
            if self._may_have_path and self.budget.has(self.budget.cost("end") + self.budget.cost("path")):
                self._add_linear_path(training)
        self._end(training)

    def _end(self, loop: Loop) -> None:
        """Offer the best state at the regular end of the training.

        A resumed search offers the same state, loaded from a store, and so gets the same ensemble.
        """
        self._is_complete = True
        self._offer_best(loop)

    def _add_linear_path(self, loop: Loop) -> None:
        """Add a linear path to each member in the best state, if this improves loss and score."""
        if loop.best_state is None:
            return
        began, estimator, held_out = self.budget.seconds(), self.tried.estimator, self.shared.held_out
        loop.restore_best()
        estimator.best_validation_score_ = float(loop.best_score)
        outputs = estimator._calibrate(own_outputs(estimator.fitted_.network, held_out), held_out)
        outputs = estimator._add_linear_path(outputs, self._train, held_out, self.settings, loop.past)
        network = estimator.fitted_.network
        if network.architecture.skip:  # calibrated, and calibrated again at the end
            score = estimator._judge(held_out)(outputs)
            self._snapshot = (loop.best_epoch, score, outputs, network.state())
        self.budget.note("path", self.budget.seconds() - began)

    def result(self) -> Trial | None:
        """The trial in its kept or best state; None before the first validation.

        If the training diverged before the first validation, the result is a failed trial.
        """
        best = self._kept or self._best()
        rows, each = len(self.shared.y), len(self._train) if len(self.shared.held_out) > 1 else 1
        if best is None and self._is_complete:
            best = dataclasses.replace(self.unmeasured(), state={})
        if best is None:
            return None
        past, ended = self._training.past if self._training else [], self.budget.seconds()
        return dataclasses.replace(
            best,
            seconds=ended - self._begun,
            ended=ended,
            complete=self._is_complete,
            losses=[epoch.loss for epoch in past],
            scores=[float(epoch.score) for epoch in past if epoch.score is not None],
            predicting=1000 * each * self._validation / rows if np.isfinite(self._validation) else None,
        )

    def unmeasured(self) -> Trial:
        """The trial in its current state, without score and outputs, before the first validation."""
        estimator = self.tried.estimator
        network = estimator.fitted_.network
        outputs = np.empty((0, network.architecture.outputs), np.float32)
        return self._trial(0, -np.inf, outputs, network.state())

    # --- events of the loop --------------------------------------------------------------------------------------

    def on_begin(self, loop: Loop) -> None:
        self._began_steps, self._has_started = self.budget.seconds(), False

    def on_steps(self, loop: Loop, done: int, of: int, loss: float | None) -> None:
        now = self.budget.seconds()
        if not self._has_started:
            self._has_started, self._began_steps = True, now  # the time before was for compiling
            is_first = not self.tried.number
            self.budget.note("first start" if is_first else "start", self.budget.seconds() - self._begun)
        needed = self.budget.cost("end")
        if done >= of - 1:  # a smaller last batch is not reported
            needed += self.budget.cost("validation", (now - self._began_steps) * self._validation_to_epoch())
        self._last_steps = now
        if not self.budget.has(needed):
            raise TimeIsOver

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        seconds = self.budget.seconds() - self._last_steps
        self.budget.note("validation", seconds)
        self._validation = min(self._validation, seconds)  # without compilation
        if epoch.is_best and loop.best_state is not None:
            self._snapshot = (epoch.number, loop.best_score, self._outputs, loop.best_state)
        self.tell(epoch)
        share = epoch.number / loop.epochs
        if epoch.number in self._cycle_ends and falls_behind(share, loop.best_score, self.others):
            loop.stop()
        if epoch.number in self._cycle_ends and epoch.number < loop.epochs and not loop.is_stopped:
            self._offer_best(loop)
        self._began_steps = self.budget.seconds()

    def _offer_best(self, loop: Loop) -> None:
        """Offer the state of the best epoch so far, unless it has been offered."""
        trial = self._best()
        if trial is None or loop.best_epoch == self._offered_epoch:
            return
        self._offered_epoch = loop.best_epoch
        if self.offer(trial):
            self._kept = trial

    def _judged(self, outputs: np.ndarray) -> float:
        self._outputs = outputs
        return self.tried.estimator._score_outputs(outputs, self.shared.y, self.shared.weights)

    def _validation_to_epoch(self) -> float:
        """The estimated ratio of a validation's duration to an epoch's duration.

        A training row is assumed to take three times as long as a validation row.
        """
        return sum(map(len, self.shared.held_out)) / sum(map(len, self._train)) / 3

    # --- the current state ---------------------------------------------------------------------------------------

    def _best(self) -> Trial | None:
        """The trial in the state of its best epoch so far; None before the first validation."""
        return None if self._snapshot is None else self._trial(*self._snapshot)

    def _trial(self, epoch: int, score: float, outputs: np.ndarray, state: Mapping[str, np.ndarray]) -> Trial:
        network = self.tried.estimator.fitted_.network
        return self._made(
            float(score), outputs, epochs=self.settings.epochs, best_epoch=epoch, complete=self._is_complete,
            architecture=network.architecture, members=len(network.members), state=state,
        )  # fmt: skip
