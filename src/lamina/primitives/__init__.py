"""All primitives, one file a family. Importing this package fills the registry."""

from lamina.primitives import (
    contract,
    elementwise,
    indexing,
    movement,
    onehot,
    product,
    random,
    reduce,
    softmax,
)

__all__ = ["contract", "elementwise", "indexing", "movement", "onehot", "product", "random", "reduce"]
__all__ += ["softmax"]
