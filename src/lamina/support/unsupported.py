"""MXNet features that lamina does not support, and the error for each feature.

lamina trains dense networks only. The names of unsupported features are not attributes of their modules (``hasattr`` is
False); access raises an error that names the alternative. docs/from-mxnet.md lists the features.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType, ModuleType
from typing import Any

from lamina.errors import OutsideError
from lamina.support.foreign_names import of_module, tables_in
from lamina.support.messages import closest, suggesting

OUTSIDE = tables_in("unsupported.txt")["unsupported"]
"""Error messages by full name of a feature, or by pattern."""


class Unsupported(type):
    """An unsupported module, class or function of MXNet. Attributes and calls raise `OutsideError`.

    Programs may import it and derive classes from it, as libraries do that have recurrent networks beside dense ones.
    """

    full_name: str

    def __getattr__(cls, name: str) -> Any:
        raise no_attribute(cls.full_name, name)

    def __call__(cls, *_args: object, **_kwargs: object) -> Any:
        raise no_attribute(*cls.full_name.rsplit(".", 1))


def unsupported(full_name: str) -> Any:
    """The stand-in for an unsupported module, class or function with this name, ``lamina.…``."""
    return Unsupported(full_name, (), {"full_name": full_name})


def no_attribute(module: str, name: str) -> Exception:
    """The error for a name that a module lacks, for the module's ``__getattr__`` to raise.

    For features of MXNet that lamina excludes, the error is an `OutsideError`, a subclass of `AttributeError`. For a
    name of another library the message names lamina's equivalent, for a misspelled name the most similar name. In
    ``from module import name`` the error is an `ImportError`, since Python would drop the message of any other error.

    >>> raise no_attribute("lamina.nd", "Convolution")
    Traceback (most recent call last):
    lamina.errors.OutsideError: mx.nd.Convolution: lamina has no convolutions, pooling or other image operators...
    """
    if name.startswith("__"):  # Python and its libraries ask for these, as for the `__path__` of a package
        return AttributeError(name)
    path = f"mx{module.removeprefix('lamina')}.{name}"
    why = _reason(path)
    imported = sys._getframe(2).f_globals.get("__name__") == "importlib._bootstrap"
    if imported and not name.startswith("_") and find_spec(f"{module}.{name}") is not None:
        return AttributeError(path)  # Python then imports the module, an `Unsupported`
    if why is None and (instead := of_module(module, name)):
        said = f"module {module!r} has no attribute {name!r}. {instead}"
        return ImportError(said, name=module) if imported else suggesting(said, name)
    if why is None:
        near = "" if name.startswith("_") else closest(name, _public_names(import_module(module)))
        said = f"module {module!r} has no attribute {name!r}"
        return suggesting(f"{said}.{near}", name) if near else AttributeError(said)
    return ImportError(f"{path}: {why}.", name=module) if imported else OutsideError(f"{path}: {why}.")


def _reason(path: str) -> str | None:
    """The error message for a feature, or for the module that it belongs to."""
    while "." in path:
        found = OUTSIDE.get(path) or next((s for p, s in OUTSIDE.items() if fnmatchcase(path, p)), None)
        if found is not None:
            return found
        path = path.rpartition(".")[0]
    return None


def names_of_others(module: str, elsewhere: Mapping[str, str] = MappingProxyType({})) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module: it raises the error of `no_attribute`.

    Names in `elsewhere` are imported on first access from the modules given there.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name in elsewhere:
            return getattr(import_module(elsewhere[name]), name)
        raise no_attribute(module, name)

    return __getattr__


def _public_names(module: ModuleType) -> set[str]:
    """A module's public names, from its ``__all__`` and its ``__dir__``."""
    listed = vars(module).get("__dir__")
    return {*module.__all__, *(listed() if listed else ())}
