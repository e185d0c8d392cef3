"""Array creation from shapes and from values, in float32 by default."""

from __future__ import annotations

import math
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.array import Array
from lamina.core.primitive import bind, bind_on
from lamina.device.context import usable
from lamina.errors import ParameterError
from lamina.mxnet.np.conversion import as_array, copied, function, of_array, with_shape
from lamina.mxnet.np.promotion import cast_to
from lamina.nd.creation import as_shape
from lamina.nd.facade import plain
from lamina.primitives import broadcast_to, element_type, indexing, iota

__all__ = [
    "arange", "array", "copy", "empty", "empty_like", "eye", "full", "full_like", "identity", "indices", "linspace",
    "logspace", "meshgrid", "ones", "ones_like", "tri", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


@function
def array(object: Any, dtype: Any = None, ctx: Any = None) -> Any:
    """A new array from a number, nested lists, or another array.

    The default `dtype` is float32, or for an array (also NumPy's) its dtype, as in MXNet.

    >>> from lamina import np
    >>> np.array([1, 2]), np.array(3).shape
    (array([1., 2.]), ())
    """
    return copied(object, dtype, ctx)


def _filled(shape: Any, value: Any, dtype: Any, ctx: Any) -> Any:
    return bind_on(usable(ctx), indexing.full, value, shape=as_shape(shape), dtype=element_type(dtype))


@function
def zeros(shape: Any, dtype: Any = None, order: str = "C", ctx: Any = None) -> Any:
    """An array of zeros.

    >>> from lamina import np
    >>> np.zeros(2), np.zeros(())
    (array([0., 0.]), array(0.))
    """
    return _filled(shape, 0, dtype, ctx)


@function
def ones(shape: Any, dtype: Any = "float32", order: str = "C", ctx: Any = None) -> Any:
    """An array of ones."""
    return _filled(shape, 1, dtype, ctx)


@function
def empty(shape: Any, dtype: Any = "float32", order: str = "C", ctx: Any = None) -> Any:
    """An array with unspecified contents (in lamina, zeros)."""
    return _filled(shape, 0, dtype, ctx)


@function
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", ctx: Any = None) -> Any:
    """An array of shape `shape` filled with a number, or with an array broadcast to `shape`.

    The default dtype is bool for True and False, otherwise float32.

    >>> from lamina import np
    >>> np.full(2, 7)
    array([7., 7.])
    """
    if isinstance(fill_value, bool) and dtype is None:
        dtype = bool
    if isinstance(fill_value, int | float | onp.number):
        return _filled(shape, fill_value, dtype, ctx)
    value = copied(fill_value, dtype, ctx)
    return bind(broadcast_to, value, shape=as_shape(shape))


def _like(a: Any, value: Any, dtype: Any, ctx: Any) -> Any:
    a = as_array(a)
    kind = a._dtype if dtype is None else element_type(dtype)
    context = a._context if ctx is None else usable(ctx)
    return bind_on(context, indexing.full, value, shape=a.shape, dtype=kind)


@function
def zeros_like(a: Any, dtype: Any = None, order: str = "C", ctx: Any = None) -> Any:
    """Zeros with the shape and dtype of `a`."""
    return _like(a, 0, dtype, ctx)


@function
def ones_like(a: Any, dtype: Any = None, order: str = "C", ctx: Any = None) -> Any:
    """Ones with the shape and dtype of `a`."""
    return _like(a, 1, dtype, ctx)


@function
def empty_like(
    prototype: Any, dtype: Any = None, order: str = "C", subok: bool = False, shape: Any = None
) -> Any:
    """An array like `prototype` with unspecified contents (in lamina, zeros)."""
    return _like(prototype, 0, dtype, None)


@function
def full_like(a: Any, fill_value: float, dtype: Any = None, order: str = "C", ctx: Any = None) -> Any:
    """An array with the shape and dtype of `a`, filled with a number."""
    return _like(a, fill_value, dtype, ctx)


@function
def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: Any = None, ctx: Any = None
) -> Any:
    """``start, start + step, …`` below `stop`, or from 0 below `start` if `stop` is None; float32 by default.

    >>> from lamina import np
    >>> np.arange(2, 8, 2)
    array([2., 4., 6.])
    """
    first, last = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise ParameterError(f"arange: the step from {first} to {last} must not be 0")
    size = max(0, math.ceil((last - first) / step))
    return bind_on(usable(ctx), iota, size=size, start=first, step=step, dtype=element_type(dtype))


@function
def linspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    ctx: Any = None,
) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`; with `retstep`, a pair of the numbers and the step.

    >>> from lamina import np
    >>> np.linspace(0, 1, 5)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    step = (stop - start) / max(1, num - 1 if endpoint else num)
    double = onp.dtype(onp.float64)
    numbers = bind_on(usable(ctx), iota, size=int(num), start=float(start), step=step, dtype=double)
    numbers = cast_to(numbers, element_type(dtype))
    return (numbers, step) if retstep else numbers


@function
def logspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: Any = None,
    axis: int = 0,
    ctx: Any = None,
) -> Any:
    """`num` numbers from ``base ** start`` to ``base ** stop``, evenly spaced on a log scale."""
    return copied(onp.logspace(start, stop, num, endpoint, base), dtype or onp.float32, ctx)


@function
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = "float32", ctx: Any = None) -> Any:
    """The N × M matrix (N × N if M is None) with ones on the k-th diagonal and zeros elsewhere.

    >>> from lamina import np
    >>> np.eye(2)
    array([[1., 0.],
           [0., 1.]])
    """
    if 0 in (N, M):
        return _filled((N, N if M is None else M), 0, dtype, ctx)
    return nd.eye(N, M or 0, k, ctx=ctx, dtype=dtype)


@function
def identity(n: int, dtype: Any = None, ctx: Any = None) -> Any:
    """The n × n identity matrix."""
    return nd.eye(n, ctx=ctx, dtype=dtype)


@function
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None, ctx: Any = None) -> Any:
    """The N × M matrix with ones at and below the k-th diagonal and zeros above."""
    return cast_to(nd.array(onp.tri(N, M, k), ctx=ctx), element_type(dtype))


def _masked(m: Any, keep: onp.ndarray) -> Any:
    mask = copied(keep, ctx=m._context)
    return nd.where(bind(broadcast_to, mask, shape=m.shape), m, nd.zeros_like(m))


@of_array
def tril(m: Any, k: int = 0) -> Any:
    """The matrices in the last two axes, with the elements above the k-th diagonal set to 0.

    >>> from lamina import np
    >>> np.tril(np.ones((2, 2)))
    array([[1., 0.],
           [1., 1.]])
    """
    return _masked(m, onp.tri(*m.shape[-2:], k, dtype=bool))  # pyright: ignore


@of_array
def triu(m: Any, k: int = 0) -> Any:
    """The matrices in the last two axes, with the elements below the k-th diagonal set to 0."""
    return _masked(m, ~onp.tri(*m.shape[-2:], k - 1, dtype=bool))  # pyright: ignore


@function
def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True) -> list[Any]:
    """Coordinate arrays of a grid, from the coordinates along each axis; ``"xy"`` swaps the first two axes.

    >>> from lamina import np
    >>> [x.shape for x in np.meshgrid(np.arange(2), np.arange(3))]
    [(3, 2), (3, 2)]
    """
    if indexing not in ("xy", "ij"):
        raise ParameterError(f"meshgrid: indexing={indexing!r} is unknown; known: 'xy', 'ij'")
    arrays = [as_array(x) for x in xi]
    places = [1, 0, *range(2, len(arrays))] if indexing == "xy" and len(arrays) > 1 else range(len(arrays))
    shapes = [
        tuple([x.size if axis == place else 1 for axis in range(len(arrays))])
        for x, place in zip(arrays, places, strict=True)
    ]
    found = list(map(with_shape, arrays, shapes))
    return found if sparse else nd.broadcast_arrays(*found)


@function
def indices(dimensions: Any, dtype: Any = "int32", ctx: Any = None) -> Any:
    """The indices of a grid's points along each axis, stacked along a new first axis."""
    return copied(onp.indices(as_shape(dimensions)), dtype, ctx)


@function
def copy(a: Any) -> Any:
    """A copy with separate memory."""
    source: Any = plain(a)
    return as_array(source).copy() if isinstance(source, Array) else copied(source)
