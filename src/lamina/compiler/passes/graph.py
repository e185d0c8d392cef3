"""The graph: a flat list of typed nodes, with a printer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from lamina.core.precision import Precision
from lamina.core.primitive import Primitive
from lamina.errors import TraceError


@dataclass(frozen=True)
class Input:
    """An array that exists before the step: the buffer in input slot `slot` of the program."""

    slot: int
    name = "input"


@dataclass(frozen=True)
class Scalar:
    """A number that Python computes before each step, in scalar slot `slot` of the program."""

    slot: int
    name = "scalar"


@dataclass(frozen=True)
class Constant:
    """A number whose value the compiler knows."""

    value: float
    name = "constant"


Op = Primitive | Input | Scalar | Constant

_numbers = itertools.count()


class Node:
    """A value: an operator applied to other nodes, with the value's shape and dtype.

    `lowering` defines how the operator is compiled; it is None for inputs and numbers.
    """

    __slots__ = ("dtype", "inputs", "lowering", "number", "op", "params", "shape")

    def __init__(
        self,
        op: Op,
        inputs: Sequence[Node],
        params: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: np.dtype,
    ) -> None:
        self.op: Op = op
        self.lowering: Any = op.lowering if isinstance(op, Primitive) else None
        self.inputs = tuple(inputs)
        self.params: dict[str, Any] = dict(params)
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.number = next(_numbers)

    @property
    def size(self) -> int:
        return int(math.prod(self.shape))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def is_op(self, *names: str) -> bool:
        """Whether the node's operator is one of the primitives with these names."""
        return isinstance(self.op, Primitive) and self.op.name in names

    def with_inputs(self, inputs: Sequence[Node]) -> Node:
        """A node for the same operator on other inputs of the same types; the node itself if they are the same."""
        if tuple(inputs) == self.inputs:
            return self
        return Node(self.op, inputs, self.params, self.shape, self.dtype)

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        """Raise `TraceError`, since a node has no values that NumPy could read."""
        raise TraceError(
            f"an array of shape {self.shape} was made inside lamina.compile and kept after the compiled function "
            "returned; return the array from the function instead"
        )

    def __repr__(self) -> str:
        return f"<node {self.number} {self.op.name} {self.dtype}{list(self.shape)}>"


def topological(roots: Iterable[Node]) -> list[Node]:
    """All nodes on which `roots` depend, including `roots`, each after its inputs, in a deterministic order."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[Node | None] = [*roots]
    stack.reverse()
    while stack:
        node = stack.pop()
        if node is None:  # all inputs of the node below are in the order
            below = stack.pop()
            assert below is not None
            order.append(below)
        elif node not in seen:
            seen.add(node)
            if node.inputs:
                stack += (node, None, *node.inputs[::-1])
            else:
                order.append(node)
    return order


def users_of(nodes: Iterable[Node]) -> dict[Node, list[Node]]:
    """The readers of each node: the nodes among whose inputs it is."""
    users: dict[Node, list[Node]] = {node: [] for node in nodes}
    for node in list(users):
        for x in dict.fromkeys(node.inputs):
            users[x].append(node)
    return users


@dataclass
class Graph:
    """The computation of one step.

    Attributes:
        results: the nodes that are returned.
        writes: by input slot, the nodes whose values are written to the buffers.
        inputs: by slot, the types of the input buffers.
        scalars: the dtypes of the numeric inputs of each step.
        transposed: slots of matrices that are kept transposed during execution; nodes that read and write them use the
            transposed shape.
        moving: slots of inputs that advance to the next item with each step, and therefore can't be kept transposed.
        precision: the precision to which operands of products may be rounded.
        independent_rows: whether a row of a result has the same bits for any number of rows, if the target supports it.
    """

    results: list[Node]
    writes: dict[int, Node]
    inputs: list[tuple[tuple[int, ...], np.dtype]]
    scalars: list[np.dtype]
    transposed: frozenset[int] = frozenset()
    moving: frozenset[int] = frozenset()
    precision: Precision = "float32"
    independent_rows: bool = False
    _found: tuple[Sequence[Node], list[Node]] = field(
        default_factory=lambda: ((), []), init=False, repr=False, compare=False
    )
    """The roots of the last call of `nodes`, and its result."""

    @property
    def roots(self) -> list[Node]:
        """The nodes whose values are returned or written."""
        return [*self.results, *self.writes.values()]

    def nodes(self) -> list[Node]:
        """All nodes on which the roots depend, in topological order."""
        roots = self.roots
        if roots != self._found[0]:
            self._found = roots, topological(roots)
        return [*self._found[1]]

    @property
    def read_slots(self) -> frozenset[int]:
        """The input slots that a step reads."""
        return frozenset(n.op.slot for n in self.nodes() if isinstance(n.op, Input))

    @property
    def used_slots(self) -> list[int]:
        """The input slots that a step reads or writes."""
        return sorted(self.read_slots.union(self.writes))

    def rewritten(self, better: Callable[[Node, list[Node]], Node]) -> Graph:
        """The graph with each node replaced by ``better(node, rewritten inputs)``, without nodes no longer needed."""
        new: dict[Node, Node] = {}
        for node in self.nodes():
            new[node] = better(node, [new[x] for x in node.inputs])
        results = [new[node] for node in self.results]
        return replace(self, results=results, writes={slot: new[node] for slot, node in self.writes.items()})

    def text(self) -> str:
        """The graph as text, one line per node, numbered from 0; equal for equal graphs in every process."""
        names: dict[Node, str] = {}
        lines: list[str] = []
        for node in self.nodes():
            names[node] = name = f"%{len(names)}"
            lines.append(f"{name:>5} {_type(node.dtype, node.shape)} = {_expression(node, names)}")
        lines.append("return " + ", ".join(names[n] for n in self.results))
        lines += [f"write input {slot} <- {names[n]}" for slot, n in self.writes.items()]
        lines += [f"input {slot} is held transposed" for slot in sorted(self.transposed)]
        lines += [f"products in {self.precision}"] if self.precision != "float32" else []
        lines += ["independent rows"] if self.independent_rows else []
        return "\n".join(lines)


@lru_cache(4096)
def _type(dtype: np.dtype, shape: tuple[int, ...]) -> str:
    return f"{dtype}[{'x'.join(map(str, shape))}]"


def _expression(node: Node, names: Mapping[Node, str]) -> str:
    if isinstance(node.op, Constant):
        return repr(node.op.value)
    if isinstance(node.op, Input | Scalar):
        return f"{node.op.name} {node.op.slot}"
    arguments = [names[x] for x in node.inputs]
    if node.params:
        arguments += [f"{key}={value}" for key, value in sorted(node.params.items())]
    return f"{node.op.name}({', '.join(arguments)})"


class Inputs:
    """The inputs of a graph, to which arrays with known contents are added."""

    def __init__(self, graph: Graph, contents: Mapping[int, np.ndarray]) -> None:
        """`contents` has the known arrays by input slot."""
        self._types, self._contents = list(graph.inputs), dict(contents)

    def add(self, array: np.ndarray) -> Node:
        """A new input with these contents."""
        slot = len(self._types)
        self._contents[slot] = array
        self._types.append((array.shape, array.dtype))
        return Node(Input(slot), (), {}, array.shape, array.dtype)

    def of(self, graph: Graph) -> tuple[Graph, dict[int, np.ndarray]]:
        """The graph with these inputs, and the known contents of those that it reads, by input slot."""
        result = replace(graph, inputs=self._types)
        used = result.read_slots
        return result, {slot: x for slot, x in self._contents.items() if slot in used}
