"""Which results share memory with their operand. NumPy's do by themselves; those of devices are made here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.primitive import Primitive
from lamina.primitives.movement import slice_
from lamina.primitives.reshape import reshape

__all__ = ["VIEWS", "view_of"]

VIEWS = frozenset((reshape, slice_))
"""The primitives whose results may be views."""


def view_of(primitive: Primitive, value: Any, params: dict[str, Any]) -> Any:
    """The result of one of `VIEWS`, as a view of what an array on a device holds; None where it can't be one.

    Of a NumPy array it is what the primitive's `eval` gives.
    """
    if isinstance(value, np.ndarray):
        return primitive.eval(value, **params)
    shape, _ = primitive.infer(value, **params)  # also for its errors
    first = 0 if primitive is reshape else _first_of_stretch(value.shape, **params)
    return None if first is None else value.part(first, shape)


def _first_of_stretch(
    shape: tuple[int, ...], begin: Sequence[int], end: Sequence[int], step: Sequence[int]
) -> int | None:
    """The number of a slice's first element, if the slice is one stretch of memory; else None."""
    lengths = [len(range(b, e, s)) for b, e, s in zip(begin, end, step, strict=True)]
    if 0 in lengths:
        return 0
    first = next((axis for axis, n in enumerate(lengths) if n != 1), len(shape))
    if any(n != shape[axis] for axis, n in enumerate(lengths) if axis > first):
        return None
    if any(s != 1 for s, n in zip(step, lengths, strict=True) if n != 1):
        return None
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return sum(b * stride for b, stride in zip(begin, strides, strict=True))
