"""All primitives, with a module for each family; importing this package fills the registry.

The names here are those that functions of arrays are made of; what only a family has is in its module.
"""

from lamina.primitives import linalg, random, softmax
from lamina.primitives.contract import matmul
from lamina.primitives.elementwise import BINARY, COMPARISON, UNARY, cast, straight_through, to_context, where
from lamina.primitives.indexing import full, iota, scatter_nd_add, scatter_nd_set, take, take_add, take_along
from lamina.primitives.movement import (
    is_stretch,
    reshape_copy,
    slice_,
    slice_assign,
    slice_copy,
    transpose,
    view_of,
)
from lamina.primitives.product import reduce_prod
from lamina.primitives.reduce import argmin, broadcast_to, reduce_sum, reshape
from lamina.primitives.typing import ELEMENT_TYPES, element_type, normalize_axes, normalize_axis

__all__ = [
    "BINARY", "COMPARISON", "ELEMENT_TYPES", "UNARY", "argmin", "broadcast_to", "cast", "element_type", "full", "iota",
    "is_stretch", "linalg", "matmul", "normalize_axes", "normalize_axis", "random", "reduce_prod", "reduce_sum",
    "reshape", "reshape_copy", "scatter_nd_add", "scatter_nd_set", "slice_", "slice_assign", "slice_copy", "softmax",
    "straight_through", "take", "take_add", "take_along", "to_context", "transpose", "view_of", "where",
]  # fmt: skip
