"""What the compiler has to know of the processor it runs on."""

from __future__ import annotations

import platform
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lamina.compiler.cpu.matrix_unit import is_permitted
from lamina.compiler.llvm.values import DType

__all__ = ["NAMED_MACHINES", "Machine", "compiling_for", "host_machine", "target_machine"]

_CPU_DIRECTORY = Path("/sys/devices/system/cpu/cpu0/cache")
_DEFAULT_L1, _DEFAULT_L2, _DEFAULT_L3 = 32 << 10, 512 << 10, 8 << 20


@dataclass(frozen=True)
class Machine:
    """A processor: instruction set, registers and caches (bytes)."""

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
    may_reorder_sums: bool = (
        True  # in products, by their shape: last bits then depend on how many rows there are
    )

    @property
    def in_order(self) -> Machine:
        """The same one, where each element of a product is the same sum, whatever the product's shape."""
        return replace(self, has_matrix_unit=False, may_reorder_sums=False)

    def lanes(self, dtype: DType) -> int:
        """How many elements of a dtype a vector register holds."""
        return self.vector_bits // (8 * dtype.itemsize)

    @property
    def function_attributes(self) -> str:
        """What LLVM is told of each function: that whole registers are meant to be used."""
        return f'"prefer-vector-width"="{self.vector_bits}" "min-legal-vector-width"="{self.vector_bits}"'

    @property
    def has_masked_moves(self) -> bool:
        """Whether a load or store of some lanes of a vector of floats is one instruction."""
        return self.architecture == "x86_64" and self.vector_bits >= 256

    @property
    def has_fused_multiply_add(self) -> bool:
        """Whether x · y + z with one rounding is one instruction. On x86-64 it came with AVX2."""
        return self.architecture != "x86_64" or self.vector_bits >= 256


NAMED_MACHINES = {
    "x86-64-v3": Machine(
        "x86_64", "x86-64-v3", "", 256, 16, _DEFAULT_L1, _DEFAULT_L2, _DEFAULT_L3, "x86_64-unknown-linux-gnu"
    ),
    "x86-64-v4": Machine(
        "x86_64", "x86-64-v4", "", 512, 32, _DEFAULT_L1, 1 << 20, _DEFAULT_L3, "x86_64-unknown-linux-gnu"
    ),
    "aarch64": Machine(
        "aarch64",
        "generic",
        "+neon",
        128,
        32,
        _DEFAULT_L1,
        _DEFAULT_L2,
        _DEFAULT_L3,
        "aarch64-unknown-linux-gnu",
    ),
}
"""Processors that code is made for on other ones: the levels of x86-64 with AVX2 and with AVX-512 (System V ABI,
AMD64 supplement, 3.1.1), and any of ARM's with 64 bits. Their caches are taken to be small."""

_target: ContextVar[Machine | None] = ContextVar("target", default=None)


def target_machine() -> Machine:
    """The processor that code is generated for: this process's, unless inside `compiling_for`."""
    return _target.get() or host_machine()


@contextmanager
def compiling_for(machine: Machine) -> Generator[None]:
    """Generate code for a processor other than this process's: to look at it, not to run it."""
    token = _target.set(machine)
    try:
        yield
    finally:
        _target.reset(token)


@cache
def host_machine() -> Machine:
    """The processor of this process."""
    import llvmlite.binding as llvm

    names = {"amd64": "x86_64", "arm64": "aarch64"}
    architecture = platform.machine().lower()
    architecture = names.get(architecture, architecture)
    features = llvm.get_host_cpu_features()
    bits, registers = _vector_unit(architecture, features)
    return Machine(
        architecture=architecture,
        cpu=llvm.get_host_cpu_name(),
        features=features.flatten(),
        vector_bits=bits,
        vector_registers=registers,
        l1_bytes=_cache_bytes(1, _DEFAULT_L1),
        l2_bytes=_cache_bytes(2, _DEFAULT_L2),
        l3_bytes=_cache_bytes(3, _DEFAULT_L3),
        has_matrix_unit=_has_matrix_unit(features) and bits == 512,
    )


def _vector_unit(architecture: str, features: dict[str, bool]) -> tuple[int, int]:
    """Bits of a vector register, and how many there are."""
    if architecture == "x86_64":
        if features.get("avx512f") and features.get("avx512vl") and features.get("avx512bw"):
            return 512, 32
        return (256, 16) if features.get("avx2") and features.get("fma") else (128, 16)
    return 128, 32


def _has_matrix_unit(features: dict[str, bool]) -> bool:
    return bool(features.get("amx-tile") and features.get("amx-bf16")) and is_permitted()


def _cache_bytes(level: int, default: int) -> int:
    """The size of the data cache at a level as the operating system states it."""
    for index in sorted(_CPU_DIRECTORY.glob("index*")):
        try:
            if (
                int((index / "level").read_text()) != level
                or (index / "type").read_text().strip() == "Instruction"
            ):
                continue
            size = (index / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
        return int(size[:-1]) * units[size[-1]] if size[-1] in units else int(size)
    return default
