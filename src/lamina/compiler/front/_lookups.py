"""Properties of Python code and objects: names that code looks up, owners, and where attributes are stored.

The owner of a function, class or module is the user or a library.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from typing import Any, NamedTuple

LIBRARIES = frozenset({"lamina", "numpy"})


_OF_VARIABLES = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")


class Names(NamedTuple):
    """The names that a function's code looks up."""

    variables: frozenset[str]
    attributes: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    modules: frozenset[tuple[int, str]]


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> Names:
    """The names that code looks up: outer variables, attributes, and modules with their import level."""
    variables: set[str] = set()
    attributes: set[str] = set()
    modules: set[tuple[int, str]] = set()
    pairs: set[tuple[str, str]] = set()
    level: list[Any] = [0, 0]
    latest = ""
    for instruction in dis.get_instructions(code):
        name, value = instruction.opname, instruction.argval
        if name in ("LOAD_CONST", "LOAD_SMALL_INT"):
            level = [level[1], value]
        elif name in _OF_VARIABLES:
            variables.add(value)
        elif name == "IMPORT_NAME":
            modules.add((level[0] if isinstance(level[0], int) else 0, value))
        elif instruction.opcode in dis.hasname:
            attributes.add(value)
            pairs.add((latest, value))
        latest = value if name in ("LOAD_GLOBAL", "LOAD_NAME") else ""
    return Names(frozenset(variables), frozenset(attributes), frozenset(pairs), frozenset(modules))


def absolute_name(name: tuple[int, str], variables: dict[str, Any]) -> str:
    """The full name of a module, from its (level, name) in an import and the importing module's variables."""
    level, module = name
    if not level:
        return module
    package = (variables.get("__package__") or variables.get("__name__", "")).split(".")
    return ".".join([*package[: len(package) - level + 1], *filter(None, [module])])


def own_slots(kind: type) -> list[str]:
    """The names in the ``__slots__`` of the class itself, without name mangling."""
    slots = vars(kind).get("__slots__", ())
    return [slots] if isinstance(slots, str) else list(slots)


def slots_of(kind: type) -> list[str]:
    """The names in ``__slots__`` of a user's class and its base classes."""
    names: list[str] = []
    for parent in kind.__mro__:
        if is_users(parent):
            own = parent.__name__.lstrip("_")
            private = [n for n in own_slots(parent) if n.startswith("__") and not is_special(n)]
            names += [f"_{own}{n}" if n in private else n for n in own_slots(parent)]
    return [name for name in names if not is_special(name)]


def has_hidden_state(kind: type) -> bool:
    """Whether a class's objects have C-level state besides a dictionary, slots and weak references."""
    slots = sum(len(own_slots(parent)) for parent in kind.__mro__)
    return kind.__basicsize__ > object.__basicsize__ + (slots + 2) * tuple.__itemsize__


def dictionary_of(value: Any) -> dict[str, Any] | None:
    """An object's ``__dict__``, or None if the object has no ordinary dictionary."""
    own = getattr(value, "__dict__", None)
    return own if isinstance(own, dict) else None


def is_special(name: str) -> bool:
    """Whether a name is special in Python, such as ``__init__``."""
    return name.startswith("__") and name.endswith("__")


def is_users(value: Any) -> bool:
    """Whether a function, class or module belongs to the user, not to a library."""
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return not isinstance(name, str) or is_users_module(top_of(name))


def top_of(module: str) -> str:
    """The top-level package of a module's full name."""
    return module.partition(".")[0]


@functools.cache
def is_users_module(name: str) -> bool:
    """Whether a top-level module is neither Python's nor an installed package."""
    if name in LIBRARIES or name in sys.stdlib_module_names or name in sys.builtin_module_names:
        return False
    path = getattr(sys.modules.get(name), "__file__", None) or ""
    return not any(part in path for part in ("site-packages", "dist-packages"))


def defaults_of(function: types.FunctionType) -> dict[str, Any]:
    """The default values of arguments, by name."""
    positional = function.__code__.co_varnames[: function.__code__.co_argcount]
    given = function.__defaults__ or ()
    return {
        **dict(zip(reversed(positional), reversed(given), strict=False)),
        **(function.__kwdefaults__ or {}),
    }


def nested_codes(code: types.CodeType) -> list[types.CodeType]:
    """A function's code object, and those of the functions and comprehensions inside it."""
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found += nested_codes(constant)
    return found
