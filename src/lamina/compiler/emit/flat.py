"""Merging of several axes into one, for kernels in which only the position in memory matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.compiler.emit.expressions import Axis, Memory
from lamina.compiler.llvm import Builder
from lamina.compiler.passes.graph import Constant, Node
from lamina.core.lowering import Elementwise


def flat_axes(b: Builder, position: Axis, shape: Sequence[int]) -> list[Axis]:
    """The index of a flat position: the position itself along the last axis longer than 1, and 0 along the others.

    This axis has stride 1.
    """
    last = max((a for a, n in enumerate(shape) if n != 1), default=0)
    before, after = ([Axis.at(b, 0)] * n for n in (last, len(shape) - last - 1))
    return [*before, position, *after]


def is_made_of_flat(
    nodes: Sequence[Node], shape: tuple[int, ...], memory: Memory, known: Iterable[Node] = ()
) -> bool:
    """Whether each element of the nodes depends only on scalars and on elements at the same flat position.

    Those elements must be in buffers, or in `known` nodes, of this shape.
    """
    seen = set(known)
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node in seen or node.shape == () or isinstance(node.op, Constant):
            continue
        seen.add(node)
        if memory.find(node) is not None:  # read from memory, however it was computed
            if node.shape != shape:
                return False
        elif not node.is_op("full"):  # the same number at every position
            if node.shape != shape or not isinstance(node.lowering, Elementwise):
                return False
            stack.extend(node.inputs)
    return True
