"""Reductions over axes, broadcasting and reshaping; sums and broadcasting are each other's gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from lamina.core.lowering import (
    LONGEST_CHAIN,
    ArgReduction,
    Movement,
    Reduction,
    Reshape,
    longest_chain,
    merged_row,
)
from lamina.core.primitive import Primitive, bind, by_dtype, kernel, primitive
from lamina.errors import ShapeError
from lamina.primitives.typing import Type, like_first

Axes = tuple[int, ...]
Shape = tuple[int, ...]


def _reshape_type(x: Any, shape: Shape) -> Type:
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


# --- reductions --------------------------------------------------------------------------------------------------


@lru_cache(4096)  # as of the two functions below: looking up takes a fifth of computing
def _reduced_shape(shape: tuple[int, ...], axis: Axes, keepdims: bool) -> tuple[int, ...]:
    """The shape after reducing the axes `axis`, which for all axes is (1,), as in MXNet."""
    if keepdims:
        return tuple([1 if i in axis else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in axis]) or (1,)


def _reduction_type(x: Any, axis: Axes, keepdims: bool) -> Type:
    return _reduced_shape(tuple(x.shape), axis, keepdims), np.dtype(x.dtype)


def _expand(x: Any, shape: tuple[int, ...], axis: Axes) -> Any:
    """Restore a reduced array's axes, and broadcast to `shape`."""
    kept = bind(reshape, x, shape=_reduced_shape(shape, axis, True))
    return kept if kept.shape == shape else bind(broadcast_to, kept, shape=shape)


def _sum_vjp(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    return _expand(g, x.shape, axis)


def _extremum_vjp(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    """The gradient of `x`, which as in MXNet is `g` for every element equal to the extremum, else 0."""
    return _expand(g, x.shape, axis) * (x == _expand(out, x.shape, axis))


def reduction(name: str, ufunc: Any, vjp: Any, lowering: Reduction, empty: float | None) -> Primitive:
    """Make a primitive that reduces axes by `ufunc`; `empty` is the result for no elements, None if undefined."""

    def eval(x: np.ndarray, axis: Axes, keepdims: bool) -> np.ndarray:
        if not axis:  # as in compiled code; NumPy adds 0, which changes -0.0
            return x.copy().reshape(_reduced_shape(x.shape, axis, keepdims))
        out = ufunc.reduce(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
        if isinstance(out, np.ndarray) and out.ndim:
            return out
        return np.asarray(out).reshape(_reduced_shape(x.shape, axis, keepdims))

    def infer(x: Any, axis: Axes, keepdims: bool) -> Type:
        if empty is None and any(x.shape[a] == 0 for a in axis):
            raise ShapeError(f"{name}: axis {axis} of shape {tuple(x.shape)} is empty, so there is no {name}")
        return _reduction_type(x, axis, keepdims)

    declared = primitive(name, eval=eval, infer=infer, vjp=(vjp,), lowering=lowering)
    declared.compute = by_dtype(declared, lambda dtype: _compiled(declared, dtype))
    return declared


def _compiled(reduction: Primitive, dtype: np.dtype) -> Callable[..., np.ndarray] | None:
    """The function that reduces arrays of a dtype eagerly, in the order in which compiled code combines elements.

    Returns None if nothing can be compiled. For integers, where the order doesn't matter, returns the primitive's
    `eval`.
    """
    fold = kernel(reduction, dtype) if dtype.char in "fd" else None
    if fold is None:
        return None if dtype.char in "fd" else reduction.eval

    def compute(x: np.ndarray, axis: Axes, keepdims: bool) -> np.ndarray:
        if not axis or not x.size:
            return reduction.eval(x, axis, keepdims)
        shape, folded = x.shape, axis
        if longest_chain(shape, x.itemsize, axis) > LONGEST_CHAIN:
            merged = merged_row(shape, x.itemsize, axis)
            if merged is None or longest_chain(merged, x.itemsize, axis[:1]) > LONGEST_CHAIN:
                return reduction.eval(x, axis, keepdims)
            x, folded = x.reshape(merged), axis[:1]
        return fold(x, folded).reshape(_reduced_shape(shape, axis, keepdims))

    return compute


def _lowest(dtype: Any) -> float:
    if np.dtype(dtype).kind == "b":
        return False
    return -np.inf if np.dtype(dtype).kind == "f" else int(np.iinfo(dtype).min)


def _highest(dtype: Any) -> float:
    if np.dtype(dtype).kind == "b":
        return True
    return np.inf if np.dtype(dtype).kind == "f" else int(np.iinfo(dtype).max)


reduce_sum = reduction("sum", np.add, _sum_vjp, Reduction(lambda dtype: 0, "add"), empty=0)
reduce_max = reduction("max", np.maximum, _extremum_vjp, Reduction(_lowest, "maximum"), empty=None)
reduce_min = reduction("min", np.minimum, _extremum_vjp, Reduction(_highest, "minimum"), empty=None)


def _arg_reduction(name: str, function: Any, lowering: ArgReduction) -> Primitive:
    def eval(x: np.ndarray, axis: int, keepdims: bool) -> np.ndarray:
        out = function(x, axis=axis, keepdims=keepdims)
        return np.asarray(out, np.float32).reshape(_reduced_shape(x.shape, (axis,), keepdims))

    def infer(x: Any, axis: int, keepdims: bool) -> Type:
        if x.shape[axis] == 0:
            raise ShapeError(f"{name}: axis {axis} of shape {tuple(x.shape)} is empty")
        return _reduced_shape(tuple(x.shape), (axis,), keepdims), np.dtype(np.float32)

    return primitive(name, eval=eval, infer=infer, lowering=lowering)


argmax = _arg_reduction("argmax", np.argmax, ArgReduction(lambda b, x, best: b.greater(x, best)))
argmin = _arg_reduction("argmin", np.argmin, ArgReduction(lambda b, x, best: b.less(x, best)))
"""Positions of extrema along an axis, as float32 like in MXNet: the first NaN if any, else the first extremum."""


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the axes along which `shape` was broadcast to `x.shape`, the gradient of broadcasting."""
    if x.shape == shape:
        return x
    axis = _broadcast_axes(x.shape, shape)
    summed = bind(reduce_sum, x, axis=axis, keepdims=False) if axis else x
    return summed if summed.shape == shape else bind(reshape, summed, shape=shape)


@lru_cache(4096)
def _broadcast_axes(shape: Shape, before: Shape) -> Axes:
    """The axes along which `before` was broadcast to `shape`."""
    missing = len(shape) - len(before)
    return tuple([i for i, n in enumerate(shape) if i < missing or (before[i - missing] == 1 and n != 1)])


# --- broadcast, the opposite of a sum ---------------------------------------------------------------------------


def _broadcast_type(x: Any, shape: Shape) -> Type:
    own = tuple(x.shape)
    fits = len(own) <= len(shape) and all(
        n in (1, m) for n, m in zip(own, shape[len(shape) - len(own) :], strict=True)
    )
    if not fits:
        raise ShapeError(f"broadcast_to: shape {own} does not broadcast to {shape}")
    return shape, np.dtype(x.dtype)


def _broadcast_index(index: list[Any], in_shape: Shape, shape: Shape) -> list[Any]:
    own = index[len(shape) - len(in_shape) :]
    return [i * 0 if n == 1 else i for i, n in zip(own, in_shape, strict=True)]


def _broadcast_to(x: np.ndarray, shape: Shape) -> np.ndarray:
    out = np.empty(shape, x.dtype)
    np.copyto(out, x)  # this assignment is much faster than copying the view of np.broadcast_to
    return out


broadcast_to = primitive(
    "broadcast_to",
    eval=_broadcast_to,
    infer=_broadcast_type,
    vjp=(lambda g, out, x, shape: sum_to(g, x.shape),),
    lowering=Movement(_broadcast_index),
)
"""``broadcast_to(x, shape=)``: repeat along new leading axes and axes of size 1."""


# --- cumulative sums, which are only eager, since each element depends on the previous element ------------------


def _cumsum(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    if not reverse:
        return np.cumsum(x, axis=axis, dtype=x.dtype)
    return np.ascontiguousarray(np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis))


def _cumsum_vjp(g: Any, out: Any, x: Any, axis: int, reverse: bool) -> Any:
    return bind(cumsum, g, axis=axis, reverse=not reverse)


cumsum = primitive("cumsum", eval=_cumsum, infer=like_first, vjp=(_cumsum_vjp,))
"""``cumsum(x, axis=, reverse=)``: cumulative sums, or with `reverse` sums from each element to the end."""
