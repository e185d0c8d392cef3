"""Neural network layers, with `Block` and `HybridBlock` as in MXNet."""
# ruff: noqa: F403

from typing import TYPE_CHECKING

from lamina.gluon.block import Block, HybridBlock
from lamina.gluon.nn import activations, basic_layers
from lamina.gluon.nn.activations import *
from lamina.gluon.nn.basic_layers import *
from lamina.support.unsupported import names_of_others

if TYPE_CHECKING:
    from lamina.mxnet.symbol.block import SymbolBlock

__all__ = ["Block", "HybridBlock", "SymbolBlock"]
__all__ += activations.__all__
__all__ += basic_layers.__all__


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__getattr__ = names_of_others("lamina.gluon.nn", {"SymbolBlock": "lamina.mxnet.symbol.block"})
