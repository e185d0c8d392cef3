"""Functions of networks: softmax, one-hot, dense layers, embeddings, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.nd.ndarray import NDArray
from lamina.primitives.elementwise import COMPARISON, cast
from lamina.primitives.indexing import iota
from lamina.primitives.softmax import log_softmax as log_softmax_primitive
from lamina.primitives.softmax import softmax as softmax_primitive
from lamina.primitives.typing import normalize_axis

__all__ = ["log_softmax", "one_hot", "softmax"]


def softmax(data: NDArray, axis: int = -1, temperature: float | None = None) -> NDArray:
    """exp(x) / Σ exp(x) along `axis`, of ``data / temperature``."""
    x = data if temperature in (None, 1.0) else data / temperature
    return bind(softmax_primitive, x, axis=normalize_axis("softmax", axis, data.ndim))


def log_softmax(data: NDArray, axis: int = -1, temperature: float | None = None) -> NDArray:
    """log softmax(x) along `axis`, numerically stable."""
    x = data if temperature in (None, 1.0) else data / temperature
    return bind(log_softmax_primitive, x, axis=normalize_axis("log_softmax", axis, data.ndim))


def one_hot(
    indices: NDArray, depth: int, on_value: float = 1.0, off_value: float = 0.0, dtype: Any = np.float32
) -> NDArray:
    """A last axis of `depth` with `on_value` at each index; an index outside gives only `off_value`.

    >>> from lamina import nd
    >>> nd.one_hot(nd.array([1, 0]), 3).asnumpy()
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    whole = bind(cast, indices, dtype=np.dtype(np.int32)).reshape((*indices.shape, 1))
    positions = bind(iota, size=depth, start=0, step=1, dtype=np.dtype(np.int32))
    hit = bind(cast, bind(COMPARISON["equal"], whole, positions), dtype=np.dtype(dtype))
    return hit if (on_value, off_value) == (1.0, 0.0) else hit * (on_value - off_value) + off_value
