"""All primitives, one file a family. Importing this package fills the registry."""

from lamina.primitives import (
    contract,
    elementwise,
    indexing,
    linalg,
    movement,
    onehot,
    product,
    random,
    reduce,
    scan,
    softmax,
    surrogate,
    views,
)

__all__ = [
    "contract",
    "elementwise",
    "indexing",
    "linalg",
    "movement",
    "onehot",
    "product",
    "random",
    "reduce",
]
__all__ += ["scan", "softmax", "surrogate", "views"]
