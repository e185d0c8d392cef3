"""Recomputation of values for which computing them in each reader is cheaper than storing and loading them.

The backward pass reads many intermediate values of the forward pass. An activation such as Mish has several, one array
each, although most of them are a sum or a product of two others. Such a value is not stored: each reader recomputes it
from values that are in memory anyway.
"""

from __future__ import annotations

from collections.abc import Iterable

from lamina.compiler.passes.fuse import Kernel, is_expensive
from lamina.compiler.passes.graph import Constant, Graph, Input, Node, Scalar, users_of
from lamina.compiler.passes.plan import nodes_read
from lamina.core.lowering import Elementwise

_MOST_OPERATIONS = 4


def recompute(graph: Graph, kernels: list[Kernel]) -> list[Kernel]:
    """Remove cheap nodes from the kernels' stores, to be recomputed by their readers; returns the kernels."""
    return _Recomputation(graph, kernels).run()


class _Recomputation:
    def __init__(self, graph: Graph, kernels: list[Kernel]) -> None:
        self.kernels = kernels
        self.roots = set(graph.roots)
        self.users = users_of(graph.nodes())
        self.home = {node: kernel for kernel in kernels for node in kernel.members}
        self.stored = {node for kernel in kernels for node in kernel.stores}
        self.reads = {kernel: set(nodes_read(kernel, self.stored)) for kernel in kernels}

    def run(self) -> list[Kernel]:
        for kernel in self.kernels:
            for node in list(kernel.stores):
                sources = self._sources(node)
                if sources is not None and self._pays(node, sources):
                    self._drop(node, kernel)
        return self.kernels

    def _sources(self, node: Node) -> set[Node] | None:
        """The nodes in memory to recompute a value from; None if it must be stored or takes too many operations."""
        if node in self.roots or any(not isinstance(u.lowering, Elementwise) for u in self._outside(node)):
            return None
        found: set[Node] = set()
        stack, operations = [node], 0
        while stack:
            x = stack.pop()
            if isinstance(x.op, Constant | Scalar):
                continue
            if isinstance(x.op, Input) or (x in self.stored and x is not node):
                found.add(x)
                continue
            operations += 1
            if not isinstance(x.lowering, Elementwise) or is_expensive(x) or operations > _MOST_OPERATIONS:
                return None
            stack += x.inputs
        return found

    def _outside(self, node: Node) -> Iterable[Node]:
        """The readers of a value in other kernels."""
        return (user for user in self.users[node] if self.home.get(user) is not self.home[node])

    def _pays(self, node: Node, sources: set[Node]) -> bool:
        """Whether no reader loads more bytes if it recomputes the value."""
        return all(
            sum(x.nbytes for x in sources - reads) <= node.nbytes
            for reads in self.reads.values()
            if node in reads
        )

    def _drop(self, node: Node, kernel: Kernel) -> None:
        kernel.stores.remove(node)
        self.stored.discard(node)
        for reader, reads in self.reads.items():
            if node in reads:
                self.reads[reader] = set(nodes_read(reader, self.stored))
