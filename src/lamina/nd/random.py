"""Random arrays under MXNet's ``nd.random``: distributions, and their ``*_like`` forms."""
# ruff: noqa: F403, PLC0414

from lamina.nd._distributions import *
from lamina.nd._distributions import __all__ as __all__
