"""Indexing functions: take, pick, gather_nd, one_hot, where, diag, Embedding and similar."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.array import Array
from lamina.core.primitive import bind, new_array
from lamina.core.state import concrete
from lamina.errors import ShapeError
from lamina.nd._shape import moveaxis
from lamina.nd.conversion import array
from lamina.nd.creation import eye
from lamina.nd.join import pad
from lamina.nd.operators import NDArray, known_name, operand, operator
from lamina.primitives import element_type, elementwise, indexing, normalize_axis, reshape

__all__ = [
    "Embedding", "batch_take", "choose_element_0index", "diag", "gather_nd", "one_hot", "pick", "scatter_nd", "take",
    "where",
]  # fmt: skip

_MODES = ("clip", "wrap")


@operator
def take(a: NDArray, indices: NDArray, axis: int = 0, mode: str = "clip") -> NDArray:
    """The entries of `a` at `indices` along `axis`, which is replaced by the axes of `indices`.

    `indices` may have any numeric dtype. An index out of range is clipped (``mode="clip"``: -1 gives element 0),
    wrapped around (``"wrap"``), or raises `IndexError` (``"raise"``, which reads the indices and cannot be compiled).

    >>> from lamina import nd
    >>> x = nd.array([10, 20, 30])
    >>> nd.take(x, nd.array([-1, 5])).asnumpy(), nd.take(x, nd.array([-1]), mode="wrap").asnumpy()
    (array([10., 30.], dtype=float32), array([30.], dtype=float32))
    """
    known_name("take", "mode", mode, (*_MODES, "raise"))
    place = normalize_axis("take", axis, a.ndim)
    if mode == "raise":
        _check_range(indices, a.shape[place])
        mode = "wrap"
    return bind(indexing.take, a, indices, axis=place, mode=mode)


def rows_of(x: NDArray, positions: Any, axis: int = 0) -> NDArray:
    """The rows of an array at valid integer positions, computed immediately and without recording."""
    if x._context.is_host:
        return new_array(x._numbers().take(positions, axis=axis), x._context)
    index = array(positions, ctx=x._context, dtype=np.int64)
    with concrete():
        return bind(indexing.take, x, index, axis=axis, mode="clip")


def _check_range(indices: NDArray, size: int) -> None:
    values = indices._numbers()
    outside = values[(values < -size) | (values >= size)]
    if outside.size:
        raise IndexError(f"take: index {outside.flat[0]} is out of bounds for an axis of size {size}")


@operator
def pick(
    data: NDArray, index: NDArray, axis: int | None = -1, keepdims: bool = False, mode: str = "clip"
) -> NDArray:
    """The elements of `data` at the positions `index` along `axis`.

    `index` has the shape of `data` without `axis`, or with size 1 for `axis`; otherwise `pick` raises `ShapeError`.

    >>> from lamina import nd
    >>> nd.pick(nd.array([[1, 2], [3, 4], [5, 6]]), nd.array([0, 1, 0])).asnumpy()
    array([1., 4., 5.], dtype=float32)
    """
    known_name("pick", "mode", mode, _MODES)
    if axis is None:
        data, axis = bind(reshape, data, shape=(data.size,)), 0
    place = normalize_axis("pick", axis, data.ndim)
    shape = data.shape
    dropped, kept = shape[:place] + shape[place + 1 :], (*shape[:place], 1, *shape[place + 1 :])
    if index.shape not in (dropped or (1,), kept):
        raise ShapeError(
            f"pick: data {shape} along axis {place} needs an index of shape {dropped}, got {index.shape}"
        )
    found = bind(indexing.take_along, data, bind(reshape, index, shape=kept), axis=place, mode=mode)
    return found if keepdims else bind(reshape, found, shape=dropped or (1,))


@operator
def batch_take(a: NDArray, indices: NDArray) -> NDArray:
    """``a[i, indices[i]]`` for each row i of a matrix."""
    return pick(a, indices, axis=1)


@operator
def gather_nd(data: NDArray, indices: NDArray) -> NDArray:
    """The elements or subarrays ``data[indices[0, j…], indices[1, j…], …]``.

    Negative indices count from the end. An index out of range is clipped. (MXNet raises an error when the result is
    read.)

    >>> from lamina import nd
    >>> nd.gather_nd(nd.array([[1, 2], [3, 4]]), nd.array([[1, 0], [0, 1]])).asnumpy()
    array([3., 2.], dtype=float32)
    """
    depth = indices.shape[0]
    if depth > data.ndim:
        return bind(indexing.gather_nd, data, indices)  # raises if shapes do not fit
    sizes = array(np.array(data.shape[:depth]), ctx=indices.context, dtype=indices.dtype)
    sizes = bind(reshape, sizes, shape=(depth,) + (1,) * (indices.ndim - 1))
    return bind(indexing.gather_nd, data, indices + (indices < 0) * sizes)


@operator
def scatter_nd(data: NDArray, indices: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Zeros of shape `shape` with `data` added at `indices`, the inverse of `gather_nd`.

    Values with equal indices are summed. (MXNet keeps an unspecified one of these values.)
    """
    return bind(indexing.scatter_nd_add, data, indices, shape=tuple(shape))


@operator
def one_hot(
    indices: NDArray, depth: int, on_value: float = 1.0, off_value: float = 0.0, dtype: Any = np.float32
) -> NDArray:
    """One-hot vectors of length `depth` along a new last axis.

    For an index out of range all elements are `off_value`.

    >>> from lamina import nd
    >>> nd.one_hot(nd.array([1, 0]), 3).asnumpy()
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    hit = bind(indexing.one_hot, indices, depth=int(depth), dtype=element_type(dtype))
    return hit if (on_value, off_value) == (1.0, 0.0) else hit * (on_value - off_value) + off_value


@operator
def where(condition: NDArray, x: Any, y: Any) -> NDArray:
    """`x` where `condition` is nonzero, else `y`; a one-dimensional condition selects whole rows.

    Raises `ShapeError` if a one-dimensional condition does not have an element for each row.

    >>> from lamina import nd
    >>> nd.where(nd.array([1, 0]), nd.array([[1, 2], [3, 4]]), nd.array([[5, 6], [7, 8]])).asnumpy()
    array([[1., 2.],
           [7., 8.]], dtype=float32)
    """
    main = x if isinstance(x, Array) else y if isinstance(y, Array) else condition
    rank = len(main.shape)
    if len(condition.shape) == 1 < rank:
        if condition.shape[0] not in (1, main.shape[0]):
            raise ShapeError(
                f"where: a condition of shape {condition.shape} does not have an element for each row of {main.shape}"
            )
        condition = bind(reshape, condition, shape=(condition.shape[0],) + (1,) * (rank - 1))
    return bind(elementwise.where, condition, operand(main, x), operand(main, y))


@operator
def diag(data: NDArray, k: int = 0, axis1: int = 0, axis2: int = 1) -> NDArray:
    """The k-th diagonal of the matrices in axes `axis1` and `axis2`, along a new last axis.

    For a vector the result is the square matrix with this vector as k-th diagonal.

    Raises `ShapeError` if the matrices have no k-th diagonal.

    >>> from lamina import nd
    >>> nd.diag(nd.array([[1, 2], [3, 4]])).asnumpy()
    array([1., 4.], dtype=float32)
    >>> nd.diag(nd.array([1, 2])).asnumpy()
    array([[1., 0.],
           [0., 2.]], dtype=float32)
    """
    if data.ndim == 1:
        return _matrix_with_diagonal(data, k)
    moved = moveaxis(data, (axis1, axis2), (-2, -1))
    rows, columns = moved.shape[-2:]
    length = max(0, min(rows + min(k, 0), columns - max(k, 0)))
    if length == 0:
        raise ShapeError(f"diag: matrices of {rows} × {columns} have no diagonal {k}")
    first = k if k >= 0 else -k * columns
    flat = bind(reshape, moved, shape=(*moved.shape[:-2], rows * columns))
    return flat[..., first : first + length * (columns + 1) : columns + 1][..., :length]


def _matrix_with_diagonal(data: NDArray, k: int) -> NDArray:
    size = data.shape[0] + abs(k)
    row = bind(reshape, data, shape=(1, data.shape[0]))
    wide = pad(row, pad_width=(0, 0, max(k, 0), max(-k, 0)))
    return bind(elementwise.where, eye(size, k=k, ctx=data.context), wide, 0.0)


@operator
def Embedding(
    data: NDArray,
    weight: NDArray,
    input_dim: int | None = None,
    output_dim: int | None = None,
    dtype: Any = None,
    sparse_grad: bool = False,
) -> NDArray:
    """Rows of `weight`, of shape (input_dim, output_dim), at the indices `data`.

    Indices out of range are clipped. Raises `ShapeError` if `weight` has another shape.

    >>> from lamina import nd
    >>> nd.Embedding(nd.array([[1, 0]]), nd.array([[1, 2], [3, 4]]), input_dim=2, output_dim=2).shape
    (1, 2, 2)
    """
    expected = (input_dim or weight.shape[0], output_dim or weight.shape[-1])
    if weight.shape != expected:
        raise ShapeError(
            f"Embedding: input_dim={input_dim} and output_dim={output_dim}, but the weight has shape {weight.shape}"
        )
    return bind(indexing.take, weight, data, axis=0, mode="clip")


choose_element_0index = pick
