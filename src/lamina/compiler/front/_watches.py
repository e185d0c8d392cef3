"""Watches, with a class for each kind of change that can happen outside a function.

Each watch contributes an expression to the check before each call (`condition`), describes the change in the user's
terms (`change`), and can restore what a capture changed (`undo`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from operator import is_
from types import CellType
from typing import Any

import numpy as np

from lamina.compiler.written_checks import Names

_GONE = object()
_FEW = 6
_LONG = 50
"""Longer containers are compared as a whole, in a third of the time of single checks."""


class Watch:
    """A watched object; `label` is the user's name for it."""

    def __init__(self, label: str) -> None:
        self.label = label

    def condition(self, names: Names) -> str:
        """A Python expression that is true while nothing has changed. An exception also means a change."""
        raise NotImplementedError

    def now(self) -> bool:
        """Whether nothing has changed."""
        names = Names()
        written = self.condition(names)
        try:
            return bool(eval(written, names.objects))
        except Exception:
            return False

    def change(self) -> str | None:
        """The user's name for the changed object; None if nothing has changed."""
        return None if self.now() else self.label

    def undo(self) -> None:
        """Restore the watched state."""


class Item(Watch):
    """A watch on an item of a mapping, such as a variable or an attribute."""

    def __init__(self, mapping: Mapping[Any, Any], key: Any, owner: Any, label: str) -> None:
        super().__init__(label)
        self._mapping, self._key, self._owner, self._value = mapping, key, owner, mapping[key]

    def condition(self, names: Names) -> str:
        key = repr(self._key) if isinstance(self._key, str) else names.of(self._key)
        return f"{names.of(self._mapping)}[{key}] is {names.of(self._value)}"

    def undo(self) -> None:
        if self._mapping.get(self._key, _GONE) is not self._value:
            _set(self._mapping, self._owner, self._key, self._value)


class Absent(Watch):
    """A watch on names that must not appear in a mapping, because they would shadow attributes or variables found."""

    def __init__(self, mapping: Mapping[Any, Any], names: Iterable[str], owner: Any, label: str) -> None:
        super().__init__(label)
        self._mapping, self._names, self._owner = mapping, sorted(set(names) - mapping.keys()), owner

    def condition(self, names: Names) -> str:
        if not self._names:
            return "True"
        if not self._mapping:
            return f"not {names.of(self._mapping)}"
        if len(self._names) <= _FEW:
            mapping = names.of(self._mapping)
            return " and ".join(f"{name!r} not in {mapping}" for name in self._names)
        return f"{names.of(self._mapping.keys())}.isdisjoint({names.of(frozenset(self._names))})"

    def _appeared(self) -> list[str]:
        return [name for name in self._names if name in self._mapping]

    def change(self) -> str | None:
        appeared = self._appeared()
        return f"{self.label}.{appeared[0]}".lstrip(".") if appeared else None

    def undo(self) -> None:
        for name in self._appeared():
            _delete(self._mapping, self._owner, name)


class Keys(Watch):
    """A watch on the set of keys of a mapping, for code that looks up computed names."""

    def __init__(self, mapping: Mapping[Any, Any], label: str) -> None:
        super().__init__(label)
        self._mapping, self._keys = mapping, frozenset(mapping)

    def condition(self, names: Names) -> str:
        return f"{names.of(self._mapping.keys())} == {names.of(self._keys)}"


class Attribute(Watch):
    """A watch on an attribute outside a dictionary: a slot, a function's code or defaults, or a class's bases."""

    def __init__(self, owner: Any, name: str, label: str) -> None:
        super().__init__(label)
        self._owner, self._name, self._value = owner, name, getattr(owner, name, _GONE)

    def condition(self, names: Names) -> str:
        if self._value is _GONE:
            return f"not hasattr({names.of(self._owner)}, {self._name!r})"
        return f"{names.of(self._owner)}.{self._name} is {names.of(self._value)}"

    def undo(self) -> None:
        if self._value is _GONE:
            if hasattr(self._owner, self._name):
                delattr(self._owner, self._name)
        elif getattr(self._owner, self._name, _GONE) is not self._value and not self._name.startswith("__"):
            setattr(self._owner, self._name, self._value)


class Kind(Watch):
    """A watch on an object's class."""

    def __init__(self, value: Any, label: str) -> None:
        super().__init__(label)
        self._value, self._kind = value, type(value)

    def condition(self, names: Names) -> str:
        return f"type({names.of(self._value)}) is {names.of(self._kind)}"

    def undo(self) -> None:
        if type(self._value) is not self._kind:
            self._value.__class__ = self._kind


class Cell(Watch):
    """A watch on a variable of an enclosing function."""

    def __init__(self, cell: CellType, label: str) -> None:
        super().__init__(label)
        self._cell, self._value = cell, _cell_contents(cell)

    def condition(self, names: Names) -> str:
        if self._value is _GONE:
            return f"{names.of(_cell_contents)}({names.of(self._cell)}) is {names.of(_GONE)}"
        return f"{names.of(self._cell)}.cell_contents is {names.of(self._value)}"

    def undo(self) -> None:
        if _cell_contents(self._cell) is self._value:
            return
        if self._value is _GONE:
            del self._cell.cell_contents
        else:
            self._cell.cell_contents = self._value


class Items(Watch):
    """A watch on the items of a list, tuple, deque or dictionary, their number, and a dictionary's order."""

    def __init__(self, container: Any, label: str, *, ordered: bool = True) -> None:
        super().__init__(label)
        self._container, self._ordered = container, ordered
        self._keys = list(container) if isinstance(container, Mapping) else None
        self._values = list(container.values() if self._keys is not None else container)

    def _pairs(self) -> list[tuple[Any, Any]]:
        return list(zip(self._keys or range(len(self._values)), self._values, strict=True))

    def condition(self, names: Names) -> str:
        container = names.of(self._container)
        conditions: list[str] = []
        if not isinstance(self._container, tuple):
            conditions.append(f"len({container}) == {len(self._values)}")
        if len(self._values) > _LONG:
            same = names.of(_all_same)
            if self._keys is not None:
                conditions.append(f"{same}({container}, {names.of(self._keys)})")
                container += ".values()"
            return " and ".join([*conditions, f"{same}({container}, {names.of(self._values)})"])
        if isinstance(self._container, tuple):
            return "True"
        if self._keys is not None and self._ordered and len(self._keys) > 1:
            conditions = [f"[*{container}] == {names.of(self._keys)}"]
        for key, value in self._pairs():
            written = repr(key) if type(key) in (str, int) else names.of(key)
            conditions.append(f"{container}[{written}] is {names.of(value)}")
        return " and ".join(conditions)

    def change(self) -> str | None:
        if self.now():
            return None
        for key, value in self._pairs():
            try:
                if self._container[key] is value:
                    continue
            except (KeyError, IndexError):
                pass
            return f"{self.label}.{key}" if self._keys is not None else f"{self.label}[{key}]"
        return self.label

    def undo(self) -> None:
        container = self._container
        if self.now() or isinstance(container, tuple):
            return
        if isinstance(container, dict):
            container.clear()
            container.update(self._pairs())
        elif isinstance(container, list | deque):
            container.clear()
            container.extend(self._values)


class Contents(Watch):
    """A watch on contents that are compared as a whole: the values in a buffer, or the members of a set.

    `read` returns a value to compare; `restore` restores the contents.
    """

    def __init__(
        self, value: Any, read: Callable[[Any], Any], restore: Callable[[], None] | None, label: str
    ) -> None:
        super().__init__(label)
        self._value, self._read, self._restore = value, read, restore
        self._known = read(value)

    def condition(self, names: Names) -> str:
        return f"{names.of(self._read)}({names.of(self._value)}) == {names.of(self._known)}"

    def undo(self) -> None:
        if self._restore is not None and not self.now():
            self._restore()


def buffer_of(value: Any) -> tuple[Any, ...]:
    """The contents of an array or another buffer, with their type."""
    if isinstance(value, np.ndarray):
        return value.tobytes(), value.shape, value.dtype
    return bytes(memoryview(value)), getattr(value, "typecode", None)


def identities(value: Any) -> Any:
    """The ids of the members of a set or view; for a dictionary's items, the ids of keys and values.

    The tuples of a dictionary's items are new each time.
    """
    if isinstance(value, set | frozenset):
        return {*map(id, value)}
    return [id(part) for member in value for part in (member if type(member) is tuple else (member,))]


def _all_same(found: Iterable[Any], known: Iterable[Any]) -> bool:
    return all(map(is_, found, known))


def _cell_contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _GONE


def _set(mapping: Any, owner: Any, key: Any, value: Any) -> None:
    if isinstance(mapping, dict):
        mapping[key] = value
    else:
        setattr(owner, key, value)


def _delete(mapping: Any, owner: Any, key: Any) -> None:
    if isinstance(mapping, dict):
        del mapping[key]
    else:
        delattr(owner, key)
