"""Planning: the place of every stored value, the order of the kernels, their strands, and the barriers between them."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate, pairwise

from lamina.compiler.passes.fuse import Kernel, is_alias, only_moves_ones
from lamina.compiler.passes.graph import Graph, Input, Node, Scalar, users_of
from lamina.core.lowering import ArgReduction, Contraction, Elementwise, Reduction, Reshape
from lamina.core.memory import rounded_up
from lamina.core.primitive import REGISTRY


@dataclass(frozen=True)
class Place:
    """A place in memory: an ``input`` or ``result`` buffer by number, or an offset in bytes into the ``arena``."""

    kind: str
    number: int


@dataclass(frozen=True)
class Partition:
    """The division of a kernel among its workers.

    `kind` is ``rows`` (split along the first axis), ``columns`` (along the last), ``flat`` (by ranges of memory) or
    ``serial`` (not split). `extent` is split in multiples of `step`. Reduced axes are never split.
    """

    kind: str
    extent: int = 0
    step: int = 1


@dataclass
class Plan:
    """The kernels of a graph in order, the places of stored nodes, and the kernels that begin with a barrier.

    `held` has, by slot, the offset of each input that is kept transposed, in a common memory of `held_bytes`. `strands`
    has the index of the end of each strand (see `strands_of`) in `kernels`. All strands use the same ranges of the
    arena, so strands that are executed concurrently need separate arenas.
    """

    graph: Graph
    kernels: list[Kernel]
    places: dict[Node, list[Place]]
    arena_bytes: int
    partitions: dict[Kernel, Partition]
    strands: list[int]
    held: dict[int, int] = field(default_factory=dict)
    held_bytes: int = 0
    barriers: set[Kernel] = field(default_factory=set)


def separate_roots(graph: Graph) -> Graph:
    """The graph with an own node for every root: a copy of an input, number, reshape, or another root."""
    seen: set[Node] = set()

    def own(node: Node) -> Node:
        if node in seen or isinstance(node.op, Input | Scalar) or is_alias(node) or node.lowering is None:
            node = Node(REGISTRY["cast"], (node,), {"dtype": node.dtype}, node.shape, node.dtype)
        seen.add(node)
        return node

    writes = {slot: own(node) for slot, node in graph.writes.items()}
    return replace(graph, results=[own(node) for node in graph.results], writes=writes)


def plan(
    graph: Graph,
    kernels: list[Kernel],
    partition: Callable[[Kernel, int], Partition],
    alignment: int,
    apart_bytes: int = 0,
    *,
    in_strands: bool = False,
) -> Plan:
    """Plan the order, memory places and barriers of a graph's kernels; `separate_roots` must have made the graph.

    `partition(kernel, updates)` returns the division of a kernel that updates `updates` arrays of its shape in place.
    Temporaries begin at multiples of `alignment` bytes. If all temporaries fit in `apart_bytes`, they don't reuse each
    other's memory. With `in_strands`, the kernels of each strand are consecutive.
    """
    ordering = _Ordering(graph, kernels)
    ordered, places = ordering.run(), ordering.places
    strands = [ordered]
    if in_strands:
        strands = strands_of(ordered, {kernel: ordering.memory_changed(kernel) for kernel in ordered})
        ordered = [kernel for strand in strands for kernel in strand]
    arena_bytes = max(_allocate(strand, places, ordering.reads, alignment, apart_bytes) for strand in strands)
    partitions = {k: partition(k, _updates(k, places)) for k in ordered}
    result = Plan(graph, ordered, places, arena_bytes, partitions, list(accumulate(map(len, strands))))
    for slot in sorted(graph.transposed):
        result.held[slot] = result.held_bytes
        result.held_bytes += _rounded(graph.writes[slot], alignment)
    for strand in strands:
        result.barriers |= _barriers(result, strand, ordering.reads)
    return result


# --- what a kernel reads -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Access:
    """The pattern in which a kernel accesses elements of a node in memory. `_access` returns one instance per kind.

    ``aligned``  whether the kernel accesses only the element with the index that it computes
    ``rows``     whether it accesses only elements in the row (first axis) that it computes
    ``columns``  whether it accesses only elements in the column (last axis) that it computes
    """

    aligned: bool
    rows: bool
    columns: bool

    def __and__(self, other: Access) -> Access:
        if self is other:
            return self
        rows, columns = self.rows and other.rows, self.columns and other.columns
        return _access(self.aligned and other.aligned, rows, columns)


_access = cache(Access)
_ALIGNED, _ANYWHERE = _access(True, True, True), _access(False, False, False)


def leaves_of(kernel: Kernel, is_leaf: Callable[[Node], bool]) -> list[Node]:
    """The nodes with ``is_leaf(node)`` that a kernel reads, directly or through inlined nodes, in a fixed order."""
    seen = set(kernel.members)
    found: list[Node] = []
    waiting = [x for member in reversed(kernel.members) for x in reversed(member.inputs)]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            if is_leaf(node):
                found.append(node)
            else:
                waiting += node.inputs[::-1]
    return found


def nodes_read(kernel: Kernel, stored: Container[Node]) -> list[Node]:
    """The nodes in memory that a kernel reads, directly or through inlined nodes."""
    return leaves_of(kernel, lambda node: isinstance(node.op, Input) or node in stored)


def memory_reads(kernel: Kernel, stored: Container[Node]) -> dict[Node, Access]:
    """The nodes in memory that a kernel reads, each with its access pattern."""
    members = set(kernel.members)
    found: dict[Node, Access] = {}
    seen: set[tuple[Node, Access]] = set()

    def visit(node: Node, access: Access) -> None:
        if node in members or (node, access) in seen:
            return
        seen.add((node, access))
        if isinstance(node.op, Input) or node in stored:
            found[node] = found.get(node, _ALIGNED) & access
            return
        for x in node.inputs:
            visit(x, access & _step(node, x))

    for member in kernel.members:
        for i, x in enumerate(member.inputs):
            visit(x, _first_step(kernel, member, i))
    return found


def bytes_touched(kernel: Kernel, plan: Plan) -> int:
    """The number of bytes that a kernel reads and writes; each buffer counts once."""
    read = sum(node.nbytes for node in nodes_read(kernel, plan.places))
    return read + sum(node.nbytes * len(plan.places[node]) for node in kernel.stores)


def _step(reader: Node, x: Node) -> Access:
    """The pattern in which an inlined node accesses its input."""
    if not (isinstance(reader.lowering, Elementwise) or is_alias(reader)):
        return _ANYWHERE
    if not reader.shape or not x.shape:
        return _access(reader.shape == x.shape, False, False)
    ones_only = not is_alias(reader) or only_moves_ones(reader)
    same_axes = is_alias(reader) or len(x.shape) == len(reader.shape)
    rows = ones_only and same_axes and x.shape[0] == reader.shape[0]
    return _access(x.shape == reader.shape, rows, ones_only and x.shape[-1] == reader.shape[-1])


def _first_step(kernel: Kernel, member: Node, i: int) -> Access:
    """The pattern in which a member of a kernel accesses its i-th input."""
    x = member.inputs[i]
    match member.lowering:
        case Contraction():
            matrices = len(member.shape) == 2  # otherwise, rows are products of a batch
            own_rows = not matrices or (i == 0 and not member.params["transpose_a"])
            own_columns = matrices and i == 1 and not member.params["transpose_b"]
            return _access(False, own_rows, own_columns)
        case Reduction() | ArgReduction():
            last = len(x.shape) - 1
            return _access(False, 0 not in kernel.reduced, last not in kernel.reduced)
        case Elementwise() | Reshape():
            by_row = kernel.kind == "reduce" and not kernel.spans_rows(member)
            access = _step(member, x)
            return _access(access.aligned and not by_row, access.rows, access.columns)
        case _:
            return _ANYWHERE


# --- order -------------------------------------------------------------------------------------------------------


class _Ordering:
    """Orders kernels: values are computed before they are read, and inputs are read before they are overwritten."""

    def __init__(self, graph: Graph, kernels: list[Kernel]) -> None:
        self.graph = graph
        self.kernels = kernels
        stored = {n for k in kernels for n in k.stores}
        self.reads = {k: memory_reads(k, stored) for k in kernels}
        self.maker = {n: k for k in kernels for n in k.stores}
        self.slot_of = {node: slot for slot, node in graph.writes.items()}
        self.places: dict[Node, list[Place]] = {n: [] for n in self.maker}
        for number, node in enumerate(graph.results):
            self.places[node].append(Place("result", number))

    def run(self) -> list[Kernel]:
        readers = self._readers_of_slots()
        in_place = {node for node in self.slot_of if self._may_write_in_place(node)}
        order: list[Kernel] = []
        remaining = list(self.kernels)
        done: set[Kernel] = set()
        while remaining:
            kernel = next((k for k in remaining if self._is_ready(k, done, readers, in_place)), None)
            if kernel is None:
                # In every order, a write in place would come before a reader: write elsewhere, copy at the end.
                blocked = next(k for k in remaining if self._inputs_done(k, done))
                in_place -= set(blocked.stores)
                continue
            remaining.remove(kernel)
            done.add(kernel)
            order.append(kernel)
        for node in in_place:
            self.places[node].insert(0, Place("input", self.slot_of[node]))
        copies = [self._copy(node) for node in self.slot_of if node not in in_place]
        return order + copies

    def memory_changed(self, kernel: Kernel) -> set[Node | int]:
        """The memory that a kernel accesses and that changes during the step: computed nodes and overwritten slots."""
        read = {x.op.slot if isinstance(x.op, Input) else x for x in self.reads[kernel]}
        unchanged = {x for x in read if isinstance(x, int) and x not in self.graph.writes}
        places = [place for node in kernel.stores for place in self.places[node]]
        return (read - unchanged) | {*kernel.stores} | {x.number for x in places if x.kind == "input"}

    def _readers_of_slots(self) -> dict[int, list[Kernel]]:
        readers: dict[int, list[Kernel]] = {}
        for kernel, reads in self.reads.items():
            for node in reads:
                if isinstance(node.op, Input):
                    readers.setdefault(node.op.slot, []).append(kernel)
        return readers

    def _may_write_in_place(self, node: Node) -> bool:
        """Whether `node` may overwrite its input: its kernel reads old elements only for the same index."""
        slot = self.slot_of[node]
        kernel = self.maker[node]
        may_read = kernel.kind != "scatter"
        old = [access for x, access in self.reads[kernel].items() if x.op == Input(slot)]
        return all(may_read and access.aligned for access in old)

    def _is_ready(
        self, kernel: Kernel, done: set[Kernel], readers: dict[int, list[Kernel]], in_place: set[Node]
    ) -> bool:
        if not self._inputs_done(kernel, done):
            return False
        overwritten = [self.slot_of[n] for n in kernel.stores if n in in_place]
        return all(r in done or r is kernel for slot in overwritten for r in readers.get(slot, ()))

    def _inputs_done(self, kernel: Kernel, done: set[Kernel]) -> bool:
        return all(self.maker[n] in done for n in self.reads[kernel] if n in self.maker)

    def _copy(self, node: Node) -> Kernel:
        """A new kernel that copies a value into the input buffer that the value replaces."""
        copy = Node(REGISTRY["cast"], (node,), {"dtype": node.dtype}, node.shape, node.dtype)
        kernel = Kernel("map", None, node.shape, (), [copy], [copy])
        self.reads[kernel] = {node: _ALIGNED}
        self.places[copy] = [Place("input", self.slot_of[node])]
        return kernel


# --- memory ------------------------------------------------------------------------------------------------------


def _allocate(
    kernels: list[Kernel],
    places: dict[Node, list[Place]],
    reads: dict[Kernel, dict[Node, Access]],
    alignment: int,
    apart_bytes: int,
) -> int:
    """Assign each temporary a range of the arena from its first writer to its last reader; returns the whole size."""
    temporaries = [node for kernel in kernels for node in kernel.stores if not places[node]]
    stay_apart = sum(_rounded(node, alignment) for node in temporaries) <= apart_bytes
    last: dict[Node, int] = {}
    for time, kernel in enumerate(kernels):
        for node in [*reads[kernel], *kernel.stores]:
            last[node] = time
    live: list[tuple[int, int, Node]] = []
    total = 0
    for time, kernel in enumerate(kernels):
        for node in kernel.stores:
            if places[node]:
                continue
            size = _rounded(node, alignment)
            start = _first_fit(live, size)
            places[node] = [Place("arena", start)]
            live.append((start, start + size, node))
            total = max(total, start + size)
        live = [entry for entry in live if stay_apart or last[entry[2]] > time]
    return total


def _rounded(node: Node, alignment: int) -> int:
    """A value's size in bytes, rounded up to the alignment; at least one byte, to give empty values distinct places."""
    return rounded_up(max(node.nbytes, 1), alignment)


def _first_fit(live: list[tuple[int, int, Node]], size: int) -> int:
    start = 0
    for begin, end, _node in sorted(live, key=lambda entry: entry[0]):
        if begin - start >= size:
            return start
        start = max(start, end)
    return start


# --- barriers ----------------------------------------------------------------------------------------------------


def _updates(kernel: Kernel, places: dict[Node, list[Place]]) -> int:
    """The number of arrays of its shape that a kernel updates in place, such as a weight and its moments."""
    updated = [n for n in kernel.stores if any(place.kind == "input" for place in places[n])]
    return sum(node.shape == kernel.domain for node in updated)


@dataclass(frozen=True)
class Touch:
    """A kernel's access to memory. `share` is the part to which each worker's accesses are limited, or None."""

    place: Place
    node: Node
    writes: bool
    share: Partition | None

    def meets(self, other: Touch) -> bool:
        """Whether the accesses are to overlapping memory, and one of them writes."""
        if not (self.writes or other.writes) or self.place.kind != other.place.kind:
            return False
        if self.place.kind != "arena":
            return self.place == other.place
        first, second = self.place.number, other.place.number
        return first < second + max(other.node.nbytes, 1) and second < first + max(self.node.nbytes, 1)

    def shares(self, other: Touch) -> bool:
        """Whether in both accesses each worker is limited to the same part of the same array."""
        if self.share is None or self.share != other.share or self.place != other.place:
            return False
        return (self.node.shape, self.node.dtype) == (other.node.shape, other.node.dtype)


def touches(
    planned: Plan,
    kernel: Kernel,
    reads: Mapping[Node, Access],
    own: Partition,
    is_shared: Callable[[Node], bool] = lambda _node: True,
) -> list[Touch]:
    """A kernel's accesses to memory, where `own` divides the kernel among workers.

    `reads` are its reads of memory. ``is_shared(node)`` is whether each worker writes only its share of a result.
    """
    found: list[Touch] = []
    for node in kernel.stores:
        share = own if is_shared(node) else None
        found += [Touch(place, node, True, share) for place in planned.places[node]]
    for node, access in reads.items():
        mine = {"rows": access.rows, "columns": access.columns, "serial": True, "flat": False}[own.kind]
        places = [Place("input", node.op.slot)] if isinstance(node.op, Input) else planned.places[node]
        found += [Touch(place, node, False, own if mine else None) for place in places]
    return found


def _barriers(
    planned: Plan, kernels: Sequence[Kernel], reads: dict[Kernel, dict[Node, Access]]
) -> set[Kernel]:
    """The kernels before which a barrier is needed.

    A barrier is needed if another thread, in its share of an earlier kernel, may still be writing memory that the
    kernel reads or writes, or reading memory that the kernel writes. No barrier is needed if in both kernels each
    thread accesses only its share of the same rows or columns.
    """
    barriers: set[Kernel] = set()
    since: list[Touch] = []
    for kernel in kernels:
        touched = touches(planned, kernel, reads[kernel], planned.partitions[kernel])
        if any(old.meets(new) and not old.shares(new) for old in since for new in touched):
            barriers.add(kernel)
            since = []
        since += touched
    return barriers


# --- strands: independent sets of a step's kernels, such as the networks of an ensemble trained side by side ----------
#
# A thread that executes a strand alone waits for no other thread, and finds the previous step's data in its cache.


_LEAST_KERNELS = 4
"""The fewest kernels of a strand: in a shorter strand, threads have little to wait for."""
_MOST_STRANDS = 64
"""The most strands, since the code has a separate loop over the steps for each strand."""
_ALIKE = 0.8
"""The minimum work of a strand relative to the largest strand, which makes strands take about equally long."""


def own_rows(graph: Graph) -> Graph:
    """Let each reader gather its own rows, where readers share no rows of one gather; so they share no memory."""
    users = users_of(graph.nodes())
    roots = {*graph.results, *graph.writes.values()}
    parted = {node for node in users if node not in roots and _is_read_in_parts(node, users[node])}
    made: dict[tuple[Node, int, int], Node] = {}

    def rewritten(node: Node, inputs: list[Node]) -> Node:
        if not node.inputs or node.inputs[0] not in parted:
            return node.with_inputs(inputs)
        rows = (inputs[0], *_rows_of(node))
        if rows not in made:
            made[rows] = _taken(*rows)
        return made[rows]

    return graph.rewritten(rewritten) if parted else graph


def _is_read_in_parts(node: Node, readers: Sequence[Node]) -> bool:
    """Whether a node gathers rows of a matrix, and its readers read disjoint ranges of these rows."""
    if not node.is_op("take") or node.params["axis"] != 0 or len(node.inputs[1].shape) != 1:
        return False
    if not readers or not all(map(is_rows, readers)):
        return False
    parts = sorted({_rows_of(reader) for reader in readers})
    return len(parts) > 1 and all(x[1] <= y[0] for x, y in pairwise(parts))


def is_rows(node: Node) -> bool:
    """Whether a node is a range of consecutive rows (first axis) of its input, and so is contiguous in memory."""
    if not node.is_op("slice") or not node.shape or not node.size:
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
    """The kernels of a step in strands of similar work, else in one; `touched` is the mutable memory of each kernel."""
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
