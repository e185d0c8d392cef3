"""The primitive `reshape`, used by reductions and movements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.core.lowering import Reshape
from lamina.core.primitive import bind, primitive
from lamina.errors import ShapeError
from lamina.primitives.typing import Type

Ints = tuple[int, ...]


def _reshape_type(x: Any, shape: Ints) -> Type:
    if math.prod(shape) != math.prod(x.shape):
        raise ShapeError(
            f"reshape: {tuple(x.shape)} has {math.prod(x.shape)} elements, {shape} would have {math.prod(shape)}"
        )
    return shape, np.dtype(x.dtype)


reshape = primitive(
    "reshape",
    eval=lambda x, shape: x.reshape(shape),
    infer=_reshape_type,
    vjp=(lambda g, out, x, shape: bind(reshape, g, shape=x.shape),),
    lowering=Reshape(),
)
"""``reshape(x, shape=)``, with all sizes known. Eagerly it shares memory with `x`."""
