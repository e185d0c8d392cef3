"""One-hot vectors: a composition when compiled, which simplifies it further; eagerly one comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.lowering import Decompose
from lamina.core.primitive import bind, bind_on, primitive
from lamina.primitives.elementwise import COMPARISON, cast
from lamina.primitives.indexing import iota
from lamina.primitives.reshape import reshape
from lamina.primitives.typing import Type

__all__ = ["one_hot"]

_INDEX = np.dtype(np.int32)


def _one_hot(indices: np.ndarray, depth: int, dtype: Any) -> np.ndarray:
    column = indices.astype(_INDEX)[..., None]
    return (column == np.arange(depth, dtype=_INDEX)).astype(dtype)


def _one_hot_type(indices: Any, depth: int, dtype: Any) -> Type:
    return (*indices.shape, depth), np.dtype(dtype)


def _one_hot_composed(indices: Any, depth: int, dtype: Any) -> Any:
    column = bind(reshape, bind(cast, indices, dtype=_INDEX), shape=(*indices.shape, 1))
    positions = bind_on(indices._context, iota, size=depth, start=0, step=1, dtype=_INDEX)
    return bind(cast, bind(COMPARISON["equal"], column, positions), dtype=dtype)


one_hot = primitive("one_hot", eval=_one_hot, infer=_one_hot_type, lowering=Decompose(_one_hot_composed))
"""``one_hot(indices, depth=, dtype=)``: a last axis with 1 at the index, which is truncated to an integer."""
