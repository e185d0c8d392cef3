"""A network's parameters and training state in flat arrays, for training steps that several processes share.

Each shard of a batch yields gradients. Their sum, computed in a fixed order, is split into slices, one for each
process. Each process takes the optimizer's step on its slice of the parameters, and all processes exchange the
results. A single process has a single slice, the whole array.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lamina import autograd, nd
from lamina.core.finite import unwatch
from lamina.core.memory import aligned_empty
from lamina.distributed.communicator import Communicator
from lamina.distributed.ordered import OrderedSum
from lamina.estimators.network import Ensemble, Weight
from lamina.nd.ndarray import NDArray

_LINE = 16  # elements of a cache line; arrays begin at line boundaries


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
