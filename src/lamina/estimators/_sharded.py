"""Training on batches that are split into shards; results are bit-identical for any number of processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from lamina import autograd, nd
from lamina.compiler import compile, run_batches_side_by_side
from lamina.core.finite import unwatch
from lamina.core.memory import aligned_empty
from lamina.core.state import call_each_step
from lamina.distributed.communicator import Communicator, OrderedSum, world
from lamina.errors import DataError
from lamina.estimators._losses import Loss
from lamina.estimators._solvers import SOLVERS
from lamina.estimators.data import Batches, share_of
from lamina.estimators.network import Ensemble, Weight, part_of
from lamina.estimators.settings import Settings
from lamina.estimators.training import STREAMS_BITS, EnsembleTraining, Member, Piece
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
        for i, member in enumerate(self._members):
            member.moments = part_of(self._flat.moments, f"{i}.")
        self._gradients = [
            compile(
                partial(self._shards_gradients, member), keep_gradients=True, precision=settings.precision
            )
            for member in self._members
        ]
        self._step_on_own = compile(lambda: self.schedule.update(self._flat.pieces))

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
                self._rows = batch
                self.schedule.advance(batch)
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
        members = len(self._members)
        own = [share_of(rows[None], i, members) for i in range(members)]
        losses = run_batches_side_by_side(self._gradients, own, tuple(arrays))
        return [x.asnumpy().item() for x in losses], self._share

    def _begin_streams(self, shard: int) -> None:
        """Set the random streams of this step and shard.

        Dropout then doesn't depend on the process.
        """
        number = (self.schedule.steps_done * self._flat.shards + shard) * _STREAMS
        for i, member in enumerate(self._members):
            seed, _ = member.source.position()
            member.source.go_to(seed, (i << STREAMS_BITS) + number)

    def _shards_gradients(self, member: Member, *batch: NDArray) -> NDArray:
        """Compute a shard's gradients, weighted by the shard's share of the batch; to be compiled."""
        return member.backward(*batch, share=call_each_step(lambda: self._share))


def _require_same_data(team: Communicator, batches: Batches) -> None:
    others = team.gather((batches.rows, batches.fingerprints()))
    for rank, (rows, _) in enumerate(others):
        if others[rank] != others[0]:
            raise DataError(
                "processes that share a training must all pass the same table, with rows in the same order: process "
                f"{rank} has {rows} training rows, which differ from the {others[0][0]} of process 0"
            )


# --- parameters and training state in flat arrays, for steps that several processes share -----------------------------
# Each shard of a batch yields gradients. Their sum, computed in a fixed order, is split into slices, one for each
# process. Each process takes the optimizer's step on its slice of the parameters, and all processes exchange the
# results. A single process has a single slice, the whole array.


_LINE = 16  # elements of a cache line; arrays begin at line boundaries


class FlatState:
    """The parameters and running statistics of a network in a flat array, which all processes keep equal.

    The network's arrays become views of this array, and their gradients become views of a second flat array.

    Args:
        network: the network to train.
        count: the number of solver arrays per parameter.
        shards: the number of shards per batch.
        communicator: the processes that share the shards.

    Attributes:
        moments: the solver's state arrays of each parameter, also views. Before `complete_moments`, only the values in
            this process's slice are up to date.
        pieces: the parameters, or parts of parameters, in this process's slice.
        seconds: the time of all steps.
        waited: the part of this time spent on communication.
    """

    def __init__(self, network: Ensemble, count: int, shards: int, communicator: Communicator) -> None:
        self.shards, self.communicator = shards, communicator
        self.seconds = self.waited = 0.0
        statistics = [
            (member.running, name)
            for member in network.members
            for name in member.running
            if name.startswith(("mean", "variance"))
        ]
        shapes = [w.array.shape for w in network.weights.values()]
        members = len(network.members)
        places = _places([*shapes, *(running[name].shape for running, name in statistics), (members,)])
        self._tail = slice(places[len(shapes)], places[-1])
        self._losses = slice(places[-2], places[-2] + members)
        self._values, self._gradients = _flat(places[-1]), _flat(places[-1])
        self._moments = [_flat(places[-1]) for _ in range(count)]
        self._sum = OrderedSum(communicator, shards, places[-1])
        begin, end = self._sum.bounds[communicator.rank : communicator.rank + 2]
        self._own = slice(begin, end)
        self.moments: dict[str, tuple[NDArray, ...]] = {}
        self.pieces: list[Piece] = []
        for at, (name, weight) in zip(places, network.weights.items(), strict=False):
            shape = weight.array.shape
            weight.array = _moved(weight.array, self._values, at)
            autograd.mark_variables([weight.array], [_view(self._gradients, at, shape)])
            unwatch(weight.array)
            self.moments[name] = tuple(_view(x, at, shape) for x in self._moments)
            self._add_piece(weight, at)
        for at, (running, name) in zip(places[len(shapes) :], statistics, strict=False):
            running[name] = _moved(running[name], self._values, at)
        self._before = self._values[self._tail].copy()

    def _add_piece(self, weight: Weight, at: int) -> None:
        begin, end = max(at, self._own.start), min(at + weight.array.size, self._own.stop)
        if begin >= end:
            return
        array, *moments = (_view(x, begin, (end - begin,)) for x in (self._values, *self._moments))
        gradient = _view(self._sum.total, begin - self._own.start, (end - begin,))
        part = slice(begin - at, end - at)

        def own(x: NDArray) -> NDArray:
            return nd.array(np.broadcast_to(x.asnumpy(), weight.array.shape).ravel()[part])

        bounds = None if weight.bounds is None else (own(weight.bounds[0]), own(weight.bounds[1]))
        decays = None if weight.decays is None else own(weight.decays)
        piece = replace(weight, array=array, bounds=bounds, decays=decays)
        self.pieces.append(Piece(piece, gradient, tuple(moments)))

    # --- a step --------------------------------------------------------------------------------------------------

    def columns(self, batch: int, members: int) -> list[tuple[int, np.ndarray]]:
        """The shards of this process: each shard's number, and its rows' positions in a batch, member by member."""
        return [
            (shard, (np.arange(members)[:, None] * batch + _part(batch, shard, self.shards)).reshape(-1))
            for shard in self.communicator.share(self.shards)
        ]

    def step(
        self, of_shards: Sequence[Callable[[], tuple[Any, float]]], update: Callable[[], object]
    ) -> np.ndarray:
        """Take a training step; return the members' losses for the batch.

        Args:
            of_shards: a function for each of this process's shards. It computes gradients and updates running
                statistics, and returns the shard's part of the losses, and the shard's share of the batch's rows.
            update: takes the solver's step on `pieces`.
        """
        start, waited = time.perf_counter(), self.communicator.seconds
        np.copyto(self._before, self._values[self._tail])
        tail, statistics = self._gradients[self._tail], self._values[self._tail]
        for of_shard in of_shards:
            losses, share = of_shard()
            if not share:
                self._gradients[:] = 0.0
            np.multiply(statistics, np.float32(share), out=tail)
            self._gradients[self._losses] = losses
            self._sum.add(self._gradients)
            np.copyto(statistics, self._before)
        total = self._sum.finish()
        update()
        moved = slice(max(self._own.start, self._tail.start), self._own.stop)
        if moved.start < moved.stop:
            self._values[moved] = total[moved.start - self._own.start :]
        self.communicator.complete(self._values, self._sum.bounds)
        self.seconds += time.perf_counter() - start
        self.waited += self.communicator.seconds - waited
        return self._values[self._losses].astype(np.float64)

    def complete_moments(self) -> None:
        """Exchange the solver's state arrays, so that every process has all values."""
        for array in self._moments:
            self.communicator.complete(array, self._sum.bounds)


def _part(batch: int, shard: int, shards: int) -> np.ndarray:
    return np.arange(shard * batch // shards, (shard + 1) * batch // shards)


def _places(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """The offset of each array in a flat array of all arrays, and the total length."""
    sizes = [-(-int(np.prod(shape)) // _LINE) * _LINE for shape in shapes]
    return np.concatenate([[0], np.cumsum(sizes)]).astype(int).tolist()


def _flat(length: int) -> np.ndarray:
    array = aligned_empty((length,), np.dtype(np.float32))
    array[:] = 0.0
    return array


def _view(flat: np.ndarray, at: int, shape: tuple[int, ...]) -> NDArray:
    return nd.from_numpy(flat[at : at + int(np.prod(shape))].reshape(shape))


def _moved(array: NDArray, flat: np.ndarray, at: int) -> NDArray:
    """Copy the array's values into `flat` from position `at`; return a view of the copy."""
    view = _view(flat, at, array.shape)
    view[:] = array.asnumpy()
    return view
