"""All primitives, one file per family. Importing this package fills the registry."""

from lamina.primitives import (
    contract,
    elementwise,
    indexing,
    linalg,
    movement,
    product,
    random,
    reduce,
    softmax,
    surrogate,
    views,
)  # fmt: skip

__all__ = [
    "contract", "elementwise", "indexing", "linalg", "movement", "product", "random", "reduce", "softmax", "surrogate",
    "views",
]  # fmt: skip
