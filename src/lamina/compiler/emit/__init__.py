"""Emission: a kernel of the plan becomes loops of code, one file a kind of loop.

For targets that write LLVM's assembly. Who shares a kernel, and what a product looks like, is the target's to say.
"""

from functools import cache
from pathlib import Path

from lamina.compiler.emit.pointers import Frame, Layout, kernel_names
from lamina.compiler.llvm.cache import digest_of_sources

__all__ = ["Frame", "Layout", "digest_of_primitives", "kernel_names"]


@cache
def digest_of_primitives() -> str:
    """Changes when a primitive's code does."""
    package = Path(__file__).parents[2]
    return digest_of_sources(package / "primitives", package / "core")
