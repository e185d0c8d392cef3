"""`Facade`: what stands in front of an `NDArray` with another interface, and whether Gluon is to hand it out.

``np.ndarray`` is one: it has NumPy's semantics, and the array behind it does the work. What knows `NDArray` alone asks
`plain` for it, and hands out its own arrays through `presented`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from lamina.core.array import Array, Facade

__all__ = [
    "Facade", "has_facade", "is_presenting", "mapped", "plain", "present", "presented", "set_facade", "shown",
]  # fmt: skip


class _Presentation:
    """Whether arrays are handed out behind a facade, for all threads: loaders of data have some of their own."""

    active = False
    make: Callable[[Array], Facade] | None = None


def set_facade(make: Callable[[Array], Facade]) -> None:
    """Set the function that puts a facade in front of an array: called once, by `lamina.np`, above this package."""
    _Presentation.make = make


def is_presenting() -> bool:
    """Whether Gluon hands out ``np.ndarray``: after ``npx.set_np()``."""
    return _Presentation.active


def present(active: bool) -> bool:
    """Make Gluon hand out ``np.ndarray``, or `NDArray` again; returns the previous state."""
    before, _Presentation.active = _Presentation.active, bool(active)
    return before


def plain(value: Any) -> Any:
    """The `NDArray` behind a facade; anything else is itself."""
    return value._array if isinstance(value, Facade) else value


def shown(value: Any) -> Any:
    """An `NDArray` as an ``np.ndarray`` of the same memory; anything else is itself."""
    if not isinstance(value, Array):
        return value
    if _Presentation.make is None:
        import_module("lamina.mxnet.np")  # which registers itself
    assert _Presentation.make is not None
    return _Presentation.make(value)


def presented(value: Any) -> Any:
    """`value` as Gluon is to hand it out: after ``npx.set_np()`` as `shown`, and so are all arrays in lists."""
    return mapped(value, shown) if _Presentation.active else value


def mapped(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """`value` with ``leaf(x)`` in the place of every `x` in its lists, tuples and dictionaries."""
    if isinstance(value, list):
        return [mapped(x, leaf) for x in value]
    if isinstance(value, tuple):
        items = [mapped(x, leaf) for x in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, dict):
        return {key: mapped(x, leaf) for key, x in value.items()}
    return leaf(value)


def has_facade(values: Any) -> bool:
    """Whether there is a facade among values, or in their lists."""
    return any(isinstance(x, Facade) or (isinstance(x, list | tuple) and has_facade(x)) for x in values)
