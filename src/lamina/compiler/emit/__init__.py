"""Emission: a kernel of the plan becomes loops of code, one file a kind of loop.

For targets that write LLVM's assembly. Who shares a kernel, and what a product looks like, is the target's to say.
"""

from lamina.compiler.emit.pointers import Frame, Layout

__all__ = ["Frame", "Layout"]
