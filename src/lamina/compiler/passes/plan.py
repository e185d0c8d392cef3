"""Planning: the place of every stored value, the order of the kernels, and the barriers between them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from lamina.compiler.passes.fuse import Kernel, is_alias, only_moves_ones
from lamina.compiler.passes.graph import Graph, Input, Node, Scalar
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

    `held` has, by slot, the offset of each input that is kept transposed, in a common memory of `held_bytes`.
    """

    graph: Graph
    kernels: list[Kernel]
    places: dict[Node, list[Place]]
    arena_bytes: int
    partitions: dict[Kernel, Partition]
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
) -> Plan:
    """Plan the order, memory places and barriers of a graph's kernels; `separate_roots` must have made the graph.

    `partition(kernel, updates)` returns the division of a kernel that updates `updates` arrays of its shape in place.
    Temporaries begin at multiples of `alignment` bytes. If all temporaries fit in `apart_bytes`, they don't reuse each
    other's memory.
    """
    ordering = _Ordering(graph, kernels)
    ordered, places = ordering.run(), ordering.places
    arena_bytes = _allocate(ordered, places, ordering.reads, alignment, apart_bytes)
    partitions = {k: partition(k, _updates(k, places)) for k in ordered}
    result = Plan(graph, ordered, places, arena_bytes, partitions)
    for slot in sorted(graph.transposed):
        result.held[slot] = result.held_bytes
        result.held_bytes += _rounded(graph.writes[slot], alignment)
    result.barriers = _barriers(result, ordered, ordering.reads)
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


def is_rows(node: Node) -> bool:
    """Whether a node is a range of consecutive rows (first axis) of its input, and so is contiguous in memory."""
    if not node.is_op("slice") or not node.shape or not node.size:
        return False
    return node.shape[1:] == node.inputs[0].shape[1:] and all(step == 1 for step in node.params["step"])
