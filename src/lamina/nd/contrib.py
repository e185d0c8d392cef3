"""Functions of MXNet's ``nd.contrib``."""
# ruff: noqa: F403

from __future__ import annotations

from lamina.nd import _contrib
from lamina.nd._contrib import *
from lamina.nd._sequence import CTCLoss, ctc_loss
from lamina.support.unsupported import names_of_others

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


__getattr__ = names_of_others("lamina.nd.contrib", dict.fromkeys(_UPDATES, "lamina.mxnet.updates"))
