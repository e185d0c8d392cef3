"""Guards: what a function found in its globals and closures, so that a replaced parameter or constant is noticed."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from lamina.core.array import Array

__all__ = ["Guards"]

_SIMPLE = (int, float, str, bool, type(None))
_MAX_ITEMS = 10_000


class Guards:
    """The names that a function, and the functions it calls, look up; and what they meant when it was captured.

    `arrays` are the ids of all arrays found, so that an argument that is one of them can be told from others.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._items: list[tuple[Any, Any, Any]] = []  # (mapping or sequence, key, the object that was there)
        self._cells: list[tuple[types.CellType, Any]] = []
        self._lengths: list[tuple[Any, int]] = []
        self._names: dict[int, str] = {}
        self._seen: set[int] = set()
        self._keep: list[Any] = []
        self._visit(function, getattr(function, "__name__", "function"))
        self.arrays = frozenset(self._names)

    def hold(self) -> bool:
        """Whether everything is still what it was."""
        try:
            for container, key, value in self._items:
                if container[key] is not value:
                    return False
            for cell, value in self._cells:
                if cell.cell_contents is not value:
                    return False
        except (KeyError, IndexError, ValueError):  # gone, or a variable that was deleted
            return False
        return all(len(container) == length for container, length in self._lengths)

    def name_of(self, array: Array) -> str | None:
        """What the user calls an array."""
        return self._names.get(id(array))

    # --- the walk ------------------------------------------------------------------------------------------------

    def _visit(self, value: Any, name: str) -> bool:
        """Note what lies behind a value; whether it is worth a guard."""
        if isinstance(value, _SIMPLE):
            return True
        if isinstance(value, Array):
            self._names.setdefault(id(value), name)
            self._keep.append(value)
            return True
        if id(value) in self._seen:
            return True
        if isinstance(value, types.FunctionType | types.MethodType):
            return self._visit_function(value)
        if isinstance(value, list | tuple | dict):
            return self._visit_container(value, name)
        if (
            hasattr(value, "__dict__")
            and not isinstance(value, types.ModuleType | type)
            and _is_foreign(value)
        ):
            self._remember(value)
            return self._visit_container(vars(value), name)
        return False

    def _visit_function(self, function: Any) -> bool:
        self._remember(function)
        if isinstance(function, types.MethodType):
            self._visit(function.__self__, "self")
            function = function.__func__
        function = getattr(function, "__wrapped__", function)
        if not isinstance(function, types.FunctionType) or not _is_foreign(function):
            return True
        for code in _nested_codes(function.__code__):
            for name in code.co_names:
                if name in function.__globals__ and self._visit(value := function.__globals__[name], name):
                    self._items.append((function.__globals__, name, value))
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue  # not assigned yet
            if self._visit(value, name):
                self._cells.append((cell, value))
        return True

    def _visit_container(self, container: Any, name: str) -> bool:
        if len(container) > _MAX_ITEMS:
            return False
        self._remember(container)
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(entries):
            label = f"{name}.{key}" if isinstance(container, dict) else f"{name}[{key}]"
            if self._visit(value, label):
                self._items.append((container, key, value))
        if not isinstance(container, tuple):
            self._lengths.append((container, len(container)))
        return True

    def _remember(self, value: Any) -> None:
        self._seen.add(id(value))
        self._keep.append(value)  # so that no other object gets its id


def _is_foreign(value: Any) -> bool:
    """Whether something is the user's own and not a library's, whose state says itself when it changes."""
    module = getattr(value, "__module__", None) or getattr(type(value), "__module__", "") or ""
    return module.partition(".")[0] not in _LIBRARIES


_LIBRARIES = frozenset({"lamina", "numpy", "builtins", "math", "random", "os", "sys", "typing", "functools"})


def _nested_codes(code: types.CodeType) -> list[types.CodeType]:
    """A function's code and that of the functions and comprehensions written inside it."""
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found += _nested_codes(constant)
    return found
