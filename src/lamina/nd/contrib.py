"""Functions of MXNet's ``nd.contrib``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lamina.nd._attention import (
    div_sqrt_dim,
    interleaved_matmul_encdec_qk,
    interleaved_matmul_encdec_valatt,
    interleaved_matmul_selfatt_qk,
    interleaved_matmul_selfatt_valatt,
)
from lamina.nd._control import cond, foreach, while_loop
from lamina.nd._ctc import CTCLoss, ctc_loss
from lamina.nd._masks import (
    allclose,
    arange_like,
    boolean_mask,
    gradientmultiplier,
    index_array,
    index_copy,
    isfinite,
    isinf,
    isnan,
    quadratic,
    rand_zipfian,
    round_ste,
    sign_ste,
)
from lamina.support.unsupported import no_attribute

__all__ = [
    "CTCLoss", "allclose", "arange_like", "boolean_mask", "cond", "ctc_loss", "div_sqrt_dim",
    "foreach", "gradientmultiplier", "index_array", "index_copy", "interleaved_matmul_encdec_qk",
    "interleaved_matmul_encdec_valatt", "interleaved_matmul_selfatt_qk", "interleaved_matmul_selfatt_valatt",
    "isfinite", "isinf", "isnan", "quadratic", "rand_zipfian", "round_ste", "sign_ste", "while_loop",
]  # fmt: skip


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
