"""Training of the estimators' networks: compiled training steps, schedules, and validation after each epoch."""

from __future__ import annotations

import re
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from lamina import autograd, nd
from lamina.compiler import Counterpart, compile, run_batches_side_by_side
from lamina.compiler.deferral import eager
from lamina.core.state import call_each_step
from lamina.distributed.communicator import Communicator
from lamina.errors import NonFiniteLossError
from lamina.estimators._losses import Loss
from lamina.estimators._solvers import SOLVERS
from lamina.estimators.architecture import Architecture
from lamina.estimators.data import Batches, Data, Group, HeldBatches, Parts, share_of
from lamina.estimators.fitted import blocks_of, own_outputs
from lamina.estimators.network import Ensemble, Network, Weight, part_of
from lamina.estimators.settings import DECLARED, Settings
from lamina.nd.ndarray import NDArray
from lamina.nd.random import Source, drawing_from
from lamina.optimizer.optimizer import write
from lamina.support.schedules import SCHEDULES
from lamina.table.messages import counted
from lamina.training.display import Display, shows_bar
from lamina.training.loop import EarlyStopping, Epoch, Loop, Observer

_LEAST_PATIENCE = 8  # epochs; with 6, trainings of 32 epochs ended before the rate fell, and lost 0.5 %
STREAMS_BITS = 40  # low bits of a stream's number, for a member's own streams; the member's number is above


@dataclass(frozen=True)
class Piece:
    """A parameter, or a part of it, that a solver's step updates, with gradient, moments and bounds.

    `weight` has the piece's values, with the bounds and decay factors of these values.
    """

    weight: Weight
    gradient: NDArray
    moments: tuple[NDArray, ...]

    @classmethod
    def whole(cls, weight: Weight, moments: tuple[NDArray, ...]) -> Piece:
        """A piece that covers a whole parameter, with the gradient array that `backward` writes."""
        assert weight.array.grad is not None
        return cls(weight, weight.array.grad, moments)


class Schedule:
    """A training's position in the schedules of learning rate and regularization, and its solver's update.

    Attributes:
        steps_done: the number of steps taken.
        steps_total: the number of steps of the whole training.
        regularization: the current factor on the regularization.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.steps_done, self.steps_total, self.regularization = 0, 1, 1.0

    def advance(self, rows: int) -> float:
        """Begin a step on `rows` rows: set its learning rate and factor on the regularization.

        Returns the completed share of the training.
        """
        self._rows = rows
        t = self.steps_done / self.steps_total
        settings = self._settings
        self.steps_done += 1
        self._rate = settings.learning_rate_init * SCHEDULES[settings.learning_rate](t)
        self.regularization = SCHEDULES[settings.regularization_schedule](t)
        return t

    def update(self, pieces: Sequence[Piece]) -> None:
        """Apply a step of the solver to these pieces of the parameters."""
        settings = self._settings
        rate = call_each_step(lambda: self._rate)
        decay = call_each_step(lambda: settings.weight_decay * self._rate * self.regularization)
        solver = SOLVERS[settings.solver]
        step = of_matrices = solver.step(settings, lambda: self.steps_done)
        if solver.matrix_step is not None:
            of_matrices = solver.matrix_step(settings)
        # Python computes these rates before each step, once per factor, as many parameters share a factor.
        factors = dict.fromkeys(piece.weight.parameter.rate for piece in pieces)
        rates = {factor: rate * factor for factor in factors}
        decays = {factor: decay * factor**2 for factor in factors}
        for piece in pieces:
            weight, gradient = piece.weight, piece.gradient
            array, about = weight.array, weight.parameter
            if settings.alpha and about.decay:
                gradient = gradient + call_each_step(lambda: settings.alpha / self._rows) * array
            own = of_matrices if about.is_matrix else step
            new, values = own(array, gradient, piece.moments, rate=rates[about.rate])
            if settings.weight_decay and about.decay:
                # The factor on the learning rate counts twice, as in the reference implementation (pytabkit 1.7):
                # unimportant inputs lose their scale, whose factor is 6, 36 times as fast as the weights.
                share = decays[about.rate]
                if weight.decays is not None:
                    share = nd.minimum(share * weight.decays, 1)  # more than 1 would overshoot
                new = new - share * array
            if weight.bounds is not None:
                new = nd.minimum(nd.maximum(new, weight.bounds[0]), weight.bounds[1])
            write(array, piece.moments, (new, values))


class Member:
    """The training of one of an ensemble's networks.

    Attributes:
        network: the network.
        settings: the settings of its training.
        moments: the solver's arrays of each parameter.
        source: the random streams of dropout.
        step: the compiled function that takes a training step on a batch, and returns the mean loss. If the member
            `leads`, the step first advances the schedule, which all members share.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        settings: Settings,
        schedule: Schedule,
        source: Source,
        leads: bool,
    ) -> None:
        self.network, self._loss, self.settings, self.source = network, loss, settings, source
        self._schedule, self._leads = schedule, leads
        count = SOLVERS[settings.solver].arrays
        self.moments = {
            name: tuple(nd.zeros(w.array.shape, ctx=w.array.context) for _ in range(count))
            for name, w in network.weights.items()
        }
        self.step = compile(self._step, precision=settings.precision)

    def follow(self, first: Member) -> None:
        """Run the program of the first member's step, which is equal but for the arrays and random streams."""
        if self.network.architecture == first.network.architecture:
            self.step = Counterpart(self._step, first.step, lambda: self._counterparts(first))

    def _counterparts(self, first: Member) -> tuple[dict[int, NDArray], dict[int, object]]:
        moments = zip(first.moments.values(), self.moments.values(), strict=True)
        of_moments = {id(x): y for pair in moments for x, y in zip(*pair, strict=True)}
        return self.network.counterparts(first.network) | of_moments, {id(first.source): self.source}

    def _step(self, *batch: NDArray) -> NDArray:
        if self._leads:
            call_each_step(lambda: self._schedule.advance(batch[0].shape[0]))
        mean = self.backward(*batch)
        weights = self.network.weights.items()
        self._schedule.update([Piece.whole(w, self.moments[name]) for name, w in weights])
        return mean

    def backward(self, numeric: NDArray, *others: NDArray, share: Any = None) -> NDArray:
        """Compute the gradients of a batch or a part of it; return the mean loss.

        `share`: the part's share of the batch; the loss is multiplied by it. None: a whole batch.
        """
        rest = list(others)
        codes = rest.pop(0) if self.network.architecture.cardinalities else None
        target = rest.pop(0)
        weights = rest.pop(0) if rest else None
        drop = call_each_step(lambda: self._schedule.regularization)
        with autograd.record():
            with drawing_from(self.source):
                losses = self._loss(self.network.forward(numeric, codes, drop), target)
            mean = nd.mean(losses if weights is None else losses * weights)
            mean = mean if share is None else mean * share
        autograd.backward([mean])
        return mean


class EnsembleTraining(Loop):
    """The training of an ensemble's networks, each on separate batches.

    Args:
        network: the ensemble to train.
        loss: each row's loss, from outputs and targets.
        settings: the settings; `n_iter_no_change` and `tol` say when training stops early.
        rng: shuffles the rows.
        data: the training rows of each member, as selections from the same arrays; or a source of the members'
            batches.
        validation: the validation rows of each member; or a single item, on which the members' mean is validated.
        score: computes the score of the concatenated outputs for `validation`; higher is better.
        observers: the observers of the training, e.g. another early stopping rule.
        seed: the seed of dropout; each member has separate random streams, so that it can be trained separately.
        n_jobs: the number of members trained in parallel by joblib (see `JoblibMembers`).
    """

    losses_of_parts: Callable[[np.ndarray], list[float]] | None = None
    """The `part_losses` of outputs for `validation`; see `lamina.estimators.linear_path`."""

    _judges: Communicator | None = None
    """The processes that share the validation; the first one's score counts."""

    def __init__(
        self,
        network: Ensemble,
        loss: Loss,
        settings: Settings,
        rng: np.random.Generator,
        data: Parts | Batches,
        validation: Parts = (),
        score: Callable[[np.ndarray], float] | None = None,
        observers: Sequence[Observer] = (),
        *,
        seed: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        members = len(network.members)
        may_part = members > 1 and isinstance(data, Sequence) and network.context.is_host
        self._joblib = JoblibMembers(self, n_jobs) if may_part and at_a_time(n_jobs) > 1 else None
        joblib_members = [] if self._joblib is None else [self._joblib]
        stopping = _stopping(settings, is_validated=bool(validation))
        super().__init__(settings.epochs, [*joblib_members, *observers, *stopping], settings.tol)
        self.network, self.loss, self.settings = network, loss, settings
        self.data, self.validation, self.score = data, validation, score
        self._judged = blocks_of(network, validation) if validation else None
        self._rng = rng
        self.schedule = Schedule(settings)
        self._members = [
            Member(one, loss, settings, self.schedule, Source(seed, i << STREAMS_BITS), leads=i == 0)
            for i, one in enumerate(network.members)
        ]
        for member in self._members[1:]:
            member.follow(self._members[0])

    @property
    def _moments(self) -> dict[str, tuple[NDArray, ...]]:
        """The solver's arrays of all parameters, named like the ensemble's `weights`."""
        members = enumerate(self._members)
        return {f"{i}.{name}": arrays for i, one in members for name, arrays in one.moments.items()}

    # --- the loop ------------------------------------------------------------------------------------------------

    def fingerprints(self) -> list[str]:
        """The digests of the training rows and of the validation rows."""
        return [*self._own_batches().fingerprints(), *(part.fingerprint() for part in self.validation)]

    def restore(self, arrays: Mapping[str, np.ndarray], position: Mapping[str, Any]) -> None:
        """Restore a training's state; see `Loop.restore`.

        Older states have a second moment for every solver; SGD ignores it.
        """
        unread = tuple(f"moment{i}." for i in range(SOLVERS[self.settings.solver].arrays, 2))
        super().restore({name: x for name, x in arrays.items() if not name.startswith(unread)}, position)

    def _own_batches(self) -> Batches:
        data = self.data
        return HeldBatches(data, self.network.context) if isinstance(data, Sequence) else data

    def _prepare(self, epochs: int) -> None:
        self._batches = self._own_batches()
        settings, count = self.settings, self._batches.rows
        self._batch = min(settings.batch_size, count)
        self._per_epoch = max(count // self._batch, 1) if settings.drop_last else -(-count // self._batch)
        self.schedule.steps_total = max(self.schedule.steps_done + epochs * self._per_epoch, 1)

    def _train(self, number: int) -> float:
        """Train for an epoch; return the mean loss, including the L2 penalty."""
        settings, members = self.settings, len(self.network.members)
        if self._joblib is None:
            trained = self.take_steps(self._batches.epoch(self._rng, self._batch, settings.drop_last))
        else:
            assert isinstance(self._batches, HeldBatches)
            trained = self._joblib.take_steps(self._batches.steps(self._rng, self._batch, settings.drop_last))
        sizes = np.concatenate(
            [np.full(len(losses), rows // members) for losses, rows in trained] or [np.zeros(0)]
        )
        losses = np.concatenate([losses.mean(axis=1) for losses, _ in trained] or [np.zeros(0)])
        loss = float((losses * sizes).sum()) / max(float(sizes.sum()), 1.0) + self._penalty(self._batch)
        if not np.isfinite(loss):
            raise NonFiniteLossError(
                f"the training loss became {loss} in epoch {number}; lower learning_rate_init "
                f"(now {self.settings.learning_rate_init:g}) or check the data for extreme values"
            )
        return loss

    def _measure(self) -> tuple[float | None, dict[str, float]]:
        if self._judged is None or self.score is None:
            return None, {}
        score, outputs = self.score, own_outputs(self.network, self._judged, self._judges)
        if self.losses_of_parts:
            self.part_losses = self.losses_of_parts(outputs)
        return (self._judges.decided(lambda: score(outputs)) if self._judges else score(outputs)), {}

    def _parameters(self) -> dict[str, np.ndarray]:
        return self.network.state()

    def _load_parameters(self, arrays: dict[str, np.ndarray]) -> None:
        self.network.load_state(arrays)

    def own_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and positions from which the next epoch can continue, without the training data."""
        arrays = {f"network.{name}": x for name, x in self.network.state().items()}
        for name, moments in self._moments.items():
            arrays |= {f"moment{i}.{name}": x.asnumpy() for i, x in enumerate(moments)}
        return arrays, {
            "steps": self.schedule.steps_done,
            "shuffling": self._rng.bit_generator.state,
            "random": [member.source.position() for member in self._members],
        }

    _own_state = own_state

    def go_to(self, arrays: Mapping[str, np.ndarray], position: Mapping[str, Any]) -> None:
        """Continue from a state that `own_state` returned."""
        self.network.load_state(part_of(arrays, "network."))
        for name, moments in self._moments.items():
            for i, moment in enumerate(moments):
                moment[:] = arrays[f"moment{i}.{name}"]
        self.schedule.steps_done = position["steps"]
        self._rng.bit_generator.state = position["shuffling"]
        positions = position["random"]
        if not isinstance(positions[0], Sequence):  # from an older version, whose members shared streams
            seed, stream = positions
            positions = [(seed, stream + (i << STREAMS_BITS)) for i in range(len(self._members))]
        for member, (seed, stream) in zip(self._members, positions, strict=True):
            member.source.go_to(seed, stream)

    _restore_own = go_to

    def _penalty(self, batch: int) -> float:
        """The L2 penalty of a batch, averaged over the members; as in scikit-learn, the loss includes the penalty."""
        if not self.settings.alpha:
            return 0.0
        decayed = (w.array.asnumpy() for w in self.network.weights.values() if w.parameter.decay)
        squares = sum(float((x**2).sum()) for x in decayed)
        return 0.5 * self.settings.alpha * squares / batch / len(self.network.members)

    def take_steps(self, groups: Iterable[Group]) -> list[tuple[np.ndarray, int]]:
        """Take the steps of these groups, which `Batches.epoch` yields.

        Returns for each group the losses, float64 (steps, members), and the number of row indices per step.
        """
        trained: list[tuple[np.ndarray, int]] = []
        done = 0
        for indices, arrays in groups:
            there = [x.as_in_context(self.network.context) for x in arrays]
            trained.append((self._run(indices, there, done), indices.shape[1]))
            done += len(indices)
        return trained

    def _run(self, indices: np.ndarray, arrays: Sequence[NDArray], done: int) -> np.ndarray:
        """Take a training step for each row of `indices`; return the losses, (steps, members).

        `done`: the number of steps already taken in this epoch.
        """
        progress: Callable[[int, int], None] | None = None
        if self.watched() and indices.shape[1] == self._batch * len(self.network.members):
            of = max(self._per_epoch, done + len(indices))
            progress = lambda more, _: self.report(done + more, of)  # noqa: E731
        members = len(self._members)
        own = [share_of(indices, i, members) for i in range(members)]
        with autograd.train_mode():
            steps = [member.step for member in self._members]
            means = run_batches_side_by_side(steps, own, tuple(arrays), progress=progress)
        return np.array([x.asnumpy().ravel() for x in means], np.float64).T.copy()


def _stopping(settings: Settings, *, is_validated: bool) -> list[EarlyStopping]:
    """The observers that stop a training after some epochs without improvement."""
    patience, epochs = settings.n_iter_no_change, settings.epochs
    if patience == "mean" and is_validated:
        return [EarlyStopping(max(_LEAST_PATIENCE, epochs // 16), settings.tol, max(epochs // 8, 1))]
    return [] if patience is None or isinstance(patience, str) else [EarlyStopping(patience, settings.tol)]


def without_network(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a training's state, without the network's arrays."""
    return {name: x for name, x in arrays.items() if not name.startswith("network.")}


# --- members in parallel: each epoch of a member is a joblib task -----------------------------------------------------
# A member's epoch depends only on this member's weights, moments, rows and random streams. So its results have the same
# bits on any worker, as side by side in one process. The process that called `fit` shuffles the
# rows, computes validation scores, and stops early.


_State = tuple[dict[str, np.ndarray], dict[str, Any]]
"""A training's arrays and positions; see `EnsembleTraining.own_state`."""
_MOST_KEPT = 2  # maximum number of trainings whose compiled steps a process keeps


def at_a_time(n_jobs: int | None) -> int:
    """The number of concurrent joblib tasks, from `n_jobs` or `joblib.parallel_config`.

    Raises:
        ValueError: `n_jobs` is not a number of jobs.
    """
    DECLARED["n_jobs"].check("n_jobs", n_jobs)
    return int(effective_n_jobs(n_jobs))


class JoblibMembers(Observer):
    """An observer that trains the members of an `EnsembleTraining` as joblib tasks, at most `n_jobs` concurrently.

    Joblib's workers start and end with the training.
    """

    def __init__(self, training: EnsembleTraining, n_jobs: int | None) -> None:
        self._training, self._n_jobs = training, n_jobs
        self._key = uuid.uuid4().hex

    def on_begin(self, loop: Loop) -> None:
        self._stack = ExitStack()
        self._parallel = self._stack.enter_context(Parallel(self._n_jobs))

    def on_end(self, loop: Loop, error: BaseException | None) -> None:
        self._stack.close()

    def take_steps(self, steps: Sequence[np.ndarray]) -> list[tuple[np.ndarray, int]]:
        """Take the steps from `HeldBatches.steps`; return the same as `EnsembleTraining.take_steps`."""
        training = self._training
        data = training.data
        assert isinstance(data, Sequence)
        members = range(len(training.network.members))
        arrays, position = training.own_state()
        # Arrays are separate arguments, since joblib's backends share large arrays among tasks.
        tasks = [
            delayed(_epoch)(
                _What(self._key, member.architecture, training.loss, training.settings),
                (_renumbered(arrays, i, 0), {**position, "random": [position["random"][i]]}),
                training.schedule.steps_total,
                [share_of(rows, i, len(members)) for rows in steps],
                part.numeric,
                part.codes,
                part.target,
                part.weights,
            )
            for i, (member, part) in enumerate(zip(training.network.members, data, strict=True))
        ]
        results = list(self._parallel(tasks))
        states = [state for state, _ in results]
        joined = {name: x for i in members for name, x in _renumbered(states[i][0], 0, i).items()}
        streams = [each["random"][0] for _, each in states]
        position = {**states[0][1], "shuffling": position["shuffling"], "random": streams}
        training.go_to(joined, position)
        if training.watched():
            done = sum(len(rows) for rows in steps)
            training.report(done, done)
        losses = [np.concatenate([own[k] for _, own in results], axis=1) for k in range(len(steps))]
        return [(own, rows.shape[1]) for own, rows in zip(losses, steps, strict=True)]


@dataclass(frozen=True)
class _What:
    """The identity of a member's training, which is the same in all epochs.

    `key` is different for each call of `fit`.
    """

    key: str
    architecture: Architecture
    loss: Any
    settings: Settings


def _epoch(
    what: _What, state: _State, steps_total: int, steps: Sequence[np.ndarray], *data: Any
) -> tuple[_State, list[np.ndarray]]:
    """Train a member for an epoch, in any process; `data` has the fields of its `Data`.

    Returns the member's new state, and for each array in `steps` the losses of its steps.
    """
    with eager():
        training = _member(what)
        batches = HeldBatches([Data(*data)])
        training.schedule.steps_total = steps_total
        training.go_to(*state)
        taken = [training.take_steps(batches.groups(rows)) for rows in steps]
        losses = [np.concatenate([own for own, _ in each]) for each in taken]
        state = training.own_state()
    _idle(what.key)[what.architecture].append(training)
    return state, losses


@lru_cache(_MOST_KEPT)
def _idle(_key: str) -> defaultdict[Architecture, list[EnsembleTraining]]:
    """A training's members in this process that are idle between epochs; their compiled steps are reused."""
    return defaultdict(list)


def _member(what: _What) -> EnsembleTraining:
    """An idle training for `what`, or a new training if none is idle."""
    try:
        return _idle(what.key)[what.architecture].pop()
    except IndexError:
        ensemble = Ensemble([Network.blank(what.architecture)])
        return EnsembleTraining(ensemble, what.loss, what.settings, np.random.default_rng(0), [], n_jobs=1)


def _renumbered(arrays: Mapping[str, np.ndarray], old: int, new: int) -> dict[str, np.ndarray]:
    """The arrays of member `old` of an ensemble, renamed as those of member `new` of another ensemble."""
    own = re.compile(rf"^(network|moment\d)\.{old}\.")
    return {own.sub(rf"\g<1>.{new}.", name): x for name, x in arrays.items() if own.match(name)}


# --- the display of a training's progress, and its record of epochs ---------------------------------------------------
def progress(epochs: int, metric: str, sign: int) -> Display:
    """A display of an estimator's training progress.

    On a terminal or in a notebook, it is a progress bar, which ends as a line of results; elsewhere, a line per epoch.
    `metric` is the validation score's name, and `sign` its displayed sign: −1 for a loss.
    """

    def said(epoch: Epoch) -> str:
        parts = [f"loss {epoch.loss:.4f}"]
        if epoch.score is not None:
            parts.append(f"validation {metric} {sign * epoch.score:.4f}{' (best)' if epoch.is_best else ''}")
        return ", ".join(parts)

    def line(epoch: Epoch) -> str:
        left = epoch.seconds / epoch.number * (epochs - epoch.number)
        times = f"{epoch.seconds:.1f} s, at most {left:.1f} s left"
        return f"epoch {epoch.number}/{epochs}: {said(epoch)}, {times}"

    def last(loop: Loop) -> str:
        end = loop.past[-1]
        done = f"{counted(end.number, 'epoch')} in {end.seconds:.1f} s: loss {end.loss:.4f}"
        if end.score is None:
            return done
        return f"{done}; kept epoch {loop.best_epoch}, validation {metric} {sign * loop.best_score:.4f}"

    line_or_none = None if shows_bar(sys.stdout) else line
    return Display(sys.stdout, lambda _loop, epoch: said(epoch), line_or_none, stays=True, last=last)


class Learner(Observer):
    """An observer that records each epoch in the estimator, and calls the user's callbacks.

    A resumed training's past epochs are recorded, too.
    """

    def __init__(self, estimator: Any, rows: int, functions: Sequence[Callable[..., Any]]) -> None:
        self._estimator, self._rows, self._functions = estimator, rows, functions
        self.stopped = False

    def on_begin(self, loop: Loop) -> None:
        for epoch in loop.past:
            self._estimator._note(epoch, self._rows)

    def on_epoch(self, loop: Loop, epoch: Epoch) -> None:
        self._estimator._note(epoch, self._rows)
        if any(function(self._estimator, epoch) for function in self._functions):
            self.stopped = True
            loop.stop()
