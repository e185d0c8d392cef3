"""Guards: what a function found outside, so that a replaced parameter, constant or layer is noticed.

The walk begins at the function's code. Globals and closure cells are looked up by the names in the code; of the user's
objects, classes and modules those attributes count whose names occur in code that was walked. Lists, tuples and
dictionaries count as a whole. Libraries' objects count by their identity: what they hold, they tell the trace.
"""

from __future__ import annotations

import functools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any

from lamina.compiler.front.unrolled import Names, function_of
from lamina.core.array import Array
from lamina.core.tape import Leaf

__all__ = ["Guards"]

_SIMPLE = (int, float, complex, str, bytes, type(None))
_CONTAINERS = (list, tuple, dict, deque)
_MAX_ITEMS = 10_000
_LONG = 50
"""Longer containers are compared in one go, which takes a third of the time that so many single checks do."""
_BY_ANY_NAME = frozenset({"getattr", "setattr", "hasattr", "vars", "__dict__", "attrgetter"})
"""Code that uses one of these may look up attributes whose names are not in it."""
_CALLED_BY_BLOCKS = frozenset({"forward", "hybrid_forward"})
_LIBRARIES = frozenset({"lamina", "numpy"})


class Guards:
    """What a function, and the functions it calls, look up; and what it meant when the function was captured.

    `arguments` are objects among its arguments whose attributes it may read, too.

    ``arrays``  the ids of all arrays found, so that an argument that is one of them can be told from others
    ``hold()``  whether everything is still what it was
    """

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any] = ()) -> None:
        found = _Walk()
        found.visit(function, getattr(function, "__name__", "function"))
        for i, value in enumerate(arguments):
            found.visit(value, f"argument {i}")
        found.follow_attributes()
        self._items, self._cells, self._lengths = found.items, found.cells, found.lengths
        self._labels, self._contents, self._known = found.labels, found.contents, found.known_names()
        self._names, self._keep = found.names_of_arrays, found.keep
        self._leaves: list[tuple[Array, Leaf | None]] = []
        self.arrays = frozenset(self._names)
        self.hold = self._written_hold()

    def settle(self, arrays: Iterable[Array], with_leaves: Iterable[Array]) -> None:
        """The capture went well: guard what it found, too. `with_leaves`: arrays whose gradient it used."""
        self._contents, self._known = [], []
        self._keep += arrays
        self.arrays |= {id(x) for x in arrays}
        self._leaves = [(x, x._leaf) for x in with_leaves]
        self.hold = self._written_hold()

    def changed(self) -> str | None:
        """What the user calls the first thing that is no longer what it was; None if all is."""
        new = self._new_names()
        if new:
            return new[0][2]
        if self.hold():
            return None
        for container, key, value in self._items:
            if _now(container, key) is not value:
                return self._labels[id(container), key]
        for cell, value in self._cells:
            if _now_in(cell) is not value:
                return self._labels[id(cell), None]
        for container, length in self._lengths:
            if len(container) != length:
                return self._labels[id(container), None]
        return next(f"the gradient of {self.name_of(x)}" for x, leaf in self._leaves if x._leaf is not leaf)

    def undo(self) -> None:
        """Set everything to what it was, after a capture that came to nothing."""
        for container, key, value in self._items:
            if not isinstance(container, tuple) and _now(container, key) is not value:
                container[key] = value
        for cell, value in self._cells:
            if _now_in(cell) is not value:
                cell.cell_contents = value
        for mapping, name, _label in self._new_names():
            del mapping[name]
        for container, contents in self._contents:
            if isinstance(container, dict):
                for key in container.keys() - contents.keys():
                    del container[key]
            elif len(container) != len(contents):
                container.clear()
                container.extend(contents)

    def _new_names(self) -> list[tuple[Any, str, str]]:
        """Variables and attributes that the code names and that did not exist: mapping, name, label."""
        return [
            (mapping, name, f"{label}.{name}" if label else name)
            for mapping, names, known, label in self._known
            for name in sorted((mapping.keys() & names) - known)
        ]

    def name_of(self, array: Array) -> str | None:
        """What the user calls an array."""
        return self._names.get(id(array))

    def _written_long(self, names: Names, long: set[int]) -> list[str]:
        """Checks of long containers, each in one go."""
        entries: dict[int, tuple[Any, list[Any], list[Any]]] = {}
        for container, key, value in self._items:
            if id(container) in long:
                _, keys, values = entries.setdefault(id(container), (container, [], []))
                keys.append(key)
                values.append(value)
        same = names.of(lambda found, known: all(map(is_, found, known)))
        checks: list[str] = []
        for container, keys, values in entries.values():
            name, known = names.of(container), names.of(values)
            if isinstance(container, dict):
                checks.append(f"{same}({name}, {names.of(keys)}) and {same}({name}.values(), {known})")
            else:
                checks.append(f"{same}({name}, {known})")
        return checks

    def _written_hold(self) -> Callable[[], bool]:
        names = Names()
        long = {id(container) for container, length in self._lengths if length > _LONG}
        conditions = [
            f"{names.of(container)}[{names.of(key)}] is {names.of(value)}"
            for container, key, value in self._items
            if id(container) not in long
        ]
        conditions += self._written_long(names, long)
        conditions += [f"{names.of(cell)}.cell_contents is {names.of(value)}" for cell, value in self._cells]
        conditions += [f"{names.of(array)}._leaf is {names.of(leaf)}" for array, leaf in self._leaves]
        conditions += [f"len({names.of(container)}) == {length}" for container, length in self._lengths]
        gone = "(KeyError, IndexError, ValueError, AttributeError)"  # or a variable that was deleted
        lines = [
            "try:",
            f"    return {' and '.join(conditions) or True}",
            f"except {gone}:",
            "    return False",
        ]
        return function_of("hold()", lines, names)


_GONE = object()


def _now(container: Any, key: Any) -> Any:
    try:
        return container[key]
    except (KeyError, IndexError, AttributeError):
        return _GONE


def _now_in(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _GONE


class _Attributes:
    """An object's attributes as a mapping, where it has no dictionary that can be written."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def __getitem__(self, name: str) -> Any:
        if isinstance(self._owner, type):
            return vars(self._owner)[name]
        return getattr(self._owner, name)

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self._owner, name, value)


class _Walk:
    """Everything that a function can find, by following names."""

    def __init__(self) -> None:
        self.items: list[tuple[Any, Any, Any]] = []  # (mapping or sequence, key, the object that was there)
        self.cells: list[tuple[types.CellType, Any]] = []
        self.lengths: list[tuple[Any, int]] = []
        self.contents: list[tuple[Any, Any]] = []
        self.labels: dict[tuple[int, Any], str] = {}
        self.names_of_arrays: dict[int, str] = {}
        self.keep: list[Any] = []  # so that no other object gets the id of one that was found
        self._seen: set[int] = set()
        self._names: set[str] = set()  # all that occur in the code walked so far
        self._owners: list[tuple[Any, Any, str]] = []  # (mapping of attributes, its owner, its label)
        self._followed: set[tuple[int, str]] = set()
        self._globals: dict[int, dict[str, Any]] = {}

    def known_names(self) -> list[tuple[Any, set[str], set[str], str]]:
        """The variables and attributes that exist: mapping, the names that the code uses, those there are, label."""
        mappings = [(x, label) for x, _, label in self._owners if isinstance(x, dict)]
        mappings += [(x, "") for x in self._globals.values()]
        return [(mapping, self._names, set(mapping), label) for mapping, label in mappings]

    def follow_attributes(self) -> None:
        """Guard the attributes that the code names; what they lead to may name more."""
        before = -1
        while before != len(self._followed) + len(self._owners) + len(self._names):
            before = len(self._followed) + len(self._owners) + len(self._names)
            for attributes, owner, label in list(self._owners):
                for name in self._used(owner):
                    if (id(attributes), name) not in self._followed:
                        self._followed.add((id(attributes), name))
                        self._guard(attributes, name, f"{label}.{name}")

    def _used(self, owner: Any) -> list[str]:
        """The attributes of its own that the code may look up."""
        own = _own_attributes(owner)
        if not isinstance(owner, types.ModuleType) and self._names & _BY_ANY_NAME:
            return [name for name in own if not _is_special(name)]
        if isinstance(owner, type):
            return [name for name in own if name in self._names | _CALLED_BY_BLOCKS or _is_operator(name)]
        return [name for name in own if name in self._names]

    # --- values --------------------------------------------------------------------------------------------------

    def _guard(self, container: Any, key: Any, label: str) -> None:
        value = container[key]
        if self.visit(value, label):
            self.items.append((container, key, value))
            self.labels[id(container), key] = label

    def visit(self, value: Any, label: str) -> bool:
        """Note what lies behind a value; whether it is worth a guard."""
        if isinstance(value, _SIMPLE):
            return True
        if isinstance(value, Array):
            self.names_of_arrays.setdefault(id(value), label)
            self.keep.append(value)
            return True
        if isinstance(value, types.ModuleType | type) and not _is_users(value):
            return False
        if id(value) not in self._seen:
            self._seen.add(id(value))
            self.keep.append(value)
            self._look_into(value, label)
        return not isinstance(value, types.ModuleType | types.BuiltinFunctionType)

    def _look_into(self, value: Any, label: str) -> None:
        from lamina.compiler.front.compiled import CompiledFunction

        match value:
            case types.FunctionType():
                self._visit_function(value)
            case types.MethodType() | staticmethod() | classmethod():
                self.visit(value.__func__, label)
                self.visit(getattr(value, "__self__", None), "self")
            case property():
                self.visit(value.fget, label)
            case functools.partial():
                self.visit(value.func, label)
                self._visit_container(value.args, label)
                self._visit_container(value.keywords, label)
            case CompiledFunction():
                self.visit(value.original, label)
            case list() | tuple() | dict() | deque():
                self._visit_container(value, label)
            case _ if hasattr(
                type(value), "__lamina_children__"
            ):  # such as a `gluon.Block`: it calls them unnamed
                self._visit_container(value.__lamina_children__, label)
                self._visit_object(value, label)
            case _:
                self._visit_object(value, label)

    def _visit_function(self, function: types.FunctionType) -> None:
        if not _is_users(function):
            return
        self._globals[id(function.__globals__)] = function.__globals__
        for code in _nested_codes(function.__code__):
            self._names.update(code.co_names)
            for name in code.co_names:
                if name in function.__globals__:
                    self._guard(function.__globals__, name, name)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue  # not assigned yet
            if self.visit(value, name):
                self.cells.append((cell, value))
                self.labels[id(cell), None] = name
        for name, default in _defaults(function).items():
            self.visit(default, name)
        self.visit(getattr(function, "__wrapped__", None), function.__name__)

    def _visit_container(self, container: Any, label: str) -> None:
        self.keep.append(container)
        if len(container) > _MAX_ITEMS:
            return
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            self._guard(
                container, key, f"{label}.{key}" if isinstance(container, dict) else f"{label}[{key}]"
            )
        if not isinstance(container, tuple):
            self.lengths.append((container, len(container)))
            self.contents.append((container, container.copy()))
            self.labels[id(container), None] = label

    def _visit_object(self, value: Any, label: str) -> None:
        """The user's objects, classes and modules; further objects without code of the user's, such as namespaces."""
        kind = value if isinstance(value, type) else type(value)
        if not isinstance(value, types.ModuleType):
            for parent in kind.__mro__:
                if _is_users(parent):
                    self._add_owner(_Attributes(parent), parent, parent.__name__)
        if _is_users(value) or _top(kind.__module__) not in _LIBRARIES:
            has_dictionary = hasattr(value, "__dict__") and not isinstance(value, type)
            if has_dictionary:
                self._add_owner(vars(value), value, label)
            if not isinstance(value, type | types.ModuleType) and _slots(kind):
                self._add_owner(_Attributes(value), _Slotted(value), label)

    def _add_owner(self, attributes: Any, owner: Any, label: str) -> None:
        self.keep += [attributes, owner]
        if not any(owner is other for _, other, _ in self._owners):
            self._owners.append((attributes, owner, label))


class _Slotted:
    """An object, as the owner of what is in its slots."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _own_attributes(owner: Any) -> list[str]:
    if isinstance(owner, _Slotted):
        return [name for name in _slots(type(owner.value)) if hasattr(owner.value, name)]
    return list(vars(owner))


def _slots(kind: type) -> list[str]:
    """The names in ``__slots__`` of a class of the user's and those it is derived from."""
    found: list[str] = []
    for parent in kind.__mro__:
        slots = vars(parent).get("__slots__", ()) if _is_users(parent) else ()
        found += [slots] if isinstance(slots, str) else list(slots)
    return [name for name in found if not _is_special(name)]


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_operator(name: str) -> bool:
    """Whether a method is called by syntax, so that its name need not occur."""
    return _is_special(name) and name not in {
        "__init__",
        "__new__",
        "__repr__",
        "__str__",
        "__del__",
        "__doc__",
    }


def _is_users(value: Any) -> bool:
    """Whether a function, class or module is the user's own, and not a library's."""
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return not isinstance(name, str) or _is_users_module(_top(name))


def _top(module: str) -> str:
    return module.partition(".")[0]


@functools.cache
def _is_users_module(name: str) -> bool:
    """Whether a top-level module is neither Python's nor installed."""
    if name in _LIBRARIES or name in sys.stdlib_module_names or name in sys.builtin_module_names:
        return False
    path = getattr(sys.modules.get(name), "__file__", None) or ""
    return not any(part in path for part in ("site-packages", "dist-packages"))


def _defaults(function: types.FunctionType) -> dict[str, Any]:
    """The values that arguments have if they are not given, by name."""
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    given = function.__defaults__ or ()
    return {
        **dict(zip(reversed(positional), reversed(given), strict=False)),
        **(function.__kwdefaults__ or {}),
    }


def _nested_codes(code: types.CodeType) -> list[types.CodeType]:
    """A function's code and that of the functions and comprehensions written inside it."""
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found += _nested_codes(constant)
    return found
