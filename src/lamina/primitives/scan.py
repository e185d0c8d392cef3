"""Sums along an axis up to each element. They stay eager: each element needs the one before."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.primitive import bind, primitive

__all__ = ["cumsum"]


def _cumsum(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    if not reverse:
        return np.cumsum(x, axis=axis, dtype=x.dtype)
    return np.ascontiguousarray(np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis))


def _cumsum_vjp(g: Any, out: Any, x: Any, axis: int, reverse: bool) -> Any:
    return bind(cumsum, g, axis=axis, reverse=not reverse)


cumsum = primitive(
    "cumsum",
    eval=_cumsum,
    infer=lambda x, axis, reverse: (tuple(x.shape), np.dtype(x.dtype)),
    vjp=(_cumsum_vjp,),
)
"""``cumsum(x, axis=, reverse=)``: the sums up to each element, or from it to the end."""
