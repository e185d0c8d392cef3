"""The sum of arrays over all processes in a fixed order, with the same bits for any number of processes.

MPI's own Allreduce adds in an order that depends on the number of processes and on the library. Here the leaves of a
tree are shards, whose number the program chooses; each process adds its subtrees, and the owner of a slice adds the
rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.distributed.communicator import Communicator
from lamina.distributed.tree import TreeSum, nodes_of

__all__ = ["OrderedSum"]

_LINE = 16  # elements: slices begin where lines of the cache do


class OrderedSum:
    """Sums arrays of one length, one per shard, and gives each process its slice of the sum.

    Args:
        communicator: the processes. Each has the shards ``communicator.share(shards)``.
        shards: the number of shards.
        length: the length of the arrays.
        dtype: the dtype of the arrays.

    Attributes:
        bounds: the start of each process's slice, followed by the length.
        total: this process's slice of the sum, after `finish`; the same memory each time.
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
        """Exchange the partial sums of all processes; return `total`."""
        if self._communicator.size > 1:
            self._communicator.exchange(self._packed(), self._sizes, self._received.reshape(-1), self._their)
            self._final.clear()
            for node, values in zip(self._nodes, self._received, strict=True):
                self._final.add(node, values)
        self._local.clear()
        self._next = 0
        return self.total

    def _packed(self) -> np.ndarray:
        """The message: for each process's slice, the sums of this process's subtrees."""
        if self._mine <= 1:
            return self._rows.reshape(-1)
        at = 0
        for begin, end in zip(self.bounds, self.bounds[1:], strict=False):
            size = self._mine * (end - begin)
            np.copyto(self._sent[at : at + size].reshape(self._mine, -1), self._rows[: self._mine, begin:end])
            at += size
        return self._sent
