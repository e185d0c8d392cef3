"""Networks built from layers, with parameters, losses and a trainer, under MXNet Gluon's names."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lamina.gluon import contrib, data, loss, nn, utils
from lamina.gluon.block import Block, HybridBlock
from lamina.gluon.parameter import (
    Constant,
    DeferredInitializationError,
    Parameter,
    UninitializedParameterError,
)
from lamina.gluon.parameter_dict import ParameterDict
from lamina.gluon.trainer import Trainer
from lamina.support.unsupported import no_attribute

if TYPE_CHECKING:
    from lamina.mxnet.symbol.block import SymbolBlock

__all__ = [
    "Block", "Constant", "DeferredInitializationError", "HybridBlock", "Parameter", "ParameterDict",
    "SymbolBlock", "Trainer", "UninitializedParameterError", "contrib", "data", "loss", "nn", "utils",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "SymbolBlock":
        return import_module("lamina.mxnet.symbol.block").SymbolBlock
    raise no_attribute("lamina.gluon", name)


def __dir__() -> list[str]:
    return sorted({*__all__, "block", "parameter", "trainer"})  # with modules, as in MXNet
