"""The CPU properties that the compiler needs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lamina.compiler.cpu.matrix_unit import is_permitted
from lamina.compiler.llvm.processor import LEVELS, Processor, named_processor, requested
from lamina.compiler.llvm.values import DType

_PAIRS = {"avx512f", "avx512bw", "avx512vl", "avx512bf16"}
_CPU_DIRECTORY = Path("/sys/devices/system/cpu/cpu0/cache")
_DEFAULT_CACHES = 32 << 10, 512 << 10, 8 << 20


@dataclass(frozen=True)
class Machine:
    """A CPU: instruction set, registers and caches (bytes)."""

    architecture: str  # "x86_64" or "aarch64"
    cpu: str  # LLVM's name
    features: str  # LLVM's list, "+avx2,+fma,…"
    vector_bits: int
    vector_registers: int
    l1_bytes: int
    l2_bytes: int
    l3_bytes: int
    triple: str = ""  # LLVM's name of the whole platform; empty: this process's
    has_matrix_unit: bool = False  # AMX, with bfloat16 operands
    has_fast_pairs: bool = False  # AVX-512's products of bfloat16 pairs, at twice the rate of float32
    rounds: bool = False  # operands of large products to bfloat16
    may_reorder_sums: bool = True  # products may choose the order of their sums by the number of rows

    @property
    def in_order(self) -> Machine:
        """The same machine, but with a fixed order of sums for all shapes of a product."""
        return replace(self, has_matrix_unit=False, has_fast_pairs=False, may_reorder_sums=False)

    @property
    def can_round(self) -> bool:
        """Whether products of bfloat16 numbers are faster than float32's."""
        return self.has_matrix_unit or self.has_fast_pairs

    @property
    def rounding(self) -> Machine:
        """The same machine, but large products round their operands to bfloat16."""
        return replace(self, rounds=self.can_round)

    def lanes(self, dtype: DType) -> int:
        return self.vector_bits // (8 * dtype.itemsize)

    @property
    def function_attributes(self) -> str:
        """LLVM's attributes for each function, which request full-width registers."""
        return f'"prefer-vector-width"="{self.vector_bits}" "min-legal-vector-width"="{self.vector_bits}"'

    @property
    def has_masked_moves(self) -> bool:
        return self.architecture == "x86_64" and self.vector_bits >= 256

    @property
    def has_fused_multiply_add(self) -> bool:
        """Whether one instruction computes x · y + z with a single rounding; on x86-64, since AVX2."""
        return self.architecture != "x86_64" or self.vector_bits >= 256


def _machine_of(processor: Processor, triple: str, *caches: int, **units: bool) -> Machine:
    names = processor.architecture, processor.cpu, processor.changes
    return Machine(*names, *_vector_unit(processor), *caches, triple=triple, **units)


def _vector_unit(processor: Processor) -> tuple[int, int]:
    """The number of bits of a vector register, and the number of registers."""
    if processor.architecture != "x86_64":
        return 128, 32
    if not {"avx", "avx2", "fma"} <= processor.features:
        return 128, 16
    return (512, 32) if {"avx512f", "avx512vl", "avx512bw"} <= processor.features else (256, 16)


NAMED_MACHINES = {
    name: _machine_of(
        level,
        f"{level.architecture}-unknown-linux-gnu",
        *((32 << 10, 1 << 20, 8 << 20) if name == "x86-64-v4" else _DEFAULT_CACHES),
    )
    for name, level in LEVELS.items()
}
"""Processors for which other machines can compile code, with small caches assumed."""

_target: ContextVar[Machine | None] = ContextVar("target", default=None)


def target_machine() -> Machine:
    """The CPU for which code is generated: this process's, unless inside `compiling_for`."""
    return _target.get() or host_machine()


@contextmanager
def compiling_for(machine: Machine) -> Generator[None]:
    """A context in which code is generated for another CPU, which may differ from this process's."""
    token = _target.set(machine)
    try:
        yield
    finally:
        _target.reset(token)


@cache
def host_machine() -> Machine:
    """The CPU of this process, or the lesser CPU that ``LAMINA_CPU`` describes; determined once."""
    return named_machine(requested())


def named_machine(text: str) -> Machine:
    """The CPU that a text describes (see `llvm.processor.named_processor`), whose code this process can execute."""
    processor = named_processor(text)
    sizes = {level: _cache_bytes(level, default) for level, default in enumerate(_DEFAULT_CACHES, start=1)}
    sizes |= dict(processor.caches)
    has_matrix_unit = {"amx-tile", "amx-bf16", "avx512bf16"} <= processor.features and is_permitted()
    # AMD's since Zen 4; Intel's do half as many of them as multiply-adds in float32, and have AMX
    has_fast_pairs = processor.cpu.startswith("znver") and processor.features >= _PAIRS
    return _machine_of(
        processor, "", *sizes.values(), has_matrix_unit=has_matrix_unit, has_fast_pairs=has_fast_pairs
    )


def _cache_bytes(level: int, default: int) -> int:
    """The size of the data cache at a level in bytes, according to the operating system."""
    for index in sorted(_CPU_DIRECTORY.glob("index*")):
        try:
            kind = (index / "type").read_text().strip()
            if int((index / "level").read_text()) != level or kind == "Instruction":
                continue
            size = (index / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
        return int(size[:-1]) * units[size[-1]] if size[-1] in units else int(size)
    return default
