"""``x[key]`` and ``x[key] = value`` by NumPy's rules: an integer for every axis gives a scalar of shape ()."""

from __future__ import annotations

from typing import Any

import numpy as onp

from lamina.core.array import Array
from lamina.core.tape import is_recorded
from lamina.mxnet.np.conversion import with_shape
from lamina.nd.facade import mapped, plain

__all__ = ["get", "set"]

_Integer = int | onp.integer


def get(x: Any, key: Any) -> Any:
    """``x[key]``: a view if the part is contiguous."""
    if key.__class__ is int:
        found = x[key] if x.shape else _no_axes()
        return found if len(x.shape) > 1 else with_shape(found, ())
    parts = _parts(key)
    if not x.shape:
        return _of_number(x, parts)
    if len(parts) == 1 and _is_scalar(parts[0]):
        return with_shape(x[parts[0].reshape((1,))], x.shape[1:])
    if all(isinstance(p, _Integer) for p in parts):
        found = x[parts]
        return with_shape(found, ()) if len(parts) == len(x.shape) else found
    found = x[parts]
    return with_shape(found, ()) if _names_one_element(parts, len(x.shape)) else found


def set(x: Any, key: Any, value: Any) -> None:
    """``x[key] = value``, broadcast and converted to the type of `x`."""
    value = mapped(value, plain)
    if isinstance(key, slice) or key is Ellipsis:
        if isinstance(value, Array) and value.shape == x.shape and not is_recorded(value):
            x[slice(None)] = value
        else:
            x[key if x.shape else ...] = value
        return
    x[_parts(key)] = value


def _parts(key: Any) -> tuple[Any, ...]:
    """A key as a tuple of unwrapped arrays; a scalar array next to other parts becomes a number."""
    if isinstance(key, list):
        key = onp.asarray(mapped(key, plain))
        key = key.astype(onp.int64) if not key.size else key
    if not isinstance(key, tuple):
        return (plain(key),)
    parts = [plain(p) for p in key]
    if len(parts) > 1:
        parts = [int(p) if _is_scalar(p) and p._dtype.kind != "b" else p for p in parts]
    return tuple(parts)


def _is_scalar(part: Any) -> bool:
    return isinstance(part, Array) and part.shape == ()


def _names_one_element(parts: tuple[Any, ...], ndim: int) -> bool:
    """Whether the key has an integer for every axis, possibly with an empty ellipsis."""
    integers = [p for p in parts if isinstance(p, _Integer)]
    return len(integers) == ndim and all(p is Ellipsis for p in parts if not isinstance(p, _Integer))


def _of_number(x: Any, parts: tuple[Any, ...]) -> Any:
    """A part of a scalar array: the array itself, possibly with new axes."""
    if all(p is None or p is Ellipsis for p in parts):
        return with_shape(x, tuple([1 for p in parts if p is None]))
    return _no_axes()


def _no_axes() -> Any:
    raise IndexError("an array of shape () is one number, and has no axis to index")
