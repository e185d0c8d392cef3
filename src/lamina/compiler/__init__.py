"""The compiler: capture → graph → simplify → fuse → plan → codegen → run."""

from lamina.compiler.cpu.run import get_num_threads, set_num_threads
from lamina.compiler.front.compiled import CompiledFunction, compile

__all__ = ["CompiledFunction", "compile", "get_num_threads", "set_num_threads"]
