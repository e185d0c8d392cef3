"""Emission: a kernel of the plan becomes a function of machine code, one file a kind of loop."""

from lamina.compiler.emit.pointers import Frame, Layout, kernel_names
from lamina.compiler.emit.step import emit_program, scratch_bytes

__all__ = ["Frame", "Layout", "emit_program", "kernel_names", "scratch_bytes"]
