"""Primitives whose result is one value and whose gradient is given separately, such as straight-through estimators."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.lowering import Elementwise
from lamina.core.primitive import Primitive, primitive
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


def _valued(name: str, *vjp: Any) -> Primitive:
    """A primitive whose result is its first input, with the gradients `vjp`."""
    lowering = Elementwise(lambda b, value, *others: value)
    return primitive(name, eval=_value, infer=_type, vjp=vjp, lowering=lowering, same_dtype=True)


straight_through = _valued("straight_through", None, lambda g, out, value, x: g)
"""``straight_through(value, x)``: `value`, with the gradient passed to `x` unchanged."""

independent = _valued("independent", lambda g, out, value, x: g, None)
"""``independent(value, x)``: `value`, with gradient 0 for `x`."""

output_layer = _valued("output_layer", None, lambda g, out, value, x, gradient: gradient, None)
"""``output_layer(value, x, gradient)``: `value`, where `gradient` replaces the gradient of `x`."""
