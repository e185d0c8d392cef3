"""Key-value stores under MXNet's names, which sum gradients and can update the stored parameters.

On one machine a store sums the gradients of several devices; ``dist_sync`` sums the gradients of all MPI processes.
`KVStoreBase.register` adds other stores, which need the methods of `KVStoreBase` to work with `Trainer`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lamina.core.state import concrete, state
from lamina.errors import ContextError, OutsideError, ParameterError, TraceError
from lamina.nd.facade import mapped, plain
from lamina.nd.ndarray import NDArray
from lamina.optimizer import Optimizer, Updater, get_updater
from lamina.support.files.atomic import atomic_write
from lamina.support.messages import closest
from lamina.support.unsupported import names_of_others

__all__ = ["KVStore", "KVStoreBase", "KVStoreDist", "create"]

Arrays = NDArray | Sequence[Any]


class KVStoreBase:
    """The interface of stores for trainers; `create` makes instances of registered classes."""

    OPTIMIZER = "optimizer"
    kv_registry: ClassVar[dict[str, type[KVStoreBase]]] = {}

    @staticmethod
    def register(klass: type[KVStoreBase]) -> type[KVStoreBase]:
        """A decorator that registers a store for `create` under its class's name."""
        KVStoreBase.kv_registry[klass.__name__.lower()] = klass
        return klass

    @property
    def type(self) -> str:
        """The store's name."""
        raise NotImplementedError(f"{type(self).__name__} must define type")

    @property
    def rank(self) -> int:
        """The worker number of this process, from 0 on."""
        return 0

    @property
    def num_workers(self) -> int:
        """The number of workers."""
        return 1

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store has a capability, such as ``"optimizer"``, the ability to update parameters."""
        if capability.lower() != KVStoreBase.OPTIMIZER:
            raise ValueError(f"unknown capability {capability!r}; known: {KVStoreBase.OPTIMIZER}")
        return False

    def broadcast(self, key: Any, value: Arrays, out: Arrays, priority: int = 0) -> None:
        """Send the value of the first worker's first device to all workers and devices."""
        raise NotImplementedError(f"{type(self).__name__} must define broadcast")

    def pushpull(self, key: Any, value: Arrays, out: Arrays | None = None, priority: int = 0) -> None:
        """Sum the values of all workers and devices, and write the sum, or the updated values, to `out`."""
        raise NotImplementedError(f"{type(self).__name__} must define pushpull")

    def replace(self, key: Any, value: NDArray) -> None:
        """Replace a key's value, for a parameter that was loaded or set."""
        raise ParameterError(
            f"a {type(self).__name__} that updates parameters can't take new values; load parameters before the "
            "first step, or make a new trainer"
        )

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """Use this optimizer to update stored values from pushed gradients."""
        raise NotImplementedError(f"{type(self).__name__} must define set_optimizer")

    def save_optimizer_states(self, fname: str | os.PathLike[str], dump_optimizer: bool = False) -> None:
        """Write the optimizer's states to a file."""
        raise NotImplementedError(f"{type(self).__name__} must define save_optimizer_states")

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Read the optimizer's states from a file written by `save_optimizer_states`."""
        raise NotImplementedError(f"{type(self).__name__} must define load_optimizer_states")


class KVStore(KVStoreBase):
    """The store of one machine, which sums over its devices.

    Keys are integers or strings. A list of keys needs a list of values. A value may be a list of arrays, one per
    device, which are summed. `priority` has no effect.

    >>> from lamina import kv, nd
    >>> store = kv.create("local")
    >>> store.init("a", nd.ones(2))
    >>> store.push("a", [nd.ones(2), 2 * nd.ones(2)])
    >>> out = nd.zeros(2)
    >>> store.pull("a", out=out)
    >>> out.asnumpy()
    array([3., 3.], dtype=float32)
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._stored: dict[Any, NDArray] = {}
        self._updater: Callable[[Any, NDArray, NDArray], None] | None = None

    @property
    def type(self) -> str:
        """The name with which the store was created."""
        return self._name

    @staticmethod
    def is_capable(capability: str) -> bool:
        return KVStoreBase.is_capable(capability) or True

    def init(self, key: Any, value: Arrays) -> None:
        """Store the first values of new keys."""
        for each, arrays in _pairs(key, value):
            if each in self._stored:
                raise ParameterError(f"KVStore: key {each!r} has been initialized already")
            with concrete():
                self._stored[each] = self._first(arrays[0])

    def broadcast(self, key: Any, value: Arrays, out: Arrays, priority: int = 0) -> None:
        """Store the first values of new keys, and write them to `out`."""
        self.init(key, value)
        self.pull(key, out)

    def replace(self, key: Any, value: NDArray) -> None:
        stored = self._at(key)
        stored[:] = value.as_in_context(stored.context)

    def push(self, key: Any, value: Arrays, priority: int = 0) -> None:
        """Sum the arrays of each value, and store the sum or pass the sum to the updater."""
        for each, arrays in _pairs(key, value):
            stored = self._at(each)
            total = self._sum(arrays, stored)
            if self._updater is None:
                stored[:] = total
            else:
                self._updater(each, total, stored)

    def _first(self, array: NDArray) -> NDArray:
        """The array to store for an initial value, by default a copy."""
        return array.copy()

    def _sum(self, arrays: Sequence[NDArray], stored: NDArray) -> NDArray:
        """The sum over all workers and devices, on the store's device."""
        total = arrays[0].as_in_context(stored.context)
        for array in arrays[1:]:
            total = total + array.as_in_context(stored.context)
        return total

    def pull(
        self, key: Any, out: Arrays | None = None, priority: int = 0, ignore_sparse: bool = True
    ) -> None:
        """Write the keys' stored values into the arrays in `out`."""
        if out is None:
            raise TypeError("KVStore.pull: out, the arrays to write, is missing")
        for each, arrays in _pairs(key, out):
            stored = self._at(each)
            for array in arrays:
                array[:] = stored.as_in_context(array.context)

    def pushpull(self, key: Any, value: Arrays, out: Arrays | None = None, priority: int = 0) -> None:
        """Push the values, and then pull into `out`, or into `value` if `out` is None."""
        self.push(key, value)
        self.pull(key, value if out is None else out)

    def _at(self, key: Any) -> NDArray:
        found = self._stored.get(key)
        if found is None:
            raise ParameterError(f"KVStore: key {key!r} has not been initialized; call init first")
        return found

    def row_sparse_pull(self, key: Any, out: Any = None, priority: int = 0, row_ids: Any = None) -> None:
        """Raise an error, since all arrays are dense."""
        raise OutsideError("KVStore.row_sparse_pull: lamina's arrays are dense. Use pull")

    def set_gradient_compression(self, compression_params: Any) -> None:
        """Raise an error, since nothing is sent between machines."""
        raise OutsideError(
            "KVStore.set_gradient_compression: not supported; on one machine no data is sent, and sums stay exact"
        )

    def set_optimizer(self, optimizer: Optimizer) -> None:
        self._set_updater(get_updater(optimizer))

    def set_updater(self, updater: Callable[[Any, NDArray, NDArray], None]) -> None:
        """Set the function ``updater(key, pushed, stored)``, which modifies `stored` for each pushed value."""
        self._updater = updater

    _set_updater = set_updater

    def save_optimizer_states(self, fname: str | os.PathLike[str], dump_optimizer: bool = False) -> None:
        """Write the optimizer's states, and with `dump_optimizer` its learning rate, to a file."""
        with atomic_write(fname) as file:
            file.write(self._optimizing().get_states(dump_optimizer))

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        self._optimizing().set_states(Path(fname).read_bytes())

    def _optimizing(self) -> Updater:
        if not isinstance(self._updater, Updater):
            raise ParameterError("KVStore: there is no optimizer; call set_optimizer first")
        return self._updater

    def barrier(self) -> None:
        """Do nothing, since there is only one worker."""

    _barrier = barrier


class KVStoreDist(KVStore):
    """The store shared by all MPI processes (`lamina.distributed`), called ``"dist_sync"``.

    Pushed arrays are summed along a fixed tree, whose leaves are all workers' arrays in the order of the workers.
    Therefore 1, 2 and 4 workers with 4, 2 and 1 devices train bitwise identical networks. Each worker stores all
    values, and all workers must make the same calls in the same order, as in MXNet.

    >>> from lamina import kv
    >>> store = kv.create("dist_sync")
    >>> store.rank, store.num_workers
    (0, 1)
    """

    def __init__(self, name: str) -> None:
        from lamina.distributed.communicator import world

        super().__init__(name)
        self._team = world()

    @property
    def rank(self) -> int:
        return self._team.rank

    @property
    def num_workers(self) -> int:
        return self._team.size

    def _first(self, array: NDArray) -> NDArray:
        from lamina.distributed import broadcast

        return broadcast(array.copy())

    def _sum(self, arrays: Sequence[NDArray], stored: NDArray) -> NDArray:
        from lamina.distributed import sum

        if state.trace is not None:
            raise TraceError(
                f"KVStore {self.type!r}: arrays of several processes can't be summed inside a compiled function; "
                "compile the part that computes gradients, with keep_gradients=True, and call trainer.step after it"
            )
        return sum(arrays, len(arrays) * self._team.size).as_in_context(stored.context)

    def barrier(self) -> None:
        """Wait until all workers have called `barrier`."""
        self._team.wait_for_all()

    _barrier = barrier


def _pairs(key: Any, value: Any) -> Iterator[tuple[Any, Sequence[NDArray]]]:
    """Pairs of each key and the list of its arrays."""
    value = mapped(value, plain)
    keys, values = (key, value) if isinstance(key, list | tuple) else ([key], [value])
    if isinstance(value, NDArray) and isinstance(key, list | tuple):
        values = [value]
    if len(values) != len(keys) and len(values) % max(1, len(keys)) == 0:  # consecutive values for each key
        many = len(values) // len(keys)
        values = [values[i * many : (i + 1) * many] for i in range(len(keys))]
    if len(keys) != len(values):
        raise ParameterError(f"KVStore: {len(keys)} keys for {len(values)} values")
    for each, arrays in zip(keys, values, strict=True):
        if not isinstance(each, int | str):
            raise TypeError(f"KVStore: keys are whole numbers or strings, not {each!r}")
        found = arrays if isinstance(arrays, list | tuple) else [arrays]
        if not found or not all(isinstance(x, NDArray) for x in found):
            raise TypeError(
                f"KVStore: the value of key {each!r} is an NDArray, or a list of them, not {arrays!r}"
            )
        yield each, found


_ON_SEVERAL = ("dist", "dist_sync", "dist_device_sync", "dist_sync_device")
_ON_ONE_MACHINE = ("local", "device", "local_allreduce_cpu", "local_allreduce_device", "nccl")


def create(name: str = "local") -> KVStoreBase:
    """Create a store by name: ``"local"``, ``"device"`` (both the same), ``"dist_sync"``, or a registered name.

    Raises:
        ContextError: the name is another distributed store of MXNet's, which is not registered.
        ValueError: the name is unknown.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a KVStore is a string, not {name!r}")
    name = name.lower()
    if name in KVStoreBase.kv_registry:
        return KVStoreBase.kv_registry[name]()
    if name in _ON_ONE_MACHINE:
        return KVStore(name)
    if name in _ON_SEVERAL:
        return KVStoreDist(name)
    if name.startswith(("dist", "p3", "horovod", "byteps")):
        raise ContextError(
            f"KVStore {name!r} spans machines, but is not registered; lamina has 'dist_sync', and on one machine "
            "'local'"
        )
    raise ValueError(
        f"unknown KVStore {name!r}.{closest(name, _ON_ONE_MACHINE)} Known: {', '.join(_ON_ONE_MACHINE)}"
    )


__getattr__ = names_of_others("lamina.kvstore")
