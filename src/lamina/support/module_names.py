"""Aliases of lamina's modules for programs and pickles, with names of MXNet and of earlier versions.

A finder in `sys.meta_path` returns the same module for each of its names, and imports it on first use.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

_WING = (
    "attribute", "base", "callback", "engine", "io", "kvstore", "model", "np", "npx", "operator", "random", "runtime",
    "symbol", "test_utils", "util", "visualization",
)  # fmt: skip
MXNET = {
    **{name: f"mxnet.{name}" for name in _WING},
    "context": "device.context",
    "init": "gluon.initializer",
    "initializer": "gluon.initializer",
    "kv": "mxnet.kvstore",
    "lr_scheduler": "optimizer.lr_scheduler",
    "metric": "gluon.metric",
    "name": "gluon.name",
    "ndarray": "nd",
    "numpy": "mxnet.np",
    "numpy_extension": "mxnet.npx",
    "rnd": "mxnet.random",
    "sym": "mxnet.symbol",
    "viz": "mxnet.visualization",
}
"""MXNet's module names, with the corresponding modules of lamina, both without the package's name."""

_SUPPORT = ("datasets", "extras", "files", "messages", "registry", "schedules", "tracebacks")
_NAMES = {
    **MXNET,
    **{name: f"support.{name}" for name in _SUPPORT},
    "arguments": "support.argument_checks",
    "dask": "estimators.dask",
    "deferral": "compiler.deferral",
    "estimators.apart": "estimators.joblib_members",
    "files.aside": "support.files.staging",
    "gluon.symbol_block": "mxnet.symbol.block",
    "gluon.symbol_export": "mxnet.symbol.export",
    "habits": "support.foreign_names",
    "mlflow": "export.mlflow",
    **dict.fromkeys(
        ("mxnet.many_updates", "nd._adam_updates", "nd._fused_updates", "nd._updates"), "mxnet.updates"
    ),
    **dict.fromkeys(("mxnet.np._binary", "mxnet.np._unary"), "mxnet.np._elementwise"),
    "mxnet.np._einsum": "mxnet.np._products",
    **dict.fromkeys(("nd._attention", "nd._control", "nd._masks"), "nd._contrib"),
    "nd._ctc": "nd._sequence",
    "nd._density": "nd._sample",
    **dict.fromkeys(("nd._diagonals", "nd._factorizations", "nd._products"), "nd._linalg"),
    "nd._internal": "mxnet.internal",
    **dict.fromkeys(("nd._random_like", "nd._streams"), "nd._distributions"),
    "nd._ordering": "nd._counting",
    "nd._probability": "nd._outputs",
    "nd._serialization": "nd._interop",
    "neural_network": "estimators.neural_network",
    "outside": "support.unsupported",
    "recipes": "runs.recipes",
    "runs.recipes._augmented": "runs.recipes._networks",
    "runs.recipes._chapter": "runs.recipes._networks",
    "runs.recipes._settings": "runs.recipes._training",
}
"""All aliases: `MXNET`, and earlier names that programs and pickles may contain."""


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


class ModuleNames:
    """A finder and loader for `sys.meta_path` that imports modules by aliases."""

    mxnet = False
    """Whether ``mxnet`` is an alias of `lamina`; set by `lamina.mxnet.install`."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module spec for an alias, or None for other names."""
        if name.startswith("lamina."):
            return ModuleSpec(name, self) if real_name(name) else None  # pyright: ignore[reportArgumentType]
        if self.mxnet and name.partition(".")[0] == "mxnet":
            return ModuleSpec(name, self)  # pyright: ignore[reportArgumentType]
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the real module. Python then replaces the module's spec by `spec`, and `exec_module` restores it."""
        name = spec.name if spec.name.startswith("lamina.") else f"lamina{spec.name.removeprefix('mxnet')}"
        try:
            module = import_module(real_name(name) or name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            from lamina.support.unsupported import no_attribute

            package, _, missing = name.rpartition(".")
            raise ModuleNotFoundError(str(no_attribute(package, missing)), name=spec.name) from None
        self._specs.setdefault(
            module.__name__, module.__spec__
        )  # the first spec is kept, since other threads may be between the two steps
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Restore the module's spec, without executing anything, since the real module is already imported."""
        module.__spec__ = self._specs[module.__name__]

    def get_code(self, name: str) -> None:
        """Raise `ImportError`, since an alias can't run as a program, as in ``python -m lamina.io``."""
        raise ImportError(f"{name} is another name of the module {real_name(name)}, not a program", name=name)


def _install() -> ModuleNames:
    finder = ModuleNames()
    sys.meta_path.insert(0, finder)  # pyright: ignore[reportArgumentType] - it has a finder's methods
    return finder


FINDER = _install()
