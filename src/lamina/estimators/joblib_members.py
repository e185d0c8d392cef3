"""Parallel training of an ensemble's members by joblib; each epoch of a member is a joblib task.

A member's epoch depends only on this member's weights, moments, rows and random streams. So its results have the same
bits on any worker, and also if a single step trains all members jointly. The process that called `fit` shuffles the
rows, computes validation scores, and stops early.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from lamina.estimators.architecture import Architecture
from lamina.estimators.settings import DECLARED, Settings
from lamina.training.loop import Loop, Observer

if TYPE_CHECKING:
    from lamina.estimators._engine import EnsembleTraining

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
                _What(self._key, type(training), member.architecture, training.loss, training.settings),
                (_renumbered(arrays, i, 0), {**position, "random": [position["random"][i]]}),
                training.steps_total,
                [_share(rows, i, len(members)) for rows in steps],
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
    kind: type[EnsembleTraining]
    architecture: Architecture
    loss: Any
    settings: Settings


def _epoch(
    what: _What, state: _State, steps_total: int, steps: Sequence[np.ndarray], *data: Any
) -> tuple[_State, list[np.ndarray]]:
    """Train a member for an epoch, in any process; `data` has the fields of its `Data`.

    Returns the member's new state, and for each array in `steps` the losses of its steps.
    """
    from lamina.compiler.deferral import eager
    from lamina.estimators.data import Data, HeldBatches

    with eager():
        training = _kept.take(what)
        batches = HeldBatches([Data(*data)])
        training.steps_total = steps_total
        training.go_to(*state)
        taken = [training.take_steps(batches.groups(rows)) for rows in steps]
        losses = [np.concatenate([own for own, _ in each]) for each in taken]
        state = training.own_state()
    _kept.put(what, training)
    return state, losses


class _Kept:
    """Trainings of this process that are idle between epochs; their compiled steps are reused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: OrderedDict[str, dict[Architecture, list[EnsembleTraining]]] = OrderedDict()

    def take(self, what: _What) -> EnsembleTraining:
        """An idle training for `what`, or a new training if none is idle."""
        with self._lock:
            idle = self._idle.get(what.key, {}).get(what.architecture)
            if idle:
                return idle.pop()
        from lamina.estimators.network import Ensemble, Network

        member = Network.blank(what.architecture)
        return what.kind(Ensemble([member]), what.loss, what.settings, np.random.default_rng(0), [], n_jobs=1)

    def put(self, what: _What, training: EnsembleTraining) -> None:
        with self._lock:
            self._idle.setdefault(what.key, {}).setdefault(what.architecture, []).append(training)
            self._idle.move_to_end(what.key)
            while len(self._idle) > _MOST_KEPT:
                self._idle.popitem(last=False)


_kept = _Kept()


def _share(rows: np.ndarray, i: int, members: int) -> np.ndarray:
    size = rows.shape[1] // members
    return np.ascontiguousarray(rows[:, i * size : (i + 1) * size])


def _renumbered(arrays: Mapping[str, np.ndarray], old: int, new: int) -> dict[str, np.ndarray]:
    """The arrays of member `old` of an ensemble, renamed as those of member `new` of another ensemble."""
    own = re.compile(rf"^(network|moment\d)\.{old}\.")
    return {own.sub(rf"\g<1>.{new}.", name): x for name, x in arrays.items() if own.match(name)}
