"""MXNet's distributed store: values by key, summed over workers; here the processes that MPI started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamina.distributed.communicator import Communicator, world
from lamina.distributed.ordered import OrderedSum
from lamina.errors import ParameterError
from lamina.nd.conversion import array
from lamina.nd.ndarray import NDArray
from lamina.optimizer.optimizer import Optimizer

__all__ = ["DistributedStore", "create", "is_distributed"]

_SYNCHRONOUS = ("dist", "dist_sync", "dist_device_sync", "dist_sync_device")


def is_distributed(name: Any) -> bool:
    """Whether MXNet means by a store's name one of several machines.

    >>> is_distributed("dist_sync"), is_distributed("device")
    (True, False)
    """
    return isinstance(name, str) and (name.startswith("dist") or name in ("p3", "horovod", "byteps"))


def create(name: str) -> DistributedStore:
    """The store of this name.

    Raises:
        ParameterError: it is not one that waits for all workers, such as "dist_sync".

    >>> create("dist_sync").num_workers
    1
    """
    if name not in _SYNCHRONOUS:
        raise ParameterError(
            f"there is no store {name!r}: workers' gradients are summed when all are there, which is 'dist_sync'"
        )
    return DistributedStore(name)


class DistributedStore:
    """Values by key that all workers share; what they push is summed in an order that is fixed.

    The leaves of the sum are the arrays that the workers push, those of worker 0 first: of as many in all the sum is
    the same bits, so that 1, 2 and 4 workers with 4, 2 and 1 devices train the same network. All workers do the same in
    the same order, as with MXNet's.

    >>> from lamina import nd
    >>> store = create("dist_sync")
    >>> store.init("w", nd.zeros(2))
    >>> store.push("w", [nd.ones(2), nd.ones(2)])
    >>> out = nd.zeros(2)
    >>> store.pull("w", out)
    >>> out.asnumpy()
    array([2., 2.], dtype=float32)
    """

    def __init__(self, name: str = "dist_sync", communicator: Communicator | None = None) -> None:
        self.type = name
        self._team = communicator or world()
        self._values: dict[Any, NDArray] = {}
        self._states: dict[Any, Any] = {}
        self._optimizer: Optimizer | None = None
        self._sums: dict[Any, OrderedSum] = {}

    @property
    def rank(self) -> int:
        """This worker's number, from 0 on."""
        return self._team.rank

    @property
    def num_workers(self) -> int:
        """How many workers there are."""
        return self._team.size

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store can do what is asked: "optimizer"."""
        return capability.lower() == "optimizer"

    def init(self, key: Any, value: Any) -> None:
        """Give keys their first values: those of worker 0."""
        for name, values in _pairs(key, value):
            if name in self._values:
                raise ParameterError(f"the key {name!r} has been initialized already")
            self._values[name] = array(self._team.broadcast(values[0].asnumpy()), dtype=values[0].dtype)

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Sum arrays over all workers, and over the devices of each; the sum, or the optimizer's step, is kept."""
        for name, values in _pairs(key, value):
            (total,) = self.summed([[x] for x in values])
            stored, summed = self._stored(name), array(total, dtype=total.dtype)
            if self._optimizer is None:
                stored[:] = summed
            else:
                if name not in self._states:
                    self._states[name] = self._optimizer.create_state(name, stored)
                self._optimizer.update(name, stored, summed, self._states[name])

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """Write the values of keys into arrays."""
        for name, outs in _pairs(key, out):
            for x in outs:
                x[:] = self._stored(name).as_in_context(x.context)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """`push`, then `pull` into `out`, or into the values themselves."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """`init`, then `pull`."""
        self.init(key, value)
        self.pull(key, out, priority)

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """Take a step of this optimizer with each sum, instead of keeping the sum."""
        self._optimizer = optimizer

    def barrier(self) -> None:
        """Wait until all workers have come here."""
        self._team.wait_for_all()

    _barrier = barrier

    def of_first(self, arrays: Sequence[NDArray]) -> list[np.ndarray]:
        """The values that worker 0 has."""
        return self._team.decided(lambda: [x.asnumpy() for x in arrays])

    def summed(self, devices: Sequence[Sequence[NDArray]]) -> list[np.ndarray]:
        """For each place of the lists, which have one array of every parameter for each of this worker's devices, the
        sum over all devices of all workers."""
        shapes = [x.shape for x in devices[0]]
        for x in devices[0]:
            if x.dtype != devices[0][0].dtype:
                raise ParameterError(
                    f"gradients of {devices[0][0].dtype} and {x.dtype} can't be summed together"
                )
        flat = [np.concatenate([x.asnumpy().reshape(-1) for x in arrays]) for arrays in devices]
        total = self._sum_of(flat)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(total, ends[:-1]), shapes, strict=True)]

    def _sum_of(self, flat: Sequence[np.ndarray]) -> np.ndarray:
        """The sum of this worker's arrays and those of the others, who have as many of the same length."""
        team, first = self._team, flat[0]
        key = len(flat), len(first), first.dtype.str
        if key not in self._sums:
            others = team.gather(key)
            if any(other != key for other in others):
                raise ParameterError(
                    f"workers push different things, by (devices, elements, dtype): {others}"
                )
            self._sums[key] = OrderedSum(team, len(flat) * team.size, len(first), first.dtype)
        ordered = self._sums[key]
        for part in flat:
            ordered.add(part)
        total = np.empty_like(first)
        total[ordered.bounds[team.rank] : ordered.bounds[team.rank + 1]] = ordered.finish()
        team.complete(total, ordered.bounds)
        return total

    def _stored(self, name: Any) -> NDArray:
        if name not in self._values:
            raise ParameterError(f"the key {name!r} has not been initialized; call init first")
        return self._values[name]


def _pairs(key: Any, value: Any) -> Iterable[tuple[Any, list[NDArray]]]:
    """Each key with its arrays, one for each device."""
    keys, values = (list(key), list(value)) if isinstance(key, list | tuple) else ([key], [value])
    if len(keys) != len(values):
        raise ParameterError(f"{len(keys)} keys, but {len(values)} values")
    return [(k, list(v) if isinstance(v, list | tuple) else [v]) for k, v in zip(keys, values, strict=True)]
