"""Networks built from layers, with parameters, losses and a trainer, under MXNet Gluon's names."""

from typing import TYPE_CHECKING

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
from lamina.support.unsupported import names_of_others

if TYPE_CHECKING:
    from lamina.mxnet.symbol.block import SymbolBlock

__all__ = [
    "Block", "Constant", "DeferredInitializationError", "HybridBlock", "Parameter", "ParameterDict",
    "SymbolBlock", "Trainer", "UninitializedParameterError", "contrib", "data", "loss", "nn", "utils",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*__all__, "block", "parameter", "trainer"})  # with modules, as in MXNet


__getattr__ = names_of_others("lamina.gluon", {"SymbolBlock": "lamina.mxnet.symbol.block"})
