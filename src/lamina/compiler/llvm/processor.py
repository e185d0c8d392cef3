"""The CPU for which code is generated: this process's, or the lesser CPU that ``LAMINA_CPU`` describes."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from lamina.compiler.llvm.values import DType
from lamina.errors import LaminaError
from lamina.support.messages import unknown

NATIVE = "native"
_VARIABLE = "LAMINA_CPU"


@dataclass(frozen=True)
class Processor:
    """A CPU as LLVM describes it.

    Attributes:
        architecture: "x86_64", "aarch64", …
        cpu: LLVM's name for the CPU.
        changes: LLVM's list of features that differ from those of `cpu`, "+avx2,-fma,…".
        features: all features.
        caches: the (level, bytes) of the caches whose sizes the user specified.
    """

    architecture: str
    cpu: str
    changes: str
    features: frozenset[str]
    caches: tuple[tuple[int, int], ...] = ()


_V2 = frozenset(["cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3"])
_V3 = _V2.union(["avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"])
_V4 = _V3.union(["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"])

LEVELS = {
    "x86-64-v2": Processor("x86_64", "x86-64-v2", "", _V2),
    "x86-64-v3": Processor("x86_64", "x86-64-v3", "", _V3),
    "x86-64-v4": Processor("x86_64", "x86-64-v4", "", _V4),
    "aarch64": Processor("aarch64", "generic", "+neon", frozenset()),
}
"""The levels of x86-64 with SSE4.2, AVX2 and AVX-512 (System V ABI, AMD64 supplement, 3.1.1), and the features of every
64-bit ARM processor."""


def architecture() -> str:
    """This process's architecture: "x86_64", "aarch64", or Python's name of another architecture."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def requested() -> str:
    """The value of ``LAMINA_CPU``; "native" if it is not set."""
    return os.environ.get(_VARIABLE, "").strip() or NATIVE


def runnable_levels() -> list[str]:
    """The names of the levels that this process's CPU supports, lowest first."""
    has = _host().features
    return [name for name in _levels_here() if LEVELS[name].features <= has]


def named_processor(text: str) -> Processor:
    """Parse a CPU's description: "native" or the name of a level, with features added or removed.

    An example is "x86-64-v3,+avx512f,-f16c". A list without a name changes "native". Removing a feature also removes
    the features that depend on it. Cache sizes are this CPU's, unless the text has others: "x86-64-v3,l2=512K,l3=16M".

    Raises `LaminaError` for unknown names and for features that this process's CPU lacks.

    >>> named_processor("native").architecture == architecture()
    True
    """
    parts = [part.strip() for part in text.split(",")]
    caches = tuple(_cache(part) for part in parts if "=" in part)
    parts = [part for part in parts if "=" not in part]
    is_named = parts and not parts[0].startswith(("+", "-"))
    found, changes = (_base(parts[0]), parts[1:]) if is_named else (_host(), parts)
    added, removed = _checked(changes)
    features = (found.features | added) - removed
    lacking = sorted(features - _host().features)
    if lacking:  # its code would end the process with an illegal instruction
        known = ", ".join([NATIVE, *runnable_levels()])
        raise LaminaError(
            f"{_VARIABLE}={text}: this processor lacks {', '.join(lacking)}. Use one of {known}"
        )
    listed = [found.changes, *changes] if found.changes else changes
    return Processor(found.architecture, found.cpu, ",".join(listed), features, caches)


def _cache(text: str) -> tuple[int, int]:
    """Parse a cache's level and size in bytes from text such as "l2=512K"."""
    found = re.fullmatch(r"l([123])=(\d{1,9})([KM]?)", text, re.IGNORECASE)
    if found is None:
        raise LaminaError(f"{_VARIABLE}: {text!r} is not the size of a cache, such as l1=32K, l2=1M, l3=8M")
    return int(found[1]), int(found[2]) << {"": 0, "K": 10, "M": 20}[found[3].upper()]


def _base(name: str) -> Processor:
    if name == NATIVE:
        return _host()
    if name in _levels_here():
        return LEVELS[name]
    message = unknown("processor", name, [NATIVE, *_levels_here()])
    raise LaminaError(f"{_VARIABLE}: {message}; separate features by commas, as in native,-avx512f")


def _checked(changes: list[str]) -> tuple[set[str], set[str]]:
    """Parse and check feature changes; returns the added and the removed features."""
    names = sorted(_host_table())
    for change in changes:
        if change[:1] not in ("+", "-"):
            raise LaminaError(
                f"{_VARIABLE}: write features with a sign: +{change or 'NAME'} or -{change or 'NAME'}"
            )
        if change[1:] not in names:
            raise LaminaError(f"{_VARIABLE}: {unknown('feature', change[1:], names)}")
    added, removed = ({change[1:] for change in changes if change[0] == sign} for sign in "+-")
    return added, removed


def _levels_here() -> list[str]:
    return [name for name, level in LEVELS.items() if level.architecture == architecture()]


@cache
def _host() -> Processor:
    import llvmlite.binding as llvm

    table = _host_table()
    changes = ",".join(("+" if has else "-") + name for name, has in sorted(table.items()))
    features = frozenset(name for name, has in table.items() if has)
    return Processor(architecture(), llvm.get_host_cpu_name(), changes, features)


@cache
def _host_table() -> dict[str, bool]:
    """All features that LLVM has names for, with whether this process's CPU has them."""
    import llvmlite.binding as llvm

    return dict(llvm.get_host_cpu_features())


# --- The machine properties that code generation depends on ----------------------------------------------------------


class Machine(Protocol):
    """A machine for which LLVM generates code; equal ones have equal hashes, `repr` shows all that code depends on."""

    @property
    def triple(self) -> str:
        """LLVM's name for the platform; empty for this process's platform."""
        ...

    @property
    def cpu(self) -> str:
        """LLVM's name for the processor."""
        ...

    @property
    def features(self) -> str:
        """LLVM's list of features, "+avx2,+fma,…"."""
        ...

    @property
    def function_attributes(self) -> str:
        """LLVM's attributes of each function."""
        ...

    @property
    def has_fused_multiply_add(self) -> bool:
        """Whether a single instruction computes x · y + z with a single rounding."""
        ...

    @property
    def has_masked_moves(self) -> bool:
        """Whether a single instruction loads or stores some lanes of a float vector."""
        ...

    def lanes(self, dtype: DType) -> int:
        """The number of elements of a dtype in a vector register."""
        ...
