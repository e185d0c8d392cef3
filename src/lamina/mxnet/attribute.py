"""MXNet's ``mx.AttrScope``, which sets attributes of symbols created inside a ``with`` statement.

Variables and operators in symbols store the attributes (such as ``ctx_group`` and ``lr_mult``); arrays and blocks
ignore them.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar

__all__ = ["AttrScope"]


class _Current(threading.local):
    scope: AttrScope | None = None


_current = _Current()


class _WithCurrent(type):
    @property
    def current(cls) -> AttrScope:
        """The innermost active scope of this thread."""
        if _current.scope is None:
            _current.scope = AttrScope()
        return _current.scope


class AttrScope(metaclass=_WithCurrent):
    """A scope that sets string attributes of the symbols created inside; scopes can be nested.

    >>> with AttrScope(group="1"):
    ...     with AttrScope(stage="2"):
    ...         AttrScope.current.get({"own": "3"})
    {'group': '1', 'stage': '2', 'own': '3'}
    """

    current: ClassVar[Any]

    def __init__(self, **attributes: str) -> None:
        for name, value in attributes.items():
            if not isinstance(value, str):
                raise ValueError(f"AttrScope: attributes are strings, not {name}={value!r}")
        self._attr = attributes
        self._outer: list[tuple[AttrScope, dict[str, str]]] = []

    def get(self, attr: dict[str, str] | None) -> dict[str, str]:
        """The attributes of the scope, with `attr` taking precedence."""
        return {**self._attr, **(attr or {})}

    def __enter__(self) -> AttrScope:
        outer = AttrScope.current
        self._outer.append((outer, self._attr))
        self._attr = {**outer._attr, **self._attr}
        _current.scope = self
        return self

    def __exit__(self, *_exception: object) -> None:
        _current.scope, self._attr = self._outer.pop()
