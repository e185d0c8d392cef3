"""MXNet's ``mx.util``: the switches of its NumPy interface, which lamina does not have, and the environment.

lamina's arrays have MXNet 1.x's semantics always: `is_np_array` and `is_np_shape` say no. Switching these off, or on
for shapes with zeros (which lamina allows anyway), does nothing; asking for NumPy's arrays is an error.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from lamina.context import num_gpus
from lamina.errors import OutsideError

__all__ = [
    "get_gpu_count", "getenv", "is_np_array", "is_np_shape", "np_array", "np_shape", "reset_np", "set_np",
    "set_np_shape", "setenv", "use_np", "use_np_array", "use_np_shape",
]  # fmt: skip


def is_np_shape() -> bool:
    """Whether shapes are NumPy's, where () is that of a number: no."""
    return False


def is_np_array() -> bool:
    """Whether Gluon works with ``mx.np.ndarray``: no."""
    return False


def set_np_shape(active: bool) -> bool:
    """MXNet's switch for arrays without elements, which lamina has in any case; returns what it was (off)."""
    return False


def set_np(shape: bool = True, array: bool = True, dtype: bool = False) -> None:
    """An error: lamina has no ``mx.np``.

    >>> set_np()
    Traceback (most recent call last):
    lamina.errors.OutsideError: mx.npx.set_np: lamina has MXNet 1.x's nd interface alone. Use mx.nd and NumPy itself.
    """
    if array:
        raise _no_numpy("mx.npx.set_np")


def reset_np() -> None:
    """Back to MXNet 1.x's semantics, which are always on."""


class _Scope:
    """``with np_shape():`` and ``@np_shape()``: no difference inside."""

    def __init__(self, active: bool = True) -> None:
        self.active = active

    def __enter__(self) -> _Scope:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _unchanged(function)


def np_shape(active: bool = True) -> _Scope:
    """MXNet's scope for arrays without elements: they can be made outside, too."""
    return _Scope(active)


def np_array(active: bool = True) -> _Scope:
    """MXNet's scope for ``mx.np``'s arrays: an error, unless it switches them off."""
    if active:
        raise _no_numpy("mx.util.np_array")
    return _Scope(active)


def _unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls `function`, with its name and documentation; a class stays itself."""
    if isinstance(function, type):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


use_np_shape = _unchanged
"""A decorator that means nothing here: see `np_shape`."""


def use_np_array(function: Callable[..., Any]) -> Callable[..., Any]:
    """An error: lamina has no ``mx.np``."""
    raise _no_numpy("mx.util.use_np_array")


def use_np(function: Callable[..., Any]) -> Callable[..., Any]:
    """An error: lamina has no ``mx.np``."""
    raise _no_numpy("mx.util.use_np")


def _no_numpy(name: str) -> OutsideError:
    return OutsideError(f"{name}: lamina has MXNet 1.x's nd interface alone. Use mx.nd and NumPy itself.")


def get_gpu_count() -> int:
    """The number of usable GPUs."""
    return num_gpus()


def getenv(name: str) -> str | None:
    """An environment variable; None if there is none."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Set an environment variable, or remove it (None)."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
