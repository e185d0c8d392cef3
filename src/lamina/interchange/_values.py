"""The values that flow through an imported network, and what its operators do with each kind.

There are three. Arrays (`NDArray`) come from the input or from parameters. What is known whatever the input, such as
shapes, axes and single numbers, is a NumPy array; a network computes with it before and between its operators, and it
is small. Labels are a choice of known texts or numbers, made by an array of positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from lamina import nd
from lamina.interchange._graph import Node
from lamina.nd.ndarray import NDArray

__all__ = [
    "MOST_KNOWN", "Labels", "Value", "axes_of", "axis_of", "data", "is_known", "known_integers", "known_number",
    "operand", "permuted", "reshaped",
]  # fmt: skip

MOST_KNOWN = 1024
"""Elements of a known value that is computed with: shapes have far fewer."""


@dataclass(frozen=True)
class Labels:
    """Known texts at the places that an array says.

    Attributes:
        choices: (k,), the texts.
        positions: of any shape, int64.
    """

    choices: np.ndarray
    positions: NDArray

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the positions."""
        return self.positions.shape


Value = NDArray | np.ndarray | Labels | None


def is_known(value: Any) -> TypeGuard[np.ndarray]:
    """Whether it is known whatever the input."""
    return isinstance(value, np.ndarray)


def data(node: Node, value: Value) -> NDArray:
    """A value as an array; what is known becomes one (a single number one of shape (1,))."""
    if isinstance(value, NDArray):
        return value
    if isinstance(value, np.ndarray) and value.dtype != object:
        return nd.array(np.ascontiguousarray(value), dtype=value.dtype)
    raise node.error("takes numbers, but gets none" if value is None else "takes numbers, but gets texts")


def operand(node: Node, value: Value, other: Value) -> Any:
    """A value beside another one: a known single number as Python's, else an array."""
    is_number = is_known(value) and value.size == 1 and value.dtype != object
    if is_known(value) and is_number and isinstance(other, NDArray) and value.ndim <= other.ndim:
        return value.item()
    return data(node, value)


def known_integers(node: Node, value: Value, what: str) -> list[int]:
    """Whole numbers that may not depend on the input: a shape, axes.

    Raises:
        DataError: they do, or they are too many, or no whole numbers.
    """
    if not is_known(value) or value.dtype.kind not in "iu" or value.size > MOST_KNOWN:
        raise node.error(f"{what} must be whole numbers that don't depend on the input")
    return [int(n) for n in value.reshape(-1)]


def known_number(node: Node, value: Value, what: str) -> float:
    """A single number that may not depend on the input."""
    if not is_known(value) or value.size != 1 or value.dtype.kind not in "iufb":
        raise node.error(f"{what} must be a number that doesn't depend on the input")
    return value.item()


def axis_of(node: Node, axis: int, ndim: int) -> int:
    """An axis, counted from the first."""
    if not -ndim <= axis < ndim:
        raise node.error(f"axis {axis} of an array of {ndim} axes")
    return axis % ndim


def axes_of(node: Node, axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Axes, counted from the first, in order.

    Raises:
        DataError: one is named twice, or isn't there.
    """
    found = sorted({axis_of(node, axis, ndim) for axis in axes})
    if len(found) != len(axes):
        raise node.error(f"axes {list(axes)[:20]} name one twice")
    return tuple(found)


def reshaped(x: NDArray, shape: Sequence[int]) -> NDArray:
    """The same elements under a shape without codes; one without axes becomes (1,)."""
    target = tuple(shape) or (1,)
    if x.shape == target:
        return x
    if 0 in target:  # which is a code for `nd.reshape`, and nothing has to be moved
        return nd.zeros(target, dtype=x.dtype) if math.prod(x.shape) == 0 else nd.reshape(x, target)
    return nd.reshape(x, target)


def permuted(x: NDArray, order: Sequence[int]) -> NDArray:
    """The axes in another order."""
    return x if list(order) == list(range(x.ndim)) else nd.transpose(x, axes=tuple(order))
