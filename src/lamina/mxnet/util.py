"""MXNet's ``mx.util``, with the switches of the NumPy interface (as in `lamina.npx`) and environment variables."""

from __future__ import annotations

import os

from lamina.device.context import num_gpus
from lamina.mxnet.npx import (
    is_np_array,
    is_np_shape,
    np_array,
    np_shape,
    reset_np,
    set_np,
    use_np,
    use_np_array,
    use_np_shape,
)  # fmt: skip
from lamina.support.contexts import set_variables

__all__ = [
    "get_gpu_count", "getenv", "is_np_array", "is_np_shape", "np_array", "np_shape", "reset_np", "set_np",
    "set_np_shape", "setenv", "use_np", "use_np_array", "use_np_shape",
]  # fmt: skip


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
