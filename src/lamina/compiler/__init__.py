"""The compiler, which turns a function of arrays into machine code.

    capture → graph → passes → plan → target: emit, load, bind, run

Each package or module imports only those after it in this list: `single` (operators compiled one at a time, on
devices), `front` (capture of the user's function), `targets`, `cpu` and `gpu` (they don't import each other), `program`
(the pipeline), `target` (the interface of targets), `emit` (loops of kernels), then `llvm` (text builder and jit) and
`passes` (from a graph to a plan), which don't import each other either.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamina.core.threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from lamina.compiler.front.batches import run_batches_side_by_side
    from lamina.compiler.front.compiled import CompiledFunction, Counterpart
    from lamina.compiler.front.decorator import compile

__all__ = [
    "CompiledFunction", "Counterpart", "compilation_enabled", "compile", "get_num_threads", "run_batches_side_by_side",
    "set_num_threads",
]  # fmt: skip

_FRONT = {
    "CompiledFunction": "lamina.compiler.front.compiled",
    "Counterpart": "lamina.compiler.front.compiled",
    "compile": "lamina.compiler.front.decorator",
    "run_batches_side_by_side": "lamina.compiler.front.batches",
}
"""Names that are imported on first use, with their modules: eager evaluation doesn't need the compiler's front."""


def compilation_enabled() -> bool:
    """Whether functions are compiled. With ``LAMINA_COMPILE=0`` they run as plain Python, and operators use NumPy."""
    return os.environ.get("LAMINA_COMPILE", "1") != "0"


def __getattr__(name: str) -> Any:
    if name not in _FRONT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_FRONT[name]), name)
    return found
