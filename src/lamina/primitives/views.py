"""Primitives whose results share memory with their operand, and variants that copy.

NumPy makes the views of NumPy arrays, and this module makes the views of device arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.core.lowering import Decompose
from lamina.core.primitive import Primitive, bind, primitive
from lamina.primitives.movement import slice_, slices
from lamina.primitives.reduce import reshape

VIEWS = frozenset((reshape, slice_))
"""Primitives whose results may be views."""


def _copying(view: Primitive, copied: Callable[..., np.ndarray]) -> Primitive:
    """A primitive like `view`, whose eager result is a copy; in compiled code, every result has memory of its own."""
    return primitive(
        f"{view.name}_copy",
        eval=copied,
        infer=view.infer,
        vjp=view.vjp,
        lowering=Decompose(lambda x, **params: bind(view, x, **params)),
    )


reshape_copy = _copying(reshape, lambda x, shape: x.reshape(shape).copy())
"""``reshape_copy(x, shape=)``: `reshape` as a copy, like MXNet's functions."""

slice_copy = _copying(slice_, lambda x, begin, end, step: x[slices(begin, end, step)].copy())
"""``slice_copy(x, begin=, end=, step=)``: `slice_` as a copy."""

COPIES = {reshape_copy: reshape, slice_copy: slice_}
"""Copying primitives, with the view that each copies."""


def view_of(primitive: Primitive, value: Any, params: dict[str, Any]) -> Any:
    """A `VIEWS` primitive's result as a view of a device array, or None if impossible; of a NumPy array, `eval`'s."""
    if isinstance(value, np.ndarray):
        return primitive.eval(value, **params)
    shape, _ = primitive.infer(value, **params)  # also for its errors
    first = 0 if primitive is reshape else _first_of_stretch(value.shape, **params)
    return None if first is None else value.part(first, shape)


def _first_of_stretch(
    shape: tuple[int, ...], begin: Sequence[int], end: Sequence[int], step: Sequence[int]
) -> int | None:
    """The position of a slice's first element if the slice is contiguous, else None."""
    lengths = [len(range(b, e, s)) for b, e, s in zip(begin, end, step, strict=True)]
    if 0 in lengths:
        return 0
    if not is_stretch(shape, lengths, step):
        return None
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return sum(b * stride for b, stride in zip(begin, strides, strict=True))


def is_stretch(shape: Sequence[int], lengths: Sequence[int], step: Sequence[int]) -> bool:
    """Whether a slice is contiguous: one index on leading axes, a range on the next, all of the later axes."""
    if 0 in lengths:
        return True
    first = next((a for a, n in enumerate(lengths) if n != 1), len(shape))
    if any(n != shape[a] or (n != 1 and step[a] != 1) for a, n in enumerate(lengths) if a > first):
        return False
    return first == len(shape) or step[first] == 1
