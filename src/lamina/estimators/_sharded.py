"""Training whose batches are cut into shards, which several processes share: the same bits on any number of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lamina import autograd
from lamina.compiler import compile
from lamina.core.state import call_each_step
from lamina.distributed.communicator import Communicator, world
from lamina.errors import DataError
from lamina.estimators._engine import Data, EnsembleTraining, own_outputs
from lamina.estimators._flat import FlatState
from lamina.estimators._optimization import SOLVERS
from lamina.nd import random
from lamina.nd.ndarray import NDArray

__all__ = ["ShardedTraining", "training_of"]

_STREAMS = 1 << 16  # of random numbers for a shard in one step


def training_of(network: Any, loss: Any, optimization: Any, *others: Any) -> EnsembleTraining:
    """The training of these settings, with the arguments of `EnsembleTraining`; cut into shards if they say so."""
    kind = EnsembleTraining if optimization.shards is None else ShardedTraining
    return kind(network, loss, optimization, *others)


class ShardedTraining(EnsembleTraining):
    """An `EnsembleTraining` whose step is cut at the sum of gradients.

    A compiled function computes the gradients of a shard, they are summed in an order that the number of shards fixes,
    and another one updates what this process owns. Rows are shuffled as without shards, by a generator that all
    processes have alike.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        plan = self.optimization
        assert plan.shards is not None
        self._flat = FlatState(self.network, SOLVERS[plan.solver].arrays, plan.shards, world())
        self._team, self._moments = self._flat.communicator, self._flat.moments
        self._step = compile(self._make_gradients(), keep_gradients=True)
        self._step_on_own = compile(self._make_update())

    @property
    def waited(self) -> float | None:
        if self._team.size == 1 or not self._flat.seconds:
            return None
        return self._flat.waited / self._flat.seconds

    def _begin_together(self) -> None:
        """All processes go on from where the first one is, which may have restored a state."""
        if self._team.size == 1:
            return
        _require_same_data(self._team, self.data)
        arrays, position = self._team.broadcast(self.state() if self._team.is_first else (None, None))
        if not self._team.is_first:
            self.restore(arrays, position)

    def _agreed(self, stop: bool) -> bool:
        """What the first process says: only it has all observers."""
        return self._team.broadcast(stop)

    def _train(self, number: int) -> float:
        loss = super()._train(number)
        self._flat.complete_moments()
        return loss

    def _measure(self) -> tuple[float | None, dict[str, float]]:
        if not self.validation or self.score is None:
            return None, {}
        score, outputs = self.score, own_outputs(self.network, self.validation, self._team)
        return self._team.decided(lambda: score(outputs)), {}

    def _run(self, rows: np.ndarray, report: Any) -> np.ndarray:
        members = len(self.network.members)
        batch = rows.shape[1] // members
        shards = self._flat.columns(batch, members)
        mine = np.concatenate([rows[:, :0], *(rows[:, columns] for _, columns in shards)], axis=1)
        ends = np.cumsum([0, *(len(columns) for _, columns in shards)])
        parts = [(shard, slice(*ends[i : i + 2])) for i, (shard, _) in enumerate(shards)]
        losses: list[float] = []
        with autograd.train_mode():
            for group in self._batches.groups(mine) if mine.size else [mine]:
                for line in group:
                    self._advance(batch)
                    of_shards = [partial(self._shard, shard, line[part]) for shard, part in parts]
                    losses.append(self._flat.step(of_shards, self._step_on_own))
                    if report:
                        report(len(losses), len(rows))
        self._begin_stream(0)  # the same on all processes
        return np.array(losses)

    def _shard(self, shard: int, rows: np.ndarray) -> tuple[float, float]:
        """Compute a shard's gradients: its part of the batch's loss, and the share that its rows are of the batch."""
        self._share = len(rows) / (self._rows * len(self.network.members))
        if not len(rows):
            return 0.0, 0.0
        self._begin_stream(shard)
        loss = self._step.run_batches(rows[None], *self._batches.arrays)
        return float(loss.asnumpy().item()), self._share

    def _begin_stream(self, shard: int) -> None:
        """Random numbers of the shard's own, so that dropout does not depend on what a process computed before."""
        number = self._steps_done * self._flat.shards + shard
        random.source.go_to(random.source.position()[0], number * _STREAMS)

    def _make_gradients(self) -> Callable[..., NDArray]:
        """The gradients of a shard, in proportion to its rows."""

        def gradients(numeric: NDArray, *others: NDArray) -> NDArray:
            return self._backward(numeric, *others, share=call_each_step(lambda: self._share))

        return gradients

    def _make_update(self) -> Callable[[], None]:
        """The solver's step on what this process owns."""
        pieces = self._flat.pieces

        def update() -> None:
            self._update(pieces)

        return update


def _require_same_data(team: Communicator, data: Sequence[Data]) -> None:
    """Raise `DataError` unless all processes have the same rows, as far as a glance tells."""
    seen = [
        (part.numeric.shape, len(part), zlib.crc32(np.ascontiguousarray(part.target).data)) for part in data
    ]
    others = team.gather(seen)
    for rank, other in enumerate(others):
        if other != others[0]:
            raise DataError(
                "processes that share a training's steps all pass the same table, in the same order; that of process "
                f"{rank} has the shape {other[0][0]}, that of process 0 {others[0][0][0]}, or its targets are others"
            )
