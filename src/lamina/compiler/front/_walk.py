"""The search for all objects that a function can reach outside, by the names in its code.

Globals and closure cells are looked up by the names in the code. Of the user's objects, classes and modules, the walk
includes the attributes whose names occur in the visited code, whether they exist or not. Containers, sets and buffers
are included as a whole, and so is the state of a library's object, if it is visible from Python. An object with state
that is not visible is `opaque`: a function that finds one can't be compiled. lamina's objects are included by identity,
as they report their contents to the trace themselves.
"""

from __future__ import annotations

import array
import enum
import functools
import inspect
import operator
import sys
import time
import types
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.compiler.front import _watches as watches
from lamina.compiler.front._lookups import (
    LIBRARIES,
    absolute_name,
    defaults_of,
    dictionary_of,
    has_hidden_state,
    is_special,
    is_users,
    is_users_module,
    names_in,
    nested_codes,
    own_slots,
    slots_of,
    top_of,
)  # fmt: skip
from lamina.core.array import Array


class StandsFor:
    """The base class of lamina's objects that users call in place of their functions, such as `CompiledFunction`."""

    original: Callable[..., Any]
    """The user's original function."""


class Opaque(NamedTuple):
    """An object whose contents can't be watched: the user's name for it, and the kind of object."""

    label: str
    kind: str


class _Owner(NamedTuple):
    """An object with attributes: the mapping that stores them, the object, the user's name for it."""

    mapping: Mapping[str, Any] | None
    owner: Any
    label: str


_SIMPLE = frozenset(
    {int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range, slice}
)
_IDENTITY_IS_ENOUGH = {
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "fractions": {"Fraction"},
    "uuid": {"UUID"},
    "pathlib": {"PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"},
    "re": {"Pattern", "Match"},
    "_thread": {"lock", "RLock"},
    "threading": {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"},
    "logging": {"Logger", "RootLogger", "LoggerAdapter"},
    "operator": {"itemgetter", "attrgetter", "methodcaller"},
    "contextlib": {"nullcontext"},
}
"""Library types by module: they never change, or only in state that no result depends on."""
_TUPLE_FIELD: Any = type(vars(_Owner)["label"])
_IDENTITY_TYPES = (
    types.CodeType, types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType,
    types.GetSetDescriptorType, types.MemberDescriptorType, types.ClassMethodDescriptorType, types.GenericAlias,
    types.UnionType, np.generic, np.dtype, np.ufunc, _TUPLE_FIELD,
)  # fmt: skip
_BUFFERS = (np.ndarray, array.array, bytearray, memoryview)
_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
_MAX_ITEMS = 10_000
_MAX_LIBRARY_ITEMS = 1_000
_NEVER_THE_SAME = frozenset({"random", "numpy.random", "secrets", "time"})
"""Modules whose functions return different values from call to call."""
_BY_ANY_NAME = frozenset({
    "getattr", "setattr", "delattr", "hasattr", "vars", "dir", "__dict__", "attrgetter", "methodcaller",
    "__getattribute__", "getmembers",
})  # fmt: skip
"""Builtins with which code may look up attributes whose names are not in the code."""
_BY_ANY_VARIABLE = frozenset({"globals", "eval", "exec", "__import__"})
"""Builtins with which code may look up variables whose names are not in the code."""
_CALLED_BY_BLOCKS = frozenset({"forward", "hybrid_forward"})
_FALLBACKS = frozenset({
    "__bool__", "__call__", "__class_getitem__", "__contains__", "__delattr__", "__eq__", "__ge__", "__getattr__",
    "__getattribute__", "__getitem__", "__gt__", "__hash__", "__iter__", "__le__", "__len__", "__lt__", "__ne__",
    "__setattr__",
})  # fmt: skip
"""Methods whose absence changes the meaning of syntax."""
_NO_CODE_OF_ITS_OWN = types.SimpleNamespace


class Walk:
    """The search from `function`, and from objects among its arguments, for all reachable objects.

    ``watches``          the checks for changes
    ``names_of_arrays``  the user's names of the arrays found, by id
    ``opaque``           objects that can't be watched
    ``asks_for_types``   whether the code calls ``type``, which would reveal a stand-in for a number
    ``modules``          names of modules that the code imports and that are not imported yet
    ``keep``             the objects found, kept alive to prevent the reuse of their ids
    """

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
        self.watches: list[watches.Watch] = []
        self.names_of_arrays: dict[int, str] = {}
        self.opaque: list[Opaque] = []
        self.asks_for_types = False
        self.modules: set[str] = set()
        self.keep: list[Any] = []
        self._seen: set[int] = set()
        self._attributes: set[str] = set()
        self._owners: list[_Owner] = []
        self._owned: set[tuple[int, bool]] = set()
        self._followed: set[tuple[int, str]] = set()
        self._globals: dict[int, tuple[dict[str, Any], set[str]]] = {}
        self._library_items = 0
        self._visit(function, getattr(function, "__name__", "function"))
        for i, value in enumerate(arguments):
            self._visit(value, f"argument {i}")
        self._follow_attributes()
        self._watch_absent()

    # --- attributes ----------------------------------------------------------------------------------------------

    def _follow_attributes(self) -> None:
        """Watch and visit the attributes that occur in the code, until no new attributes are found."""
        before = -1
        while before != len(self._followed) + len(self._owners) + len(self._attributes):
            before = len(self._followed) + len(self._owners) + len(self._attributes)
            for found in list(self._owners):
                for name in self._used(found):
                    if (id(found.owner), name) not in self._followed:
                        self._followed.add((id(found.owner), name))
                        self._follow(found, name)

    def _follow(self, found: _Owner, name: str) -> None:
        label = f"{found.label}.{name}"
        if found.mapping is None:
            self.watches.append(watches.Attribute(found.owner, name, label))
            if hasattr(found.owner, name):
                self._visit(getattr(found.owner, name), label)
        else:
            self._watch_item(found.mapping, name, found.owner, label)

    def _used(self, found: _Owner) -> Iterable[str]:
        """The names of an object's attributes that the code may look up."""
        owner, wanted = found.owner, self._attributes
        own = slots_of(type(owner)) if found.mapping is None else list(found.mapping)
        if not isinstance(owner, types.ModuleType) and wanted & _BY_ANY_NAME:
            return [name for name in own if not is_special(name) or _is_operator(found, name)]
        if isinstance(owner, type):
            wanted = wanted | _CALLED_BY_BLOCKS
            return [name for name in own if name in wanted or _is_operator(found, name)]
        if isinstance(owner, types.ModuleType):
            return [name for name in own if name in wanted or name == "__getattr__"]
        return [name for name in own if name in wanted]

    def _watch_absent(self) -> None:
        by_any_name = bool(self._attributes & _BY_ANY_NAME)
        for mapping, owner, label in self._owners:
            if mapping is None:
                continue
            wanted = self._attributes
            if isinstance(owner, type):
                wanted = wanted | _FALLBACKS | _CALLED_BY_BLOCKS
            elif isinstance(owner, types.ModuleType):
                wanted = wanted | {"__getattr__"}
            self.watches.append(watches.Absent(mapping, wanted, owner, label))
            if by_any_name and not isinstance(owner, types.ModuleType):
                self.watches.append(watches.Keys(mapping, label))
        for variables, names in self._globals.values():
            self.watches.append(watches.Absent(variables, names, None, ""))

    # --- values --------------------------------------------------------------------------------------------------

    def _watch_item(self, mapping: Mapping[Any, Any], key: Any, owner: Any, label: str) -> None:
        self.watches.append(watches.Item(mapping, key, owner, label))
        self._visit(mapping[key], label)

    def _visit(self, value: Any, label: str) -> None:
        """Visit a value and everything to which it refers."""
        if type(value) in _SIMPLE:
            return
        if isinstance(value, Array):
            self.names_of_arrays.setdefault(id(value), label)
            self.keep.append(value)
            if is_users(type(value)):
                self._visit_object(value, label)
            return
        if id(value) not in self._seen:
            self._seen.add(id(value))
            self.keep.append(value)
            self._look_into(value, label)

    def _look_into(self, value: Any, label: str) -> None:
        if isinstance(value, types.ModuleType | type):
            if is_users(value):
                self._visit_object(value, label)
            return
        for kinds, visit in _VISITS:
            if isinstance(value, kinds):
                visit(self, value, label)
                return
        if isinstance(value, _IDENTITY_TYPES):
            self._visit_bound(value, label)
        elif _is_foreign_iterator(value):
            self._opaque(value, label)
        elif isinstance(value, StandsFor):
            self._visit(value.original, label)
        elif hasattr(type(value), "__lamina_children__"):  # such as a `gluon.Block`: it calls them unnamed
            self._visit_items(value.__lamina_children__, label, ordered=False)
            self._visit_object(value, label)
        else:
            self._visit_object(value, label)

    def _visit_bound(self, value: Any, label: str) -> None:
        """Visit the object of a bound built-in method, such as ``table.get``."""
        owner = getattr(value, "__self__", None)
        if value is time.sleep:
            return
        if isinstance(owner, types.ModuleType) and owner.__name__ in _NEVER_THE_SAME:
            self._opaque(value, label)
        elif not isinstance(owner, types.ModuleType | type):
            self._visit(owner, label)

    def _visit_function(self, function: types.FunctionType, label: str) -> None:
        if top_of(function.__module__ or "") in LIBRARIES and not is_users(function):
            return
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self.watches.append(watches.Cell(cell, name))
            try:
                self._visit(cell.cell_contents, name)
            except ValueError:
                continue  # not assigned yet
        for name, default in defaults_of(function).items():
            self._visit(default, name)
        self._visit(getattr(function, "__wrapped__", None), function.__name__)
        if not is_users(function):
            return
        self.watches.append(watches.Attribute(function, "__code__", label))
        if function.__defaults__:  # without defaults, calls pass all arguments, now and later
            self.watches.append(watches.Attribute(function, "__defaults__", label))
        if function.__kwdefaults__:
            self.watches.append(watches.Attribute(function, "__kwdefaults__", label))
            self._visit(function.__kwdefaults__, label)
        self._add_owner(vars(function), function, label)
        for code in nested_codes(function.__code__):
            self._visit_code(code, function.__globals__)

    def _visit_code(self, code: types.CodeType, variables: dict[str, Any]) -> None:
        names = names_in(code)
        self._attributes |= names.attributes
        used = self._globals.setdefault(id(variables), (variables, set()))[1]
        for name in sorted(names.variables - used):
            used.add(name)
            if name in variables:
                self._watch_item(variables, name, None, name)
            elif name in _BY_ANY_NAME:
                self._attributes.add(name)
            elif name == "type":
                self.asks_for_types = True
            elif name in _BY_ANY_VARIABLE:
                self.opaque.append(Opaque(f"{name}()", "function that may look up any variable"))
        for name, attribute in names.pairs:
            self._visit_library_attribute(variables.get(name), attribute, f"{name}.{attribute}")
        for name in names.modules:
            full = absolute_name(name, variables)
            if full in _NEVER_THE_SAME - {"time"}:
                self.opaque.append(Opaque(full, "source of other values at each call"))
            elif full in sys.modules:
                self._visit(sys.modules[full], full)
                self._visit(sys.modules[full.partition(".")[0]], full.partition(".")[0])
            elif is_users_module(top_of(full)):
                self.modules.add(full)

    def _visit_library_attribute(self, module: Any, name: str, label: str) -> None:
        """Visit a library module's attribute that the code reads: data, or a source of randomness or time."""
        if (
            not isinstance(module, types.ModuleType)
            or is_users(module)
            or top_of(module.__name__) == "lamina"
        ):
            return
        value = getattr(module, name, None)
        if value is time.sleep:  # it returns nothing
            return
        if module.__name__ in _NEVER_THE_SAME or getattr(value, "__name__", "") in _NEVER_THE_SAME:
            self.opaque.append(Opaque(label, "source of other values at each call"))
        elif not callable(value) and not isinstance(value, types.ModuleType) and name in vars(module):
            self._watch_item(vars(module), name, module, label)

    def _visit_items(self, container: Any, label: str, *, ordered: bool = True) -> None:
        self.keep.append(container)
        if len(container) > _MAX_ITEMS:
            self.opaque.append(Opaque(label, f"{type(container).__name__} of more than {_MAX_ITEMS:,} items"))
            return
        if not isinstance(container, tuple):
            self.watches.append(watches.Items(container, label, ordered=ordered))
        if isinstance(container, defaultdict):
            self.watches.append(watches.Attribute(container, "default_factory", label))
            self._visit(container.default_factory, label)
        if isinstance(container, Mapping):
            for key, value in list(container.items()):
                self._visit(key, label)
                self._visit(value, f"{label}.{key}")
        else:
            for i, value in enumerate(list(container)):
                self._visit(value, f"{label}[{i}]")
        if is_users(type(container)):
            self._visit_object(container, label)

    def _visit_members(self, value: Any, label: str) -> None:
        """Visit the members of a set or of a dictionary view."""
        members = list(value)
        if len(members) > _MAX_ITEMS:
            self.opaque.append(Opaque(label, f"{type(value).__name__} of more than {_MAX_ITEMS:,} members"))
            return
        self.keep.append(members)

        def restore() -> None:
            value.clear()
            value.update(members)

        if not isinstance(value, frozenset):
            self.watches.append(
                watches.Contents(
                    value, watches.identities, restore if isinstance(value, set) else None, label
                )
            )
        for member in members:
            self._visit(member, label)
        if is_users(type(value)):
            self._visit_object(value, label)

    def _visit_buffer(self, value: Any, label: str) -> None:
        everything: Any = ... if isinstance(value, np.ndarray) else slice(None)
        kept = value.copy() if isinstance(value, np.ndarray) else value[:]

        def restore() -> None:
            value[everything] = kept

        self.watches.append(watches.Contents(value, watches.buffer_of, restore, label))
        if isinstance(value, np.ndarray) and value.dtype.hasobject:
            if value.dtype == object:
                self._visit_members(list(value.flat), label)
            else:
                self._opaque(value, label)
        if dictionary_of(value):
            self._visit_items(vars(value), label)

    def _opaque(self, value: Any, label: str) -> None:
        self.opaque.append(Opaque(label, type(value).__name__))

    # --- objects -------------------------------------------------------------------------------------------------

    def _visit_object(self, value: Any, label: str) -> None:
        """Visit the user's objects, classes and modules, and those of libraries other than lamina."""
        if isinstance(value, types.ModuleType):
            self._add_owner(vars(value), value, label)
            return
        kind = value if isinstance(value, type) else type(value)
        users = [parent for parent in kind.__mro__ if is_users(parent)]
        for parent in [*users, *(meta for meta in inspect.getmro(type(kind)) if is_users(meta))]:
            self._add_class(parent)
        if isinstance(value, type):
            return
        if users:
            self._visit_users_object(value, label)
        elif type(value) is _NO_CODE_OF_ITS_OWN:
            self._add_owner(vars(value), value, label)
        elif kind.__name__ not in _IDENTITY_IS_ENOUGH.get(kind.__module__, ()):
            self._visit_library_object(value, label)

    def _visit_users_object(self, value: Any, label: str) -> None:
        kind = type(value)
        if has_hidden_state(kind) and not isinstance(value, _TRANSPARENT):
            self._opaque(value, label)
        if not isinstance(value, enum.Enum):
            self.watches.append(watches.Kind(value, label))
        if dictionary_of(value) is not None:
            self._add_owner(vars(value), value, label)
        if slots_of(kind):
            self._add_owner(None, value, label)
        # A library's methods read attributes that no walked code names.
        if any(map(_is_foreign, kind.__mro__)):
            self._visit_library_object(value, label)

    def _visit_library_object(self, value: Any, label: str) -> None:
        """Visit all of an object's attributes, since the library's code, which is not visited, may read any."""
        kind = type(value)
        if top_of(kind.__module__) == "lamina":
            return
        own = dictionary_of(value) or {}
        slots = [name for parent in kind.__mro__ for name in own_slots(parent) if not is_special(name)]
        self._library_items += len(own) + len(slots) + 1
        if has_hidden_state(kind) or self._library_items > _MAX_LIBRARY_ITEMS or not (own or slots):
            self._opaque(value, label)
            return
        if own:
            self._visit_items(own, label)
        for name in slots:
            self.watches.append(watches.Attribute(value, name, f"{label}.{name}"))
            self._visit(getattr(value, name, None), f"{label}.{name}")

    def _add_class(self, kind: type) -> None:
        if id(kind) not in self._seen:
            self._seen.add(id(kind))
            self.keep.append(kind)
        if self._add_owner(vars(kind), kind, kind.__name__):
            self.watches.append(watches.Attribute(kind, "__mro__", kind.__name__))

    def _add_owner(self, mapping: Any, owner: Any, label: str) -> bool:
        key = id(owner), mapping is None
        if key in self._owned:
            return False
        self._owned.add(key)
        self.keep += [mapping, owner]
        self._owners.append(_Owner(mapping, owner, label))
        return True


def _parts(*names: str) -> Callable[[Walk, Any, str], None]:
    """A function for `_VISITS` that visits these attributes of an object."""

    def visit(walk: Walk, value: Any, label: str) -> None:
        for name in names:
            walk._visit(getattr(value, name, None), "self" if name == "__self__" else label)

    return visit


_VISITS: list[tuple[Any, Callable[[Walk, Any, str], None]]] = [
    (types.FunctionType, Walk._visit_function),
    ((types.MethodType, staticmethod, classmethod), _parts("__func__", "__self__")),
    ((functools.partial, functools.partialmethod), _parts("func", "args", "keywords")),
    (
        (property, functools.cached_property, type(functools.lru_cache(int))),
        _parts("fget", "fset", "fdel", "func", "__wrapped__", "cache_parameters"),
    ),
    (weakref.ref, lambda walk, value, label: walk._visit(value(), label)),
    (_BUFFERS, Walk._visit_buffer),
    ((list, tuple, dict, deque, types.MappingProxyType), Walk._visit_items),
    ((set, frozenset, *_VIEWS), Walk._visit_members),
    (types.MethodWrapperType, Walk._visit_bound),
    (operator.itemgetter, lambda *_: None),
]
_TRANSPARENT = (list, tuple, dict, deque, set, frozenset, int, float, complex, str, bytes, type, *_BUFFERS)
"""Built-in types whose whole state can be watched; the user's classes may be derived from them."""


def _is_foreign(kind: type) -> bool:
    """Whether a class belongs to a library, and has Python methods that may read an object's attributes."""
    name = kind.__module__
    is_librarys = not is_users(kind) and top_of(name) != "lamina" and name not in _STATELESS
    return is_librarys and kind not in _TRANSPARENT


_STATELESS = frozenset({"builtins", "abc", "collections.abc", "typing", "typing_extensions", "enum"})


def _is_operator(found: _Owner, name: str) -> bool:
    """Whether syntax, such as an operator, can call the method without its name in the code."""
    return is_special(name) and name not in _NOT_OPERATORS and callable(getattr(found.owner, name, None))


_NOT_OPERATORS = frozenset({
    "__class__", "__class_getitem__", "__del__", "__init__", "__init_subclass__", "__new__", "__reduce__",
    "__reduce_ex__", "__repr__", "__str__",
})  # fmt: skip


def _is_foreign_iterator(value: Any) -> bool:
    return isinstance(value, Iterator) and not is_users(type(value))  # pyright: ignore[reportUnknownArgumentType]
