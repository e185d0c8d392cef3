"""MXNet's ``np.linalg``, computed by NumPy's LAPACK and never compiled.

>>> from lamina import np
>>> np.linalg.norm(np.array([3, 4])), np.linalg.det(np.eye(2))
(array(5.), array(1.))
"""

from __future__ import annotations

import math
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.primitive import bind
from lamina.errors import ParameterError, ShapeError
from lamina.mxnet.np import _reduce
from lamina.mxnet.np._numpys import of_numpy
from lamina.mxnet.np.conversion import as_array, function, with_shape
from lamina.mxnet.np.promotion import as_float, joined
from lamina.primitives import BINARY, UNARY, normalize_axes
from lamina.support.unsupported import names_of_others

__all__ = [
    "cholesky", "cond", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matrix_power", "matrix_rank",
    "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "svd", "tensorinv", "tensorsolve",
]  # fmt: skip


def _folded(fold: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    return fold(x, axis=axis, keepdims=keepdims).as_nd_ndarray()


@function
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm √Σx² of the vectors along `axis`, of the matrices in two axes, or of all elements.

    For vectors `ord` is the exponent p in (Σ|x|ᵖ)^(1/p), and ∞ gives the largest |x|. For matrices ``"fro"`` gives
    √Σx², 1 the largest column sum of |x|, and ∞ the largest row sum. Other norms are computed by NumPy, without a
    gradient.
    """
    x = as_float(as_array(x))
    axes = normalize_axes("norm", axis, x.ndim)
    is_matrix = len(axes) == 2 and (axis is not None or ord is not None)
    if ord in (None, "fro") or (ord == 2 and not is_matrix):
        if ord is not None and ord != "fro" and axis is None and x.ndim != 1:
            raise ParameterError(f"norm: ord={ord!r} needs vectors or matrices: 1 or 2 axes, not {len(axes)}")
        return bind(UNARY["sqrt"], _folded(_reduce.sum, x * x, axes, keepdims))
    if is_matrix:
        return _matrix_norm(x, ord, tuple(axis) if axis is not None else axes, keepdims)
    if len(axes) != 1:
        raise ParameterError(f"norm: ord={ord!r} needs vectors or matrices: 1 or 2 axes, not {len(axes)}")
    return _vector_norm(x, ord, axes, keepdims)


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    size = nd.abs(x)
    if ord in (math.inf, -math.inf):
        return _folded(_reduce.max if ord > 0 else _reduce.min, size, axes, keepdims)
    if ord == 0:
        return _folded(_reduce.sum, (x != 0), axes, keepdims)
    if ord == 1:
        return _folded(_reduce.sum, size, axes, keepdims)
    total = _folded(_reduce.sum, bind(BINARY["power"], size, float(ord)), axes, keepdims)
    return bind(BINARY["power"], total, 1.0 / ord)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord not in (1, -1, math.inf, -math.inf):
        return of_numpy("norm", onp.linalg.norm)(nd.facade.shown(x), ord, axes, keepdims).as_nd_ndarray()
    rows, columns = (i % x.ndim for i in axes)
    summed, compared = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = _folded(_reduce.sum, nd.abs(x), summed, True)
    found = _folded(_reduce.max if ord > 0 else _reduce.min, sums, compared, True)
    if keepdims:
        return found
    return with_shape(found, tuple([n for i, n in enumerate(x.shape) if i not in (rows, columns)]))


def _square(name: str, a: Any) -> Any:
    x = as_float(as_array(a))
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: needs square matrices in the last two axes, got shape {x.shape}")
    return x


@function
def det(a: Any) -> Any:
    """The determinants of square matrices."""
    x = _square("det", a)
    return with_shape(nd.linalg.det(x), x.shape[:-2])


@function
def slogdet(a: Any) -> Any:
    """The pair (sign, log |det|) of square matrices; only the logarithm has a gradient."""
    x = _square("slogdet", a)
    return tuple([with_shape(y, x.shape[:-2]) for y in nd.linalg.slogdet(x)])


@function
def inv(a: Any) -> Any:
    """The inverses of square matrices."""
    return nd.linalg.inverse(_square("inv", a))


@function
def cholesky(a: Any) -> Any:
    """The lower triangular Cholesky factors L with L·Lᵀ = A of symmetric positive definite matrices."""
    return nd.linalg.potrf(_square("cholesky", a))


@function
def solve(a: Any, b: Any) -> Any:
    """Solve A·X = B for X with the inverse of `a`."""
    a, b = joined(_square("solve", a), as_float(as_array(b)))
    if b.ndim == 1:
        return with_shape(nd.dot(nd.linalg.inverse(a), with_shape(b, (*b.shape, 1))), b.shape)
    return nd.linalg.gemm2(nd.linalg.inverse(a), b)


@function
def matrix_power(a: Any, n: int) -> Any:
    """The n-th power of a matrix, or for negative n the power -n of its inverse."""
    x = _square("matrix_power", a)
    if n == 0:
        return nd.broadcast_to(nd.eye(x.shape[-1], dtype=x.dtype), x.shape)
    base = nd.linalg.inverse(x) if n < 0 else x
    found = base
    for _ in range(abs(n) - 1):
        found = nd.linalg.gemm2(found, base)
    return found.copy() if found is x else found


@function
def multi_dot(arrays: Any) -> Any:
    """The matrix product of several matrices."""
    found, *others = arrays
    for x in others:
        found = nd.dot(found, x)
    return found


def _eigh(a: Any, UPLO: Any = "L") -> Any:
    return tuple(onp.linalg.eigh(a, UPLO))


def _qr(a: Any, mode: Any = "reduced") -> Any:
    return tuple(onp.linalg.qr(a, mode))


def _svd(a: Any) -> Any:
    return tuple(onp.linalg.svd(a, full_matrices=False))


def _lstsq(a: Any, b: Any, rcond: Any = "warn") -> Any:
    return onp.linalg.lstsq(a, b, None if rcond == "warn" else rcond)


eigh = of_numpy("eigh", _eigh, "(eigenvalues, eigenvectors in columns) of symmetric matrices; no gradient.")
eigvalsh = of_numpy("eigvalsh", onp.linalg.eigvalsh, "The eigenvalues of symmetric matrices; no gradient.")
eig = of_numpy(
    "eig", lambda a: tuple(onp.linalg.eig(a)), "(eigenvalues, eigenvectors in columns); no gradient."
)
eigvals = of_numpy("eigvals", onp.linalg.eigvals, "The eigenvalues of square matrices; no gradient.")
svd = of_numpy("svd", _svd, "(U, s, Vᵀ) with A = U·diag(s)·Vᵀ; no gradient.")
qr = of_numpy("qr", _qr, "(Q, R) with A = Q·R; no gradient.")
pinv = of_numpy("pinv", onp.linalg.pinv, "The pseudo-inverses of matrices; no gradient.")
lstsq = of_numpy("lstsq", _lstsq, "(x, residuals, rank, singular values) of least squares; no gradient.")
matrix_rank = of_numpy("matrix_rank", onp.linalg.matrix_rank, "The rank of matrices; no gradient.")
cond = of_numpy("cond", onp.linalg.cond, "The condition number of matrices; no gradient.")
tensorinv = of_numpy("tensorinv", onp.linalg.tensorinv, "The inverse of a product over axes; no gradient.")
tensorsolve = of_numpy("tensorsolve", onp.linalg.tensorsolve, "The x with tensordot(a, x) = b; no gradient.")


__getattr__ = names_of_others("lamina.np.linalg")
