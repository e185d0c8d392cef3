"""Constant folding of values independent of the input (shapes, axes, single numbers), on small NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.interchange._graph import Node, arguments
from lamina.interchange._tensors import element_type
from lamina.interchange._values import MOST_KNOWN, axes_of, axis_of, is_known, known_integers, sliced

Function = Callable[..., Any]


def computed(node: Node, inputs: Sequence[Any]) -> Any:
    """The results of a node whose inputs are all known, or None if the node computes with arrays.

    Raises:
        DataError: the result is larger than any shape computation needs.
    """
    function = _FUNCTIONS.get(node.op) if not node.domain else None
    given = [x for x in inputs if x is not None]
    if function is None or not all(is_known(x) and x.size <= MOST_KNOWN for x in given):
        return None
    if any(x.dtype.kind not in "iufb" for x in given):
        return None
    with np.errstate(all="ignore"):
        found = function(node, *arguments(node, inputs))
    results = [np.asarray(x) for x in (found if isinstance(found, tuple) else (found,))]
    for result in results:
        _require_small(node, result.shape)
    return tuple(results)


def _require_small(node: Node, shape: Sequence[int]) -> None:
    if math.prod(shape) > MOST_KNOWN or len(shape) > 32:
        raise node.error(
            f"computes a constant of shape {tuple(shape)[:20]}; at most {MOST_KNOWN:,} elements are allowed"
        )


def _elementwise(function: Function) -> Function:
    def apply(node: Node, *inputs: np.ndarray) -> np.ndarray:
        _require_small(node, np.broadcast_shapes(*[x.shape for x in inputs]))
        return function(*inputs)

    return apply


def _divided(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Division; integers truncate."""
    if a.dtype.kind == "f":
        return a / b
    if not np.all(b):
        raise ZeroDivisionError("an integer is divided by 0")
    return np.trunc(a / b).astype(a.dtype) if np.abs(a).max(initial=0) < 2**52 else a // b


def _cast(node: Node, x: np.ndarray) -> np.ndarray:
    return x.astype(element_type(node.integer("to", 0)))


def _concat(node: Node, *inputs: np.ndarray) -> np.ndarray:
    _require_small(node, (sum(x.size for x in inputs),))
    return np.concatenate(inputs, axis=node.integer("axis", 0))


def _gather(node: Node, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    axis = axis_of(node, node.integer("axis", 0), x.ndim)
    _require_small(node, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
    return np.take(x, indices, axis=axis, mode="raise")


def _slice(
    node: Node, x: np.ndarray, starts: Any, ends: Any, axes: Any = None, steps: Any = None
) -> np.ndarray:
    return x[sliced(node, x.shape, starts, ends, axes, steps)]


def _squeeze(node: Node, x: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
    places = [] if axes is None else known_integers(node, axes, "axes")
    return np.squeeze(x, axes_of(node, places, x.ndim) or None)


def _unsqueeze(node: Node, x: np.ndarray, axes: np.ndarray) -> np.ndarray:
    places = known_integers(node, axes, "axes")
    return np.expand_dims(x, axes_of(node, places, x.ndim + len(places)))


def _reshape(node: Node, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    sizes = known_integers(node, shape, "the shape")
    keep = not node.integer("allowzero", 0)
    return x.reshape([x.shape[i] if n == 0 and keep else n for i, n in enumerate(sizes)])


def _expand(node: Node, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    target = np.broadcast_shapes(x.shape, tuple(known_integers(node, shape, "the shape")))
    _require_small(node, target)
    return np.broadcast_to(x, target).copy()


def _range(node: Node, start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray:
    first, last, step = (x.item() for x in (start, limit, delta))
    if not step or not math.isfinite((last - first) / step):
        raise node.error(f"invalid range from {first} to {last} in steps of {step}")
    _require_small(node, (max(0, math.ceil((last - first) / step)),))
    return np.arange(first, last, step, dtype=start.dtype)


def _reduction(function: Function) -> Function:
    def apply(node: Node, x: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
        places = [] if axes is None else known_integers(node, axes, "axes")
        if not places and node.integer("noop_with_empty_axes", 0):
            return x
        axis = axes_of(node, places, x.ndim) or None
        return np.asarray(function(x, axis=axis, keepdims=bool(node.integer("keepdims", 1)))).astype(x.dtype)

    return apply


_FUNCTIONS: dict[str, Function] = {
    "Add": _elementwise(np.add),
    "Sub": _elementwise(np.subtract),
    "Mul": _elementwise(np.multiply),
    "Div": _elementwise(_divided),
    "Min": _elementwise(lambda *x: np.min(np.broadcast_arrays(*x), axis=0)),
    "Max": _elementwise(lambda *x: np.max(np.broadcast_arrays(*x), axis=0)),
    "Equal": _elementwise(np.equal),
    "Greater": _elementwise(np.greater),
    "GreaterOrEqual": _elementwise(np.greater_equal),
    "Less": _elementwise(np.less),
    "LessOrEqual": _elementwise(np.less_equal),
    "And": _elementwise(np.logical_and),
    "Or": _elementwise(np.logical_or),
    "Where": _elementwise(np.where),
    "Not": _elementwise(np.logical_not),
    "Neg": _elementwise(np.negative),
    "Abs": _elementwise(np.abs),
    "Sqrt": _elementwise(np.sqrt),
    "Reciprocal": _elementwise(np.reciprocal),
    "Floor": _elementwise(np.floor),
    "Ceil": _elementwise(np.ceil),
    "Identity": _elementwise(lambda x: x),
    "Cast": _cast,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Expand": _expand,
    "Range": _range,
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum),
    "ReduceMax": _reduction(np.max),
    "ReduceMin": _reduction(np.min),
}
