"""Which machine computes where arrays live: a target for each type of device.

A new target is a package that implements `lamina.compiler.target.Target`, and a line here.
"""

from __future__ import annotations

from lamina.compiler.target import Target
from lamina.context import Context, usable

__all__ = ["target_of"]


def target_of(context: Context | None = None) -> Target:
    """The target of a context, by default of the current one; `ContextError` where nothing can compute.

    >>> import lamina
    >>> type(target_of(lamina.cpu())).__name__
    'CPU'
    """
    usable(context)  # today every device that is usable is the CPU, under whatever name
    from lamina.compiler.cpu.target import CPU

    return CPU()
