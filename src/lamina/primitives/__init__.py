"""All primitives, with a module for each family; importing this package fills the registry."""

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
