"""Graphs of functions and of queued operators, and their programs, for all uses besides compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.compiler.front._arguments import NeedsValue
from lamina.compiler.front._capture import Capture, Captured, tracing
from lamina.compiler.passes.graph import Graph, Input, Inputs, Node, Op
from lamina.compiler.passes.simplify import constant_value
from lamina.compiler.program import Watch, build
from lamina.compiler.target import NotForTarget, Program, Target
from lamina.core.array import Array
from lamina.core.lowering import Fill, Uncompilable
from lamina.core.precision import Precision
from lamina.core.primitive import Primitive, evaluate
from lamina.errors import DeviceError, DeviceMemoryError, TraceError
from lamina.nd.ndarray import NDArray

__all__ = [
    "Captured", "FunctionGraph", "built", "captured_sequence", "compilable_graph", "graph_of",
    "with_known_values",
]  # fmt: skip


def captured_sequence(
    do: Callable[[Iterator[Any]], list[Array]],
    numbers: Sequence[int | float],
    products: tuple[Precision, bool] = ("float32", False),
) -> Captured:
    """Capture ``do(numbers)``, such as queued operators; the arrays that `do` returns become the graph's results.

    `do` gets the varying numbers as inputs of the graph. Gradients are results, too. `products` are the graph's
    precision and whether its rows are independent. Raises `Uncompilable`.
    """
    capture = Capture(keep_gradients=True, products=products)
    dtypes = [np.dtype(np.int64 if isinstance(x, int) else np.float64) for x in numbers]
    try:
        with tracing(capture):
            slots = [capture.number(i, dtype, None) for i, dtype in enumerate(dtypes)]
            return capture.finish(do(iter(slots)))
    except (NeedsValue, TraceError) as error:
        raise Uncompilable(str(error)) from error


def built(
    graph: Graph, target: Target, rows: Mapping[int, int] | None = None, watch: Watch | None = None
) -> Program:
    """As `lamina.compiler.program.build`; `Uncompilable` if the target or its driver can't compute the graph."""
    try:
        return build(graph, target, rows, watch)
    except NotForTarget as reason:
        raise Uncompilable("what it computes", f"can't be compiled for the device: {reason}") from None
    except DeviceMemoryError:
        raise
    except DeviceError as reason:
        raise Uncompilable("its program", f"can't be loaded: {reason}") from None


@dataclass(frozen=True)
class FunctionGraph:
    """The graph of a function.

    Attributes:
        graph: a graph whose first input slots are the arguments, in order. It may have any primitive, of any dtype.
        contents: the arrays in the other input slots, which the function found outside.
    """

    graph: Graph
    contents: dict[int, np.ndarray]


def graph_of(
    function: Callable[..., Any], arguments: Sequence[NDArray], watch: Callable[[Node], None] | None = None
) -> FunctionGraph:
    """The graph of `function` for arrays of these types, in the current mode (training or prediction).

    Numbers that change from step to step, such as a learning rate, are constants with their present value.

    Args:
        function: a function that returns the graph's results: an array, or lists and tuples of arrays.
        arguments: arrays, used only for their types.
        watch: a function called with each new node.

    Raises:
        TraceError: the function needs the values of arrays.

    >>> from lamina import nd
    >>> found = graph_of(lambda x: nd.softmax(2 * x), [nd.ones((3, 4))])
    >>> print(found.graph.text())
       %0 float32[3x4] = input 0
       %1 float32[] = 2.0
       %2 float32[3x4] = multiply(%0, %1)
       %3 float32[3x4] = softmax(%2, axis=1)
    return %3
    """
    return _function_graph(_UnexpandedCapture(watch), function, arguments)


def _function_graph(
    capture: Capture, function: Callable[..., Any], arguments: Sequence[NDArray]
) -> FunctionGraph:
    with tracing(capture):
        given = [capture.argument(array, is_outside=False) for array in arguments]
        captured = capture.finish(function(*given))
    outside = list(enumerate(captured.arrays))[len(arguments) :]
    return FunctionGraph(captured.graph, {slot: array._concrete().copy() for slot, array in outside})


class _UnexpandedCapture(Capture):
    """A capture that doesn't expand compositions, and accepts operators and dtypes without machine code."""

    def __init__(self, watch: Callable[[Node], None] | None) -> None:
        super().__init__(keep_gradients=False, stacked=True)
        self._watch = watch

    def bind(self, primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Node:
        nodes = self._operands(primitive, inputs)
        shape, dtype = primitive.infer(*nodes, **params)
        return self._node(primitive, nodes, params, shape, dtype)

    def call_each_step(self, function: Callable[[], float], integer: bool) -> Any:
        return function()

    def _node(self, op: Op, inputs: Sequence[Node], params: Any, shape: tuple[int, ...], dtype: Any) -> Node:
        node = Node(op, inputs, params, shape, np.dtype(dtype))
        self._nodes.add(node)
        if self._watch is not None:
            self._watch(node)
        return node

    def argument(self, array: Array, *, is_outside: bool) -> Array:
        self._arguments.pop(id(array), None)  # one that is given twice is two inputs
        return super().argument(array, is_outside=is_outside)


def compilable_graph(function: Callable[..., NDArray], arguments: Sequence[NDArray]) -> FunctionGraph:
    """The graph to compile for a deterministic function of arrays of these types.

    Raises:
        TraceError: the function draws random numbers, changes arrays, depends on numbers that change, or can't be
            compiled.

    >>> from lamina import nd
    >>> weight = nd.ones((3, 2))
    >>> found = compilable_graph(lambda x: nd.dot(x, weight) + 1, [nd.zeros((4, 3))])
    >>> found.graph.results[0].shape, list(found.contents)
    ((4, 2), [1])
    """
    try:
        found = _function_graph(Capture(keep_gradients=False), function, arguments)
    except Uncompilable as cause:
        raise TraceError(f"{cause.location}: {cause.what} {cause.why}") from cause
    graph = found.graph
    if graph.writes or graph.scalars or any(isinstance(node.lowering, Fill) for node in graph.nodes()):
        raise TraceError(
            "the function draws random numbers, changes arrays or depends on numbers that change; "
            "a compiled graph must give the same result for the same arguments"
        )
    return found


def with_known_values(found: FunctionGraph) -> FunctionGraph:
    """Precompute nodes that depend on no argument, unless they are larger than their operands; returns the new graph.

    Zeros and the like are operands without a size, except where they are concatenated with others.

    >>> from lamina import nd
    >>> weight = nd.ones((3, 2))
    >>> found = with_known_values(compilable_graph(lambda x: nd.dot(x, 2 * weight), [nd.zeros((4, 3))]))
    >>> print(found.graph.text())
       %0 float32[4x3] = input 0
       %1 float32[3x2] = input 2
       %2 float32[4x2] = matmul(%0, %1, transpose_a=False, transpose_b=False)
    return %2
    >>> found.contents[2].tolist()
    [[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]
    """
    inputs_of_graph = Inputs(found.graph, found.contents)
    values: dict[Node, np.ndarray] = {}

    def known(node: Node, inputs: list[Node]) -> Node:
        node = node.with_inputs(inputs)
        if isinstance(node.op, Input) and node.op.slot in found.contents:
            values[node] = found.contents[node.op.slot]
        known_ones = [x for x in inputs if x in values]
        stored = sum(x.size for x in (inputs if node.is_op("concat") else known_ones))
        operands = [values[x] if x in values else _filled(x) for x in inputs]
        if not known_ones or node.size > stored or any(operand is None for operand in operands):
            return node
        assert isinstance(node.op, Primitive)
        value = np.asarray(evaluate(node.op, operands, node.params), node.dtype)
        constant = inputs_of_graph.add(value)
        values[constant] = value
        return constant

    return FunctionGraph(*inputs_of_graph.of(found.graph.rewritten(known)))


def _filled(node: Node) -> np.ndarray | None:
    """The value of a node whose elements are all the same number; None for other nodes."""
    value = constant_value(node)
    return None if value is None else np.full(node.shape, value, node.dtype)
