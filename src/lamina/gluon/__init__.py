"""Networks from layers: parameters, blocks, losses, and the trainer, under MXNet Gluon's names."""

from typing import Any

from lamina.gluon import contrib, data, loss, nn, utils
from lamina.gluon.block import Block, HybridBlock
from lamina.gluon.parameter import (
    Constant,
    DeferredInitializationError,
    Parameter,
    UninitializedParameterError,
)
from lamina.gluon.parameter_dict import ParameterDict
from lamina.gluon.symbol_block import SymbolBlock
from lamina.gluon.trainer import Trainer
from lamina.outside import no_attribute

__all__ = [
    "Block", "Constant", "DeferredInitializationError", "HybridBlock", "Parameter", "ParameterDict",
    "SymbolBlock", "Trainer", "UninitializedParameterError", "contrib", "data", "loss", "nn", "utils",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise no_attribute("lamina.gluon", name)
