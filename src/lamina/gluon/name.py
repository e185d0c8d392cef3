"""MXNet's ``mx.name``: managers that name objects, by a number or with a prefix.

They name Gluon's blocks outside any name scope.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, ClassVar

__all__ = ["NameManager", "Prefix"]


class _Current(threading.local):
    manager: NameManager | None = None


_current = _Current()


class _WithCurrent(type):
    @property
    def current(cls) -> NameManager:
        """This thread's manager, from the innermost ``with`` statement or the default."""
        if _current.manager is None:
            _current.manager = NameManager()
        return _current.manager


class NameManager(metaclass=_WithCurrent):
    """A manager that names objects by a hint and a number: ``dense0``, ``dense1`` …

    >>> with NameManager() as names:
    ...     names.get(None, "dense"), names.get("mine", "dense"), NameManager.current.get(None, "dense")
    ('dense0', 'mine', 'dense1')
    """

    current: ClassVar[Any]

    def __init__(self) -> None:
        self._counter: Counter[str] = Counter()
        self._outer: list[NameManager] = []

    def get(self, name: str | None, hint: str) -> str:
        """`name` itself, or for None `hint` with the next number."""
        if name:
            return name
        number = self._counter[hint]
        self._counter[hint] += 1
        return f"{hint}{number}"

    def __enter__(self) -> NameManager:
        self._outer.append(NameManager.current)
        _current.manager = self
        return self

    def __exit__(self, *_exception: object) -> None:
        _current.manager = self._outer.pop()


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
