"""Watches: the conditions under which what a function found outside is unchanged, and how to restore it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import getitem, is_
from typing import Any, NamedTuple

import numpy as np

from lamina.compiler.written_checks import Names

_GONE = object()
_FEW = 6
_LONG = 50
"""Longer containers are compared as a whole, in a third of the time of single checks."""


class Watch(NamedTuple):
    """A watched object.

    ``label`` is the user's name for what has changed, or a function that finds it. ``condition`` is a Python expression
    that is true while nothing has changed; an exception also means a change. ``undo`` restores the watched state.
    """

    label: str | Callable[[], str]
    condition: str
    undo: Callable[[], Any] | None = None
    is_of_contents: bool = False


class Watches:
    """A list of watches, with a method for each kind of change; ``names`` are the names in their conditions."""

    def __init__(self) -> None:
        self.watches: list[Watch] = []
        self.names = Names()

    def watch_item(self, mapping: Mapping[Any, Any], key: Any, owner: Any, label: str) -> None:
        """Watch an item of a mapping, such as a variable or an attribute of `owner`."""
        undo = partial(_set, mapping, owner, key, mapping[key])
        self.watches.append(Watch(label, self._is(mapping, key, mapping[key]), undo))

    def watch_class(self, value: Any, label: str) -> None:
        """Watch an object's class."""
        of, kind = self.names.of, type(value)
        condition = f"type({of(value)}) is {of(kind)}"
        self.watches.append(Watch(label, condition, partial(setattr, value, "__class__", kind)))

    def watch_attribute(self, owner: Any, name: str, label: str) -> None:
        """Watch an attribute outside a dictionary: a slot, a cell's contents, a function's code, a class's bases."""
        of, value = self.names.of, _found(getattr, owner, name)
        if value is _GONE:
            condition = f"{of(_found)}({of(getattr)}, {of(owner)}, {name!r}) is {of(_GONE)}"
            self.watches.append(Watch(label, condition, partial(delattr, owner, name)))
        else:
            undo = None if is_special(name) else partial(setattr, owner, name, value)
            condition = f"{of(owner)}.{name} is {of(value)}"
            self.watches.append(Watch(label, condition, undo))

    def watch_absent(self, mapping: Mapping[Any, Any], names: Iterable[str], owner: Any, label: str) -> None:
        """Watch for names that must not appear in a mapping, as they would shadow attributes or variables found."""
        absent = sorted(set(names) - mapping.keys())
        if not absent:
            return

        def appeared() -> list[str]:
            return [name for name in absent if name in mapping]

        def undo() -> None:
            for name in appeared():
                if isinstance(mapping, dict):
                    del mapping[name]
                else:
                    delattr(owner, name)

        if not mapping:
            condition = f"not {self.names.of(mapping)}"
        elif len(absent) <= _FEW:
            condition = " and ".join(f"{name!r} not in {self.names.of(mapping)}" for name in absent)
        else:
            condition = f"{self.names.of(mapping.keys())}.isdisjoint({self.names.of(frozenset(absent))})"
        self.watches.append(Watch(lambda: ".".join([label, *appeared()[:1]]).lstrip("."), condition, undo))

    def watch_keys(self, mapping: Mapping[Any, Any], label: str) -> None:
        """Watch the set of keys of a mapping, for code that looks up computed names."""
        of = self.names.of
        self.watches.append(Watch(label, f"{of(mapping.keys())} == {of(frozenset(mapping))}"))

    def watch_items(self, container: Any, label: str, *, ordered: bool = True) -> None:
        """Watch the items of a list, deque or dictionary, their number, and a dictionary's order."""
        is_mapping, of = isinstance(container, Mapping), self.names.of
        values = list(container.values() if is_mapping else container)
        keys = list(container) if is_mapping else range(len(values))
        conditions = [f"len({of(container)}) == {len(values)}"]
        if len(values) > _LONG:
            if is_mapping:
                conditions.append(f"{of(_all_same)}({of(container)}, {of(keys)})")
            items = f"{of(container)}{'.values()' if is_mapping else ''}"
            conditions.append(f"{of(_all_same)}({items}, {of(values)})")
        else:
            if is_mapping and ordered and len(values) > 1:
                conditions = [f"[*{of(container)}] == {of(keys)}"]
            conditions += [self._is(container, key, x) for key, x in zip(keys, values, strict=True)]

        def changed() -> str:
            for key, value in zip(keys, values, strict=True):
                if _found(getitem, container, key) is not value:
                    return f"{label}.{key}" if is_mapping else f"{label}[{key}]"
            return label

        def undo() -> None:
            if isinstance(container, dict | list | deque):
                container.clear()
                if isinstance(container, dict):
                    container.update(zip(keys, values, strict=True))
                else:
                    container.extend(values)

        self.watches.append(Watch(changed, " and ".join(conditions), undo))

    def watch_contents(
        self, value: Any, read: Callable[[Any], Any], restore: Callable[[], Any], label: str
    ) -> None:
        """Watch contents that are compared as a whole, by `read`: values in a buffer, or the members of a set."""
        condition = f"{self.names.of(read)}({self.names.of(value)}) == {self.names.of(read(value))}"
        self.watches.append(Watch(label, condition, restore, is_of_contents=True))

    def _is(self, container: Any, key: Any, value: Any) -> str:
        written = repr(key) if type(key) in (str, int) else self.names.of(key)
        return f"{self.names.of(container)}[{written}] is {self.names.of(value)}"


def is_special(name: str) -> bool:
    """Whether a name is special in Python, such as ``__init__``."""
    return name.startswith("__") and name.endswith("__")


def buffer_of(value: Any) -> tuple[Any, ...]:
    """The contents of an array or another buffer, with their type."""
    if isinstance(value, np.ndarray):
        return value.tobytes(), value.shape, value.dtype
    return bytes(memoryview(value)), getattr(value, "typecode", None)


def identities(value: Iterable[Any]) -> set[int]:
    """The ids of the members of a set."""
    return set(map(id, value))


def _all_same(found: Iterable[Any], known: Iterable[Any]) -> bool:
    return all(map(is_, found, known))


def _found(look_up: Callable[[Any, Any], Any], owner: Any, key: Any) -> Any:
    """What `getattr` or `getitem` finds, or ``_GONE``."""
    try:
        return look_up(owner, key)
    except (AttributeError, LookupError, ValueError):  # ValueError: a cell without a value
        return _GONE


def _set(mapping: Any, owner: Any, key: Any, value: Any) -> None:
    if isinstance(mapping, dict):
        mapping[key] = value
    else:
        setattr(owner, key, value)
