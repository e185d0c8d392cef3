"""`Facade`, a wrapper that gives an `NDArray` another interface, such as `lamina.np.ndarray`.

In this module ``np.ndarray`` means lamina's class, which has NumPy's semantics and computes with the wrapped `NDArray`.
Code that handles only `NDArray` unwraps arguments with `plain` and wraps its results with `presented`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from lamina.core.array import Array, Facade


class _Presentation:
    """Whether Gluon returns ``np.ndarray``, set for all threads together, since data loaders start threads."""

    active = False
    make: Callable[[Array], Facade] | None = None


def set_facade(make: Callable[[Array], Facade]) -> None:
    """Set the function that wraps an array; `lamina.np` calls it once, since this package can't import `lamina.np`."""
    _Presentation.make = make


def is_presenting() -> bool:
    """Whether Gluon returns ``np.ndarray``, which ``npx.set_np()`` switches on."""
    return _Presentation.active


def present(active: bool) -> bool:
    """Make Gluon return ``np.ndarray`` (`active`) or `NDArray`, and return the previous state."""
    before, _Presentation.active = _Presentation.active, bool(active)
    return before


def plain(value: Any) -> Any:
    """The `NDArray` inside a facade; any other value unchanged."""
    return value._array if isinstance(value, Facade) else value


def shown(value: Any) -> Any:
    """An `NDArray` wrapped as an ``np.ndarray`` that shares its memory; any other value unchanged."""
    if not isinstance(value, Array):
        return value
    if _Presentation.make is None:
        import_module("lamina.mxnet.np")  # it registers itself
    assert _Presentation.make is not None
    return _Presentation.make(value)


def presented(value: Any) -> Any:
    """Convert `value` to the array class that Gluon returns.

    After ``npx.set_np()`` every array in `value` becomes an ``np.ndarray``, also inside lists, tuples and dictionaries.
    """
    return mapped(value, shown) if _Presentation.active else value


def mapped(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """A copy of nested lists, tuples and dictionaries with each leaf x replaced by ``leaf(x)``."""
    if isinstance(value, list):
        return [mapped(x, leaf) for x in value]
    if isinstance(value, tuple):
        items = [mapped(x, leaf) for x in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, dict):
        return {key: mapped(x, leaf) for key, x in value.items()}
    return leaf(value)


def leaves(value: Any) -> Iterator[Any]:
    """The items of nested lists and tuples, in order; for another value, the value itself.

    >>> list(leaves([1, (2, [3])]))
    [1, 2, 3]
    """
    if isinstance(value, list | tuple):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def nesting(value: Any) -> Any:
    """The nesting of lists and tuples as MXNet notes it, in lists of 0 for an item and -1 for None.

    >>> nesting([1, (None, [3])])
    [0, [-1, [0]]]
    """
    if isinstance(value, list | tuple):
        return [nesting(part) for part in value]
    return -1 if value is None else 0


def has_facade(values: Any) -> bool:
    """Whether a value, or an item of a list among the values, is a `Facade`."""
    return any(isinstance(x, Facade) or (isinstance(x, list | tuple) and has_facade(x)) for x in values)
