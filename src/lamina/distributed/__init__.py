"""Training of one network by several processes, with ranks, sums, shared values and barriers.

``mpirun -n 4 python program.py`` starts the program four times; each process has a `rank` from 0 on, and does its
`share` of the work. Without mpirun there is one process, and all functions of this module work, too. Several processes
need mpi4py and an MPI library (``pip install 'lamina[mpi]'``).

A custom training step is split at the sum of gradients: a compiled function computes each shard's gradients, `sum` adds
them in an order independent of the number of processes, and another compiled function updates the parameters.

>>> import numpy as np
>>> import lamina
>>> from lamina import autograd, distributed, nd
>>> w = nd.zeros(3)
>>> w.attach_grad()
>>> @lamina.compile(keep_gradients=True)
... def gradient(x, y):
...     with autograd.record():
...         loss = nd.sum((nd.dot(x, w) - y) ** 2)
...     loss.backward()
>>> @lamina.compile
... def update(g, rate):
...     w[:] = w - rate * g
>>> X, shards = np.eye(3, dtype="f4")[np.arange(24) % 3], 8
>>> y = X @ np.array([1, 2, 3], "f4")
>>> for step in range(20):
...     parts = []
...     for shard in distributed.share(shards):
...         rows = slice(3 * shard, 3 * shard + 3)
...         gradient(nd.array(X[rows]), nd.array(y[rows]))
...         parts.append(w.grad.copy())
...     update(distributed.sum(parts, shards), 1 / 48)
>>> w.asnumpy().round(2)
array([1., 2., 3.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from lamina.distributed.communicator import OrderedSum, world
from lamina.errors import ShapeError
from lamina.nd.ndarray import NDArray

__all__ = ["barrier", "broadcast", "gather", "rank", "share", "size", "sum"]


def rank() -> int:
    """The number of this process, from 0 on; by convention process 0 writes files and prints.

    >>> rank()
    0
    """
    return world().rank


def size() -> int:
    """The number of processes.

    >>> size()
    1
    """
    return world().size


def share(count: int) -> range:
    """This process's share of `count` items, as a range of about equal length on each process.

    >>> list(share(3))
    [0, 1, 2]
    """
    return world().share(count)


def sum(parts: Any, shards: int | None = None) -> Any:
    """Sum the arrays of all processes in a fixed order, and return the sum on every process.

    Args:
        parts: this process's array, or with `shards` a list of arrays of equal shape and dtype, one for each item of
            the process's ``share(shards)``. Arrays are `NDArray`s or NumPy arrays.
        shards: the total number of arrays. The arrays are added in a balanced tree; the same `shards` give the same
            bits on any number of processes, unlike MPI's Allreduce (docs/adr/many-machines.md).

    Returns:
        The sum, as an `NDArray` if the parts are `NDArray`s, otherwise as a NumPy array.

    Raises:
        ShapeError: the number of parts differs from the process's share, or the arrays differ in shape, dtype or class.

    >>> sum([np.float32([1, 2]), np.float32([3, 4])], shards=2)
    array([4., 6.], dtype=float32)
    """
    team = world()
    listed: Sequence[Any] = [parts] if shards is None else list(parts)
    shards = team.size if shards is None else shards
    if shards < 1:
        raise ShapeError(f"distributed.sum: needs at least one shard, got shards={shards}")
    if len(listed) != len(team.share(shards)):
        raise ShapeError(
            f"distributed.sum: process {team.rank} of {team.size} needs an array for each of its "
            f"{len(team.share(shards))} of {shards} shards, got {len(listed)}; see distributed.share"
        )
    own = [x.asnumpy() if isinstance(x, NDArray) else np.asarray(x) for x in listed]
    kinds = team.gather(
        {(x.shape, x.dtype.str, isinstance(given, NDArray)) for x, given in zip(own, listed, strict=True)}
    )
    kind = set[Any]().union(*kinds)
    if len(kind) != 1:
        found = ", ".join(sorted(f"{np.dtype(dtype)} {shape}" for shape, dtype, _ in kind)) or "nothing"
        raise ShapeError(
            f"distributed.sum: all arrays need one shape, dtype and class (NDArray or NumPy's); found {found}"
        )
    ((shape, dtype, is_ndarray),) = kind
    result = _summed([np.ascontiguousarray(x).reshape(-1) for x in own], shards, int(np.prod(shape)), dtype)
    result = result.reshape(shape)
    if not is_ndarray:
        return result
    from lamina import nd

    return nd.from_numpy(result)


_ordered = lru_cache(maxsize=64)(OrderedSum)
"""Sums cached by shards, length and dtype, to reuse their memory."""


def _summed(parts: Sequence[np.ndarray], shards: int, length: int, dtype: str) -> np.ndarray:
    team = world()
    ordered = _ordered(team, shards, length, dtype)
    for part in parts:
        ordered.add(part)
    result = np.empty(length, dtype)
    result[ordered.bounds[team.rank] : ordered.bounds[team.rank + 1]] = ordered.finish()
    team.complete(result, ordered.bounds)
    return result


def gather(value: Any) -> list[Any]:
    """Gather the values of all processes, in order of rank, on every process.

    Values are pickled; an `NDArray` becomes a NumPy array.

    >>> gather("a")
    ['a']
    """
    return world().gather(value.asnumpy() if isinstance(value, NDArray) else value)


def broadcast(value: Any) -> Any:
    """Broadcast the value of process 0 to all processes, and return the value.

    Values are pickled, but an `NDArray` is written in place on the other processes.

    >>> from lamina import nd
    >>> weight = nd.ones(2) * (rank() + 1)
    >>> broadcast(weight).asnumpy()
    array([1., 1.], dtype=float32)
    """
    if not isinstance(value, NDArray):
        return world().broadcast(value)
    value[:] = world().broadcast(value.asnumpy())
    return value


def barrier() -> None:
    """Wait, without using the CPU, until all processes have called `barrier`.

    >>> barrier()
    """
    world().wait_for_all()
