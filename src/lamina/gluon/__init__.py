"""Networks from layers: parameters, blocks, losses, and the trainer, under MXNet Gluon's names."""

from lamina.gluon import data, loss, nn, utils
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

__all__ = [
    "Block", "Constant", "DeferredInitializationError", "HybridBlock", "Parameter", "ParameterDict",
    "SymbolBlock", "Trainer", "UninitializedParameterError", "data", "loss", "nn", "utils",
]  # fmt: skip
