"""A graph pass that merges equal nodes, and stacks computations of the same form along a new first axis.

The numeric embeddings of several networks apply the same operators to the same inputs, with different constants;
stacked, they need one node instead of one per network. Only nodes with three axes are stacked: matrix products are
faster separately, since ONNX Runtime prepacks constant matrices, but not stacks of matrices.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lamina.compiler.passes.graph import Constant, Input, Node, topological
from lamina.core.lowering import Elementwise
from lamina.core.primitive import Primitive
from lamina.export._trace import Size, Traced
from lamina.primitives.indexing import take


def side_by_side(traced: Traced) -> Traced:
    """The graph with siblings stacked, i.e. nodes that differ only in constants."""
    return _Joining(traced).joined()


class _Joining:
    def __init__(self, traced: Traced) -> None:
        self._old = traced
        self._out = replace(
            traced, contents={**traced.contents}, shapes={**traced.shapes}, params={**traced.params}
        )
        self._numbers: dict[Hashable, int] = {}
        self._value: dict[Node, int] = {}
        self._form: dict[Node, int] = {}
        self._siblings: dict[int, list[Node]] = {}
        self._together: dict[int, Node | None] = {}
        self._new: dict[int, Node] = {}  # new nodes by the key of their value

    def joined(self) -> Traced:
        nodes = topological(self._old.results)
        for node in nodes:
            self._value[node] = self._number(self._computed(node))
            self._form[node] = self._number(self._formed(node))
            self._siblings.setdefault(self._form[node], []).append(node)
        for node in nodes:
            if self._value[node] not in self._new:
                self._new[self._value[node]] = self._rewritten(node)
        self._out.results = [self._new[self._value[node]] for node in self._old.results]
        return self._out

    # --- keys of equal and of similar nodes ----------------------------------------------------------------------

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _computed(self, node: Node) -> Hashable:
        """A key shared by nodes that compute the same value."""
        known = self._old.known(node)
        if known is not None:
            return node.dtype, known.shape, known.tobytes()
        return node.op, self._fixed(node), tuple(self._value[x] for x in node.inputs)

    def _formed(self, node: Node) -> Hashable:
        """A key shared by nodes that can be stacked."""
        if self._old.known(node) is not None:
            return node.dtype, node.shape
        if not _can_join(node):
            return self._value[node]
        return "form", node.op, self._fixed(node), tuple(self._form[x] for x in node.inputs)

    def _fixed(self, node: Node) -> Hashable:
        return tuple(sorted(self._params(node).items()))

    def _params(self, node: Node) -> dict[str, Any]:
        return self._old.params.get(node, node.params)

    # --- the new graph -------------------------------------------------------------------------------------------

    def _rewritten(self, node: Node) -> Node:
        """A node of the new graph: a copy, or its entry in a stacked node."""
        if self._old.known(node) is not None:
            return node
        shape, params, form = self._old.shapes.get(node, node.shape), self._params(node), self._form[node]
        together = self._join(form) if _can_join(node) else None
        if together is None:
            return self._noted(
                node.with_inputs([self._new[self._value[x]] for x in node.inputs]), shape, params
            )
        place = Node(Constant(self._siblings[form].index(node)), (), {}, (), np.dtype(np.int64))
        params = {"axis": 0, "mode": "clip"}
        return self._noted(Node(take, (together, place), params, node.shape, node.dtype), shape, params)

    def _noted(self, new: Node, shape: tuple[Size, ...], params: dict[str, Any]) -> Node:
        self._out.shapes[new], self._out.params[new] = shape, params
        return new

    def _join(self, form: int) -> Node | None:
        """All nodes of a form, stacked into one node; None if they are equal, or their inputs can't be stacked."""
        if form not in self._together:
            siblings = self._siblings[form]
            differ = len({self._value[node] for node in siblings}) > 1
            self._together[form] = self._joined_siblings(siblings) if differ else None
        return self._together[form]

    def _joined_siblings(self, siblings: Sequence[Node]) -> Node | None:
        first, count, inputs = siblings[0], len(siblings), list[Node]()
        for column in zip(*(node.inputs for node in siblings), strict=True):
            joined = self._joined_input(len(first.shape), column)
            if joined is None:
                return None
            inputs.append(joined)
        params = {**self._params(first)}
        if first.is_op("transpose"):
            params["axes"] = (0, *(axis + 1 for axis in params["axes"]))
        elif first.is_op(*_RESHAPES):
            params["shape"] = (count, *params["shape"])
        shape = count, *self._old.shapes.get(first, first.shape)
        return self._noted(Node(first.op, inputs, params, (count, *first.shape), first.dtype), shape, params)

    def _joined_input(self, axes: int, column: Sequence[Node]) -> Node | None:
        """An input of all siblings: a shared node, their stacked constants, or stacked siblings."""
        if len({self._value[x] for x in column}) == 1:
            return self._new[self._value[column[0]]]
        values = [self._old.known(x) for x in column]
        if all(value is not None for value in values):
            return self._constant(np.stack([_with_axes(value, axes) for value in values]))
        form = self._form[column[0]]
        return self._join(form) if self._siblings[form] == list(column) else None

    def _constant(self, value: np.ndarray) -> Node:
        slots = [node.op.slot for node in self._value if isinstance(node.op, Input)]
        slot = 1 + max(*slots, *self._out.contents)
        self._out.contents[slot] = value
        return Node(Input(slot), (), {}, value.shape, value.dtype)


_RESHAPES = ("reshape", "reshape_copy")


def _can_join(node: Node) -> bool:
    """Whether a node can be stacked in ONNX: its result or the input of its reshape has at least three axes."""
    if not isinstance(node.op, Primitive):
        return False
    axes = len((node.inputs[0] if node.is_op(*_RESHAPES) else node).shape)
    return axes >= 3 and (
        isinstance(node.lowering, Elementwise) or node.is_op("matmul", "transpose", *_RESHAPES)
    )


def _with_axes(value: Any, axes: int) -> np.ndarray:
    return np.reshape(value, (*[1] * (axes - np.ndim(value)), *np.shape(value)))
