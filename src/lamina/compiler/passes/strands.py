"""Strands: independent sets of a step's kernels, such as the networks of an ensemble that are trained side by side.

A thread that executes a strand alone waits for no other thread, and finds the previous step's data in its cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Mapping, Sequence

from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Graph, Node, users_of
from lamina.core.primitive import REGISTRY

_LEAST_KERNELS = 4
"""The fewest kernels of a strand: in a shorter strand, threads have little to wait for."""
_MOST_STRANDS = 64
"""The most strands, since the code has a separate loop over the steps for each strand."""
_ALIKE = 0.8
"""The minimum work of a strand relative to the largest strand, which makes strands take about equally long."""


def own_rows(graph: Graph) -> Graph:
    """Split each gather of rows whose result is read only in disjoint ranges: each reader then gathers its own range.

    So the readers share no memory.
    """
    users = users_of(graph.nodes())
    roots = {*graph.results, *graph.writes.values()}
    parted = {node for node in users if node not in roots and _is_read_in_parts(node, users[node])}
    made: dict[tuple[Node, int, int], Node] = {}

    def rewritten(node: Node, inputs: list[Node]) -> Node:
        if not node.inputs or node.inputs[0] not in parted:
            return node.with_inputs(inputs)
        begin, end = _rows_of(node)
        if (inputs[0], begin, end) not in made:
            made[inputs[0], begin, end] = _taken(inputs[0], begin, end)
        return made[inputs[0], begin, end]

    return graph.rewritten(rewritten) if parted else graph


def _is_read_in_parts(node: Node, readers: Sequence[Node]) -> bool:
    """Whether a node gathers rows of a matrix, and its readers read disjoint ranges of these rows."""
    if not node.is_op("take") or node.params["axis"] != 0 or len(node.inputs[1].shape) != 1:
        return False
    if not readers or not all(_is_part(reader) for reader in readers):
        return False
    parts = sorted({_rows_of(reader) for reader in readers})
    return len(parts) > 1 and all(x[1] <= y[0] for x, y in itertools.pairwise(parts))


def _is_part(node: Node) -> bool:
    """Whether a node is a range of whole rows of its input."""
    if not node.is_op("slice"):
        return False
    return node.shape[1:] == node.inputs[0].shape[1:] and all(step == 1 for step in node.params["step"])


def _rows_of(node: Node) -> tuple[int, int]:
    begin = node.params["begin"][0]
    return begin, begin + node.shape[0]


def _taken(take: Node, begin: int, end: int) -> Node:
    """A node that gathers only the rows `begin` to `end` of the result of `take`."""
    table, numbers = take.inputs
    cut = {"begin": (begin,), "end": (end,), "step": (1,)}
    own = Node(REGISTRY["slice"], (numbers,), cut, (end - begin,), numbers.dtype)
    return Node(take.op, (table, own), take.params, (end - begin, *take.shape[1:]), take.dtype)


def strands_of(kernels: Sequence[Kernel], touched: Mapping[Kernel, Iterable[Hashable]]) -> list[list[Kernel]]:
    """The kernels of a step, grouped into strands; a single strand unless there are several with similar work.

    `touched` has the mutable memory that each kernel reads or writes.
    """
    parts = [(sum(map(_work, part)), part) for part in _apart(kernels, touched)]
    enough = _ALIKE * max((work for work, _ in parts), default=0)
    strands = [part for work, part in parts if work >= enough]
    if not 1 < len(strands) <= _MOST_STRANDS or min(map(len, strands)) < _LEAST_KERNELS:
        return [list(kernels)]
    if sum(work for work, _ in parts if work < enough) > enough:
        return [list(kernels)]
    strands[-1] += [kernel for work, part in parts if work < enough for kernel in part]
    return strands


def _apart(kernels: Sequence[Kernel], touched: Mapping[Kernel, Iterable[Hashable]]) -> list[list[Kernel]]:
    """The kernels, in order, grouped into sets that share no mutable memory."""
    # Union-find: a root is its own parent.
    parent: dict[Hashable, Hashable] = {}

    def part_of(thing: Hashable) -> Hashable:
        while (above := parent.setdefault(thing, thing)) != thing:
            parent[thing] = parent[above]
            thing = above
        return thing

    for kernel in kernels:
        for memory in touched[kernel]:
            parent[part_of(memory)] = part_of(kernel)
    parts: dict[Hashable, list[Kernel]] = {}
    for kernel in kernels:
        parts.setdefault(part_of(kernel), []).append(kernel)
    return list(parts.values())


def _work(kernel: Kernel) -> int:
    """The number of operations of a kernel; storing an element counts as one."""
    return kernel.flops + sum(node.size for node in kernel.stores)
