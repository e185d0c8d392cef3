"""The search for all objects that a function can reach outside, by the names in its code.

Globals and closure cells are looked up by the names in the code. Of the user's objects, classes and modules, the walk
includes the attributes whose names occur in the visited code, whether they exist or not. Containers, sets and buffers
are included as a whole, and so is the state of a library's object, if it is visible from Python. An object with state
that is not visible is `opaque`: a function that finds one can't be compiled. lamina's objects are included by identity,
as they report their contents to the trace themselves.
"""

from __future__ import annotations

import array
import dis
import functools
import operator
import sys
import time
import types
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import resolve_name
from typing import Any, NamedTuple

import numpy as np

from lamina.compiler.front._watches import Watches, buffer_of, identities, is_special
from lamina.compiler.written_checks import function_of
from lamina.core.array import Array
from lamina.core.tape import Leaf

_LIBRARIES = frozenset({"lamina", "numpy"})


class StandsFor:
    """The base class of lamina's objects that users call in place of their functions, such as `CompiledFunction`."""

    original: Callable[..., Any]
    """The user's original function."""


class _Owner(NamedTuple):
    """An object with attributes: the mapping that stores them, the object, the user's name for it."""

    mapping: Mapping[str, Any] | None
    owner: Any
    label: str


_SIMPLE = frozenset(
    {int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range, slice}
)
_IDENTITY_IS_ENOUGH = frozenset({
    "datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta", "datetime.timezone",
    "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "pathlib.PosixPath", "pathlib.WindowsPath",
    "pathlib.PurePosixPath", "pathlib.PureWindowsPath", "re.Pattern", "re.Match", "_thread.lock", "_thread.RLock",
    "threading.Condition", "threading.Semaphore", "threading.BoundedSemaphore", "threading.Barrier",
    "logging.Logger", "logging.RootLogger", "logging.LoggerAdapter", "contextlib.nullcontext",
})  # fmt: skip
"""Library types: they never change, or only in state that no result depends on."""
_TUPLE_FIELD: Any = type(vars(_Owner)["label"])
_IDENTITY_TYPES = (
    types.CodeType, types.BuiltinFunctionType, types.WrapperDescriptorType, types.MethodDescriptorType,
    types.GetSetDescriptorType, types.MemberDescriptorType, types.ClassMethodDescriptorType, types.GenericAlias,
    types.UnionType, types.MethodWrapperType, np.generic, np.dtype, np.ufunc, _TUPLE_FIELD, operator.itemgetter,
    operator.attrgetter, operator.methodcaller,
)  # fmt: skip
_BUFFERS = (np.ndarray, array.array, bytearray, memoryview)
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
_OF_CLASSES = frozenset({
    "__bool__", "__call__", "__class_getitem__", "__contains__", "__delattr__", "__eq__", "__ge__", "__getattr__",
    "__getattribute__", "__getitem__", "__gt__", "__hash__", "__iter__", "__le__", "__len__", "__lt__", "__ne__",
    "__setattr__", "forward", "hybrid_forward",
})  # fmt: skip
"""Methods whose absence changes the meaning of syntax, and those that blocks call."""
_NOT_OPERATORS = frozenset({
    "__class__", "__class_getitem__", "__del__", "__init__", "__init_subclass__", "__new__", "__reduce__",
    "__reduce_ex__", "__repr__", "__str__",
})  # fmt: skip
_STATELESS = frozenset({"builtins", "abc", "collections.abc", "typing", "typing_extensions", "enum"})
_TRANSPARENT = (list, tuple, dict, deque, set, frozenset, int, float, complex, str, bytes, type, *_BUFFERS)
"""Built-in types whose whole state can be watched; the user's classes may be derived from them."""


class Walk(Watches):
    """The search from `function`, and from objects among its arguments, for all reachable objects.

    ``watches``          the checks for changes
    ``names_of_arrays``  the user's names of the arrays found, by id
    ``opaque``           objects that can't be watched: the user's name, and the kind of object
    ``asks_for_types``   whether the code calls ``type``, which would reveal a stand-in for a number
    ``keep``             the objects found, kept alive to prevent the reuse of their ids
    """

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
        super().__init__()
        self.names_of_arrays: dict[int, str] = {}
        self.opaque: list[tuple[str, str]] = []
        self.asks_for_types = False
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
        while self._follow_attributes():
            pass
        self._watch_absent()

    # --- attributes ----------------------------------------------------------------------------------------------

    def _follow_attributes(self) -> bool:
        """Watch and visit new attributes that occur in the code; returns whether there were any."""
        before = len(self._followed)
        for found in list(self._owners):
            for name in self._used(found):
                if (id(found.owner), name) not in self._followed:
                    self._followed.add((id(found.owner), name))
                    self._follow(found, name)
        return len(self._followed) > before

    def _follow(self, found: _Owner, name: str) -> None:
        label = f"{found.label}.{name}"
        if found.mapping is not None:
            self._visit_item(found.mapping, name, found.owner, label)
            return
        self.watch_attribute(found.owner, name, label)
        self._visit(getattr(found.owner, name, None), label)

    def _used(self, found: _Owner) -> list[str]:
        """The names of an object's attributes that the code may look up."""
        names = _slots_of(type(found.owner)) if found.mapping is None else found.mapping
        wanted, by_any_name = self._wanted(found.owner)
        operators = by_any_name or isinstance(found.owner, type)
        return [
            name
            for name in names
            if name in wanted
            or (by_any_name and not is_special(name))
            or (operators and _is_operator(found.owner, name))
        ]

    def _wanted(self, owner: Any) -> tuple[set[str], bool]:
        """The names of attributes that the code looks up, and whether it may look up any name of this object."""
        if isinstance(owner, types.ModuleType):
            return self._attributes | {"__getattr__"}, False
        wanted = self._attributes | _OF_CLASSES if isinstance(owner, type) else self._attributes
        return wanted, not self._attributes.isdisjoint(_BY_ANY_NAME)

    def _watch_absent(self) -> None:
        for mapping, owner, label in self._owners:
            if mapping is None:
                continue
            wanted, by_any_name = self._wanted(owner)
            self.watch_absent(mapping, wanted, owner, label)
            if by_any_name:
                self.watch_keys(mapping, label)
        for variables, names in self._globals.values():
            self.watch_absent(variables, names, None, "")

    # --- values --------------------------------------------------------------------------------------------------

    def _visit_item(self, mapping: Mapping[Any, Any], key: Any, owner: Any, label: str) -> None:
        self.watch_item(mapping, key, owner, label)
        self._visit(mapping[key], label)

    def _visit(self, value: Any, label: str) -> None:
        """Visit a value and everything to which it refers."""
        if type(value) in _SIMPLE:
            return
        self.keep.append(value)
        if isinstance(value, Array):
            self.names_of_arrays.setdefault(id(value), label)
            if _is_users(type(value)):
                self._visit_object(value, label)
        elif id(value) not in self._seen:
            self._seen.add(id(value))
            self._look_into(value, label)

    def _look_into(self, value: Any, label: str) -> None:
        if isinstance(value, types.ModuleType | type):
            if _is_users(value):
                self._visit_object(value, label)
            return
        visit = next((visit for kinds, visit in _VISITS if isinstance(value, kinds)), None)
        if visit is not None:
            visit(self, value, label)
        elif isinstance(value, Iterator) and not _is_users(type(value)):  # pyright: ignore[reportUnknownArgumentType]
            self._opaque(value, label)
        elif isinstance(value, StandsFor):
            self._visit(value.original, label)
        else:
            if hasattr(type(value), "__lamina_children__"):  # such as a `gluon.Block`: it calls them unnamed
                children = value.__lamina_children__  # pyright: ignore[reportAttributeAccessIssue]
                self._visit_items(children, label, ordered=False)
            self._visit_object(value, label)

    def _visit_bound(self, value: Any, label: str) -> None:
        """Visit the object of a bound built-in method, such as ``table.get``."""
        owner = getattr(value, "__self__", None)
        if isinstance(owner, types.ModuleType):
            if owner.__name__ in _NEVER_THE_SAME and value is not time.sleep:
                self._opaque(value, label)
        elif not isinstance(owner, type):
            self._visit(owner, label)

    def _visit_function(self, function: types.FunctionType, label: str) -> None:
        if _top_of(function.__module__ or "") in _LIBRARIES and not _is_users(function):
            return
        code = function.__code__
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self.watch_attribute(cell, "cell_contents", name)
            try:
                self._visit(cell.cell_contents, name)
            except ValueError:
                continue  # not assigned yet
        defaults = function.__defaults__ or ()
        optional = code.co_varnames[code.co_argcount - len(defaults) :]
        for name, default in zip(optional, defaults, strict=False):
            self._visit(default, name)
        for name, default in (function.__kwdefaults__ or {}).items():
            self._visit(default, name)
        self._visit(getattr(function, "__wrapped__", None), function.__name__)
        if not _is_users(function):
            return
        self.watch_attribute(function, "__code__", label)
        if defaults:  # without defaults, calls pass all arguments, now and later
            self.watch_attribute(function, "__defaults__", label)
        if function.__kwdefaults__:
            self.watch_attribute(function, "__kwdefaults__", label)
            self._visit(function.__kwdefaults__, label)
        self._add_owner(vars(function), function, label)
        self._visit_code(code, function.__globals__)

    def _visit_code(self, code: types.CodeType, variables: dict[str, Any]) -> None:
        names = _names_in(code)
        self._attributes |= names.attributes
        used = self._globals.setdefault(id(variables), (variables, set()))[1]
        for name in sorted(names.variables - used):
            used.add(name)
            if name in variables:
                self._visit_item(variables, name, None, name)
            elif name in _BY_ANY_NAME:
                self._attributes.add(name)
            elif name == "type":
                self.asks_for_types = True
            elif name in _BY_ANY_VARIABLE:
                self.opaque.append((f"{name}()", "function that may look up any variable"))
        for name, attribute in names.pairs:
            self._visit_library_attribute(variables.get(name), attribute, f"{name}.{attribute}")
        package = variables.get("__package__") or variables.get("__name__", "").rpartition(".")[0]
        for name in names.modules:
            full = resolve_name(name, package) if package else name
            if full in _NEVER_THE_SAME - {"time"}:
                self.opaque.append((full, "source of other values at each call"))
            elif full in sys.modules:
                self._visit(sys.modules[full], full)
                self._visit(sys.modules[_top_of(full)], _top_of(full))
            elif _is_users_module(_top_of(full)):  # its import is a change, after which it is visited
                self.watch_absent(sys.modules, [full], None, "")

    def _visit_library_attribute(self, module: Any, name: str, label: str) -> None:
        """Visit a library module's attribute that the code reads: data, or a source of randomness or time."""
        if not isinstance(module, types.ModuleType) or _is_users(module):
            return
        value = getattr(module, name, None)
        if value is time.sleep or _top_of(module.__name__) == "lamina":  # `sleep` returns nothing
            return
        if module.__name__ in _NEVER_THE_SAME or getattr(value, "__name__", "") in _NEVER_THE_SAME:
            self.opaque.append((label, "source of other values at each call"))
        elif not callable(value) and not isinstance(value, types.ModuleType) and name in vars(module):
            self._visit_item(vars(module), name, module, label)

    def _visit_items(self, container: Any, label: str, *, ordered: bool = True) -> None:
        """Visit the items of a list, tuple, deque, dictionary or set."""
        self.keep.append(container)
        if len(container) > _MAX_ITEMS:
            self.opaque.append((label, f"{type(container).__name__} of more than {_MAX_ITEMS:,} items"))
            return
        if isinstance(container, set):
            members = container.copy()
            restore = functools.partial(_restore_set, container, members)
            self.watch_contents(container, identities, restore, label)
        elif not isinstance(container, tuple | frozenset):
            self.watch_items(container, label, ordered=ordered)
        if isinstance(container, defaultdict):
            self.watch_attribute(container, "default_factory", label)
            self._visit(container.default_factory, label)
        if isinstance(container, Mapping):
            for key, value in list(container.items()):
                self._visit(key, label)
                self._visit(value, f"{label}.{key}")
        else:
            for i, value in enumerate(list(container)):
                self._visit(value, f"{label}[{i}]")
        if _is_users(type(container)):
            self._visit_object(container, label)

    def _visit_buffer(self, value: Any, label: str) -> None:
        """Visit numbers in a buffer; arrays of objects, and arrays with attributes of their own, can't be compared."""
        everything: Any = ... if isinstance(value, np.ndarray) else slice(None)
        kept = value.copy() if isinstance(value, np.ndarray) else value[:]

        def restore() -> None:
            value[everything] = kept

        self.watch_contents(value, buffer_of, restore, label)
        if isinstance(value, np.ndarray) and (value.dtype.hasobject or _dictionary_of(value)):
            self._opaque(value, label)

    def _opaque(self, value: Any, label: str) -> None:
        self.opaque.append((label, type(value).__name__))

    # --- objects -------------------------------------------------------------------------------------------------

    def _visit_object(self, value: Any, label: str) -> None:
        """Visit the user's objects, classes and modules, and those of libraries other than lamina."""
        if isinstance(value, types.ModuleType):
            self._add_owner(vars(value), value, label)
            return
        kind = value if isinstance(value, type) else type(value)
        users = [parent for parent in kind.__mro__ if _is_users(parent)]
        for parent in [*users, *filter(_is_users, type.mro(type(kind)))]:
            self._add_class(parent)
        if isinstance(value, type):
            return
        if users:
            self._visit_users_object(value, label)
        elif kind is types.SimpleNamespace:  # no code of its own reads its attributes
            self._add_owner(vars(value), value, label)
        elif f"{kind.__module__}.{kind.__name__}" not in _IDENTITY_IS_ENOUGH:
            self._visit_library_object(value, label)

    def _visit_users_object(self, value: Any, label: str) -> None:
        kind = type(value)
        if _has_hidden_state(kind) and not isinstance(value, _TRANSPARENT):
            self._opaque(value, label)
        self.watch_class(value, label)
        if _dictionary_of(value) is not None:
            self._add_owner(vars(value), value, label)
        if _slots_of(kind):
            self._add_owner(None, value, label)
        # A library's methods read attributes that no walked code names.
        if any(map(_is_foreign, kind.__mro__)):
            self._visit_library_object(value, label)

    def _visit_library_object(self, value: Any, label: str) -> None:
        """Visit all of an object's attributes, since the library's code, which is not visited, may read any."""
        kind = type(value)
        if _top_of(kind.__module__) == "lamina":
            return
        own, slots = _dictionary_of(value) or {}, _slots_of(kind)
        self._library_items += len(own) + len(slots) + 1
        if _has_hidden_state(kind) or self._library_items > _MAX_LIBRARY_ITEMS or not (own or slots):
            self._opaque(value, label)
            return
        if own:
            self._visit_items(own, label)
        for name in slots:
            self._follow(_Owner(None, value, label), name)

    def _add_class(self, kind: type) -> None:
        self._seen.add(id(kind))
        self.keep.append(kind)
        if self._add_owner(vars(kind), kind, kind.__name__):
            self.watch_attribute(kind, "__mro__", kind.__name__)

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
    ((list, tuple, dict, deque, types.MappingProxyType, set, frozenset), Walk._visit_items),
    (_IDENTITY_TYPES, Walk._visit_bound),
]


def _restore_set(changed: set[Any], members: Iterable[Any]) -> None:
    changed.clear()
    changed.update(members)


def _is_foreign(kind: type) -> bool:
    """Whether a class belongs to a library, and has Python methods that may read an object's attributes."""
    name = kind.__module__
    is_librarys = not _is_users(kind) and _top_of(name) != "lamina" and name not in _STATELESS
    return is_librarys and kind not in _TRANSPARENT


def _is_operator(owner: Any, name: str) -> bool:
    """Whether syntax, such as an operator, can call the method without its name in the code."""
    return is_special(name) and name not in _NOT_OPERATORS and callable(getattr(owner, name, None))


# --- what code looks up, who owns things, and where attributes are stored ---------------------------------------------


_OF_VARIABLES = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")


class _Names(NamedTuple):
    """The names that a function's code looks up, with those of the functions and comprehensions inside it.

    ``variables`` are outer variables, ``pairs`` are outer variables with an attribute that is read from them, and
    ``modules`` are imported modules as relative or full names.
    """

    variables: set[str]
    attributes: set[str]
    pairs: set[tuple[str, str]]
    modules: set[str]


@functools.lru_cache(maxsize=4096)
def _names_in(code: types.CodeType) -> _Names:
    """The names that code looks up."""
    found = _Names(set(), set(), set(), set())
    constants: list[Any] = [0, 0]
    latest = ""
    for instruction in dis.get_instructions(code):
        name, value = instruction.opname, instruction.argval
        if name in ("LOAD_CONST", "LOAD_SMALL_INT"):
            constants = [constants[1], value]
        elif name in _OF_VARIABLES:
            found.variables.add(value)
        elif name == "IMPORT_NAME":
            found.modules.add("." * constants[0] + value)
        elif instruction.opcode in dis.hasname:
            found.attributes.add(value)
            found.pairs.add((latest, value))
        latest = value if name in ("LOAD_GLOBAL", "LOAD_NAME") else ""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            for own, inner in zip(found, _names_in(constant), strict=True):
                own |= inner
    return found


def _slots_of(kind: type) -> list[str]:
    """The names in ``__slots__`` of a class and its bases, as they are stored."""
    return [
        name
        for parent in kind.__mro__
        if "__slots__" in vars(parent)
        for name, value in vars(parent).items()
        if isinstance(value, types.MemberDescriptorType)
    ]


def _has_hidden_state(kind: type) -> bool:
    """Whether a class's objects have C-level state besides a dictionary, slots and weak references."""
    return kind.__basicsize__ > object.__basicsize__ + (len(_slots_of(kind)) + 2) * tuple.__itemsize__


def _dictionary_of(value: Any) -> dict[str, Any] | None:
    """An object's ``__dict__``, or None if the object has no ordinary dictionary."""
    own = getattr(value, "__dict__", None)
    return own if isinstance(own, dict) else None


def _is_users(value: Any) -> bool:
    """Whether a function, class or module belongs to the user, not to a library."""
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return not isinstance(name, str) or _is_users_module(_top_of(name))


def _top_of(module: str) -> str:
    """The top-level package of a module's full name."""
    return module.partition(".")[0]


@functools.cache
def _is_users_module(name: str) -> bool:
    """Whether a top-level module is neither Python's nor an installed package."""
    if name in _LIBRARIES or name in sys.stdlib_module_names or name in sys.builtin_module_names:
        return False
    path = getattr(sys.modules.get(name), "__file__", None) or ""
    return not any(part in path for part in ("site-packages", "dist-packages"))


# --- Guards, which watch what the walk found, to detect a replaced parameter, constant or layer ----------------------
#
# ``docs/adr/guards.md`` states the guarantees.


class Guards:
    """The names that a function and its callees look up, with their values when the function was captured.

    `arguments` are the arguments whose attributes the function may read.

    ``arrays``          the ids of all arrays found, to recognize them among the arguments
    ``hold()``          whether everything is unchanged
    ``opaque``          objects found that can't be watched, as pairs (the user's name, the kind of object)
    ``asks_for_types``  whether the capture needs the values of number arguments, as the function calls ``type``
    """

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any] = ()) -> None:
        found = Walk(function, arguments)
        self._watches, self._names, self._arrays = found.watches, found.names, found.names_of_arrays
        self._keep = found.keep
        self._leaves: list[tuple[Array, Leaf | None]] = []
        self.opaque, self.asks_for_types = found.opaque, found.asks_for_types
        self.arrays = frozenset(self._arrays)
        self.hold = self._written_hold()

    def complete(self, arrays: Iterable[Array], with_leaves: Iterable[Array]) -> None:
        """Add guards for objects found by a successful capture; `with_leaves` are arrays whose gradient it used."""
        self._keep += arrays
        self.arrays |= {id(x) for x in arrays}
        self._leaves = [(x, x._leaf) for x in with_leaves]
        self.hold = self._written_hold()

    def changed(self) -> str | None:
        """The user's name for the first object that has changed; None if nothing has."""
        for watch in () if self.hold() else self._watches:
            if not self._holds(watch.condition):
                return watch.label() if callable(watch.label) else watch.label
        others = [x for x, leaf in self._leaves if x._leaf is not leaf]
        return f"the gradient of {self.name_of(others[0])}" if others else None

    def only_contents_changed(self) -> bool:
        """Whether only values in buffers have changed, in which case the graph may still be valid."""
        same_leaves = all(x._leaf is leaf for x, leaf in self._leaves)
        return same_leaves and all(x.is_of_contents or self._holds(x.condition) for x in self._watches)

    def undo(self) -> None:
        """Undo the changes that a failed capture has made to objects outside the function."""
        for watch in self._watches:
            if watch.undo is not None and not self._holds(watch.condition):
                watch.undo()

    def name_of(self, array: Array) -> str | None:
        """The user's name for an array."""
        return self._arrays.get(id(array))

    def _holds(self, condition: str) -> bool:
        try:
            return bool(eval(condition, self._names.objects))
        except Exception:
            return False

    def _written_hold(self) -> Callable[[], bool]:
        names = self._names
        conditions = [watch.condition for watch in self._watches]
        conditions += [f"{names.of(array)}._leaf is {names.of(leaf)}" for array, leaf in self._leaves]
        written = " and ".join(conditions) or "True"
        # An exception means a change, too: a variable was deleted, a list is shorter.
        lines = ["try:", f"    return {written}", "except Exception:", "    return False"]
        return function_of("hold()", lines, names)
