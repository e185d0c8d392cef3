"""Products of matrices: `dot`, `batch_dot`, and the BLAS-like functions of ``nd.linalg``."""

from __future__ import annotations

import math

from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.nd.operators import NDArray, operator
from lamina.primitives.contract import matmul
from lamina.primitives.movement import reshape
from lamina.primitives.movement import transpose as transpose_primitive
from lamina.primitives.reduce import reduce_sum


@operator
def dot(lhs: NDArray, rhs: NDArray, transpose_a: bool = False, transpose_b: bool = False) -> NDArray:
    """The sum of products over the last axis of `lhs` and the first axis of `rhs`.

    `transpose_a` sums over the first axis of `lhs` instead, `transpose_b` over the last axis of `rhs`. Two vectors give
    shape (1,). Raises `ShapeError` if the sizes of the two axes differ.

    >>> from lamina import nd
    >>> nd.dot(nd.ones((2, 3)), nd.ones((3, 4))).shape
    (2, 4)
    >>> nd.dot(nd.ones((5, 2, 3)), nd.ones((3, 4))).shape
    (5, 2, 4)
    """
    left, right = lhs.shape, rhs.shape
    if len(left) == 2 and len(right) == 2:
        return bind(matmul, lhs, rhs, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b))
    inner_left = left[0] if transpose_a else left[-1]
    inner_right = right[-1] if transpose_b else right[0]
    if inner_left != inner_right:
        raise ShapeError(f"dot: shapes {left} and {right} do not fit: {inner_left} against {inner_right}")
    if len(left) == 1 and len(right) == 1:
        return bind(reduce_sum, lhs * rhs, axis=(0,), keepdims=False)
    rows = left[1:] if transpose_a else left[:-1]
    columns = right[:-1] if transpose_b else right[1:]
    m, n = math.prod(rows), math.prod(columns)
    flat_left = bind(reshape, lhs, shape=(inner_left, m) if transpose_a else (m, inner_left))
    flat_right = bind(reshape, rhs, shape=(n, inner_left) if transpose_b else (inner_left, n))
    product = bind(
        matmul, flat_left, flat_right, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b)
    )
    return bind(reshape, product, shape=rows + columns)


@operator
def batch_dot(lhs: NDArray, rhs: NDArray, transpose_a: bool = False, transpose_b: bool = False) -> NDArray:
    """The matrix product for each index along axis 0: (b, m, k) · (b, k, n) is (b, m, n).

    Raises `ShapeError` if an operand does not have three axes, or if the shapes do not fit together.

    >>> from lamina import nd
    >>> nd.batch_dot(nd.ones((5, 2, 3)), nd.ones((5, 4, 3)), transpose_b=True).shape
    (5, 2, 4)
    """
    if len(lhs.shape) != 3 or len(rhs.shape) != 3:
        raise ShapeError(f"batch_dot: needs two batches of matrices, got shapes {lhs.shape} and {rhs.shape}")
    return bind(matmul, lhs, rhs, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b))


def matrix_product(name: str, a: NDArray, b: NDArray, transpose_a: bool, transpose_b: bool) -> NDArray:
    """Products of the matrices in the last two axes; `a` and `b` have the same batch axes."""
    if len(a.shape) < 2 or a.shape[:-2] != b.shape[:-2]:
        raise ShapeError(f"{name}: needs matrices, or equal batches of them, got {a.shape} and {b.shape}")
    batch = a.shape[:-2]
    if len(batch) > 1:
        a = bind(reshape, a, shape=(math.prod(batch), *a.shape[-2:]))
        b = bind(reshape, b, shape=(math.prod(batch), *b.shape[-2:]))
    out = bind(matmul, a, b, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b))
    return bind(reshape, out, shape=(*batch, *out.shape[-2:])) if len(batch) > 1 else out


def _with_rows_at(x: NDArray, axis: int, back: bool = False) -> NDArray:
    """Move the axis of matrix rows from `axis` to the last but one; with `back`, in the opposite direction."""
    ndim = len(x.shape)
    source, target = (ndim - 2, axis % ndim) if back else (axis % ndim, ndim - 2)
    if source == target:
        return x
    order = [a for a in range(ndim) if a != source]
    order.insert(target, source)
    return bind(transpose_primitive, x, axes=tuple(order))


@operator
def gemm2(
    A: NDArray,
    B: NDArray,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    axis: int = -2,
) -> NDArray:
    """The matrix product alpha · A·B, with rows along `axis` and columns along the last axis.

    The other axes are batch axes.

    >>> from lamina import nd
    >>> nd.linalg.gemm2(nd.ones((2, 3)), nd.ones((3, 4)), alpha=2).asnumpy()[0]
    array([6., 6., 6., 6.], dtype=float32)
    """
    a, b = _with_rows_at(A, axis), _with_rows_at(B, axis)
    out = _with_rows_at(matrix_product("gemm2", a, b, transpose_a, transpose_b), axis, back=True)
    return out if alpha == 1.0 else out * alpha


@operator
def gemm(
    A: NDArray,
    B: NDArray,
    C: NDArray,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
    axis: int = -2,
) -> NDArray:
    """The sum alpha · A·B + beta · C with a matrix product A·B; see `gemm2`."""
    return gemm2(A, B, transpose_a, transpose_b, alpha, axis) + (C if beta == 1.0 else C * beta)


@operator
def khatri_rao(*args: NDArray) -> NDArray:
    """The column-wise Kronecker product (Khatri-Rao) of matrices with the same number of columns.

    Raises `ShapeError` if an argument is not a matrix, or if the numbers of columns differ.

    >>> from lamina import nd
    >>> nd.khatri_rao(nd.array([[1, 2]]), nd.array([[3, 4], [5, 6]])).asnumpy()
    array([[ 3.,  8.],
           [ 5., 12.]], dtype=float32)
    """
    if not args or any(x.ndim != 2 or x.shape[1] != args[0].shape[1] for x in args):
        shapes = ", ".join(str(x.shape) for x in args)
        raise ShapeError(f"khatri_rao: needs matrices with equally many columns, got {shapes}")
    out = args[0]
    for x in args[1:]:
        (m, k), n = out.shape, x.shape[0]
        out = bind(reshape, out, shape=(m, 1, k)) * bind(reshape, x, shape=(1, n, k))
        out = bind(reshape, out, shape=(m * n, k))
    return out


@operator
def syrk(A: NDArray, transpose: bool = False, alpha: float = 1.0) -> NDArray:
    """The product alpha · A·Aᵀ, or alpha · Aᵀ·A with `transpose`."""
    out = matrix_product("syrk", A, A, transpose, not transpose)
    return out if alpha == 1.0 else out * alpha
