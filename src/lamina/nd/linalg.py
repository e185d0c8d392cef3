"""MXNet's ``nd.linalg``: linear algebra on matrices in the last two axes, batched over the other axes."""

from __future__ import annotations

from lamina.nd._diagonals import extractdiag, extracttrian, makediag, maketrian
from lamina.nd._factorizations import (
    det,
    gelqf,
    inverse,
    potrf,
    potri,
    slogdet,
    sumlogdiag,
    syevd,
    trmm,
    trsm,
)
from lamina.nd._products import batch_dot, dot, gemm, gemm2, syrk

__all__ = [
    "batch_dot", "det", "dot", "extractdiag", "extracttrian", "gelqf", "gemm", "gemm2", "inverse", "makediag",
    "maketrian", "potrf", "potri", "slogdet", "sumlogdiag", "syevd", "syrk", "trmm", "trsm",
]  # fmt: skip
