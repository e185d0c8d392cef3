"""Compilation of a graph to a self-contained function: one thread, embedded constants, memory from the caller.

Exports of networks as code use this. The kernels are those of compiled functions, so results have the same bits; only
the number of threads is fixed.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np

from lamina.compiler.cpu._builder import ThreadBuilder, ThreadModule
from lamina.compiler.cpu._step import emit_program, outline_of
from lamina.compiler.cpu.machine import Machine, compiling_for
from lamina.compiler.cpu.target import CPU
from lamina.compiler.emit import Layout
from lamina.compiler.llvm import BYTE, Operand, Pointer, Value
from lamina.compiler.llvm.module import Argument
from lamina.compiler.passes.graph import Graph, Input, Inputs, Node
from lamina.compiler.program import lower
from lamina.core.memory import rounded_up
from lamina.core.primitive import REGISTRY


class OneThread(ThreadBuilder):
    """A builder of single-threaded functions."""

    def split(self, extent: Operand, step: int = 1) -> tuple[Value, Value]:
        return self.const(0), self.match(extent, self.const(0))[0]

    def barrier(self, threads: Value) -> None:
        """Do nothing, since there are no other threads."""


class OneThreadModule(ThreadModule):
    """A module of single-threaded functions, which touch their pages in order: an overflow hits the guard page."""

    attributes = '"probe-stack"="inline-asm"'
    builder = OneThread
    has_runtime = False

    @contextmanager
    def function(
        self, name: str, arguments: Mapping[str, Argument] | None = None, *, internal: bool = False
    ) -> Generator[OneThread]:
        with super().function(name, arguments, internal=internal) as b:
            assert isinstance(b, OneThread)
            yield b


@dataclass(frozen=True)
class Standalone:
    """LLVM assembly of ``void NAME(ptr argument, …, ptr result, …, ptr memory)``.

    Attributes:
        ir: the assembly. It refers to the constants by name, and does not define them.
        name: the function's name, the only symbol that callers need.
        memory_bytes: the size of its working memory, which begins at a cache line and needs no initialization.
    """

    ir: str
    name: str
    memory_bytes: int

    @classmethod
    def of(
        cls, name: str, graph: Graph, arguments: int, constants: Mapping[int, str], machine: Machine
    ) -> Standalone:
        """Lower a graph for a machine; the graph must have neither writes nor scalar inputs.

        The graph's first `arguments` inputs are arguments; the others are finite global arrays with the names in
        `constants`.
        """
        with compiling_for(machine):
            plan = lower(graph, CPU())
            outline = outline_of(plan, {})
            module, layout = OneThreadModule(machine), outline.layout
            module.finite_from = arguments
            emit_program(module, plan, outline)
            scratch = rounded_up(plan.arena_bytes)
            # The function fills the pointer table and calls the step.
            entries = {f"input{slot}": Layout.FIRST_INPUT + slot for slot in range(arguments)}
            entries |= {f"result{i}": layout.first_result + i for i in range(layout.results)}
            with module.function(name, dict.fromkeys([*entries, "memory"])) as b:
                table = b.alloca(None, layout.entries)
                b.store_pointer(table, b.constants("control", [1, 0, 0]), Layout.CONTROL)
                for slot, constant in constants.items():
                    module.declare(f"@{constant} = external hidden constant i8")
                    b.store_pointer(table, Pointer(f"@{constant}"), Layout.FIRST_INPUT + slot)
                for argument, entry in entries.items():
                    b.store_pointer(table, b.pointer_argument(argument), entry)
                memory = b.pointer_argument("memory")
                b.store_pointer(table, memory, layout.arena)
                b.store_pointer(table, b.offset(memory, scratch, BYTE), layout.scratch)
                with b.flushing_denormals():
                    b.call("step", table, b.const(0), b.const(1))
        return cls(module.ir(), name, scratch + rounded_up(outline.scratch_bytes))


def global_array(name: str, array: np.ndarray) -> str:
    """The LLVM assembly of a named constant array, in little-endian byte order."""
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    text = "\\" + data.hex("\\") if data else ""
    return f'@{name} = hidden constant [{len(data)} x i8] c"{text}", align 64'


def with_transposed_constants(
    graph: Graph, constants: Mapping[int, np.ndarray]
) -> tuple[Graph, dict[int, np.ndarray]]:
    """Replace constants by transposed copies for the products that read the transpose; returns graph and constants.

    >>> from lamina import nd
    >>> from lamina.compiler.front.graphs import compilable_graph
    >>> weight = nd.array([[1, 2, 3], [4, 5, 6]])
    >>> captured = compilable_graph(lambda x: nd.dot(x, weight, transpose_b=True), [nd.zeros((4, 3))])
    >>> graph, constants = with_transposed_constants(captured.graph, captured.contents)
    >>> graph.results[0].params["transpose_b"], constants[2].tolist()
    (False, [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    """
    inputs = Inputs(graph, constants)

    @cache
    def turned(slot: int) -> Node:
        return inputs.add(np.ascontiguousarray(constants[slot].T))

    def rewritten(node: Node, given: list[Node]) -> Node:
        node = node.with_inputs(given)
        if not node.is_op("matmul") or not node.params["transpose_b"] or len(node.shape) != 2:
            return node
        left, right = node.inputs
        if not isinstance(right.op, Input) or right.op.slot not in constants:
            return node
        params = {**node.params, "transpose_b": False}
        return Node(node.op, (left, turned(right.op.slot)), params, node.shape, node.dtype)

    return inputs.of(graph.rewritten(rewritten))


_FEWEST_SHORTENED = 4096
"""Weights with fewer elements stay as they are: they save little, and the last layer's errors are the outputs'."""


def with_short_weights(
    graph: Graph, constants: Mapping[int, np.ndarray]
) -> tuple[Graph, dict[int, np.ndarray]]:
    """Round the weights on the right of products to 8-bit integers times a scale; returns graph and constants.

    Each column has its own scale, from its largest element, and the product is multiplied by the scales, as in
    symmetric quantization per channel (Krishnamoorthi 2018, arXiv 1806.08342).

    >>> from lamina import nd
    >>> from lamina.compiler.front.graphs import compilable_graph
    >>> weight = nd.array(np.linspace(-1, 1, 64 * 64).reshape(64, 64))
    >>> captured = compilable_graph(lambda x: nd.dot(x, weight), [nd.zeros((1, 64))])
    >>> _, constants = with_short_weights(captured.graph, captured.contents)
    >>> [(str(x.dtype), x.shape) for x in constants.values()]
    [('int8', (64, 64)), ('float32', (1, 64))]
    """
    inputs = Inputs(graph, constants)

    @cache
    def shortened(slot: int) -> tuple[Node, Node]:
        weight = constants[slot]
        scale = np.abs(weight).max(0, keepdims=True) / np.float32(127)
        short = inputs.add(np.rint(weight / np.where(scale, scale, 1)).astype(np.int8))
        cast = Node(REGISTRY["cast"], (short,), {"dtype": weight.dtype}, weight.shape, weight.dtype)
        return cast, inputs.add(scale)

    def rewritten(node: Node, given: list[Node]) -> Node:
        node = node.with_inputs(given)
        if not node.is_op("matmul") or node.params["transpose_b"] or node.dtype != np.float32:
            return node
        left, right = node.inputs
        if not isinstance(right.op, Input) or right.op.slot not in constants:
            return node
        if len(right.shape) != 2 or right.size < _FEWEST_SHORTENED:
            return node
        weight, scale = shortened(right.op.slot)
        product = Node(node.op, (left, weight), node.params, node.shape, node.dtype)
        return Node(REGISTRY["multiply"], (product, scale), {}, node.shape, node.dtype)

    return inputs.of(graph.rewritten(rewritten))
