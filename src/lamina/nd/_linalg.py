"""Products of matrices, their diagonals and triangles, factorizations, inverses and determinants.

`dot`, `batch_dot` and the functions of ``nd.linalg``, of matrices in the last two axes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.core.primitive import Primitive, bind
from lamina.errors import ShapeError
from lamina.nd._shape import broadcast_to, moveaxis, swapaxes
from lamina.nd.conversion import array
from lamina.nd.creation import eye
from lamina.nd.elementwise import log
from lamina.nd.operators import NDArray, operator
from lamina.nd.reduce import sum
from lamina.primitives import linalg, matmul, reduce_sum, reshape, take, take_add

__all__ = [
    "batch_dot", "det", "dot", "extractdiag", "extracttrian", "gelqf", "gemm", "gemm2", "inverse", "makediag",
    "maketrian", "potrf", "potri", "slogdet", "sumlogdiag", "syevd", "syrk", "trmm", "trsm",
]  # fmt: skip

# --- products -----------------------------------------------------------------------------------------------------


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
    first = bind(reshape, lhs, shape=(inner_left, m) if transpose_a else (m, inner_left))
    second = bind(reshape, rhs, shape=(n, inner_left) if transpose_b else (inner_left, n))
    product = bind(matmul, first, second, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b))
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


def _of_matrices(
    name: str, primitive: Primitive, *matrices: NDArray, gives: int = 2, **params: Any
) -> NDArray:
    """Apply a primitive to matrices in the last two axes; all have the same batch axes, and it takes at most one.

    Its output for single matrices has `gives` axes.
    """
    batch = matrices[0].shape[:-2]
    if any(x.ndim < 2 or x.shape[:-2] != batch for x in matrices):
        shapes = " and ".join(str(x.shape) for x in matrices)
        raise ShapeError(f"{name}: needs matrices, or equal batches of them, got {shapes}")
    if len(batch) <= 1:
        return bind(primitive, *matrices, **params)
    merged = [bind(reshape, x, shape=(math.prod(batch), *x.shape[-2:])) for x in matrices]
    out = bind(primitive, *merged, **params)
    return bind(reshape, out, shape=(*batch, *out.shape[out.ndim - gives :]))


def _product(name: str, a: NDArray, b: NDArray, transpose_a: bool, transpose_b: bool) -> NDArray:
    return _of_matrices(name, matmul, a, b, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b))


def _with_rows_at(x: NDArray, axis: int, back: bool = False) -> NDArray:
    """Move the axis of matrix rows from `axis` to the last but one; with `back`, in the opposite direction."""
    rows, place = len(x.shape) - 2, axis % len(x.shape)
    if rows == place:
        return x
    return moveaxis(x, rows, place) if back else moveaxis(x, place, rows)


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
    out = _with_rows_at(_product("gemm2", a, b, transpose_a, transpose_b), axis, back=True)
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
    out = _product("syrk", A, A, transpose, not transpose)
    return out if alpha == 1.0 else out * alpha


# --- diagonals and triangles, as vectors --------------------------------------------------------------------------


def _read(name: str, A: NDArray, places: np.ndarray) -> NDArray:
    """The elements of each matrix at the flat positions `places`, along the last axis."""
    batch = A.shape[:-2]
    if not places.size:
        raise ShapeError(f"{name}: the diagonal offset lies outside the matrices, of shape {A.shape}")
    flat = bind(reshape, A, shape=(*batch, math.prod(A.shape[-2:])))
    at = array(places, ctx=A.context, dtype=np.int32)
    return bind(take, flat, at, axis=len(batch), mode="clip")


def _written(A: NDArray, n: int, places: np.ndarray) -> NDArray:
    """n × n matrices of zeros, with the elements of the last axis of `A` at the flat positions `places`."""
    batch = A.shape[:-1]
    at = array(places, ctx=A.context, dtype=np.int32)
    flat = bind(take_add, A, at, size=n * n, axis=len(batch), mode="clip")
    return bind(reshape, flat, shape=(*batch, n, n))


def _diagonal(n: int, offset: int) -> np.ndarray:
    """The flat positions of a diagonal in an n × n matrix."""
    return np.flatnonzero(np.eye(n, k=offset, dtype=bool))


def _square(name: str, A: NDArray) -> int:
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"{name}: needs square matrices in the last two axes, got shape {A.shape}")
    return A.shape[-1]


@operator
def extractdiag(A: NDArray, offset: int = 0) -> NDArray:
    """The diagonals of square matrices that lie `offset` above the main diagonal (below it, if negative).

    >>> from lamina import nd
    >>> nd.linalg.extractdiag(nd.array([[1, 2], [3, 4]])).asnumpy()
    array([1., 4.], dtype=float32)
    """
    return _read("extractdiag", A, _diagonal(_square("extractdiag", A), offset))


@operator
def makediag(A: NDArray, offset: int = 0) -> NDArray:
    """Square matrices of zeros with the vectors of the last axis on a diagonal.

    >>> from lamina import nd
    >>> nd.linalg.makediag(nd.array([1, 2])).asnumpy()
    array([[1., 0.],
           [0., 2.]], dtype=float32)
    """
    n = A.shape[-1] + abs(offset)
    return _written(A, n, _diagonal(n, offset))


def _triangle(n: int, offset: int, lower: bool) -> np.ndarray:
    """Flat positions of the triangle of an n × n matrix that starts at diagonal `offset`.

    A negative offset selects a lower triangle, a positive offset an upper triangle; for 0, `lower` decides. Positions
    in a lower triangle are listed row by row, in an upper triangle column by column.
    """
    below = lower if offset == 0 else offset < 0
    far, near = np.nonzero(np.tri(n, k=-abs(offset), dtype=bool))
    return far * n + near if below else near * n + far


@operator
def extracttrian(A: NDArray, offset: int = 0, lower: bool = True) -> NDArray:
    """The elements of the triangle of square matrices that starts at diagonal `offset`, as vectors.

    A negative offset selects a lower triangle, a positive offset an upper triangle; for 0, `lower` decides. The
    elements of a lower triangle are listed row by row, those of an upper triangle column by column.

    >>> from lamina import nd
    >>> nd.linalg.extracttrian(nd.array([[1, 2], [3, 4]])).asnumpy()
    array([1., 3., 4.], dtype=float32)
    """
    return _read("extracttrian", A, _triangle(_square("extracttrian", A), offset, lower))


@operator
def maketrian(A: NDArray, offset: int = 0, lower: bool = True) -> NDArray:
    """Square matrices of zeros with the vectors of the last axis in a triangle, the inverse of `extracttrian`.

    Raises `ShapeError` if no triangle has as many elements as the last axis.

    >>> from lamina import nd
    >>> nd.linalg.maketrian(nd.array([1, 2, 3])).asnumpy()
    array([[1., 0.],
           [2., 3.]], dtype=float32)
    """
    size = A.shape[-1]
    n = (math.isqrt(1 + 8 * size) - 1) // 2
    if n * (n + 1) // 2 != size:
        raise ShapeError(
            f"maketrian: {size} elements (shape {A.shape}) do not fill a triangle, which has 1, 3, 6, 10 …"
        )
    n += abs(offset)
    return _written(A, n, _triangle(n, offset, lower))


# --- factorizations, inverses and determinants --------------------------------------------------------------------


@operator
def potrf(A: NDArray, lower: bool = True) -> NDArray:
    """Cholesky factors of symmetric positive definite matrices: lower triangular L with L·Lᵀ = A.

    Only the lower triangle of `A` is read. With ``lower=False`` the result is Lᵀ, and only the upper triangle is read.
    Raises `MatrixError` if a matrix is not positive definite.

    >>> from lamina import nd
    >>> nd.linalg.potrf(nd.array([[4, 2], [2, 10]])).asnumpy()
    array([[2., 0.],
           [1., 3.]], dtype=float32)
    """
    return _of_matrices("potrf", linalg.cholesky, A) if lower else _transposed(potrf(_transposed(A)))


def _transposed(A: NDArray) -> NDArray:
    return swapaxes(A, -1, -2)


@operator
def potri(A: NDArray, lower: bool = True) -> NDArray:
    """The inverse of a matrix whose Cholesky factor is `A`, as computed by `potrf` with the same `lower`."""
    one = broadcast_to(eye(A.shape[-1], ctx=A.context, dtype=A.dtype), A.shape)
    inverted = trsm(A if lower else _transposed(A), one)
    return _product("potri", inverted, inverted, True, False)


@operator
def trsm(
    A: NDArray,
    B: NDArray,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
) -> NDArray:
    """Solve T·X = alpha · B for X, where T is the lower (``lower=False``: upper) triangle of `A`.

    `transpose` replaces T by Tᵀ; `rightside` solves X·T = alpha · B.

    >>> from lamina import nd
    >>> nd.linalg.trsm(nd.array([[2, 0], [1, 1]]), nd.array([[2], [3]])).asnumpy()
    array([[1.],
           [2.]], dtype=float32)
    """
    scaled = B if alpha == 1.0 else B * alpha
    given, transpose = (_transposed(scaled), not transpose) if rightside else (scaled, bool(transpose))
    X = _of_matrices("trsm", linalg.triangular_solve, A, given, transpose=transpose, lower=bool(lower))
    return _transposed(X) if rightside else X


@operator
def trmm(
    A: NDArray,
    B: NDArray,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
) -> NDArray:
    """The product alpha · T·B, where T is the lower (``lower=False``: upper) triangle of `A`.

    `transpose` replaces T by Tᵀ; `rightside` computes alpha · B·T.

    Raises `ShapeError` if the last two axes of `A` differ in size.
    """
    _square("trmm", A)
    T = linalg.triangle(A, bool(lower))
    if rightside:
        out = _product("trmm", B, T, False, bool(transpose))
    else:
        out = _product("trmm", T, B, bool(transpose), False)
    return out if alpha == 1.0 else out * alpha


def gelqf(A: NDArray) -> list[NDArray]:
    """The LQ factorization A = L·Q, as [Q, L]; L is lower triangular, and the rows of Q are orthonormal.

    `A` must not have more rows than columns.
    """
    Q = _of_matrices("gelqf", linalg.orthonormal_rows, A)
    return [Q, linalg.triangle(_product("gelqf", A, Q, False, True))]


def syevd(A: NDArray) -> list[NDArray]:
    """The eigendecomposition A = Uᵀ·diag(λ)·U of symmetric matrices, as [U, λ].

    The rows of U are the eigenvectors; the eigenvalues λ ascend.
    """
    return [
        _of_matrices("syevd", linalg.eigenvectors, A),
        _of_matrices("syevd", linalg.eigenvalues, A, gives=1),
    ]


@operator
def sumlogdiag(A: NDArray) -> NDArray:
    """The sum of the logarithms of each diagonal; for a Cholesky factor, half the log determinant."""
    return sum(log(extractdiag(A)), axis=-1)


@operator
def det(A: NDArray) -> NDArray:
    """The determinants of square matrices.

    >>> from lamina import nd
    >>> nd.linalg.det(nd.array([[1, 2], [3, 4]])).asscalar().round(4).item()
    -2.0
    """
    return _of_matrices("det", linalg.determinant, A, gives=0)


def slogdet(A: NDArray) -> list[NDArray]:
    """[sign, log |det|] of square matrices; only the logarithm has a gradient."""
    both = linalg.sign_of_determinant, linalg.log_determinant
    return [_of_matrices("slogdet", one, A, gives=0) for one in both]


@operator
def inverse(A: NDArray) -> NDArray:
    """The inverses of square matrices. Raises `MatrixError` for a singular matrix."""
    return _of_matrices("inverse", linalg.inverse, A)
