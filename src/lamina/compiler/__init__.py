"""The compiler: a function of arrays becomes machine code.

    capture → graph → passes → plan → target: emit, load, bind, run

Each of its parts imports only what stands below it: `single` (operators one at a time, on devices), `front` (the user's
function), `targets`, `cpu` and `gpu` (which don't know each other), `program` (the pipeline), `target` (what a target
is), `emit` (loops of kernels), then `llvm` (text builder and jit) and `passes` (a graph becomes a plan), which don't
know each other either.
"""

from lamina.compiler.front.compiled import CompiledFunction, compilation_enabled
from lamina.compiler.front.decorator import compile
from lamina.core.threads import get_num_threads, set_num_threads

__all__ = ["CompiledFunction", "compilation_enabled", "compile", "get_num_threads", "set_num_threads"]
