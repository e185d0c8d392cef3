"""Random arrays under MXNet's ``nd.random``: distributions, and their ``*_like`` forms."""
# ruff: noqa: F403

from lamina.nd import _distributions
from lamina.nd._distributions import *

__all__: list[str] = []
__all__ += _distributions.__all__
