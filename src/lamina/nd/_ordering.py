"""Sorting: sort, argsort, topk. Equal elements keep their order; NaN comes last."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ParameterError
from lamina.nd.creation import ones_like
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.slicing import slice_axis
from lamina.primitives import indexing
from lamina.primitives.movement import reshape
from lamina.primitives.typing import element_type, normalize_axis

__all__ = ["argsort", "sort", "topk"]


def _line(name: str, data: NDArray, axis: int | None) -> tuple[NDArray, int]:
    """`data` and its axis as a non-negative integer; for axis None, the flattened data and 0."""
    if axis is None:
        return bind(reshape, data, shape=(data.size,)), 0
    return data, normalize_axis(name, axis, data.ndim)


@operator
def sort(data: NDArray, axis: int | None = -1, is_ascend: bool = True) -> NDArray:
    """The elements sorted along `axis`, or all elements if `axis` is None.

    >>> from lamina import nd
    >>> nd.sort(nd.array([3, 1, 2])).asnumpy()
    array([1., 2., 3.], dtype=float32)
    """
    x, place = _line("sort", data, axis)
    return bind(indexing.sort, x, axis=place, ascending=bool(is_ascend))


@operator
def argsort(data: NDArray, axis: int | None = -1, is_ascend: bool = True, dtype: Any = np.float32) -> NDArray:
    """The positions that would sort `data` along `axis`, or all elements if `axis` is None.

    The positions are float32 by default, as in MXNet.

    >>> from lamina import nd
    >>> nd.argsort(nd.array([3, 1, 2])).asnumpy()
    array([1., 2., 0.], dtype=float32)
    """
    x, place = _line("argsort", data, axis)
    return bind(indexing.argsort, x, axis=place, ascending=bool(is_ascend), dtype=element_type(dtype))


def topk(
    data: NDArray,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: str = "indices",
    is_ascend: bool = False,
    dtype: Any = np.float32,
) -> NDArray | list[NDArray]:
    """The k largest elements along `axis` (smallest with `is_ascend`), in sorted order.

    `ret_typ` selects the result: ``"indices"`` (of `dtype`), ``"value"``, ``"both"`` ([values, indices]), or ``"mask"``
    (1 for each of the k elements, else 0, in the shape of `data`). k < 1 selects all elements.

    Raises `ParameterError` if the axis has fewer than k elements, or if `ret_typ` is unknown.

    >>> from lamina import nd
    >>> nd.topk(nd.array([[1, 5, 3]]), k=2).asnumpy()
    array([[1., 2.]], dtype=float32)
    """
    known_name("topk", "ret_typ", ret_typ, ("indices", "value", "both", "mask"))
    x, place = _line("topk", data, axis)
    size = x.shape[place]
    if k > size:
        raise ParameterError(f"topk: k={k}, but axis {place} of shape {x.shape} has only {size} elements")
    ascending = bool(is_ascend)
    order = bind(indexing.argsort, x, axis=place, ascending=ascending, dtype=np.dtype(np.int64))
    order = slice_axis(order, place, 0, k if k > 0 else size)
    if ret_typ == "mask":
        ones = ones_like(order).astype(data.dtype)
        mask = bind(indexing.take_along_add, ones, order, size=size, axis=place, mode="clip")
        return bind(reshape, mask, shape=data.shape)
    if ret_typ == "indices":
        return order.astype(dtype)
    values = bind(indexing.take_along, x, order, axis=place, mode="clip")
    return values if ret_typ == "value" else [values, order.astype(dtype)]
