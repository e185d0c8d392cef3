"""Layers; as in MXNet, `Block` and `HybridBlock` are here too."""

from typing import Any

from lamina.gluon.block import Block, HybridBlock
from lamina.gluon.nn.activations import ELU, GELU, SELU, Activation, LeakyReLU, Mish, PReLU, SiLU, Swish
from lamina.gluon.nn.basic_layers import Dense, Dropout, Embedding, Flatten
from lamina.gluon.nn.containers import HybridLambda, HybridSequential, Lambda, Sequential
from lamina.gluon.nn.normalization import BatchNorm, BatchNormReLU, GroupNorm, InstanceNorm, LayerNorm
from lamina.gluon.symbol_block import SymbolBlock
from lamina.outside import no_attribute

__all__ = [
    "ELU", "GELU", "SELU", "Activation", "BatchNorm", "BatchNormReLU", "Block", "Dense", "Dropout", "Embedding",
    "Flatten", "GroupNorm", "HybridBlock", "HybridLambda", "HybridSequential", "InstanceNorm", "Lambda", "LayerNorm",
    "LeakyReLU", "Mish", "PReLU", "Sequential", "SiLU", "Swish", "SymbolBlock",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    raise no_attribute("lamina.gluon.nn", name)
