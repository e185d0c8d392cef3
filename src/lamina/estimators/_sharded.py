"""Training on batches that are split into shards; results are bit-identical for any number of processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from lamina import autograd
from lamina.compiler import compile
from lamina.core.state import call_each_step
from lamina.distributed.communicator import Communicator, world
from lamina.errors import DataError
from lamina.estimators._engine import STREAMS_BITS, EnsembleTraining
from lamina.estimators._flat import FlatState
from lamina.estimators._losses import Loss
from lamina.estimators._solvers import SOLVERS
from lamina.estimators.data import Batches
from lamina.estimators.network import Ensemble
from lamina.estimators.settings import Settings
from lamina.nd.ndarray import NDArray

_STREAMS = 1 << 8  # random streams of a member's shard in one step, more than there are layers


def training_of(
    network: Ensemble, loss: Loss, settings: Settings, *others: Any, **named: Any
) -> EnsembleTraining:
    """A new `ShardedTraining` if `settings.shards` is set, otherwise an `EnsembleTraining`.

    Raises:
        ValueError: a member is not a neural network, but e.g. boosted trees.
    """
    if fixed := [one.candidate for one in (m.architecture for m in network.members) if one.trees or one.near]:
        raise ValueError(
            f"an ensemble with {fixed[0]} can't be trained further; fit a new model, without warm_start or partial_fit"
        )
    kind = EnsembleTraining if settings.shards is None else ShardedTraining
    return kind(network, loss, settings, *others, **named)


class ShardedTraining(EnsembleTraining):
    """An `EnsembleTraining` that computes the gradients of a batch shard by shard, and then updates the parameters.

    A compiled function computes a shard's gradients. The gradients of all shards are summed in an order fixed by the
    number of shards, and another compiled function updates this process's slice of the parameters. All processes
    shuffle rows with the same random numbers, in the same order as without shards. `team`: the processes that share the
    training; None: all.
    """

    def __init__(
        self, *args: Any, seed: int = 0, n_jobs: int | None = None, team: Communicator | None = None
    ) -> None:
        super().__init__(*args, seed=seed, n_jobs=1)  # members stay together: processes share their batches
        settings = self.settings
        assert settings.shards is not None
        count = SOLVERS[settings.solver].arrays
        self._flat = FlatState(self.network, count, settings.shards, team or world())
        self._team = self._judges = self._flat.communicator
        self._moments = self._flat.moments
        self._step = compile(self._shards_gradients, keep_gradients=True, precision=settings.precision)
        self._step_on_own = compile(lambda: self._update(self._flat.pieces))

    @property
    def waited(self) -> float | None:
        if self._team.size == 1 or not self._flat.seconds:
            return None
        return self._flat.waited / self._flat.seconds

    def _begin_together(self) -> None:
        """Copy the state of the first process, which may come from a checkpoint, to all processes."""
        if self._team.size == 1:
            return
        _require_same_data(self._team, self._own_batches())
        arrays, position = self._team.broadcast(self.state() if self._team.is_first else (None, None))
        if not self._team.is_first:
            self.restore(arrays, position)

    def _agreed(self, stop: bool) -> bool:
        """The first process's decision whether to stop; only the first process has all observers."""
        return self._team.broadcast(stop)

    def _train(self, number: int) -> float:
        loss = super()._train(number)
        self._flat.complete_moments()
        return loss

    def _run(self, indices: np.ndarray, arrays: Sequence[NDArray], done: int) -> np.ndarray:
        members = len(self.network.members)
        batch = indices.shape[1] // members
        shards = self._flat.columns(batch, members)
        is_watched = self.watched() and batch == self._batch
        losses: list[np.ndarray] = []
        with autograd.train_mode():
            for line in indices:
                self._advance(batch)
                of_shards = [partial(self._shard, shard, line[columns], arrays) for shard, columns in shards]
                losses.append(self._flat.step(of_shards, self._step_on_own))
                if is_watched:
                    self.report(done + len(losses), max(self._per_epoch, done + len(indices)))
        self._begin_streams(0)  # the same streams on all processes
        return np.stack(losses)

    def _shard(self, shard: int, rows: np.ndarray, arrays: Sequence[NDArray]) -> tuple[Any, float]:
        """Compute a shard's gradients; return its part of the members' losses, and its share of the batch."""
        self._share = len(rows) / (self._rows * len(self.network.members))
        if not len(rows):
            return 0.0, 0.0
        self._begin_streams(shard)
        losses = self._step.run_batches(rows[None], *arrays)
        return [x.asnumpy().item() for x in losses], self._share

    def _begin_streams(self, shard: int) -> None:
        """Set the random streams of this step and shard.

        Dropout then doesn't depend on the process.
        """
        number = (self._steps_done * self._flat.shards + shard) * _STREAMS
        for member, source in enumerate(self._sources):
            seed, _ = source.position()
            source.go_to(seed, (member << STREAMS_BITS) + number)

    def _shards_gradients(self, numeric: NDArray, *others: NDArray) -> list[NDArray]:
        """Compute a shard's gradients, weighted by the shard's share of the batch; to be compiled."""
        return self._backward(numeric, *others, share=call_each_step(lambda: self._share))


def _require_same_data(team: Communicator, batches: Batches) -> None:
    others = team.gather((batches.rows, batches.fingerprints()))
    for rank, (rows, _) in enumerate(others):
        if others[rank] != others[0]:
            raise DataError(
                "processes that share a training must all pass the same table, with rows in the same order: process "
                f"{rank} has {rows} training rows, which differ from the {others[0][0]} of process 0"
            )
