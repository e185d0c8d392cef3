"""Random arrays under MXNet's ``nd.random``: distributions, and their ``*_like`` forms."""
# ruff: noqa: F403

from __future__ import annotations

from lamina.nd import _distributions
from lamina.nd._distributions import *

__all__: list[str] = []
__all__ += _distributions.__all__
