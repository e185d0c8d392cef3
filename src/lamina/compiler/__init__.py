"""The compiler: capture → graph → simplify → fuse → plan → codegen → run."""

from lamina.compiler.compiled import CompiledFunction, compile
from lamina.compiler.run import get_num_threads, set_num_threads

__all__ = ["CompiledFunction", "compile", "get_num_threads", "set_num_threads"]
