"""Random arrays under MXNet's ``nd.random``: distributions, and their ``*_like`` forms."""

from lamina.nd._distributions import *  # noqa: F403
from lamina.nd._distributions import __all__ as __all__  # noqa: PLC0414 - pyright wants it twice
