"""Extraction of diagonals and triangles of matrices as vectors, and matrices made from such vectors."""

from __future__ import annotations

import math

import numpy as np

from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.nd.conversion import array
from lamina.nd.operators import NDArray, operator
from lamina.primitives.indexing import take, take_add
from lamina.primitives.movement import reshape

__all__ = ["extractdiag", "extracttrian", "makediag", "maketrian"]


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
