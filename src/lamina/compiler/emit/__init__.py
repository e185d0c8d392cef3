"""Emission: kernels of the plan become loops, with one module per kind of loop.

For targets that use LLVM assembly. The target decides the division of a kernel's work and the code of products.
"""

from lamina.compiler.emit.pointers import Frame, Layout

__all__ = ["Frame", "Layout"]
