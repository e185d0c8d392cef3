"""Factorizations and inverses of matrices, or of batches along axis 0, by NumPy's LAPACK.

These primitives are never compiled, since generated loops would not be faster than LAPACK. As in MXNet, the gradients'
formulas are from Seeger et al., "Auto-Differentiating Linear Algebra" (2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.core.primitive import Primitive, bind, primitive
from lamina.errors import DTypeError, MatrixError, ShapeError
from lamina.primitives.contract import matmul
from lamina.primitives.elementwise import where
from lamina.primitives.indexing import iota
from lamina.primitives.movement import transpose
from lamina.primitives.reduce import reshape
from lamina.primitives.typing import Type

Function = Callable[..., Any]


# --- helpers for gradients ----------------------------------------------------------------------------------------


def _t(x: Any) -> Any:
    return bind(transpose, x, axes=(1, 0) if len(x.shape) == 2 else (0, 2, 1))


def _dot(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    return bind(matmul, a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def triangle(x: Any, lower: bool = True, strict: bool = False) -> Any:
    """The lower or upper triangle of matrices, with zeros elsewhere; `strict` excludes the diagonal."""
    rows, columns = x.shape[-2:]
    whole = np.dtype(np.int32)
    row = bind(reshape, bind(iota, size=rows, start=0, step=1, dtype=whole), shape=(rows, 1))
    column = bind(iota, size=columns, start=0, step=1, dtype=whole)
    above, below = (column, row) if lower else (row, column)
    return bind(where, above < below if strict else above <= below, x, 0.0)


def _mirrored(x: Any) -> Any:
    """The symmetric matrices with the lower triangles of `x`."""
    return triangle(x) + _t(triangle(x, strict=True))


def _as_columns(g: Any, x: Any) -> Any:
    """The vector `g`, with one number per matrix, in a shape that broadcasts with the matrices `x`."""
    return bind(reshape, g, shape=(1, 1) if len(x.shape) == 2 else (x.shape[0], 1, 1))


# --- declaration of primitives ------------------------------------------------------------------------------------


def _matrices(name: str, x: Any, square: bool = True) -> tuple[int, ...]:
    """The shape of float matrices; raises an error for other inputs."""
    shape = tuple(x.shape)
    if len(shape) not in (2, 3) or (square and shape[-1] != shape[-2]):
        raise ShapeError(f"{name}: needs {'square ' * square}matrices, or a batch of them, got shape {shape}")
    if np.dtype(x.dtype).kind != "f":
        raise DTypeError(
            f"{name}: needs floats, got {np.dtype(x.dtype)}; convert with astype('float32') first"
        )
    return shape


def _of_matrix(name: str, function: Function, vjp: Function | None, gives: str = "matrix") -> Primitive:
    """Make a primitive of square matrices, whose result for each is a "matrix", "vector" or "number" (`gives`)."""

    def eval(x: np.ndarray) -> np.ndarray:
        _matrices(name, x)
        try:
            out = function(x.astype(np.result_type(x.dtype, np.float32)))
        except np.linalg.LinAlgError as error:
            raise MatrixError(f"{name}: {error} (shape {x.shape})") from None
        return np.ascontiguousarray(out, x.dtype)  # with at least one axis

    def infer(x: Any) -> Type:
        shape = _matrices(name, x)
        result = {"matrix": shape, "vector": shape[:-1], "number": shape[:-2] or (1,)}[gives]
        return result, np.dtype(x.dtype)

    return primitive(name, eval=eval, infer=infer, vjp=None if vjp is None else (vjp,))


def _cholesky_vjp(g: Any, out: Any, x: Any) -> Any:
    inner = _mirrored(_dot(out, triangle(g), transpose_a=True))
    half = bind(triangular_solve, out, inner, transpose=True, lower=True)
    return 0.5 * _t(bind(triangular_solve, out, _t(half), transpose=True, lower=True))


cholesky = _of_matrix("cholesky", np.linalg.cholesky, _cholesky_vjp)
"""``cholesky(x)``: the lower triangular L with L·Lᵀ = x; the upper triangle of x is not read."""

inverse = _of_matrix(
    "inverse", np.linalg.inv, lambda g, out, x: -_dot(_dot(out, g, transpose_a=True), out, False, True)
)

determinant = _of_matrix(
    "determinant",
    np.linalg.det,
    lambda g, out, x: _as_columns(g * out, x) * _t(bind(inverse, x)),
    gives="number",
)
log_determinant = _of_matrix(
    "log_determinant",
    lambda x: np.linalg.slogdet(x)[1],
    lambda g, out, x: _as_columns(g, x) * _t(bind(inverse, x)),
    gives="number",
)
"""``log_determinant(x)``: log |det x|."""

sign_of_determinant = _of_matrix(
    "sign_of_determinant", lambda x: np.linalg.slogdet(x)[0], None, gives="number"
)


# --- triangular systems -------------------------------------------------------------------------------------------


def _triangular_solve(a: np.ndarray, b: np.ndarray, transpose: bool, lower: bool) -> np.ndarray:
    _triangular_solve_type(a, b, transpose, lower)
    left = np.tril(a) if lower else np.triu(a)
    wide = np.result_type(a.dtype, np.float32)
    try:
        solved = np.linalg.solve((left.swapaxes(-1, -2) if transpose else left).astype(wide), b.astype(wide))
    except np.linalg.LinAlgError:
        raise MatrixError(
            f"triangular_solve: a matrix is singular, with a 0 on its diagonal (shape {a.shape})"
        ) from None
    return solved.astype(b.dtype, copy=False)


def _triangular_solve_type(a: Any, b: Any, transpose: bool, lower: bool) -> Type:
    left, right = _matrices("triangular_solve", a), _matrices("triangular_solve", b, square=False)
    if left[:-1] != right[:-1]:
        raise ShapeError(f"triangular_solve: shapes {left} (triangular) and {right} do not fit")
    return right, np.dtype(b.dtype)


def _solve_vjp_a(g: Any, out: Any, a: Any, b: Any, transpose: bool, lower: bool) -> Any:
    back = bind(triangular_solve, a, g, transpose=not transpose, lower=lower)
    return -triangle(_dot(out, back, False, True) if transpose else _dot(back, out, False, True), lower)


triangular_solve = primitive(
    "triangular_solve",
    eval=_triangular_solve,
    infer=_triangular_solve_type,
    vjp=(
        _solve_vjp_a,
        lambda g, out, a, b, transpose, **how: bind(triangular_solve, a, g, transpose=not transpose, **how),
    ),
    same_dtype=True,
)
"""``triangular_solve(a, b, transpose=, lower=)``: solve T·X = b, where T is a triangle of `a` or its transpose."""


# --- LQ and eigenvalues -------------------------------------------------------------------------------------------


def _orthonormal_rows(x: np.ndarray) -> np.ndarray:
    _orthonormal_rows_type(x)
    q = np.linalg.qr(x.swapaxes(-1, -2).astype(np.result_type(x.dtype, np.float32)))[0]
    return np.ascontiguousarray(q.swapaxes(-1, -2)).astype(x.dtype, copy=False)


def _orthonormal_rows_type(x: Any) -> Type:
    shape = _matrices("orthonormal_rows", x, square=False)
    if shape[-2] > shape[-1]:
        raise ShapeError(f"orthonormal_rows: needs at least as many columns as rows, got shape {shape}")
    return shape, np.dtype(x.dtype)


def _orthonormal_rows_vjp(g: Any, out: Any, x: Any) -> Any:
    lower = _dot(x, out, False, True)
    inner = g - _dot(_mirrored(_dot(g, out, False, True)), out)
    return bind(triangular_solve, lower, inner, transpose=True, lower=True)


orthonormal_rows = primitive(
    "orthonormal_rows", eval=_orthonormal_rows, infer=_orthonormal_rows_type, vjp=(_orthonormal_rows_vjp,)
)
"""``orthonormal_rows(x)``: the Q of x = L·Q with a lower triangular L."""


def _eigenvectors(x: np.ndarray) -> np.ndarray:
    """Eigenvectors with a fixed sign; as in MXNet, each vector's element of largest magnitude is positive."""
    vectors = np.linalg.eigh(x)[1].swapaxes(-1, -2)
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(-1)[..., np.newaxis], -1)
    return vectors * np.where(largest < 0, -1, 1)


def _eigenvectors_vjp(g: Any, out: Any, x: Any) -> Any:
    """The gradient of eigenvectors; gaps of nearly equal eigenvalues are clipped as in MXNet."""
    values = bind(eigenvalues, x)
    n = x.shape[-1]
    rows, columns = (bind(reshape, values, shape=(*x.shape[:-2], *s)) for s in ((n, 1), (1, n)))
    small = float(np.finfo(x.dtype).eps)
    gap = rows - columns
    gap = bind(where, gap.abs() >= small, gap, small)
    ratio = _dot(g, out, False, True) / gap
    inner = triangle(ratio, strict=True) + triangle(ratio, lower=False, strict=True)
    return _dot(_dot(out, 0.5 * (inner + _t(inner)), transpose_a=True), out)


eigenvectors = _of_matrix("eigenvectors", _eigenvectors, _eigenvectors_vjp)
"""``eigenvectors(x)`` of symmetric matrices: the rows of U in x = Uᵀ·diag(λ)·U, for ascending λ."""


def _eigenvalues_vjp(g: Any, out: Any, x: Any) -> Any:
    vectors = bind(eigenvectors, x)
    return _dot(vectors, bind(reshape, g, shape=(*g.shape, 1)) * vectors, transpose_a=True)


eigenvalues = _of_matrix("eigenvalues", np.linalg.eigvalsh, _eigenvalues_vjp, gives="vector")
