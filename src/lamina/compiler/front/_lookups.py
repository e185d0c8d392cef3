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
    """The names that a function's code looks up, with those of the functions and comprehensions inside it.

    ``variables`` are outer variables, ``pairs`` are outer variables with an attribute that is read from them, and
    ``modules`` are imported modules as relative or full names.
    """

    variables: set[str]
    attributes: set[str]
    pairs: set[tuple[str, str]]
    modules: set[str]


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> Names:
    """The names that code looks up."""
    found = Names(set(), set(), set(), set())
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
            for own, inner in zip(found, names_in(constant), strict=True):
                own |= inner
    return found


def slots_of(kind: type) -> list[str]:
    """The names in ``__slots__`` of a class and its bases, as they are stored."""
    return [
        name
        for parent in kind.__mro__
        if "__slots__" in vars(parent)
        for name, value in vars(parent).items()
        if isinstance(value, types.MemberDescriptorType)
    ]


def has_hidden_state(kind: type) -> bool:
    """Whether a class's objects have C-level state besides a dictionary, slots and weak references."""
    return kind.__basicsize__ > object.__basicsize__ + (len(slots_of(kind)) + 2) * tuple.__itemsize__


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
