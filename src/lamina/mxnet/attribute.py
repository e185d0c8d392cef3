"""MXNet's ``mx.AttrScope``, which sets attributes of symbols created inside a ``with`` statement.

Variables and operators in symbols store the attributes (such as ``ctx_group`` and ``lr_mult``); arrays and blocks
ignore them.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar

__all__ = ["AttrScope"]


class _Current(threading.local):
    """This thread's open scopes, each with the attributes of those around it."""

    def __init__(self) -> None:
        self.scopes = [AttrScope()]


class _WithCurrent(type):
    @property
    def current(cls) -> AttrScope:
        """The innermost active scope of this thread."""
        return _current.scopes[-1]


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

    def get(self, attr: dict[str, str] | None) -> dict[str, str]:
        """The attributes of the scope, with `attr` taking precedence."""
        return {**self._attr, **(attr or {})}

    def __enter__(self) -> AttrScope:
        inner = AttrScope(**AttrScope.current.get(self._attr))
        _current.scopes.append(inner)
        return inner

    def __exit__(self, *_exception: object) -> None:
        _current.scopes.pop()


_current = _Current()
