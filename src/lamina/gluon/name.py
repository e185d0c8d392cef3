"""MXNet's ``mx.name``: managers that name objects, by a number or with a prefix.

They name Gluon's blocks outside any name scope.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from lamina.core.interrupts import free_in_children

__all__ = ["NameManager", "Prefix"]


class _Stack(threading.local):
    """This thread's scopes: the default, and those of the open ``with`` statements."""

    def __init__(self, default: Callable[[], Any]) -> None:
        self.scopes = [default()]


class _WithCurrent(type):
    _stack: Any

    @property
    def current(cls) -> Any:
        """This thread's scope, from the innermost ``with`` statement or the default."""
        return cls._stack.scopes[-1]


class Scope(metaclass=_WithCurrent):
    """A base class of scopes: inside ``with scope:``, `current` of their class is `scope`."""

    current: ClassVar[Any]

    def __init_subclass__(cls, default: Callable[[], Any] | None = None) -> None:
        if default is not None or Scope in cls.__bases__:
            cls._stack = _Stack(default or cls)

    def _inner(self) -> Any:
        """The scope for the statements inside."""
        return self

    def __enter__(self) -> Any:
        inner = self._inner()
        self._stack.scopes.append(inner)
        return inner

    def __exit__(self, *_exception: object) -> None:
        self._stack.scopes.pop()


_counting = free_in_children(threading.RLock())


class NameManager(Scope):
    """A manager that names objects by a hint and a number: ``dense0``, ``dense1`` …

    >>> with NameManager() as names:
    ...     names.get(None, "dense"), names.get("mine", "dense"), NameManager.current.get(None, "dense")
    ('dense0', 'mine', 'dense1')
    """

    def __init__(self) -> None:
        self._counter: Counter[str] = Counter()

    def get(self, name: str | None, hint: str) -> str:
        """`name` itself, or for None `hint` with the next number."""
        return name or self._numbered(hint, self._counter)

    @staticmethod
    def _numbered(hint: str, counts: Counter[str]) -> str:
        """`hint` with its next number; threads that count by the same `counts` get different numbers."""
        with _counting:
            counts[hint] += 1
            return f"{hint}{counts[hint] - 1}"


class Prefix(NameManager):
    """A manager that prepends a prefix to all names.

    >>> Prefix("net_").get(None, "dense")
    'net_dense0'
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        return self._prefix + super().get(name, hint)
