"""MXNet's ``nd.linalg``: linear algebra on matrices in the last two axes, batched over the other axes."""
# ruff: noqa: F403

from __future__ import annotations

from lamina.nd import _diagonals, _factorizations
from lamina.nd._diagonals import *
from lamina.nd._factorizations import *
from lamina.nd._products import batch_dot, dot, gemm, gemm2, syrk

__all__ = ["batch_dot", "dot", "gemm", "gemm2", "syrk"]
__all__ += _diagonals.__all__
__all__ += _factorizations.__all__
