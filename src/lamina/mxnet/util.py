"""MXNet's ``mx.util``, with the switches of the NumPy interface (as in `lamina.npx`) and environment variables."""

# ruff: noqa: F403, F405

from __future__ import annotations

import os

from lamina.device.context import num_gpus
from lamina.mxnet.npx import mode
from lamina.mxnet.npx.mode import *
from lamina.support.contexts import set_variables

__all__ = ["get_gpu_count", "getenv", "set_np_shape", "setenv"]
__all__ += mode.__all__


def set_np_shape(active: bool) -> bool:
    """MXNet's switch for empty arrays and shape (), without effect since `lamina.np` always has both.

    Returns the previous state.
    """
    return is_np_shape()


def get_gpu_count() -> int:
    """The number of usable GPUs."""
    return num_gpus()


def getenv(name: str) -> str | None:
    """The value of an environment variable, or None if it is not set."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Set an environment variable, or remove it if `value` is None."""
    set_variables({name: value})
