"""Products over axes, such as dot, matmul and tensordot; einsum is in `lamina.np._einsum`."""

from __future__ import annotations

import math
from typing import Any

import numpy as onp

from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.mxnet.np.conversion import as_array, function, with_shape
from lamina.mxnet.np.promotion import as_float, joined
from lamina.primitives import contract
from lamina.primitives.elementwise import BINARY
from lamina.primitives.movement import transpose
from lamina.primitives.reduce import broadcast_to
from lamina.primitives.typing import normalize_axis


def _pair(a: Any, b: Any) -> list[Any]:
    """Two arrays in their common dtype, where bools become float32."""
    return joined(*(as_float(x) if x._dtype.kind == "b" else x for x in (as_array(a), as_array(b))))


def product_over(a: Any, b: Any, left: list[int], right: list[int]) -> Any:
    """The sum of products over the axes `left` of `a`, paired with the axes `right` of `b`.

    The result has the other axes of `a`, followed by the other axes of `b`.
    """
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(
            f"the axes {tuple(left)} of {a.shape} and {tuple(right)} of {b.shape} have different sizes"
        )
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    shape = tuple([a.shape[i] for i in rows] + [b.shape[i] for i in columns])
    k = math.prod(a.shape[i] for i in left)
    m, n = math.prod(a.shape[i] for i in rows), math.prod(b.shape[i] for i in columns)
    first = with_shape(_ordered(a, rows + left), (m, k))
    second = with_shape(_ordered(b, right + columns), (k, n))
    return with_shape(bind(contract.matmul, first, second, transpose_a=False, transpose_b=False), shape)


def _ordered(x: Any, order: list[int]) -> Any:
    return x if order == list(range(x.ndim)) else bind(transpose, x, axes=tuple(order))


@function
def dot(a: Any, b: Any) -> Any:
    """The sum of products over the last axis of `a` and the last but one (or only) axis of `b`.

    If an operand is a number, `dot` multiplies elementwise.

    >>> from lamina import np
    >>> np.dot(np.ones((2, 3)), np.arange(3)), np.dot(np.arange(3), np.arange(3))
    (array([3., 3.]), array(5.))
    """
    a, b = _pair(a, b)
    if not a.shape or not b.shape:
        return bind(BINARY["multiply"], a, b)
    if a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]:
        return bind(contract.matmul, a, b, transpose_a=False, transpose_b=False)
    inner_axis = b.ndim - 2 if b.ndim > 1 else 0
    if a.shape[-1] != b.shape[inner_axis]:
        raise ShapeError(
            f"dot: shapes {a.shape} and {b.shape} do not fit: {a.shape[-1]} against {b.shape[inner_axis]}"
        )
    return product_over(a, b, [a.ndim - 1], [inner_axis])


@function
def matmul(a: Any, b: Any) -> Any:
    """Products of the matrices in the last two axes, broadcast over the other axes.

    >>> from lamina import np
    >>> np.matmul(np.ones((5, 2, 3)), np.ones((3, 4))).shape
    (5, 2, 4)
    """
    a, b = _pair(a, b)
    if not a.shape or not b.shape:
        raise ShapeError("matmul: a number is no matrix; use *")
    left = with_shape(a, (1, *a.shape)) if a.ndim == 1 else a
    right = with_shape(b, (*b.shape, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: {left.shape[-1]} against {right.shape[-2]}"
        )
    out = _batched(left, right)
    shape = out.shape if a.ndim > 1 else (*out.shape[:-2], out.shape[-1])
    return with_shape(out, shape if b.ndim > 1 else shape[:-1])


def _batched(a: Any, b: Any) -> Any:
    """Products of stacked matrices, with the stacks broadcast to the same shape.

    If `b` is a single matrix, one product multiplies the rows of all matrices of `a`.
    """
    if b.ndim == 2:
        rows = with_shape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        out = bind(contract.matmul, rows, b, transpose_a=False, transpose_b=False)
        return with_shape(out, (*a.shape[:-1], b.shape[-1]))
    try:
        batch = onp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul: the batches {a.shape[:-2]} and {b.shape[:-2]} can't be broadcast together"
        ) from None
    flat = [_stacked(x, batch) for x in (a, b)]
    out = bind(contract.matmul, *flat, transpose_a=False, transpose_b=False)
    return with_shape(out, (*batch, *out.shape[1:]))


def _stacked(x: Any, batch: tuple[int, ...]) -> Any:
    whole = (*batch, *x.shape[-2:])
    x = x if x.shape == whole else bind(broadcast_to, x, shape=whole)
    return with_shape(x, (math.prod(batch), *x.shape[-2:]))


@function
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over the last `axes` axes of `a` and the first `axes` axes of `b`.

    `axes` may also be a pair of lists, the axes of `a` and the axes of `b`.

    >>> from lamina import np
    >>> np.tensordot(np.ones((2, 3, 4)), np.ones((3, 4, 5))).shape
    (2, 5)
    """
    a, b = _pair(a, b)
    if isinstance(axes, int):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = ([i] if isinstance(i, int) else list(i) for i in axes)
    left = [normalize_axis("tensordot", i, a.ndim) for i in left]
    right = [normalize_axis("tensordot", i, b.ndim) for i in right]
    if len(left) != len(right):
        raise ShapeError(f"tensordot: {len(left)} axes of the first array, but {len(right)} of the second")
    return product_over(a, b, left, right)


@function
def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axes of `a` and `b`."""
    a, b = _pair(a, b)
    if not a.shape or not b.shape:
        return bind(BINARY["multiply"], a, b)
    return product_over(a, b, [a.ndim - 1], [b.ndim - 1])


@function
def vdot(a: Any, b: Any) -> Any:
    """The sum of the elementwise products, with both arrays flattened."""
    a, b = _pair(a, b)
    return product_over(with_shape(a, (a.size,)), with_shape(b, (b.size,)), [0], [0])


@function
def outer(a: Any, b: Any) -> Any:
    """The outer product of the flattened arrays, with the elements of `a` along rows and of `b` along columns."""
    a, b = _pair(a, b)
    return bind(BINARY["multiply"], with_shape(a, (a.size, 1)), with_shape(b, (1, b.size)))


@function
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product, a block matrix with a block ``a[i, j] * b`` for each element of `a`."""
    a, b = _pair(a, b)
    ndim = max(a.ndim, b.ndim)
    left, right = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    first = with_shape(a, tuple([n for size in left for n in (size, 1)]))
    second = with_shape(b, tuple([n for size in right for n in (1, size)]))
    return with_shape(
        bind(BINARY["multiply"], first, second), tuple([m * n for m, n in zip(left, right, strict=True)])
    )
