"""Emission: the plan's kernels become loops, with one module for each kind of loop.

This is for targets that use LLVM assembly. The target divides a kernel's work and writes the code of products.
"""

from lamina.compiler.emit.pointers import Frame, Layout

__all__ = ["Frame", "Layout"]
