"""Functions of MXNet's ``nd.contrib``."""
# ruff: noqa: F403

from __future__ import annotations

from importlib import import_module
from typing import Any

from lamina.nd import _attention, _control, _ctc, _masks
from lamina.nd._attention import *
from lamina.nd._control import *
from lamina.nd._ctc import *
from lamina.nd._masks import *
from lamina.support.unsupported import no_attribute

__all__: list[str] = []
__all__ += _attention.__all__
__all__ += _control.__all__
__all__ += _ctc.__all__
__all__ += _masks.__all__


_UPDATES = {"adamw_update": "updates", "mp_adamw_update": "updates"} | dict.fromkeys(
    ("multi_adamw_update", "multi_lamb_update", "multi_mp_adamw_update", "multi_mp_lamb_update"),
    "many_updates",
)
"""Modules of `lamina.mxnet`, each with the functions loaded from it."""
__all__ += [name for name in _UPDATES]  # noqa: C416 - a form that type checkers understand


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in _UPDATES:
        return getattr(import_module(f"lamina.mxnet.{_UPDATES[name]}"), name)
    raise no_attribute("lamina.nd.contrib", name)
