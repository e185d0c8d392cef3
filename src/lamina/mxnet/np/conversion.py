"""Conversion of numbers, lists and NumPy arrays to arrays, and of dtypes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec

import numpy as onp

from lamina import nd
from lamina.core.array import Array
from lamina.core.primitive import bind
from lamina.errors import ShapeError
from lamina.nd.facade import Facade, mapped, plain, shown
from lamina.primitives import normalize_axis, reshape_copy

P = ParamSpec("P")


def with_shape(x: Any, shape: tuple[int, ...]) -> Any:
    """The array itself if it has the shape `shape`, else a reshaped copy, as in MXNet."""
    return x if x.shape == shape else bind(reshape_copy, x, shape=shape)


def along(name: str, x: Any, axis: int | None) -> tuple[Any, int]:
    """`x` and the axis `axis` from 0, or the flattened `x` and axis 0 if `axis` is None."""
    return (with_shape(x, (x.size,)), 0) if axis is None else (x, normalize_axis(name, axis, x.ndim))


def copied(source: Any, dtype: Any = None, ctx: Any = None) -> Any:
    """A new array from a numeric value, where NumPy arrays keep their dtype and lists become float32."""
    source = mapped(source, plain)
    if dtype is None and isinstance(source, onp.ndarray | onp.generic):
        dtype = source.dtype
    made = nd.array(source, ctx=ctx, dtype=dtype)
    return made if onp.ndim(source) else with_shape(made, ())  # a scalar has no axes


def as_array(value: Any) -> Any:
    """The `NDArray` inside an ``np.ndarray``, or for any other value an array made by `copied`."""
    value = plain(value)
    return value if isinstance(value, Array) else copied(value)


def of_array(body: Callable[P, Any]) -> Callable[P, Any]:
    """Like `function`, for a body whose first argument is an array made by `as_array`."""
    return function(body, next(iter(signature(body).parameters)))


def function(body: Callable[P, Any], first: str = "") -> Callable[P, Any]:
    """Turn a function of `NDArray` into a function of ``np.ndarray`` with an argument `out`."""

    @wraps(body)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        opened = [x._array if isinstance(x, Facade) else _opened(x) for x in args]
        if first and opened:
            opened[0] = as_array(opened[0])
        elif first in kwargs:
            kwargs[first] = as_array(kwargs[first])
        result = body(*opened, **{k: _opened(v) for k, v in kwargs.items()}) if kwargs else body(*opened)  # pyright: ignore
        if out is not None:
            return _written_into(out, result)
        return shown(result) if isinstance(result, Array) else mapped(result, shown)

    return call  # pyright: ignore[reportReturnType] - with the additional argument `out`


def _opened(value: Any) -> Any:
    """`value` with each ``np.ndarray``, also in lists, replaced by its `NDArray`."""
    if isinstance(value, Facade):
        return value._array
    if isinstance(value, list | tuple) and any(isinstance(x, Facade | list | tuple) for x in value):
        return mapped(value, plain)
    return value


def _written_into(out: Any, result: Any) -> Any:
    array = plain(out)
    if array.shape != result.shape:
        raise ShapeError(f"out= has shape {array.shape}, the result has shape {result.shape}")
    array._forbid_recorded_write()
    array[...] = result
    return out
