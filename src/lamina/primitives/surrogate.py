"""Primitives whose result is one value and whose gradient is given separately, such as straight-through estimators."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.lowering import Elementwise
from lamina.core.primitive import primitive
from lamina.errors import ShapeError
from lamina.primitives.typing import Type, dtype_of


def _type(value: Any, *others: Any) -> Type:
    if any(tuple(x.shape) != tuple(value.shape) for x in others):
        shapes = " and ".join(str(tuple(x.shape)) for x in (value, *others))
        raise ShapeError(f"a value and its gradient arrays must have the same shape, not {shapes}")
    return tuple(value.shape), dtype_of(value, *others)


def _value(value: np.ndarray, *others: np.ndarray) -> np.ndarray:
    _type(value, *others)
    return value.copy()


straight_through = primitive(
    "straight_through",
    eval=_value,
    infer=_type,
    vjp=(None, lambda g, out, value, x: g),
    lowering=Elementwise(lambda b, value, x: value),
    same_dtype=True,
)
"""``straight_through(value, x)``: `value`, with the gradient passed to `x` unchanged."""

independent = primitive(
    "independent",
    eval=_value,
    infer=_type,
    vjp=(lambda g, out, value, x: g, None),
    lowering=Elementwise(lambda b, value, x: value),
    same_dtype=True,
)
"""``independent(value, x)``: `value`, with gradient 0 for `x`."""

output_layer = primitive(
    "output_layer",
    eval=_value,
    infer=_type,
    vjp=(None, lambda g, out, value, x, gradient: gradient, None),
    lowering=Elementwise(lambda b, value, x, gradient: value),
    same_dtype=True,
)
"""``output_layer(value, x, gradient)``: `value`, where `gradient` replaces the gradient of `x`."""
