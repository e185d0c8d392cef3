"""A device as a target: launches of kernels on blocks of threads, in memory of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lamina.compiler.emit import Layout, digest_of_primitives
from lamina.compiler.gpu._binding import Binding
from lamina.compiler.gpu._dialect import Dialect
from lamina.compiler.gpu._products import computes_operand
from lamina.compiler.gpu._program import emit_program
from lamina.compiler.gpu._schedule import Schedule
from lamina.compiler.gpu._tiles import cut_for
from lamina.compiler.llvm.jit import kept
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.passes.graph import Graph
from lamina.compiler.passes.plan import Partition, Plan
from lamina.compiler.passes.scale_products import scale_products
from lamina.compiler.target import NotForTarget, Program
from lamina.core.array import Array, Value
from lamina.device.interface import Device, DeviceArray, Limits, Module

__all__ = ["GPU", "DeviceCode", "dialect_of"]

_ALIGNMENT = 256


def dialect_of(device: Device) -> Dialect:
    """The language of a device's kernels."""
    if device.dialect == "nvptx":
        from lamina.compiler.gpu._nvptx import NVPTX

        return NVPTX(device.limits.architecture)
    if device.dialect == "spirv":
        from lamina.compiler.gpu._spirv import SPIRV

        return SPIRV()
    from lamina.compiler.gpu._host import Host

    return Host()


@dataclass(frozen=True)
class DeviceCode:
    """A plan's kernels, loaded."""

    schedule: Schedule
    dialect: Dialect
    module: Module

    @property
    def layout(self) -> Layout:
        """The pointers of a step."""
        return self.schedule.layout

    def ir(self) -> str:
        """LLVM's assembly of it, before optimisation."""
        return emit_program(self.dialect, self.schedule).ir()

    def assembly(self) -> str:
        """PTX, or SPIR-V in words."""
        return self.dialect.assembly(self.ir())


class GPU:
    """See `lamina.compiler.target.Target`. One for each device."""

    passes: Sequence[Callable[[Graph], Graph]] = (scale_products,)
    alignment = _ALIGNMENT
    apart_bytes = 256 << 20

    def __init__(self, device: Device) -> None:
        self.device = device

    @cached_property
    def dialect(self) -> Dialect:
        """The language of its kernels."""
        return dialect_of(self.device)

    @property
    def description(self) -> str:
        """The device: code that is loaded belongs to it alone."""
        device = self.device
        return repr((device.kind, device.number, device.name, id(device), device.limits))

    computes_operand = staticmethod(computes_operand)

    def partition(self, kernel: Kernel, updates: int) -> Partition:
        """None: who computes what is decided for each launch."""
        return Partition("serial")

    def load(self, plan: Plan, rows: Mapping[int, int]) -> DeviceCode:
        """Kernels for the device, from the cache on disk where it has them."""
        schedule = Schedule(plan, Layout.of(plan, rows), self.device.limits)
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
        return self.dialect.translate(module.ir(), module.kernels)

    def bind(
        self, program: Program, arrays: Sequence[Array], arguments: Sequence[int], written: frozenset[int]
    ) -> Binding:
        """A program on arrays of the device."""
        return Binding(self.device, program, arrays, arguments, written)

    def from_numpy(self, array: np.ndarray) -> DeviceArray:
        """A copy on the device."""
        return DeviceArray.of(self.device, array)

    def to_numpy(self, value: Value) -> np.ndarray:
        """A copy from the device."""
        return np.asarray(value)

    def sharing(self, plan: Plan, kernel: Kernel) -> str:
        """How a product is cut; the blocks of others."""
        if kernel.kind != "product":
            return "by blocks"
        cut = cut_for(kernel, self.device.limits)
        parts = f", sums in {cut.parts} parts" if cut.parts > 1 else ""
        return f"{cut.tiles} tiles of {cut.tile.rows} × {cut.tile.columns}{parts}"

    def peak_flops(self, program: Program, dtype: np.dtype) -> float:
        """What the device's maker says."""
        return self.device.limits.peak_flops


def check(plan: Plan, limits: Limits) -> None:
    """Raise `NotForTarget` where a plan has what the device lacks."""
    dtypes = {node.dtype for node in plan.graph.nodes() if node.shape != ()}
    if not limits.has_float64 and np.dtype(np.float64) in dtypes:
        raise NotForTarget(
            "the device computes in float32 at most, and float64 arrays are among the operands"
        )
