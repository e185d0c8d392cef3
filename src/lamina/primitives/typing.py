"""Shape and dtype rules shared by the families of primitives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

import numpy as np

from lamina.errors import DTypeError, ShapeError
from lamina.support.messages import in_a_line

Type = tuple[tuple[int, ...], np.dtype]


def element_type(dtype: Any) -> np.dtype:
    """The native NumPy dtype of a user's dtype, None for float32; `DTypeError` if unknown or unsupported."""
    if hasattr(dtype, "asnumpy"):  # an array, which stands for its dtype, as in NumPy
        dtype = dtype.dtype
    try:
        found = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError:
        raise DTypeError(f"unknown dtype {dtype!r}; {_THERE_ARE}") from None
    native = found if found.isnative else found.newbyteorder("=")
    if native not in ELEMENT_TYPES:
        raise DTypeError(f"arrays cannot have the dtype {found}; {_THERE_ARE}")
    return native


ELEMENT_TYPES = frozenset(map(np.dtype, "?bBhHiIlLqQefd"))
"""The dtypes of arrays."""

_THERE_ARE = "there are float32, float64, float16, bool, uint8 and the other integers"


def dtype_of(*inputs: Any) -> np.dtype:
    """The common dtype of the arrays among the inputs; Python numbers have no effect."""
    found = [x.dtype for x in inputs if hasattr(x, "dtype")]
    first = found[0] if found else np.float32
    for dtype in found:
        if dtype is not first and np.dtype(dtype) != np.dtype(first):
            shown = ", ".join(str(np.dtype(d)) for d in found)
            raise DTypeError(f"mixed dtypes {shown}; convert with astype first")
    return np.dtype(first)


def converted(x: np.ndarray, dtype: Any) -> np.ndarray:
    """``x.astype(dtype)``, where floats outside the range of a small or unsigned integer dtype wrap around.

    In C, the conversion of -1.0 to an unsigned integer is undefined: the result depends on the processor, and even on
    which of NumPy's loops runs. This function converts to a signed integer first; then -1.0 becomes 255 as uint8 on
    every machine. Beyond the range of 32 bits (for uint32, 64 bits) the result stays undefined.
    """
    dtype = np.dtype(dtype)
    if x.dtype.kind == "f":
        if dtype.kind in "iu" and dtype.itemsize < 4:
            return x.astype(np.int32).astype(dtype)
        if dtype == np.uint32:
            return x.astype(np.int64).astype(dtype)
    return x.astype(dtype)


def broadcast_shapes(name: str, *inputs: Any) -> tuple[int, ...]:
    """The broadcast shape of all inputs by NumPy's rules; the error message shows all shapes."""
    shapes = [tuple(getattr(x, "shape", ())) for x in inputs]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        shown = " and ".join(map(str, shapes))
        raise ShapeError(
            f"{name}: shapes {shown} do not broadcast: from the right, sizes must be equal or 1"
        ) from None


def like_first(x: Any, *_others: Any, **_params: Any) -> Type:
    """The shape and dtype of `x`, for a primitive whose result is like its first input."""
    return tuple(x.shape), np.dtype(x.dtype)


def normalize_axis(name: str, axis: int, ndim: int) -> int:
    """The axis as a non-negative integer; error messages name the operator `name`."""
    try:
        axis = index(axis)
    except TypeError:
        raise DTypeError(f"{name}: an axis is a whole number, not {in_a_line(axis)}") from None
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: axis {axis} does not exist in an array of {ndim} axes")
    return axis % ndim


def normalize_axes(name: str, axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """The axes as sorted non-negative integers, where None means all axes."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and 0 <= axis < ndim:  # as nearly always, in a tenth of the time
        return (axis,)
    axes: tuple[Any, ...] = (
        (axis,) if isinstance(axis, str) or not isinstance(axis, Iterable) else tuple(axis)
    )
    normal = tuple(sorted({normalize_axis(name, a, ndim) for a in axes}))
    if len(normal) != len(axes):
        raise ShapeError(f"{name}: axis={axis} contains an axis twice")
    return normal
