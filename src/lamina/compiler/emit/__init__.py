"""Emission of loops for the plan's kernels, with one module for each kind of loop.

Targets that use LLVM assembly share this code. A target divides a kernel's work, and emits the code of products.
"""

from lamina.compiler.emit.pointers import Frame, Layout

__all__ = ["Frame", "Layout"]
