"""The switch that makes Gluon take and return ``np.ndarray``.

Both array classes always exist. The switch selects the class of arrays that blocks, parameters, losses and data loaders
return, and that initializers and custom blocks receive.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lamina.nd.facade import is_presenting, present

__all__ = [
    "is_np_array", "is_np_shape", "np_array", "np_shape", "reset_np", "set_np", "use_np", "use_np_array",
    "use_np_shape",
]  # fmt: skip


def set_np(shape: bool = True, array: bool = True, dtype: bool = False) -> None:
    """Make Gluon take and return ``np.ndarray``, until `reset_np`.

    Args:
        shape: whether to use NumPy's shapes, as `lamina.np` always does. False requires ``array=False``.
        array: whether Gluon takes and returns ``np.ndarray``.
        dtype: whether to use NumPy's default dtypes, float64 and int64; unsupported, as in MXNet 1.9.1.

    >>> from lamina import gluon, np, npx
    >>> npx.set_np()
    >>> net = gluon.nn.Dense(1, in_units=2)
    >>> net.initialize()
    >>> type(net(np.ones((3, 2)))).__name__
    'ndarray'
    >>> npx.reset_np()
    """
    if dtype:
        raise ValueError(
            "set_np: the default type is always float32; pass dtype='float64' to create float64 arrays"
        )
    if array and not shape:
        raise ValueError("set_np: array=True needs shape=True: NumPy's arrays have NumPy's shapes")
    present(array)


def reset_np() -> None:
    """Make Gluon take and return `NDArray` again."""
    present(False)


def is_np_array() -> bool:
    """Whether Gluon returns ``np.ndarray``."""
    return is_presenting()


def is_np_shape() -> bool:
    """Whether Gluon's arrays have NumPy's shapes, with () for a scalar, as `set_np` sets."""
    return is_presenting()


class _Scope:
    """A context or decorator, such as ``with np_array():``, that turns the switch on, or off if not `active`."""

    def __init__(self, active: bool = True) -> None:
        self.active = active
        self._before: list[bool] = []

    def __enter__(self) -> _Scope:
        self._before.append(present(self.active))
        return self

    def __exit__(self, *_exception: object) -> None:
        present(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _inside(function, self.active)


def np_array(active: bool = True) -> _Scope:
    """A context or decorator in which Gluon takes and returns ``np.ndarray`` if `active`, else `NDArray`."""
    return _Scope(active)


class _NoScope(_Scope):
    def __enter__(self) -> _Scope:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function


def np_shape(active: bool = True) -> _Scope:
    """MXNet's scope for NumPy's shapes, without effect, since `lamina.np` always has these shapes."""
    return _NoScope(active)


def _inside(function: Callable[..., Any], active: bool) -> Callable[..., Any]:
    """Make the function run with the switch on, or off if not `active`; a class is returned unchanged."""
    if isinstance(function, type):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _Scope(active):
            return function(*args, **kwargs)

    return call


def use_np(func: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that runs a function as after `set_np`; a class is returned unchanged."""
    return _inside(func, True)


use_np_array = use_np


def use_np_shape(func: Callable[..., Any]) -> Callable[..., Any]:
    """MXNet's decorator for NumPy's shapes, without effect, since `lamina.np` always has these shapes."""
    return func
