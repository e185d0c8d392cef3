"""The compiler: a function of arrays becomes machine code.

    capture → graph → passes → plan → target: emit, load, bind, run

Each part imports only later parts of this list: `single` (operators one at a time, on devices), `front` (the user's
function), `targets`, `cpu` and `gpu` (which don't know each other), `program` (the pipeline), `target` (what a target
is), `emit` (loops of kernels), then `llvm` (text builder and jit) and `passes` (a graph becomes a plan), which don't
know each other either.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamina.core.threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from lamina.compiler.front.compiled import CompiledFunction
    from lamina.compiler.front.decorator import compile

__all__ = ["CompiledFunction", "compilation_enabled", "compile", "get_num_threads", "set_num_threads"]

_FRONT = {"CompiledFunction": "lamina.compiler.front.compiled", "compile": "lamina.compiler.front.decorator"}
"""The modules of names that are imported on first use: eager evaluation needs the compiler without its front."""


def compilation_enabled() -> bool:
    """False with ``LAMINA_COMPILE=0``: functions then run as Python, and operators use NumPy."""
    return os.environ.get("LAMINA_COMPILE", "1") != "0"


def __getattr__(name: str) -> Any:
    if name not in _FRONT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_FRONT[name]), name)
    return found
