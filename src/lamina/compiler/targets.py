"""The target for each device type.

A new target is a package that implements `lamina.compiler.target.Target`, and an entry in this module.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from lamina.compiler.target import Target
from lamina.device.context import Context, device_of, usable
from lamina.device.interface import Device


def _cpu() -> Target:
    from lamina.compiler.cpu.target import CPU

    return CPU()


@cache
def _for_device(device: Device) -> Target:
    from lamina.compiler.gpu.target import GPU

    return GPU(device)


_TARGETS: dict[str, Callable[[], Target]] = {"cpu": _cpu, "cpu_pinned": _cpu, "cpu_shared": _cpu}


def target_of(context: Context | None = None) -> Target:
    """The target of `context`, by default of the current context. Raises `ContextError` if the context can't be used.

    >>> import lamina
    >>> type(target_of(lamina.cpu())).__name__
    'CPU'
    """
    found = usable(context)
    return _TARGETS[found.device_type]() if found.is_host else _for_device(device_of(found))
