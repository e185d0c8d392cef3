"""MXNet's ``mx.AttrScope``, which sets attributes of symbols created inside a ``with`` statement.

Variables and operators in symbols store the attributes (such as ``ctx_group`` and ``lr_mult``); arrays and blocks
ignore them.
"""

from __future__ import annotations

from lamina.gluon.name import Scope

__all__ = ["AttrScope"]


class AttrScope(Scope):
    """A scope that sets string attributes of the symbols created inside; scopes can be nested.

    >>> with AttrScope(group="1"):
    ...     with AttrScope(stage="2"):
    ...         AttrScope.current.get({"own": "3"})
    {'group': '1', 'stage': '2', 'own': '3'}
    """

    def __init__(self, **attributes: str) -> None:
        for name, value in attributes.items():
            if not isinstance(value, str):
                raise ValueError(f"AttrScope: attributes are strings, not {name}={value!r}")
        self._attr = attributes

    def get(self, attr: dict[str, str] | None) -> dict[str, str]:
        """The attributes of the scope, with `attr` taking precedence."""
        return {**self._attr, **(attr or {})}

    def _inner(self) -> AttrScope:
        return AttrScope(**AttrScope.current.get(self._attr))
