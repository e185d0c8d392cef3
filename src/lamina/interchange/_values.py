"""The values in an imported network: arrays, known values and labels.

There are three kinds. Arrays (`NDArray`) depend on the input or on parameters. Known values, such as shapes, axes and
single numbers, do not depend on the input; they are small NumPy arrays. Labels are known strings or numbers, selected
by an array of positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from lamina import nd
from lamina.core.primitive import bind
from lamina.interchange._graph import Node
from lamina.nd.ndarray import NDArray
from lamina.primitives.reduce import broadcast_to, reshape

MOST_KNOWN = 1024
"""Size limit of known values in computations; shapes have far fewer elements."""


@dataclass(frozen=True)
class Labels:
    """Strings that an array of positions selects from known strings.

    Attributes:
        choices: (k,), the known strings.
        positions: of any shape, int64.
    """

    choices: np.ndarray
    positions: NDArray

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the positions."""
        return self.positions.shape


Value = NDArray | np.ndarray | Labels | None


def is_known(value: Any) -> TypeGuard[np.ndarray]:
    """Whether a value does not depend on the network's input."""
    return isinstance(value, np.ndarray)


def require_small(node: Node, shape: Sequence[int]) -> None:
    """Raise `DataError` if a known value of this shape would be larger than any shape computation needs."""
    if math.prod(shape) > MOST_KNOWN or len(shape) > 32:
        raise node.error(
            f"computes a constant of shape {tuple(shape)[:20]}; at most {MOST_KNOWN:,} elements are allowed"
        )


def data(node: Node, value: Value) -> NDArray:
    """Convert a value to an `NDArray`; raise an error for strings and omitted inputs."""
    if isinstance(value, NDArray):
        return value
    if isinstance(value, np.ndarray) and value.dtype != object:
        return array_of(value)
    raise node.error(
        "needs numbers, but has no input" if value is None else "needs numbers, but gets strings"
    )


def array_of(value: Any, dtype: Any = None) -> NDArray:
    """Convert a NumPy array to an `NDArray` of the same shape; unlike in `nd.array`, a scalar gets no axis."""
    value = np.asarray(value, dtype)
    return reshaped(nd.array(np.ascontiguousarray(value), dtype=value.dtype), value.shape)


def operand(node: Node, value: Value, other: Value) -> Any:
    """Convert a value to an operand: a known scalar becomes a Python number, others become arrays."""
    is_number = is_known(value) and value.size == 1 and value.dtype != object
    if is_known(value) and is_number and isinstance(other, NDArray) and value.ndim <= other.ndim:
        return value.item()
    return data(node, value)


def known_integers(node: Node, value: Value, what: str) -> list[int]:
    """The integers of a known value, such as a shape or axes.

    Raises:
        DataError: the value depends on the input, has too many elements, or is not of integers.
    """
    if not is_known(value) or value.dtype.kind not in "iu" or value.size > MOST_KNOWN:
        raise node.error(f"{what} must be a small array of whole numbers that doesn't depend on the input")
    return [int(n) for n in value.reshape(-1)]


def known_number(node: Node, value: Value, what: str) -> float:
    """The number of a known value with a single element.

    Raises:
        DataError: the value depends on the input, or is not a single number.
    """
    if not is_known(value) or value.size != 1 or value.dtype.kind not in "iufb":
        raise node.error(f"{what} must be a single number that doesn't depend on the input")
    return value.item()


def axis_of(node: Node, axis: int, ndim: int) -> int:
    """Convert an axis to a non-negative number; raise an error if there is no such axis."""
    if not -ndim <= axis < ndim:
        raise node.error(f"axis {axis} does not exist in an array of {ndim} axes")
    return axis % ndim


def axes_of(node: Node, axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Convert axes to non-negative numbers, ascending.

    Raises:
        DataError: an axis repeats or doesn't exist.
    """
    found = sorted({axis_of(node, axis, ndim) for axis in axes})
    if len(found) != len(axes):
        raise node.error(f"axes {list(axes)[:20]} name an axis twice")
    return tuple(found)


def reshaped(x: Any, shape: Sequence[int]) -> Any:
    """Reshape an array, also NumPy's; unlike in `nd.reshape`, sizes such as -1 have no special meaning."""
    target = tuple(shape)
    if is_known(x):
        return x.reshape(target)
    return x if x.shape == target else bind(reshape, x, shape=target)


def broadcast(x: NDArray, shape: Sequence[int]) -> NDArray:
    """Broadcast an array to a shape; unlike in `nd.broadcast_to`, sizes such as 0 have no special meaning."""
    return x if x.shape == tuple(shape) else bind(broadcast_to, x, shape=tuple(shape))


def by_norm(x: NDArray, norm: NDArray) -> NDArray:
    """Divide x by a norm, except where the norm is 0, as in scikit-learn and ONNX."""
    return x / nd.where(nd.equal(norm, 0.0), nd.ones_like(norm), norm)


def sliced(
    node: Node, shape: Sequence[int], starts: Value, ends: Value, axes: Value = None, steps: Value = None
) -> tuple[slice, ...]:
    """Convert the inputs of a Slice node to a NumPy index.

    Bounds are clipped first: with a negative step, a start before the first element thus means the first element, where
    Python's slice would be empty.
    """
    first, last = (known_integers(node, value, "bounds") for value in (starts, ends))
    places = list(range(len(first))) if axes is None else known_integers(node, axes, "axes")
    strides = [1] * len(first) if steps is None else known_integers(node, steps, "steps")
    if not len(first) == len(last) == len(places) == len(strides) or 0 in strides:
        raise node.error("its starts, ends, axes and steps differ in number, or a step is 0")
    key = [slice(None)] * len(shape)
    for start, end, axis, step in zip(first, last, places, strides, strict=True):
        place = axis_of(node, axis, len(shape))
        size = shape[place]
        start, end = (bound + size if bound < 0 else bound for bound in (start, end))
        if step > 0:
            key[place] = slice(max(start, 0), max(end, 0), step)
        elif size:
            end = max(end, -1)
            key[place] = slice(min(max(start, 0), size - 1), None if end < 0 else end, step)
    return tuple(key)


def permuted(x: NDArray, order: Sequence[int]) -> NDArray:
    """Reorder the axes of an array."""
    return x if list(order) == list(range(x.ndim)) else nd.transpose(x, axes=tuple(order))
