"""A device as a target: launches of kernels on blocks of threads, in the device's own memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from lamina.compiler.emit import Layout
from lamina.compiler.gpu._binding import Binding
from lamina.compiler.gpu._builder import DeviceModule
from lamina.compiler.gpu._dialect import Dialect
from lamina.compiler.gpu._operands import computes_operand
from lamina.compiler.gpu._program import emit_program
from lamina.compiler.gpu._schedule import Schedule
from lamina.compiler.gpu._scope import THREADS
from lamina.compiler.gpu._tiles import cut_for
from lamina.compiler.gpu._types import FLOAT16, narrow_numbers, widen_halves
from lamina.compiler.llvm.cache import digest_of_primitives
from lamina.compiler.llvm.jit import kept
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Graph
from lamina.compiler.passes.plan import Partition, Plan
from lamina.compiler.passes.scale_products import scale_products
from lamina.compiler.program import lower
from lamina.compiler.target import COMPILED_DTYPES, Lowered, NotForTarget, Program
from lamina.core.array import Array, Value
from lamina.device.interface import Device, DeviceArray, Limits, Module

_ALIGNMENT = 256


def _nvptx(limits: Limits) -> Dialect:
    from lamina.compiler.gpu._nvptx import NVPTX

    return NVPTX(limits.architecture)


def _spirv(_: Limits) -> Dialect:
    from lamina.compiler.gpu._spirv import SPIRV

    return SPIRV()


DIALECTS: dict[str, Callable[[Limits], Dialect]] = {"nvptx": _nvptx, "spirv": _spirv}
"""The dialects of kernels by the name of the language that a device reports; other modules may add more."""


@dataclass(frozen=True)
class DeviceCode:
    """A plan's kernels, loaded."""

    schedule: Schedule
    dialect: Dialect
    module: Module

    @property
    def layout(self) -> Layout:
        """The layout of a step's pointers."""
        return self.schedule.layout

    def ir(self) -> str:
        """LLVM assembly, before optimisation."""
        return emit_program(self.dialect, self.schedule).ir()

    def assembly(self) -> str:
        """PTX, or SPIR-V as text."""
        return self.dialect.assembly(self.ir())


class GPU:
    """See `lamina.compiler.target.Target`. There is one per device."""

    alignment = _ALIGNMENT
    apart_bytes = 256 << 20
    in_strands = False  # its blocks wait for their inputs, not at common barriers
    stores_transposed = False

    def __init__(self, device: Device) -> None:
        self.device = device
        limits = device.limits
        halves = frozenset((FLOAT16,) if limits.has_float16 else ())
        self.dtypes = COMPILED_DTYPES | halves
        numbers = () if limits.has_float64 else (narrow_numbers,)
        self.passes: Sequence[Callable[[Graph], Graph]] = (scale_products, *numbers, widen_halves)

    @cached_property
    def dialect(self) -> Dialect:
        """The language of its kernels."""
        return DIALECTS[self.device.dialect](self.device.limits)

    @property
    def description(self) -> str:
        """The device; loaded code works on it alone."""
        device = self.device
        return repr((device.kind, device.number, device.name, id(device), device.limits))

    def compiling(self, captured: Graph) -> AbstractContextManager[object]:
        """No context: tiles are chosen for each launch, by its number of rows too."""
        return nullcontext()

    computes_operand = staticmethod(computes_operand)

    def partition(self, kernel: Kernel, updates: int) -> Partition:
        """None: each launch divides its own work."""
        return Partition("serial")

    def load(self, lowered: Lowered) -> DeviceCode:
        """Kernels for the device, from the disk cache if possible."""
        plan = lowered.plan
        schedule = Schedule(plan, Layout.of(plan, lowered.rows), self.device.limits)
        code = kept(self.dialect.machine, self._key(schedule), lambda: self._translated(schedule))
        return DeviceCode(schedule, self.dialect, self.device.load(code))

    def _key(self, schedule: Schedule) -> str:
        parts = [
            schedule.plan.graph.text(),
            repr(schedule.layout),
            repr(self.device.limits),
            digest_of_primitives(),
        ]
        return "\0".join(["gpu", *parts])

    def _translated(self, schedule: Schedule) -> bytes:
        check(schedule.plan, self.device.limits)
        module = emit_program(self.dialect, schedule)
        ir = module.ir()
        if not self.device.limits.has_float64 and " double" in ir:
            raise NotForTarget("the device lacks float64, in which one of the operators is computed")
        return self.dialect.translate(ir, module.kernels)

    def bind(
        self, program: Program, arrays: Sequence[Array], arguments: Sequence[int], written: frozenset[int]
    ) -> Binding:
        """Bind a program to arrays of the device."""
        return Binding(self.device, program, arrays, arguments, written)

    def from_numpy(self, array: np.ndarray) -> DeviceArray:
        """A copy on the device."""
        return DeviceArray.of(self.device, array)

    def to_numpy(self, value: Value) -> np.ndarray:
        """A copy from the device."""
        return np.asarray(value)

    def sharing(self, plan: Plan, kernel: Kernel) -> str:
        """The tiling of a product, or the blocks of another kernel, in words."""
        if kernel.kind != "product":
            return "by blocks"
        cut = cut_for(kernel, self.device.limits, plan.graph.precision)
        parts = f", sums in {cut.parts} parts" if cut.parts > 1 else ""
        rounded = f" in {cut.tile.precision}" if cut.tile.precision != "float32" else ""
        return f"{cut.tiles} tiles of {cut.tile.rows} × {cut.tile.columns}{rounded}{parts}"

    def peak_flops(self, program: Program, dtype: np.dtype) -> float:
        """The peak according to the device's manufacturer."""
        return self.device.limits.peak_flops


def check(plan: Plan, limits: Limits) -> None:
    """Raise `NotForTarget` if a plan needs something the device lacks."""
    if limits.block_threads < THREADS:
        raise NotForTarget(
            f"the device's blocks have {limits.block_threads} threads, and kernels need {THREADS}"
        )
    if not limits.has_float64 and any(node.dtype == np.float64 for node in plan.graph.nodes()):
        raise NotForTarget("the device lacks float64, and float64 arrays are among the operands")


@dataclass(frozen=True)
class Written:
    """The launches of a graph, and their code."""

    schedule: Schedule
    dialect: Dialect
    module: DeviceModule

    def assembly(self) -> str:
        """PTX, or SPIR-V as text."""
        return self.dialect.assembly(self.module.ir())

    def code(self) -> bytes:
        """The code that a device would load."""
        return self.dialect.translate(self.module.ir(), self.module.kernels)


def written_for(graph: Graph, dialect: str, limits: Limits) -> Written:
    """A captured graph's code for a device that may be absent: for inspection only."""
    described: Any = SimpleNamespace(kind="described", number=0, name="", dialect=dialect, limits=limits)
    target = GPU(described)
    plan = lower(graph, target)
    schedule = Schedule(plan, Layout.of(plan, {}), limits)
    return Written(schedule, target.dialect, emit_program(target.dialect, schedule))
