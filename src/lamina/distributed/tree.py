"""A sum in a fixed order: a balanced tree over all shards, independent of how processes divide the work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["Node", "TreeSum", "nodes_of"]

Node = tuple[int, int]
"""The height and position of a subtree: (h, i) sums the shards from i·2ʰ up to, but without, (i + 1)·2ʰ."""


def nodes_of(shards: range, count: int) -> list[Node]:
    """The largest subtrees filled by consecutive shards, in a tree over `count` shards, from left to right.

    >>> nodes_of(range(0, 8), 8), nodes_of(range(2, 8), 8), nodes_of(range(3, 5), 8)
    ([(3, 0)], [(1, 1), (2, 1)], [(0, 3), (0, 4)])
    """
    nodes: list[Node] = []
    for shard in shards:
        _append(nodes, (0, shard), count)
    return nodes


def _append(nodes: list[Node], node: Node, count: int) -> int:
    """Append a subtree, merging it with its left sibling as long as there is one; return the number of merges."""
    joined = 0
    node = _raised(node, count)
    while nodes and node[1] % 2 == 1 and nodes[-1] == (node[0], node[1] - 1):
        nodes.pop()
        joined += 1
        node = _raised((node[0] + 1, node[1] // 2), count)
    nodes.append(node)
    return joined


def _raised(node: Node, count: int) -> Node:
    """The subtree raised to the top of its chain: a node without a right sibling equals its parent."""
    height, place = node
    while place % 2 == 0 and place > 0 and (place + 1) << height >= count:
        height, place = height + 1, place // 2
    return height, place


class TreeSum:
    """Adds arrays from left to right with the result of a balanced tree.

    Args:
        count: the number of shards of the whole tree.
        rows: memory for partial sums awaiting their sibling, (`depth`, length); results are in the first rows.
    """

    def __init__(self, count: int, rows: np.ndarray) -> None:
        self._count, self._rows = count, rows
        self._nodes: list[Node] = []

    @staticmethod
    def depth(nodes: Sequence[Node], count: int) -> int:
        """The maximum number of partial sums while adding these subtrees."""
        waiting: list[Node] = []
        most = 0
        for node in nodes:
            _append(waiting, node, count)
            most = max(most, len(waiting))
        return most

    def clear(self) -> None:
        """Start over."""
        self._nodes.clear()

    def add(self, node: Node, values: np.ndarray) -> None:
        """Add the sum of the next subtree to the right; `values` may be its own row of memory."""
        at = len(self._nodes)
        joined = _append(self._nodes, node, self._count)
        for left in range(at - 1, at - 1 - joined, -1):
            values = np.add(self._rows[left], values, out=self._rows[left])
        if not joined:
            np.copyto(self._rows[at], values)

    @property
    def nodes(self) -> list[Node]:
        """The subtrees whose sums are in the first rows."""
        return self._nodes
