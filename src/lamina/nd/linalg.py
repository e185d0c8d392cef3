"""MXNet's ``nd.linalg``: linear algebra on matrices in the last two axes, batched over the other axes."""
# ruff: noqa: F403

from lamina.nd import _linalg
from lamina.nd._linalg import *

__all__: list[str] = []
__all__ += _linalg.__all__
