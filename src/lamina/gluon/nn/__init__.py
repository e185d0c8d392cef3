"""Neural network layers, with `Block` and `HybridBlock` as in MXNet."""

from typing import TYPE_CHECKING

from lamina.gluon.block import Block, HybridBlock
from lamina.gluon.nn.activations import ELU, GELU, SELU, Activation, LeakyReLU, Mish, PReLU, SiLU, Swish
from lamina.gluon.nn.basic_layers import Dense, Dropout, Embedding, Flatten
from lamina.gluon.nn.containers import HybridLambda, HybridSequential, Lambda, Sequential
from lamina.gluon.nn.normalization import BatchNorm, BatchNormReLU, GroupNorm, InstanceNorm, LayerNorm
from lamina.support.unsupported import names_of_others

if TYPE_CHECKING:
    from lamina.mxnet.symbol.block import SymbolBlock

__all__ = [
    "ELU", "GELU", "SELU", "Activation", "BatchNorm", "BatchNormReLU", "Block", "Dense", "Dropout", "Embedding",
    "Flatten", "GroupNorm", "HybridBlock", "HybridLambda", "HybridSequential", "InstanceNorm", "Lambda", "LayerNorm",
    "LeakyReLU", "Mish", "PReLU", "Sequential", "SiLU", "Swish", "SymbolBlock",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__getattr__ = names_of_others("lamina.gluon.nn", {"SymbolBlock": "lamina.mxnet.symbol.block"})
