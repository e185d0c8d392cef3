"""Functions that MXNet keeps under ``nd.contrib``."""

from __future__ import annotations

from typing import Any

from lamina.nd._adam_updates import (
    adamw_update,
    mp_adamw_update,
    multi_adamw_update,
    multi_lamb_update,
    multi_mp_adamw_update,
    multi_mp_lamb_update,
)
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
    "CTCLoss", "adamw_update", "allclose", "arange_like", "boolean_mask", "cond", "ctc_loss", "div_sqrt_dim",
    "foreach", "gradientmultiplier", "index_array", "index_copy", "interleaved_matmul_encdec_qk",
    "interleaved_matmul_encdec_valatt", "interleaved_matmul_selfatt_qk", "interleaved_matmul_selfatt_valatt",
    "isfinite", "isinf", "isnan", "mp_adamw_update", "multi_adamw_update", "multi_lamb_update",
    "multi_mp_adamw_update", "multi_mp_lamb_update", "quadratic", "rand_zipfian", "round_ste", "sign_ste",
    "while_loop",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise no_attribute("lamina.nd.contrib", name)
