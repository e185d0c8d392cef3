"""Emission: a kernel of the plan becomes loops of machine code, one file a kind of loop."""

from lamina.compiler.emit.pointers import Frame, Layout, kernel_names

__all__ = ["Frame", "Layout", "kernel_names"]
