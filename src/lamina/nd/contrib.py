"""Functions that MXNet keeps under ``nd.contrib``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.nd._operator import operator
from lamina.nd.conversion import array
from lamina.primitives.indexing import take
from lamina.primitives.typing import normalize_axis

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = ["boolean_mask"]


@operator
def boolean_mask(data: NDArray, index: NDArray, axis: int = 0) -> NDArray:
    """The parts along `axis` where `index` is not 0. Its shape depends on values, so it cannot be compiled.

    >>> from lamina import nd
    >>> nd.contrib.boolean_mask(nd.array([[1, 2], [3, 4], [5, 6]]), nd.array([0, 1, 1])).asnumpy()
    array([[3., 4.],
           [5., 6.]], dtype=float32)
    """
    place = normalize_axis("boolean_mask", axis, data.ndim)
    if index.shape != (data.shape[place],):
        raise ShapeError(
            f"boolean_mask: axis {place} of data {data.shape} needs an index of shape "
            f"({data.shape[place]},), got {index.shape}"
        )
    chosen = array(np.flatnonzero(index._numbers()), ctx=data.context, dtype=np.int64)
    return bind(take, data, chosen, axis=place, mode="clip")
