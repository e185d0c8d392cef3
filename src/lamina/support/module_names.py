"""Aliases of lamina's modules for programs and pickles, with names of MXNet and of earlier versions.

A finder in `sys.meta_path` returns the same module for each of its names, and imports it on first use.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

from lamina.support.foreign_names import tables_in

_TABLES = tables_in("module_names.txt")
MXNET = _TABLES["mxnet"]
"""MXNet's module names, with the corresponding modules of lamina, both without the package's name."""

_NAMES = MXNET | _TABLES["inside"] | _TABLES["earlier"]
"""All aliases: `MXNET`, MXNet's modules inside these, and earlier names that programs and pickles may contain."""


def real_name(name: str) -> str | None:
    """The real name of the module of lamina with the alias `name`, or None if `name` is not an alias.

    >>> real_name("lamina.symbol.nodes")
    'lamina.mxnet.symbol.nodes'
    """
    stem = name[7:]
    while stem:
        if stem in _NAMES:
            return f"lamina.{_NAMES[stem]}{name[7 + len(stem) :]}"
        stem = stem.rpartition(".")[0]
    return None


def _is_unsupported(name: str) -> bool:
    """Whether a module of MXNet, ``lamina.…``, is unsupported or lies in such a module, but may be imported."""
    stem = name.removeprefix("lamina.")
    return any(stem == one or stem.startswith(f"{one}.") for one in _TABLES["unsupported"])


class ModuleNames:
    """A finder and loader for `sys.meta_path` that imports modules by aliases."""

    mxnet = False
    """Whether ``mxnet`` is an alias of `lamina`; set by `lamina.mxnet.install`."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module spec for an alias, or None for other names."""
        if name.startswith("lamina."):
            if real_name(name):
                return ModuleSpec(name, self)  # pyright: ignore[reportArgumentType]
            return ModuleSpec(name, self, is_package=True) if _is_unsupported(name) else None  # pyright: ignore[reportArgumentType]
        if self.mxnet and name.partition(".")[0] == "mxnet":
            return ModuleSpec(name, self)  # pyright: ignore[reportArgumentType]
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the real module. Python then replaces the module's spec by `spec`, and `exec_module` restores it."""
        name = spec.name if spec.name.startswith("lamina.") else f"lamina{spec.name.removeprefix('mxnet')}"
        if name == spec.name and not real_name(name):
            from lamina.support.unsupported import unsupported

            return unsupported(name)
        try:
            module = import_module(real_name(name) or name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            from lamina.support.unsupported import no_attribute

            package, _, missing = name.rpartition(".")
            raise ModuleNotFoundError(str(no_attribute(package, missing)), name=spec.name) from None
        # In MXNet it may be a package, whose modules `find_spec` finds.
        module.__path__ = getattr(module, "__path__", [])
        # The first spec is kept, since other threads may be between the two steps.
        self._specs.setdefault(module.__name__, module.__spec__)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Restore the module's spec, without executing anything, since the real module is already imported."""
        module.__spec__ = self._specs.get(module.__name__, module.__spec__)

    def get_code(self, name: str) -> None:
        """Raise `ImportError`, since an alias can't run as a program, as in ``python -m lamina.io``."""
        raise ImportError(f"{name} is another name of the module {real_name(name)}, not a program", name=name)


FINDER = ModuleNames()
sys.meta_path.insert(0, FINDER)  # pyright: ignore[reportArgumentType] - it has a finder's methods
