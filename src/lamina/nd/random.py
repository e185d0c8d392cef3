"""Random arrays under MXNet's ``nd.random``: distributions, and their ``*_like`` forms."""
# ruff: noqa: F403

from __future__ import annotations

from lamina.nd import _distributions, _random_like, _streams
from lamina.nd._distributions import *
from lamina.nd._random_like import *
from lamina.nd._streams import *

__all__: list[str] = []
__all__ += _distributions.__all__
__all__ += _random_like.__all__
__all__ += _streams.__all__
