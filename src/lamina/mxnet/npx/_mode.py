"""The switch: whether Gluon takes and gives ``np.ndarray``.

Arrays of both kinds exist at any time. What the switch changes is what blocks, parameters, losses and data loaders hand
out, and what initializers and custom blocks get.
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
    """Make Gluon take and give ``np.ndarray`` from now on.

    Args:
        shape: whether arrays have NumPy's shapes. Those of `lamina.np` always have, so only its opposite matters:
            without it there is no `array`.
        array: whether Gluon hands out ``np.ndarray``.
        dtype: NumPy's default types, float64 and int64, which MXNet 1.9.1 does not have either.

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
            "set_np: the default type is float32 always; give dtype='float64' where arrays are made"
        )
    if array and not shape:
        raise ValueError("set_np: arrays of NumPy's kind have its shapes, so array=True needs shape=True")
    present(array)


def reset_np() -> None:
    """Gluon takes and gives `NDArray` again."""
    present(False)


def is_np_array() -> bool:
    """Whether Gluon hands out ``np.ndarray``."""
    return is_presenting()


def is_np_shape() -> bool:
    """Whether shapes are NumPy's, with () for a number: those of Gluon's arrays after `set_np`."""
    return is_presenting()


class _Scope:
    """``with np_array():`` and ``@np_array()``: the switch is on (or off) inside."""

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
    """``with np_array():`` what `set_np` does, inside."""
    return _Scope(active)


class _NoScope(_Scope):
    def __enter__(self) -> _Scope:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function


def np_shape(active: bool = True) -> _Scope:
    """MXNet's scope for NumPy's shapes, which arrays of `lamina.np` have in any case."""
    return _NoScope(active)


def _inside(function: Callable[..., Any], active: bool) -> Callable[..., Any]:
    """A function that runs with the switch on; a class stays itself, since its blocks do what the switch says."""
    if isinstance(function, type):
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _Scope(active):
            return function(*args, **kwargs)

    return call


def use_np(func: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the function runs as after `set_np`; a class stays itself."""
    return _inside(func, True)


use_np_array = use_np


def use_np_shape(func: Callable[..., Any]) -> Callable[..., Any]:
    """MXNet's decorator for NumPy's shapes, which arrays of `lamina.np` have in any case: the function itself."""
    return func
