"""Factorizations, inverses and determinants of matrices in the last two axes, and triangular products and solves."""

from __future__ import annotations

import math

from lamina.core.primitive import Primitive, bind
from lamina.errors import ShapeError
from lamina.nd._diagonals import extractdiag
from lamina.nd._products import matrix_product
from lamina.nd._shape import broadcast_to, swapaxes
from lamina.nd.creation import eye
from lamina.nd.elementwise import log
from lamina.nd.operators import NDArray, operator
from lamina.nd.reduce import sum
from lamina.primitives import linalg
from lamina.primitives.movement import reshape

__all__ = ["det", "gelqf", "inverse", "potrf", "potri", "slogdet", "sumlogdiag", "syevd", "trmm", "trsm"]


def _batched(name: str, x: NDArray) -> NDArray:
    """Merge all batch axes of `x` into at most one, as the primitives need."""
    if x.ndim < 2:
        raise ShapeError(f"{name}: needs matrices in the last two axes, got shape {x.shape}")
    return bind(reshape, x, shape=(math.prod(x.shape[:-2]), *x.shape[-2:])) if x.ndim > 3 else x


def _of_matrix(name: str, primitive: Primitive, A: NDArray, gives: int = 2) -> NDArray:
    """Apply a matrix primitive to a batch; its output for one matrix has `gives` axes."""
    out = bind(primitive, _batched(name, A))
    return out if A.ndim <= 3 else bind(reshape, out, shape=(*A.shape[:-2], *out.shape[out.ndim - gives :]))


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
    return _of_matrix("potrf", linalg.cholesky, A) if lower else _transposed(potrf(_transposed(A)))


def _transposed(A: NDArray) -> NDArray:
    return swapaxes(A, -1, -2)


@operator
def potri(A: NDArray, lower: bool = True) -> NDArray:
    """The inverse of a matrix whose Cholesky factor is `A`, as computed by `potrf` with the same `lower`."""
    inverted = trsm(
        A if lower else _transposed(A), broadcast_to(eye(A.shape[-1], ctx=A.context, dtype=A.dtype), A.shape)
    )
    return matrix_product("potri", inverted, inverted, True, False)


def _solved(A: NDArray, B: NDArray, transpose: bool, lower: bool) -> NDArray:
    if A.shape[:-2] != B.shape[:-2]:
        raise ShapeError(f"trsm: needs equal batches of matrices, got {A.shape} and {B.shape}")
    x = bind(
        linalg.triangular_solve, _batched("trsm", A), _batched("trsm", B), transpose=transpose, lower=lower
    )
    return x if B.ndim <= 3 else bind(reshape, x, shape=B.shape)


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
    if rightside:
        return _transposed(_solved(A, _transposed(scaled), not transpose, bool(lower)))
    return _solved(A, scaled, bool(transpose), bool(lower))


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
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"trmm: needs square matrices for the triangle, got shape {A.shape}")
    T = linalg.triangle(A, bool(lower))
    if rightside:
        out = matrix_product("trmm", B, T, False, bool(transpose))
    else:
        out = matrix_product("trmm", T, B, bool(transpose), False)
    return out if alpha == 1.0 else out * alpha


def gelqf(A: NDArray) -> list[NDArray]:
    """The LQ factorization A = L·Q, as [Q, L]; L is lower triangular, and the rows of Q are orthonormal.

    `A` must not have more rows than columns.
    """
    Q = _of_matrix("gelqf", linalg.orthonormal_rows, A)
    return [Q, linalg.triangle(matrix_product("gelqf", A, Q, False, True))]


def syevd(A: NDArray) -> list[NDArray]:
    """The eigendecomposition A = Uᵀ·diag(λ)·U of symmetric matrices, as [U, λ].

    The rows of U are the eigenvectors; the eigenvalues λ ascend.
    """
    return [
        _of_matrix("syevd", linalg.eigenvectors, A),
        _of_matrix("syevd", linalg.eigenvalues, A, gives=1),
    ]


@operator
def sumlogdiag(A: NDArray) -> NDArray:
    """The sum of the logarithms of each diagonal; for a Cholesky factor, half the log determinant."""
    return sum(log(extractdiag(A)), axis=-1)


def _number(name: str, primitive: Primitive, A: NDArray) -> NDArray:
    return _of_matrix(name, primitive, A, gives=0)


@operator
def det(A: NDArray) -> NDArray:
    """The determinants of square matrices.

    >>> from lamina import nd
    >>> nd.linalg.det(nd.array([[1, 2], [3, 4]])).asscalar().round(4).item()
    -2.0
    """
    return _number("det", linalg.determinant, A)


def slogdet(A: NDArray) -> list[NDArray]:
    """[sign, log |det|] of square matrices; only the logarithm has a gradient."""
    return [
        _number("slogdet", linalg.sign_of_determinant, A),
        _number("slogdet", linalg.log_determinant, A),
    ]


@operator
def inverse(A: NDArray) -> NDArray:
    """The inverses of square matrices. Raises `MatrixError` for a singular matrix."""
    return _of_matrix("inverse", linalg.inverse, A)
