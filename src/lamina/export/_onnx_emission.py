"""Translation of a traced function to ONNX nodes.

Each node is emitted once, and nodes of known value become constants. Patterns, which cover several nodes, are tried
before the emitters of single nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from lamina.compiler.passes.graph import Input, Node, topological
from lamina.errors import LaminaError
from lamina.export._onnx_graph import OnnxGraph, element_type
from lamina.export._trace import Rows, Traced

Emitter = Callable[["Emission", Node], str]
"""A function that emits a primitive's node and returns the tensor's name."""

Pattern = Callable[["Emission", Node], str | None]
"""A function that emits a node, together with some of its inputs, as one ONNX node; None if they don't match."""


@dataclass(frozen=True)
class Codes:
    """An integer input (rows, columns) of category codes.

    Attributes:
        counts: the number of codes (0, 1, …) of each column.
        order: the order of columns that lets `shifted` emit the fewest nodes.
        shifted: a function of column indices and offsets that adds an offset to each column's codes, and returns them
            as an int64 tensor (rows, columns).
    """

    counts: Sequence[int]
    order: Sequence[int]
    shifted: Callable[[Sequence[int], Sequence[int]], str]


class Emission:
    """Translation of a traced function to ONNX.

    Args:
        graph: receives the nodes.
        traced: the function's graph.
        inputs: tensors of the first input slots; empty for unused inputs.
        emitters: the emitters by primitive name.
        patterns: the patterns, tried in this order before the emitter of a node's primitive.
        codes: `Codes` by input slot, for inputs that are category codes.
    """

    def __init__(
        self,
        graph: OnnxGraph,
        traced: Traced,
        inputs: Sequence[str],
        emitters: Mapping[str, Emitter],
        patterns: Sequence[Pattern],
        codes: Mapping[int, Codes] | None = None,
    ) -> None:
        self.graph, self.traced, self.codes = graph, traced, codes or {}
        self._inputs, self._emitters, self._patterns = list(inputs), emitters, patterns
        self._tensors: dict[Node, str] = {}
        self._rows: str | None = None
        self._readers = Counter(x for node in topological(traced.results) for x in set(node.inputs))

    def tensor(self, node: Node) -> str:
        """The tensor of a node, emitted on first use."""
        if node not in self._tensors:
            self._tensors[node] = self._emitted(node)
        return self._tensors[node]

    def _emitted(self, node: Node) -> str:
        known = self.known(node)
        if known is not None:
            return self.graph.constant(known)
        if isinstance(node.op, Input):
            return self._input(node.op.slot)
        with self.graph.named(self.traced.layers.get(node, "")):
            for pattern in self._patterns:
                found = pattern(self, node)
                if found is not None:
                    return found
            emitter = self._emitters.get(node.op.name)
            if emitter is None:
                raise LaminaError(
                    f"the operator {node.op.name!r}{self.traced.place(node)} cannot be exported, since ONNX lacks it; "
                    "compute this part outside of the network, or with other operators"
                )
            return emitter(self, node)

    def _input(self, slot: int) -> str:
        codes = self.codes.get(slot)
        if codes is None:
            return self._inputs[slot]
        return codes.shifted(range(len(codes.counts)), [0] * len(codes.counts))

    def known(self, node: Node) -> np.ndarray | None:
        """The value of a node that depends on neither an argument nor the number of rows, else None."""
        return self.traced.known(node)

    # --- methods for emitters ------------------------------------------------------------------------------------

    def is_shared(self, node: Node) -> bool:
        """Whether several nodes or the caller read the node, so that it can't be merged into another node."""
        return self._readers[node] > 1 or node in self.traced.results

    def params(self, node: Node) -> dict[str, Any]:
        """The parameters of a node; sizes that depend on the number of rows are `Rows`."""
        return self.traced.params.get(node, node.params)

    def shape(self, node: Node) -> tuple[Any, ...]:
        """The shape of a node; sizes that depend on the number of rows are `Rows`."""
        return self.traced.shapes.get(node, node.shape)

    def constant(self, value: Any, dtype: Any) -> str:
        """Add a constant tensor of this dtype."""
        return self.graph.constant(value, dtype)

    def integers(self, *values: int) -> str:
        """Add a constant, a 1-D int64 tensor, of indices, axes or sizes."""
        return self.graph.constant(list(values), np.int64)

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add an ONNX node with one result."""
        return self.graph.add(op, *inputs, **attributes)

    def cast(self, x: str, dtype: Any, wanted: Any) -> str:
        """Convert tensor `x` from `dtype` to the dtype `wanted`."""
        return x if np.dtype(dtype) == np.dtype(wanted) else self.add("Cast", x, to=element_type(wanted))

    def sizes(self, shape: Sequence[Any]) -> str:
        """Emit a shape as a 1-D int64 tensor; sizes may be `Rows`."""
        if not any(isinstance(size, Rows) for size in shape):
            return self.integers(*shape)
        parts = [
            self._many_rows(size.times) if isinstance(size, Rows) else self.integers(size) for size in shape
        ]
        return self.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]

    def _many_rows(self, times: Fraction) -> str:
        if self._rows is None:
            self._rows = self.add(
                "Slice",
                self.add("Shape", next(filter(None, self._inputs))),
                self.integers(0),
                self.integers(1),
            )
        many = self._rows
        if times.numerator != 1:
            many = self.add("Mul", many, self.integers(times.numerator))
        return many if times.denominator == 1 else self.add("Div", many, self.integers(times.denominator))

    def reshaped(self, x: str, shape: Sequence[Any]) -> str:
        """Reshape a tensor; sizes may be `Rows`."""
        open_sizes = sum(isinstance(size, Rows) for size in shape)
        if open_sizes != 1 or 0 in shape:
            return self.add("Reshape", x, self.sizes(shape), allowzero=int(0 in shape))
        return self.add(
            "Reshape", x, self.integers(*(-1 if isinstance(size, Rows) else size for size in shape))
        )
