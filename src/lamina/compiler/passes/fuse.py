"""Fusion: grouping nodes into kernels, and deciding which values are stored and which are recomputed by their readers.

An **anchor** (a matrix product, a reduction, a scatter, a random fill) starts a kernel; only a reduction may join an
earlier kernel, over the same rows. An elementwise node joins the last kernel on which it depends, if both iterate over
the same elements. Other nodes are **inlined**: each reader computes their elements itself. If such a node must be in
memory, it becomes a separate kernel (a map).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lamina.compiler.passes.graph import Graph, Input, Node, topological, users_of
from lamina.core.lowering import (
    ArgReduction,
    Contraction,
    Elementwise,
    Fill,
    Movement,
    Pull,
    Reduction,
    Reshape,
    Scatter,
)

_LEAST_SIDE = 4  # rows and columns of a matrix that pay for a copy


@dataclass(eq=False)
class Kernel:
    """Nodes that are computed together.

    ``kind``      product, reduce, map, scatter, fill or arg
    ``anchor``    the node that started the kernel; None for a map
    ``domain``    the shape over which the members iterate
    ``reduced``   for a reduce kernel: the reduced axes of `domain`; empty otherwise
    ``members``   all its nodes, each after its inputs
    ``stores``    the members whose values are stored
    ``reads_data``  for a product: whether its left operand is the network's input, not a layer's output
    """

    kind: str
    anchor: Node | None
    domain: tuple[int, ...]
    reduced: tuple[int, ...] = ()
    members: list[Node] = field(default_factory=list)
    stores: list[Node] = field(default_factory=list)
    reads_data: bool = False

    @property
    def flops(self) -> int:
        """The number of arithmetic operations: 2mnk for a product, one per element for other nodes."""
        return sum(_flops(node) for node in self.members)

    @property
    def is_rowwise(self) -> bool:
        """Whether the kernel reduces the last axes, so that members may iterate over elements as well as rows."""
        return self.kind == "reduce" and self.reduced == _last_axes(self.domain, len(self.reduced))

    @property
    def kept(self) -> tuple[int, ...]:
        """The sizes of the axes that are not reduced."""
        return tuple(n for i, n in enumerate(self.domain) if i not in self.reduced)

    @property
    def main(self) -> Node:
        """The anchor of a kernel that is not a map."""
        assert self.anchor is not None
        return self.anchor

    def spans_elements(self, node: Node) -> bool:
        """Whether a node has the shape of the domain."""
        return node.shape == self.domain

    def spans_rows(self, node: Node) -> bool:
        """Whether a node has one element per result of the reduction."""
        return self.kind in ("reduce", "arg") and _squeezed(node.shape) == _squeezed(self.kept)


def _flops(node: Node) -> int:
    match node.lowering:
        case Contraction():
            inner = node.inputs[0].shape[-2] if node.params["transpose_a"] else node.inputs[0].shape[-1]
            return 2 * node.size * inner
        case Reduction() | ArgReduction() | Scatter():
            return node.inputs[0].size
        case _:
            return node.size


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def only_moves_ones(node: Node) -> bool:
    """Whether a node is a reshape that only adds or drops axes of size 1."""
    return isinstance(node.lowering, Reshape) and _squeezed(node.shape) == _squeezed(node.inputs[0].shape)


def is_alias(node: Node) -> bool:
    """Whether a node is a reshape, which shares its input's memory."""
    return isinstance(node.lowering, Reshape)


ComputesOperand = Callable[[Node, Node], bool]
"""``computes_operand(product, operand)``: whether the product computes the operand's elements as it packs them."""


def fuse(
    graph: Graph,
    computes_operand: ComputesOperand = lambda _product, _operand: False,
    *,
    stores_transposed: bool = False,
) -> list[Kernel]:
    """Group a graph's nodes into kernels, each after the kernels that compute its inputs.

    With `stores_transposed`, a matrix in memory is first stored transposed if its transpose is read several times or
    concatenated with others.
    """
    return _Fusion(graph, computes_operand, stores_transposed).kernels()


class _Fusion:
    def __init__(self, graph: Graph, computes_operand: ComputesOperand, stores_transposed: bool) -> None:
        self.computes_operand, self.stores_transposed = computes_operand, stores_transposed
        self.nodes = graph.nodes()
        self.users = users_of(self.nodes)
        self.roots = set(graph.roots)
        self.written = set(graph.writes)
        self.order: list[Kernel] = []
        self.home: dict[Node, int] = {}  # the kernel that computes a node
        self.level: dict[Node, int] = {}  # the last kernel that a node depends on

    def kernels(self) -> list[Kernel]:
        for node in self._random_numbers_first():
            self._place(node)
        computed = _computed_by_layers(self.nodes, self.written)
        for kernel in self.order:
            kernel.stores = [n for n in kernel.members if self._leaves(n)]
            kernel.reads_data = kernel.kind == "product" and kernel.main.inputs[0] not in computed
        return [k for k in self.order if k.stores]

    def _random_numbers_first(self) -> list[Node]:
        """All nodes, with random fills first, which lets nodes computed from random numbers join later kernels."""
        early = topological(node for node in self.nodes if isinstance(node.lowering, Fill))
        return list(dict.fromkeys([*early, *self.nodes]))

    def _place(self, node: Node) -> None:
        self.level[node] = max((self.level[x] for x in node.inputs), default=-1)
        if not node.inputs and node.lowering is None:
            return
        kind = _KINDS.get(type(node.lowering))
        if kind is not None:
            if not (kind == "reduce" and self._joins_reduction(node)):
                self._start(kind, node)
        elif self._joins(node):
            self._add(node, self.level[node])
        elif self._must_be_stored(node):
            self._start("map", node)

    def _start(self, kind: str, node: Node) -> None:
        reduced: tuple[int, ...] = ()
        domain = node.shape
        if kind in ("reduce", "arg"):
            axis = node.params["axis"]
            reduced = axis if isinstance(axis, tuple) else (axis,)
            domain = node.inputs[0].shape
        elif kind == "scatter":
            domain = node.inputs[0].shape
        self.order.append(Kernel(kind, None if kind == "map" else node, domain, reduced))
        self._add(node, len(self.order) - 1)

    def _add(self, node: Node, number: int) -> None:
        self.order[number].members.append(node)
        self.home[node] = self.level[node] = number

    # --- joining -------------------------------------------------------------------------------------------------

    def _joins(self, node: Node) -> bool:
        """Whether the last kernel on which a node depends can compute the node, too, element for element."""
        if self.level[node] < 0 or not (isinstance(node.lowering, Elementwise) or only_moves_ones(node)):
            return False
        number = self.level[node]
        kernel = self.order[number]
        if kernel.kind in ("scatter", "fill"):
            return False
        is_rowwise = kernel.kind == "reduce" and kernel.is_rowwise
        if kernel.spans_rows(node) and not (is_rowwise and kernel.spans_elements(node)):
            return all(self._is_aligned(x, number, rows=True) for x in node.inputs)
        fits = (is_rowwise or kernel.kind in ("product", "map")) and kernel.spans_elements(node)
        if not fits or not isinstance(node.lowering, Elementwise):
            return False
        return all(self._is_aligned(x, number, rows=False) for x in node.inputs)

    def _joins_reduction(self, node: Node) -> bool:
        """Add a reduction to a kernel over the same rows (a map becomes a reduction); returns False without one."""
        (x,) = node.inputs
        axis = node.params["axis"]
        if self.level[node] < 0:
            return False
        kernel = self.order[self.level[node]]
        if kernel.kind == "map" and x.shape == kernel.domain and axis == _last_axes(x.shape, len(axis)):
            kernel.kind, kernel.reduced = "reduce", axis
        joins = kernel.is_rowwise and kernel.domain == x.shape and kernel.reduced == axis
        if joins and self._is_aligned(x, self.level[node], rows=False):
            self._add(node, self.level[node])
            return True
        return False

    def _is_aligned(self, x: Node, number: int, rows: bool) -> bool:
        """Whether a new member of kernel `number` can read its element of `x`, within the kernel or in memory.

        If `x` depends on this kernel, it must be a member, and iterate over the same elements, or over their rows.
        """
        kernel = self.order[number]
        if self.level[x] < number:
            return True
        if self.home.get(x) != number:
            return False
        if rows:
            return not kernel.spans_elements(x) or kernel.spans_rows(x)
        return kernel.spans_elements(x) or _broadcasts_along_reduced(x, kernel)

    # --- storing -------------------------------------------------------------------------------------------------

    def _must_be_stored(self, node: Node) -> bool:
        """Whether a node that joins no kernel must be stored in memory."""
        if node in self.roots:
            return True
        if is_alias(node) or node.shape == ():  # arithmetic on the step's numbers is done in each kernel
            return False
        users = self.users[node]
        if any(self._reads_memory(user, node) for user in users):
            return True
        if all(isinstance(user.lowering, Contraction) for user in users):
            return False
        if self.stores_transposed and self._is_transposed_memory(node) and self._is_spread(node):
            return True
        return len(users) > 1 and _costs_more_than_memory(node)

    def _is_transposed_memory(self, node: Node) -> bool:
        """Whether a node is the transpose of (part of) a matrix in memory, so that its rows are not contiguous."""
        if not node.is_op("transpose") or node.params["axes"] != (1, 0) or min(node.shape) < _LEAST_SIDE:
            return False
        (source,) = node.inputs
        while source.is_op("reshape", "slice") and source not in self.home:
            (source,) = source.inputs
        return isinstance(source.op, Input) or source in self.home

    def _is_spread(self, node: Node) -> bool:
        """Whether a reader concatenates the node with others, or reads each of its elements several times."""
        return any(
            user.is_op("concat")
            or (isinstance(user.lowering, Elementwise) and user.size > node.size)
            or (only_moves_ones(user) and self._is_spread(user))
            for user in self.users[node]
        )

    def _reads_memory(self, user: Node, node: Node) -> bool:
        """Whether `user` needs `node` in memory.

        A product needs its operand in memory, unless it computes the operand's elements as it loads them. A reshape
        needs its input in memory if it changes more than axes of size 1, or must itself be in memory: because it is a
        root, or because a reader needs it there.
        """
        if isinstance(user.lowering, Contraction):
            return not self.computes_operand(user, node)
        if is_alias(user):
            if not only_moves_ones(user):
                return True
            return user in self.roots or any(self._reads_memory(u, user) for u in self.users[user])
        return False

    def _leaves(self, node: Node) -> bool:
        """Whether a member's value is needed outside its kernel."""
        home = self.home[node]
        return node in self.roots or any(self.home.get(user) != home for user in self.users[node])


_KINDS: dict[type, str] = {
    Contraction: "product",
    Reduction: "reduce",
    ArgReduction: "arg",
    Scatter: "scatter",
    Fill: "fill",
}
"""The kind of kernel that an anchor starts, by its lowering."""


def _computed_by_layers(nodes: Sequence[Node], written: set[int]) -> set[Node]:
    """The nodes that depend on a product or on a parameter, that is, an array that the step changes."""
    found: set[Node] = set()
    for node in nodes:
        is_parameter = isinstance(node.op, Input) and node.op.slot in written
        if is_parameter or isinstance(node.lowering, Contraction) or any(x in found for x in node.inputs):
            found.add(node)
    return found


def _last_axes(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    return tuple(range(len(shape) - count, len(shape)))


def _broadcasts_along_reduced(x: Node, kernel: Kernel) -> bool:
    """Whether `x` has the shape of the domain with size 1 along the reduced axes, which makes it broadcast there."""
    if kernel.kind != "reduce":
        return False
    wanted = tuple(1 if i in kernel.reduced else n for i, n in enumerate(kernel.domain))
    return x.shape == wanted or (_squeezed(x.shape) == () and _squeezed(wanted) == ())


def is_expensive(node: Node) -> bool:
    """Whether an operator takes more than a few instructions."""
    return isinstance(node.lowering, Elementwise | Pull) and node.lowering.expensive


def _costs_more_than_memory(node: Node) -> bool:
    """Whether a node, with those inlined in it, has too many or too expensive operations to be computed twice."""
    stack: list[Node] = [node]
    count = 0
    while stack:
        x = stack.pop()
        if x.shape == ():
            continue  # computed once for a kernel, not for each element
        count += 1
        if is_expensive(x) or count > 8:
            return True
        inlined: Iterable[Node] = (y for y in x.inputs if isinstance(y.lowering, Elementwise | Movement))
        stack.extend(inlined)
    return False
