"""The product over axes, whose gradient multiplies the other elements instead of dividing, to allow zeros."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.core.lowering import Reduction
from lamina.core.primitive import bind
from lamina.primitives.movement import concat, slice_, transpose
from lamina.primitives.reduce import reduction, reshape

Axes = tuple[int, ...]


def _prod_vjp(g: Any, _out: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    """The gradient of `x`, computed on a matrix with a row per product, whose columns are the reduced axes."""
    order = (*(a for a in range(len(x.shape)) if a not in axis), *axis)
    moved = tuple(x.shape[a] for a in order)
    columns = math.prod(x.shape[a] for a in axis)
    rows = math.prod(g.shape)
    matrix = bind(reshape, bind(transpose, x, axes=order), shape=(rows, columns))
    gradient = _times_others(bind(reshape, g, shape=(rows, 1)), matrix)
    back = tuple(order.index(a) for a in range(len(order)))
    return bind(transpose, bind(reshape, gradient, shape=moved), axes=back)


def _times_others(g: Any, x: Any) -> Any:
    """For each element of a matrix, the product of its row's other elements, times `g` of shape (rows, 1).

    The computation is recursive: elements are paired, and the result for an element is its neighbour times the result
    for their pair. This differentiable computation takes as many multiplications as elements, in 2·log₂(n) steps.
    """
    rows, n = x.shape
    if n < 2:
        return g if n else x

    def part(y: Any, begin: int, end: int) -> Any:
        return bind(slice_, y, begin=(0, begin), end=(rows, end), step=(1, 1))

    half, odd = n // 2, n % 2
    left, right = part(x, 0, half), part(x, half, 2 * half)
    last = [part(x, n - 1, n)] * odd
    others = _times_others(g, bind(concat, left * right, *last, axis=1))
    of_pair = part(others, 0, half)
    return bind(concat, of_pair * right, of_pair * left, *[part(others, half, half + 1)] * odd, axis=1)


reduce_prod = reduction("prod", np.multiply, _prod_vjp, Reduction(lambda dtype: 1, "mul"), empty=1)
