"""Array creation: zeros, ones, full, arange, eye, linspace and similar."""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from lamina.core.primitive import bind, bind_on
from lamina.device.context import Context, usable
from lamina.errors import ParameterError, ShapeError
from lamina.nd.operators import NDArray, operator
from lamina.primitives import COMPARISON, broadcast_to, element_type, elementwise, indexing, iota, reshape
from lamina.support.messages import in_a_line

__all__ = ["arange", "empty", "eye", "full", "linspace", "ones", "ones_like", "zeros", "zeros_like"]

Shape = int | tuple[int, ...] | list[int] | np.ndarray


def as_shape(shape: Shape) -> tuple[int, ...]:
    """Convert a shape to a tuple; an integer n becomes (n,)."""
    try:
        given: Any = shape
        given = given.tolist() if hasattr(given, "tolist") else given  # NumPy's arrays, and lamina's
        sizes = tuple(map(index, given if isinstance(given, tuple | list) else (given,)))
    except TypeError:
        raise ShapeError(f"a shape is an integer or a tuple of integers, not {in_a_line(shape)}") from None
    if sizes and min(sizes) < 0:
        raise ShapeError(f"a shape has no negative sizes, got {sizes}")
    return sizes


def _filled(value: float, shape: tuple[int, ...], ctx: Context | None, dtype: Any) -> NDArray:
    return bind_on(usable(ctx), indexing.full, value, shape=shape, dtype=element_type(dtype))


@operator
def full(shape: Shape, val: float, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """An array of shape `shape` filled with `val`, of dtype float32 by default.

    >>> from lamina import nd
    >>> nd.full((1, 2), 7).asnumpy()
    array([[7., 7.]], dtype=float32)
    """
    if not (isinstance(val, int | float | np.number | np.bool_) or hasattr(val, "as_operand")):
        try:
            val = float(val)
        except (TypeError, ValueError):
            raise TypeError(f"full: val must be a number, not {val!r}") from None
    return _filled(val, as_shape(shape), ctx, dtype)


@operator
def zeros(shape: Shape, ctx: Context | None = None, dtype: Any = None, stype: str | None = None) -> NDArray:
    """An array of zeros.

    >>> from lamina import nd
    >>> nd.zeros(2).asnumpy()
    array([0., 0.], dtype=float32)
    """
    return _filled(0, as_shape(shape), ctx, dtype)


@operator
def ones(shape: Shape, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """An array of ones."""
    return _filled(1, as_shape(shape), ctx, dtype)


@operator
def empty(shape: Shape, ctx: Context | None = None, dtype: Any = None, stype: str | None = None) -> NDArray:
    """An array with unspecified contents (in lamina, zeros)."""
    return _filled(0, as_shape(shape), ctx, dtype)


@operator
def zeros_like(data: NDArray) -> NDArray:
    """Zeros with the shape, dtype and context of `data`."""
    return bind_on(data._context, indexing.full, 0, shape=data.shape, dtype=data._dtype)


@operator
def ones_like(data: NDArray) -> NDArray:
    """Ones with the shape, dtype and context of `data`."""
    return bind_on(data._context, indexing.full, 1, shape=data.shape, dtype=data._dtype)


@operator
def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Context | None = None,
    dtype: Any = np.float32,
) -> NDArray:
    """``start, start + step, …`` below `stop`, each value `repeat` times, as float32 by default.

    With an integer `dtype`, `start` and `step` are truncated after the number of elements has been computed.

    Raises `ParameterError` if the step is 0.

    >>> from lamina import nd
    >>> nd.arange(2, 8, 2).asnumpy()
    array([2., 4., 6.], dtype=float32)
    """
    first, last = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise ParameterError(f"arange: the step from {first} to {last} must not be 0")
    steps = (last - first) / step
    underflows = steps == 0 and (last > first if step > 0 else last < first)
    size = 1 if underflows else max(0, math.ceil(steps))
    kind = element_type(dtype)
    if kind.kind in "iu":
        first, step = int(first), int(step)
    count = bind_on(usable(ctx), iota, size=size, start=first, step=step, dtype=kind)
    if repeat != 1:
        rows = bind(broadcast_to, bind(reshape, count, shape=(size, 1)), shape=(size, repeat))
        count = bind(reshape, rows, shape=(size * repeat,))
    return count


@operator
def linspace(
    start: float,
    stop: float,
    num: int,
    endpoint: bool = True,
    ctx: Context | None = None,
    dtype: Any = np.float32,
) -> NDArray:
    """`num` evenly spaced numbers from `start` to `stop`.

    >>> from lamina import nd
    >>> nd.linspace(0, 1, 5).asnumpy()
    array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    step = (stop - start) / max(1, num - 1 if endpoint else num)
    return bind_on(usable(ctx), iota, size=int(num), start=start, step=step, dtype=element_type(dtype))


@operator
def eye(N: int, M: int = 0, k: int = 0, ctx: Context | None = None, dtype: Any = np.float32) -> NDArray:
    """The N × M matrix (N × N if M is 0) with ones on the k-th diagonal and zeros elsewhere.

    >>> from lamina import nd
    >>> nd.eye(2, 3, k=1).asnumpy()
    array([[0., 1., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    context, whole = usable(ctx), np.dtype(np.int32)
    rows = bind_on(context, iota, size=N, start=int(k), step=1, dtype=whole)
    columns = bind_on(context, iota, size=M or N, start=0, step=1, dtype=whole)
    diagonal = bind(COMPARISON["equal"], bind(reshape, rows, shape=(N, 1)), columns)
    return bind(elementwise.cast, diagonal, dtype=element_type(dtype))
