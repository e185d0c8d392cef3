"""Functions of MXNet's ``nd.contrib``."""
# ruff: noqa: F403

from __future__ import annotations

from importlib import import_module
from typing import Any

from lamina.nd import _contrib
from lamina.nd._contrib import *
from lamina.nd._sequence import CTCLoss, ctc_loss
from lamina.support.unsupported import no_attribute

__all__ = ["CTCLoss", "ctc_loss"]
__all__ += _contrib.__all__


_UPDATES = (
    "adamw_update", "mp_adamw_update", "multi_adamw_update", "multi_lamb_update", "multi_mp_adamw_update",
    "multi_mp_lamb_update",
)  # fmt: skip
"""Functions loaded from `lamina.mxnet.updates` on first access."""
__all__ += [name for name in _UPDATES]  # noqa: C416 - a form that type checkers understand


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in _UPDATES:
        return getattr(import_module("lamina.mxnet.updates"), name)
    raise no_attribute("lamina.nd.contrib", name)
