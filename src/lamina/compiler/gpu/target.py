"""A device as a target: launches execute kernels on blocks of threads, in the device's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from lamina.compiler.emit import Layout
from lamina.compiler.gpu._binding import Binding
from lamina.compiler.gpu._builder import Dialect
from lamina.compiler.gpu._dialects import NVPTX, SPIRV
from lamina.compiler.gpu._loops import ALIGNMENT, THREADS
from lamina.compiler.gpu._schedule import Schedule, emit_program
from lamina.compiler.gpu._tiles import computes_operand, cut_for
from lamina.compiler.llvm import FLOAT32, FLOAT64
from lamina.compiler.llvm.cache import digest_of_primitives
from lamina.compiler.llvm.jit import kept
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Constant, Graph, Node, Scalar
from lamina.compiler.passes.plan import Plan
from lamina.compiler.passes.simplify import scale_products
from lamina.compiler.program import lower
from lamina.compiler.target import COMPILED_DTYPES, Lowered, NotForTarget, Program, Target
from lamina.core.array import Array
from lamina.core.lowering import Fill, Movement, Reshape
from lamina.core.primitive import REGISTRY, Primitive
from lamina.device.interface import Device, DeviceArray, Limits, Module

DIALECTS: dict[str, Callable[[Limits], Dialect]] = {
    "nvptx": lambda limits: NVPTX(limits.architecture),
    "spirv": lambda _: SPIRV(),
}
"""The dialects of kernels, by the name that a device reports; other modules may add dialects."""


@dataclass(frozen=True)
class DeviceCode:
    """The kernels of a plan. `module` is the loaded code, or None for a device that may be absent."""

    schedule: Schedule
    dialect: Dialect
    module: Module | None = None

    @property
    def layout(self) -> Layout:
        """The layout of a step's pointer table."""
        return self.schedule.layout

    def ir(self) -> str:
        """The LLVM assembly, before optimisation."""
        return emit_program(self.dialect, self.schedule).ir()

    def assembly(self) -> str:
        """The PTX, or the SPIR-V as text."""
        return self.dialect.assembly(self.ir())

    def code(self) -> bytes:
        """The code that a device loads. Raises `NotForTarget` if the device lacks something."""
        limits = self.schedule.limits
        check(self.schedule.plan, limits)
        module = emit_program(self.dialect, self.schedule)
        ir = module.ir()
        if not limits.has_float64 and " double" in ir:
            raise NotForTarget("the device lacks float64, which one of the operators needs")
        return self.dialect.translate(ir, module.kernels)


class GPU(Target):
    """A device as a target, one object for each; without independent rows, as tiles depend on the number of rows."""

    alignment = ALIGNMENT
    apart_bytes = 256 << 20

    def __init__(self, device: Device) -> None:
        self.device = device
        limits = device.limits
        halves = frozenset((FLOAT16,) if limits.has_float16 else ())
        self.dtypes = COMPILED_DTYPES | halves
        numbers = () if limits.has_float64 else (narrow_numbers,)
        self.passes: Sequence[Callable[[Graph], Graph]] = (scale_products, *numbers, widen_halves)

    @cached_property
    def dialect(self) -> Dialect:
        """The language of the device's kernels."""
        return DIALECTS[self.device.dialect](self.device.limits)

    @property
    def description(self) -> str:
        """A description of the device. Loaded code is valid for this device only."""
        device = self.device
        return repr((device.kind, device.number, device.name, id(device), device.limits))

    def computes_operand(self, product: Node, operand: Node) -> bool:
        return computes_operand(product, operand)

    def load(self, lowered: Lowered) -> DeviceCode:
        """Compile kernels for the device, or read them from the disk cache, and load them."""
        plan = lowered.plan
        schedule = Schedule(plan, Layout.of(plan, lowered.rows), self.device.limits)
        written = DeviceCode(schedule, self.dialect)
        code = kept(self.dialect.machine, self._key(schedule), written.code)
        return replace(written, module=self.device.load(code))

    def _key(self, schedule: Schedule) -> str:
        parts = schedule.plan.graph.text(), repr(schedule.layout), repr(self.device.limits)
        return "\0".join(["gpu", *parts, digest_of_primitives()])

    def bind(
        self, program: Program, arrays: Sequence[Array], arguments: Sequence[int], written: frozenset[int]
    ) -> Binding:
        return Binding(self.device, program, arrays, arguments, written)

    def from_numpy(self, array: np.ndarray) -> DeviceArray:
        return DeviceArray.of(self.device, array)

    def sharing(self, plan: Plan, kernel: Kernel) -> str:
        """A description of the tiling of a product, or of the blocks of another kernel."""
        if kernel.kind != "product":
            return "by blocks"
        cut = cut_for(kernel, self.device.limits, plan.graph.precision)
        parts = f", sums in {cut.parts} parts" if cut.parts > 1 else ""
        rounded = f" in {cut.tile.precision}" if cut.tile.precision != "float32" else ""
        return f"{cut.tiles} tiles of {cut.tile.rows} × {cut.tile.columns}{rounded}{parts}"

    def peak_flops(self, program: Program, dtype: np.dtype) -> float:
        """The device's peak rate according to its manufacturer."""
        return self.device.limits.peak_flops


def check(plan: Plan, limits: Limits) -> None:
    """Raise `NotForTarget` if a plan needs something that the device lacks."""
    if limits.block_threads < THREADS:
        raise NotForTarget(
            f"the device's blocks have at most {limits.block_threads} threads, but kernels need {THREADS}"
        )
    if not limits.has_float64 and any(node.dtype == np.float64 for node in plan.graph.nodes()):
        raise NotForTarget("the device lacks float64, and float64 arrays are among the operands")


def written_for(graph: Graph, dialect: str, limits: Limits) -> DeviceCode:
    """Compile a captured graph for a device that may be absent; the code can be inspected, but not executed."""
    described: Any = SimpleNamespace(kind="described", number=0, name="", dialect=dialect, limits=limits)
    target = GPU(described)
    plan = lower(graph, target)
    return DeviceCode(Schedule(plan, Layout.of(plan, {}), limits), target.dialect)


# --- Graph passes for types that a device lacks, or only stores: float64 numbers, float16 arrays ---------------------


FLOAT16 = np.dtype(np.float16)


def narrow_numbers(graph: Graph) -> Graph:
    """Convert scalar inputs, and values computed from them alone, from float64 to float32; returns the new graph."""
    if any(node.dtype == FLOAT64 for node in graph.roots):
        return graph

    def better(node: Node, inputs: list[Node]) -> Node:
        if node.shape != () or node.dtype != FLOAT64:
            return node.with_inputs(inputs)
        if isinstance(node.op, Primitive):
            return _typed(node.op, inputs, node.params, FLOAT32)
        return Node(node.op, (), {}, (), FLOAT32)

    scalars = [FLOAT32 if dtype == FLOAT64 else dtype for dtype in graph.scalars]
    return replace(graph.rewritten(better), scalars=scalars)


def widen_halves(graph: Graph) -> Graph:
    """Compute float16 arrays in float32, and round each operator's result, as NumPy does; returns the new graph."""

    def better(node: Node, inputs: list[Node]) -> Node:
        primitive = node.op
        if not isinstance(primitive, Primitive) or FLOAT16 not in (node.dtype, *(x.dtype for x in inputs)):
            return node.with_inputs(inputs)
        if isinstance(primitive.lowering, Movement | Reshape | Fill) or not inputs:
            return node.with_inputs(inputs)
        if node.is_op("cast"):
            are_floats = {inputs[0].dtype, node.dtype} <= _FLOATS
            return node.with_inputs(inputs) if are_floats else _cast(_wide(inputs[0]), node.dtype)
        wide = _typed(primitive, [_wide(x) for x in inputs], node.params, FLOAT32)
        return _cast(wide, node.dtype)

    return graph.rewritten(better)


_FLOATS = {FLOAT16, FLOAT32, FLOAT64}


def _wide(x: Node) -> Node:
    """Convert a float16 value to float32; return a value of another dtype unchanged."""
    if x.dtype != FLOAT16:
        return x
    if isinstance(x.op, Constant | Scalar):
        return Node(x.op, (), {}, (), FLOAT32)
    return _cast(x, FLOAT32)


def _cast(x: Node, dtype: np.dtype) -> Node:
    return x if x.dtype == dtype else Node(REGISTRY["cast"], (x,), {"dtype": dtype}, x.shape, dtype)


def _typed(primitive: Primitive, inputs: list[Node], params: dict[str, Any], dtype: np.dtype) -> Node:
    """A primitive applied to these inputs; if it has a dtype parameter, `dtype` replaces it."""
    changed = {k: dtype if k == "dtype" and v in (FLOAT16, FLOAT64) else v for k, v in params.items()}
    shape, found = primitive.infer(*inputs, **changed)
    return Node(primitive, inputs, changed, shape, found)
