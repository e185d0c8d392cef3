"""The machine properties that code generation depends on."""

from __future__ import annotations

from typing import Protocol

from lamina.compiler.llvm.values import DType


class Machine(Protocol):
    """A machine known to LLVM. Equal machines have equal hashes; `repr` shows everything that code depends on."""

    @property
    def triple(self) -> str:
        """LLVM's name of the whole platform; empty for this process's platform."""
        ...

    @property
    def cpu(self) -> str:
        """LLVM's name of the processor."""
        ...

    @property
    def features(self) -> str:
        """LLVM's list, "+avx2,+fma,…"."""
        ...

    @property
    def function_attributes(self) -> str:
        """LLVM attributes of each function."""
        ...

    @property
    def has_fused_multiply_add(self) -> bool:
        """Whether x · y + z with one rounding is one instruction."""
        ...

    @property
    def has_masked_moves(self) -> bool:
        """Whether a load or store of some lanes of a float vector is one instruction."""
        ...

    def lanes(self, dtype: DType) -> int:
        """Elements of a dtype per vector instruction."""
        ...
