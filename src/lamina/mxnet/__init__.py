"""MXNet's namespace, for programs written for MXNet 1.x.

``import lamina as mx`` provides the whole namespace. Programs with ``import mxnet`` run unchanged after `install`:

    import lamina.mxnet
    lamina.mxnet.install()

    import mxnet as mx
    from mxnet.gluon import nn

No other package of lamina imports this one; `lamina.support.module_names` finds its modules by name.
"""

import sys
from typing import Any

import lamina
from lamina.support.module_names import FINDER

__all__ = ["install"]


def install() -> None:
    """Make ``import mxnet`` and imports of its modules load lamina instead.

    Raises:
        ImportError: MXNet itself has already been imported.
    """
    loaded = sys.modules.get("mxnet")
    if loaded not in (None, lamina):
        raise ImportError(
            f"MXNet itself is loaded already, from {getattr(loaded, '__file__', 'memory')}. Call "
            "lamina.mxnet.install() before anything imports mxnet, and don't import MXNet",
            name="mxnet",
        )
    FINDER.mxnet = True


def __getattr__(name: str) -> Any:
    return getattr(lamina, name)


def __dir__() -> list[str]:
    return sorted({*__all__, *dir(lamina)})
