"""The processors that code is compiled for where it is tested, as `LAMINA_CPU` names them: levels of x86-64, each with
the caches of the first processors that had it."""

from __future__ import annotations

import pytest

from lamina.compiler.llvm.processor import runnable_levels

__all__ = ["PROCESSORS", "needs"]

PROCESSORS = ["x86-64-v2,l2=256K,l3=8M", "x86-64-v3,l2=512K,l3=16M", "x86-64-v4,l2=1M,l3=16M"]


def needs(processor: str) -> None:
    """Skip the test where this processor lacks that one's instructions."""
    level = processor.partition(",")[0]
    if level not in runnable_levels():
        pytest.skip(f"this processor is not {level}")
