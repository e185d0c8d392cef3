"""MXNet's ``mx.name``: managers that name objects, by a number or with a prefix.

They name Gluon's blocks outside any name scope.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, ClassVar

from lamina.core.interrupts import free_in_children

__all__ = ["NameManager", "Prefix"]


class _Current(threading.local):
    """This thread's managers: the default, and those of the open ``with`` statements."""

    def __init__(self) -> None:
        self.managers = [NameManager()]


_counting = free_in_children(threading.RLock())


class _WithCurrent(type):
    @property
    def current(cls) -> NameManager:
        """This thread's manager, from the innermost ``with`` statement or the default."""
        return _current.managers[-1]


class NameManager(metaclass=_WithCurrent):
    """A manager that names objects by a hint and a number: ``dense0``, ``dense1`` …

    >>> with NameManager() as names:
    ...     names.get(None, "dense"), names.get("mine", "dense"), NameManager.current.get(None, "dense")
    ('dense0', 'mine', 'dense1')
    """

    current: ClassVar[Any]

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

    def __enter__(self) -> NameManager:
        _current.managers.append(self)
        return self

    def __exit__(self, *_exception: object) -> None:
        _current.managers.pop()


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


_current = _Current()
