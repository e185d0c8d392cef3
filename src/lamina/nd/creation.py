"""Arrays from nothing: zeros, ones, full, arange, eye, linspace and their like."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.context import Context, current_context
from lamina.core.primitive import bind
from lamina.nd.ndarray import NDArray, array
from lamina.primitives.indexing import full as full_primitive

__all__ = ["arange", "empty", "eye", "full", "linspace", "ones", "ones_like", "zeros", "zeros_like"]

Shape = int | tuple[int, ...] | list[int]


def as_shape(shape: Shape) -> tuple[int, ...]:
    """A shape as a tuple; an integer n means (n,)."""
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(n) for n in shape)


def full(
    shape: Shape, val: float, ctx: Context | None = None, dtype: Any = None, out: NDArray | None = None
) -> NDArray:
    """An array of `shape` filled with `val`; float32 unless `dtype` says otherwise."""
    context = (ctx or current_context()).require_backend()
    result = bind(full_primitive, val, shape=as_shape(shape), dtype=np.dtype(dtype or np.float32))
    result._context = context
    if out is None:
        return result
    out[:] = result
    return out


def zeros(shape: Shape, ctx: Context | None = None, dtype: Any = None, **_ignored: Any) -> NDArray:
    """An array of zeros."""
    return full(shape, 0, ctx, dtype)


def ones(shape: Shape, ctx: Context | None = None, dtype: Any = None, **_ignored: Any) -> NDArray:
    """An array of ones."""
    return full(shape, 1, ctx, dtype)


def empty(shape: Shape, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """An array whose contents are unspecified (here: zeros)."""
    return zeros(shape, ctx, dtype)


def zeros_like(data: NDArray, **_ignored: Any) -> NDArray:
    """Zeros with the shape, dtype and context of `data`."""
    return zeros(data.shape, data.context, data.dtype)


def ones_like(data: NDArray, **_ignored: Any) -> NDArray:
    """Ones with the shape, dtype and context of `data`."""
    return ones(data.shape, data.context, data.dtype)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Context | None = None,
    dtype: Any = np.float32,
) -> NDArray:
    """``start, start + step, …`` below `stop`, each `repeat` times; float32 by default.

    >>> from lamina import nd
    >>> nd.arange(2, 8, 2).asnumpy()
    array([2., 4., 6.], dtype=float32)
    """
    first, last = (0, start) if stop is None else (start, stop)
    return array(np.repeat(np.arange(first, last, step), repeat), ctx, dtype)


def linspace(
    start: float,
    stop: float,
    num: int,
    endpoint: bool = True,
    ctx: Context | None = None,
    dtype: Any = np.float32,
) -> NDArray:
    """`num` evenly spaced numbers from `start` to `stop`."""
    return array(np.linspace(start, stop, num, endpoint), ctx, dtype)


def eye(N: int, M: int = 0, k: int = 0, ctx: Context | None = None, dtype: Any = np.float32) -> NDArray:
    """Ones on the k-th diagonal of an N × M matrix (M = 0: square)."""
    return array(np.eye(N, M or None, k), ctx, dtype)
