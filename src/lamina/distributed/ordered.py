"""The sum of arrays over all processes in a fixed order, with the same bits for any number of processes.

MPI's Allreduce adds in an order that depends on the number of processes and on the library. This module adds arrays
along a balanced binary tree, whose leaves are shards; the program chooses the number of shards. Each process adds the
subtrees of its shards; then each process adds these partial sums for one slice of the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.distributed.communicator import Communicator

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
