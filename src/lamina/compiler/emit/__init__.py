"""Emission: a kernel of the plan becomes a function of machine code, one file a kind of loop."""

from lamina.compiler.emit.step import emit_program, kernel_name

__all__ = ["emit_program", "kernel_name"]
