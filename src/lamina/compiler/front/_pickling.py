"""Pickling of compiled functions: like Python functions with the same pickler, and without machine code.

`pickle` saves a function by name. cloudpickle, which joblib's processes, Dask and Ray use, saves functions of
`__main__`, closures and lambdas by value, with everything they read; a compiled function is then compiled again where
it is loaded.
"""

from __future__ import annotations

import sys
from types import MethodType
from typing import Any


def reduced(compiled: Any, attribute: str, options: dict[str, Any]) -> Any:
    """The result of `compiled.__reduce__`: an attribute of its object (for methods), a name, or the function itself.

    `options` are those of `lamina.compile`.
    """
    original = compiled.original
    owner = getattr(original, "__self__", None)
    if owner is not None:
        return getattr, (owner, attribute)
    module, name = str(getattr(compiled, "__module__", "")), str(getattr(compiled, "__qualname__", ""))
    if _found(module, name) is not compiled:
        return _compiled, (original, options)
    if module != "__main__":
        return name
    # pickle sends a method as its object and the function's name, cloudpickle as its object and the function.
    return _arrived, (MethodType(original, _Place(module, name)), options)


class _Place:
    """A function's place in a module: an object whose attributes all return the function."""

    def __init__(self, module: str, name: str) -> None:
        self.place = module, name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        found = _found(*self.place)
        if found is None:
            raise AttributeError(f"module {self.place[0]!r} has no {self.place[1]!r} here")
        return found

    def __reduce__(self) -> Any:
        return _Place, self.place


def _found(module: str, name: str) -> Any:
    """The object in a module under a dotted name, or None."""
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _arrived(found: Any, options: dict[str, Any]) -> Any:
    """The object found by name, or the function pickled by value, compiled."""
    return _compiled(found.__func__, options) if isinstance(found, MethodType) else found


def _compiled(function: Any, options: dict[str, Any]) -> Any:
    from lamina.compiler.front.decorator import compile

    return compile(function, **options)
