"""Names from PyTorch, Keras, NumPy and scikit-learn, with lamina's equivalents for error messages.

The names and texts are in foreign_names.txt; docs/tutorials/from-pytorch.md shows PyTorch's and
lamina's names side by side.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from lamina.support.messages import suggesting

T = TypeVar("T", bound=type)


def tables_in(file: str) -> dict[str, dict[str, str]]:
    """The tables of texts by name in a file of this folder; foreign_names.txt describes the form.

    >>> tables_in("foreign_names.txt")["arguments of layers"]["p"]
    'rate'
    """
    tables: dict[str, dict[str, str]] = {}
    table: dict[str, str] = {}
    for line in Path(__file__).with_name(file).read_text("utf-8").splitlines():
        names, _, text = line.partition(": ")
        if line.startswith("["):
            table = tables[line[1:-1]] = {}
        elif line.startswith("+ "):
            table.update(tables[line.removeprefix("+ ")])
        elif text and not line.startswith("#"):
            said = tables["texts"][text[1:]] if text.startswith("=") else text
            table.update(dict.fromkeys(names.split(), said))
    return tables


_TABLES = tables_in("foreign_names.txt")
_OF_MODULES = {name: table for name, table in _TABLES.items() if name.partition(".")[0] == "lamina"}
"""Advice by module and name."""
_CLASSES = ("NDArray", "Block", "Trainer", "MLPClassifier", "MLPRegressor")
_OF_CLASSES = {name: _TABLES[name] for name in _CLASSES}
ARGUMENTS = _TABLES["arguments of layers"]
"""Argument names of other libraries' layers, with lamina's."""
OPERATORS_ARGUMENTS = _TABLES["arguments of operators"]
"""Argument names of other libraries' functions of arrays, with lamina's."""
OPTIMIZERS_ARGUMENTS = _TABLES["arguments of optimizers"]
"""Argument names of other libraries' optimizers, with lamina's."""
LOADERS_ARGUMENTS = _TABLES["arguments of loaders"]
"""Argument names of other libraries' data loaders, with lamina's."""
ESTIMATORS_ARGUMENTS = _TABLES["arguments of estimators"]
"""Parameter names of other tabular libraries' estimators, with lamina's."""
_WITH_THESE_NAMES = ("lamina.nd", "lamina.gluon", "lamina.gluon.nn", "lamina.gluon.loss", "lamina.gluon.data")


def of_module(module: str, name: str) -> str | None:
    """Advice for a name that a module lacks, or None.

    >>> of_module("lamina.gluon.nn", "Module")
    'Subclass gluon.Block, and override `forward`'
    >>> of_module("lamina", "zeros")
    'Use lamina.nd.zeros'
    """
    if said := _OF_MODULES.get(module, {}).get(name):
        return said
    holders = (other for other in _WITH_THESE_NAMES if name in getattr(sys.modules.get(other), "__all__", ()))
    return next((f"Use {other}.{name}" for other in holders), None)


class _Telling:
    """A placeholder for a method that lamina lacks; access raises an error that names the alternative.

    ``hasattr`` returns False for the name. Unlike ``__getattr__``, the placeholder does not slow down access to other
    attributes. An attribute of the same name in a subclass or object takes precedence.
    """

    def __init__(self, owner: str, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, kind: type | None = None) -> NoReturn:
        raise no_member(self._owner, self._name, None if instance is None or kind is None else kind.__name__)


def no_member(owner: str, name: str, called: str | None = None) -> AttributeError:
    """The error for an attribute `name` that an object of class `owner` lacks, with lamina's alternative.

    `called` is the class name in the message, by default `owner`.

    >>> raise no_member("NDArray", "numpy")
    Traceback (most recent call last):
    AttributeError: 'NDArray' object has no attribute 'numpy'. Use x.asnumpy()
    """
    said = _OF_CLASSES[owner].get(name)
    message = f"{(called or owner)!r} object has no attribute {name!r}"
    return suggesting(f"{message}. {said}", name) if said else AttributeError(message)


def telling(cls: T) -> T:
    """A class decorator that makes other libraries' member names raise an error with lamina's name.

    ``dir`` does not list these names.
    """
    names = _OF_CLASSES[cls.__name__]
    for name in names:
        if hasattr(cls, name):
            raise TypeError(f"{cls.__name__}.{name} exists already")
        setattr(cls, name, _Telling(cls.__name__, name))
    usual: Any = cls.__dir__

    def __dir__(self: Any) -> list[str]:  # noqa: N807
        return [name for name in usual(self) if name not in names or hasattr(self, name)]

    cls.__dir__ = __dir__  # pyright: ignore[reportAttributeAccessIssue]
    return cls
