"""LLVM's target settings of a device."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.compiler.llvm import DType

__all__ = ["DeviceMachine"]


@dataclass(frozen=True)
class DeviceMachine:
    """See `lamina.compiler.llvm.module.Machine`. A thread computes with single numbers: it is itself a lane."""

    triple: str
    cpu: str = ""
    features: str = ""
    function_attributes: str = ""
    has_fused_multiply_add: bool = True
    has_masked_moves: bool = False

    def lanes(self, dtype: DType) -> int:
        """One, whatever the type."""
        return 1
