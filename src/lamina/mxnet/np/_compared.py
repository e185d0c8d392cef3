"""Tests of arrays: equality, near equality, shared memory."""

from __future__ import annotations

from typing import Any

import numpy as onp

from lamina.core.array import Array
from lamina.core.memory import share_memory
from lamina.mxnet.np._numpys import by_numpy
from lamina.mxnet.np.conversion import as_array, function
from lamina.nd.facade import plain

__all__ = ["allclose", "array_equal", "array_equiv", "isclose", "may_share_memory", "shares_memory"]


@function
def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether |a - b| ≤ atol + rtol · |b|, for each element."""
    return by_numpy("isclose", onp.isclose, as_array(a).detach(), as_array(b).detach(), rtol, atol, equal_nan)


@function
def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |a - b| ≤ atol + rtol · |b| everywhere."""
    return onp.allclose(as_array(a)._numbers(), as_array(b)._numbers(), rtol, atol, equal_nan)


@function
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Whether shapes and elements are equal."""
    return onp.array_equal(as_array(a1)._numbers(), as_array(a2)._numbers(), equal_nan)


@function
def array_equiv(a1: Any, a2: Any) -> bool:
    """Whether the elements are equal after broadcasting."""
    return onp.array_equiv(as_array(a1)._numbers(), as_array(a2)._numbers())


def may_share_memory(a: Any, b: Any, max_work: int | None = None) -> bool:
    """Whether writing to one array may change the other."""
    a, b = plain(a), plain(b)
    if isinstance(a, Array) and isinstance(b, Array):
        return a is b or share_memory(a._data, b._data)
    first, second = (x._concrete() if isinstance(x, Array) else x for x in (a, b))
    return onp.may_share_memory(first, second)


shares_memory = may_share_memory
