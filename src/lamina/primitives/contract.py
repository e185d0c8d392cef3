"""The matrix product, the only contraction primitive."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from lamina.core import blas
from lamina.core.lowering import LONGEST_CHAIN, Contraction
from lamina.core.primitive import bind, by_dtype, kernel, primitive
from lamina.errors import ParameterError, ShapeError
from lamina.primitives.reduce import Shape
from lamina.primitives.typing import Type, dtype_of
from lamina.support.messages import unknown


def _matmul(a: np.ndarray, b: np.ndarray, transpose_a: bool, transpose_b: bool) -> np.ndarray:
    left = a.swapaxes(-1, -2) if transpose_a else a
    right = b.swapaxes(-1, -2) if transpose_b else b
    return blas.matmul(left, right)


def _matmul_type(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Type:
    shapes = tuple(a.shape), tuple(b.shape)
    if len(shapes[0]) != len(shapes[1]) or len(shapes[0]) not in (2, 3):
        raise ShapeError(
            f"dot: needs two matrices or two batches of matrices, got shapes {shapes[0]} and {shapes[1]}"
        )
    (m, k), (k2, n) = shapes[0][-2:], shapes[1][-2:]
    if transpose_a:
        m, k = k, m
    if transpose_b:
        k2, n = n, k2
    if shapes[0][:-2] != shapes[1][:-2]:
        raise ShapeError(
            f"batch_dot: shapes {shapes[0]} and {shapes[1]} do not fit: "
            f"the batches have {shapes[0][0]} and {shapes[1][0]} matrices"
        )
    if k != k2:
        flags = "".join(
            f", {name}=True"
            for name, on in (("transpose_a", transpose_a), ("transpose_b", transpose_b))
            if on
        )
        raise ShapeError(
            f"dot: shapes {shapes[0]} and {shapes[1]}{flags} do not fit: "
            f"the first would be used with {k} columns, the second with {k2} rows"
        )
    return (*shapes[0][:-2], m, n), dtype_of(a, b)


def _matmul_vjp_a(g: Any, out: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    if transpose_a:
        return bind(matmul, b, g, transpose_a=transpose_b, transpose_b=True)
    return bind(matmul, g, b, transpose_a=False, transpose_b=not transpose_b)


def _matmul_vjp_b(g: Any, out: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    if transpose_b:
        return bind(matmul, g, a, transpose_a=True, transpose_b=transpose_a)
    return bind(matmul, a, g, transpose_a=not transpose_a, transpose_b=False)


matmul = primitive(
    "matmul",
    eval=_matmul,
    infer=_matmul_type,
    vjp=(_matmul_vjp_a, _matmul_vjp_b),
    lowering=Contraction(),
    same_dtype=True,
)
"""``matmul(a, b, transpose_a=, transpose_b=)``: product of two matrices (m,k)·(k,n), or of batches of them along axis
0."""


_eager: str = "lamina"
_LARGEST, _LARGEST_OF_VECTORS = 1 << 25, 1 << 19
"""The largest eager products, in multiply-adds, that lamina's code computes: of two matrices, and with a vector."""


def set_eager_products(by: str) -> None:
    """Set the library for eager matrix products: "lamina", or "blas" for NumPy's BLAS.

    lamina's eager products have the same bits as compiled products. A BLAS may be faster, but adds in another order.
    Sums of more than 4,096 terms, and large products, always use the BLAS (docs/adr/one-arithmetic.md).

    Raises:
        ParameterError: the name is unknown.

    >>> import lamina
    >>> lamina.set_eager_products("blas")
    >>> lamina.set_eager_products("lamina")
    """
    global _eager  # noqa: PLW0603 - a setting of the process
    if by not in ("lamina", "blas"):
        raise ParameterError(unknown("eager products", by, ["lamina", "blas"]))
    _eager = by


@lru_cache(4096)
def _shape_of_lamina(left: Shape, right: Shape) -> Shape | None:
    """The shape of a product that lamina's code computes.

    None for the others: empty ones, wrong shapes, and those for which a BLAS is preferable, since it is faster (by
    threads) or more accurate (for long sums).
    """
    (rows, terms), columns = left[-2:], right[-1]
    most = _LARGEST_OF_VECTORS if min(rows, columns) == 1 else _LARGEST
    is_large = terms > LONGEST_CHAIN or rows * terms * columns > most
    is_usual = left[:-2] == right[:-2] and math.prod((*left, *right)) > 0
    return (*left[:-1], columns) if is_usual and not is_large else None


def _compiled(dtype: np.dtype) -> Callable[..., np.ndarray] | None:
    """The function for eager products of a dtype, with compiled products' arithmetic; None if not compilable."""
    if dtype.char not in "fd":
        return matmul.eval
    product = kernel(matmul, dtype)
    if product is None:
        return None

    def compute(a: np.ndarray, b: np.ndarray, transpose_a: bool, transpose_b: bool) -> np.ndarray:
        left = a.swapaxes(-1, -2) if transpose_a else a
        right = b.swapaxes(-1, -2) if transpose_b else b
        shape = _shape_of_lamina(left.shape, right.shape)
        if shape is None or _eager == "blas":
            return blas.matmul(left, right)
        out = np.empty(shape, dtype)
        if shape[-1] != 1:
            return product(left, right, out)
        # A column is computed as a row: vectors lie along rows.
        product(right.swapaxes(-1, -2), left.swapaxes(-1, -2), out.swapaxes(-1, -2))
        return out

    return compute


matmul.compute = by_dtype(matmul, _compiled)
