"""ONNX's operators that move, look up or create elements: reshape, slice, concat and similar."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from lamina import nd
from lamina.interchange._graph import Node
from lamina.interchange._values import (
    MOST_KNOWN,
    Labels,
    Value,
    axes_of,
    axis_of,
    broadcast,
    data,
    is_known,
    known_integers,
    known_number,
    permuted,
    reshaped,
    sliced,
)
from lamina.nd.ndarray import NDArray


def _new_shape(node: Node, own: Sequence[int], sizes: Sequence[int], zero_is_zero: bool) -> list[int]:
    """Resolve ONNX's `sizes` to a shape for an array of shape `own`.

    The size -1 is inferred; 0 keeps a size of `own`, unless `zero_is_zero`.
    """
    if any(n < -1 for n in sizes) or sizes.count(-1) > 1:
        raise node.error(f"invalid shape {list(sizes)[:20]}")
    if not zero_is_zero:
        if any(n == 0 and i >= len(own) for i, n in enumerate(sizes)):
            raise node.error(f"the shape {list(sizes)[:20]} keeps an axis that {tuple(own)} doesn't have")
        sizes = [own[i] if n == 0 else n for i, n in enumerate(sizes)]
    known = math.prod([n for n in sizes if n != -1])
    shape = [math.prod(own) // known if n == -1 and known else n for n in sizes]
    if math.prod(shape) != math.prod(own) or -1 in shape:
        raise node.error(f"shape {tuple(own)} can't be reshaped to {tuple(sizes)[:20]}")
    return shape


def _moved(function: Callable[..., NDArray]) -> Callable[..., Any]:
    """Create an operator that applies a function to an array, or to the positions of `Labels`."""

    def apply(node: Node, x: Value, *others: Value) -> Any:
        if isinstance(x, Labels):
            return Labels(x.choices, function(node, x.positions, *others))
        return function(node, data(node, x), *others)

    return apply


def _reshape(node: Node, x: NDArray, shape: Value) -> NDArray:
    sizes = known_integers(node, shape, "the shape")
    return reshaped(x, _new_shape(node, x.shape, sizes, bool(node.integer("allowzero", 0))))


def _flatten(node: Node, x: NDArray) -> NDArray:
    axis = node.integer("axis", 1)
    place = x.ndim if axis == x.ndim else axis_of(node, axis, x.ndim)
    return reshaped(x, (math.prod(x.shape[:place]), math.prod(x.shape[place:])))


def _squeeze(node: Node, x: NDArray, axes: Value = None) -> NDArray:
    places = [] if axes is None else axes_of(node, known_integers(node, axes, "axes"), x.ndim)
    places = places or [i for i, n in enumerate(x.shape) if n == 1]
    if any(x.shape[i] != 1 for i in places):
        raise node.error(f"axes {list(places)} of the shape {x.shape} are not all of size 1")
    return reshaped(x, [n for i, n in enumerate(x.shape) if i not in places])


def _unsqueeze(node: Node, x: NDArray, axes: Value) -> NDArray:
    places = known_integers(node, axes, "axes")
    shape = list(x.shape)
    for axis in axes_of(node, places, x.ndim + len(places)):
        shape.insert(axis, 1)
    return reshaped(x, shape)


def _transpose(node: Node, x: NDArray) -> NDArray:
    order = node.integers("perm") or list(range(x.ndim))[::-1]
    if sorted(order) != list(range(x.ndim)):
        raise node.error(f"not a permutation of {x.ndim} axes: {order[:20]}")
    return permuted(x, order)


def _concat(node: Node, *inputs: Value) -> NDArray:
    arrays = [data(node, x) for x in inputs]
    if not arrays:
        raise node.error("has no input")
    axis = axis_of(node, node.integer("axis", 1), arrays[0].ndim)
    return arrays[0] if len(arrays) == 1 else nd.concat(*arrays, dim=axis)


def _split(node: Node, x: NDArray, sizes: Value = None) -> Any:
    axis = axis_of(node, node.integer("axis", 0), x.ndim)
    whole, parts = x.shape[axis], len(node.outputs)
    if sizes is not None:
        widths = known_integers(node, sizes, "the parts")
    else:
        width = math.ceil(whole / parts)
        widths = [min(width, whole - i * width) for i in range(parts)]
    if len(widths) != parts or sum(widths) != whole or min(widths, default=0) < 0:
        raise node.error(
            f"axis {axis} of the shape {x.shape} can't be split into parts of sizes {widths[:20]}"
        )
    ends = list(accumulate(widths))
    before = (slice(None),) * axis
    return tuple([x[(*before, slice(end - width, end))] for width, end in zip(widths, ends, strict=True)])


def _slice(
    node: Node, x: NDArray, starts: Value, ends: Value, axes: Value = None, steps: Value = None
) -> NDArray:
    return x[sliced(node, x.shape, starts, ends, axes, steps)]


def _gather(node: Node, x: Value, indices: Value) -> Any:
    if is_known(x) and x.dtype == object and x.ndim == 1 and isinstance(indices, NDArray):
        return Labels(x, nd.cast(indices, np.int64))
    if isinstance(x, Labels):
        raise node.error("gathers from strings that depend on the input")
    array = data(node, x)
    axis = axis_of(node, node.integer("axis", 0), array.ndim)
    size = array.shape[axis]
    if is_known(indices):
        if indices.dtype.kind not in "iu" or np.any((indices < -size) | (indices >= size)):
            raise node.error(
                f"has indices that are not whole numbers, or indices outside an axis of size {size}"
            )
        if indices.ndim == 0:
            found = array[(*(slice(None),) * axis, int(indices))]
            return reshaped(found, (*array.shape[:axis], *array.shape[axis + 1 :]))
    elif size == 0:
        raise node.error("gathers from an empty axis")
    places = data(node, indices)
    found = nd.take(array, places, axis=axis, mode="wrap")
    return reshaped(found, (*array.shape[:axis], *places.shape, *array.shape[axis + 1 :]))


def _expand(node: Node, x: NDArray, shape: Value) -> NDArray:
    sizes = known_integers(node, shape, "the shape")
    if any(n < 0 for n in sizes):
        raise node.error(f"invalid shape {sizes[:20]}")
    return broadcast(x, np.broadcast_shapes(x.shape, tuple(sizes)))


def _tile(node: Node, x: NDArray, repeats: Value) -> NDArray:
    times = known_integers(node, repeats, "the repetitions")
    if len(times) != x.ndim or min(times, default=1) < 1:
        raise node.error(f"invalid repeats {times[:20]} for shape {x.shape}")
    return nd.tile(x, times) if times else x


def _one_hot(node: Node, indices: Value, depth: Value, values: Value) -> NDArray:
    count = int(known_number(node, depth, "the depth"))
    array, pair = data(node, indices), data(node, values)
    if pair.shape != (2,) or count < 1:
        raise node.error(
            f"depth {count} and values of shape {pair.shape}; needs a depth of at least 1, and two values"
        )
    places = nd.cast(array, np.int64)
    places = nd.where(nd.lesser(places, 0), places + count, places)  # negative ones count from the end
    hot = nd.one_hot(reshaped(places, (*array.shape, 1)), count)
    chosen = nd.where(reshaped(hot, (*array.shape, count)), pair[1:2], pair[0:1])
    order = list(range(array.ndim))
    order.insert(axis_of(node, node.integer("axis", -1), chosen.ndim), array.ndim)
    return permuted(chosen, order)


def _shape(node: Node, x: Value) -> np.ndarray:
    if x is None:
        raise node.error("has no input")
    return np.array(x.shape, np.int64)[slice(node.integer("start", 0), node.get("end", None, int))]


def _size(node: Node, x: Value) -> np.ndarray:
    if x is None:
        raise node.error("has no input")
    return np.asarray(math.prod(x.shape), np.int64)


def _constant_of_shape(node: Node, shape: Value) -> Any:
    sizes = known_integers(node, shape, "the shape")
    value = node.get("value", np.zeros(1, np.float32), np.ndarray)
    if value.size != 1 or value.dtype == object or any(n < 0 for n in sizes):
        raise node.error(
            f"shape {sizes[:20]} and {value.size} fill values; needs sizes of at least 0, and one number"
        )
    if math.prod(sizes) <= MOST_KNOWN:
        return np.full(sizes, value.item(), value.dtype)
    number = nd.array(value.reshape([1] * len(sizes)), dtype=value.dtype)
    return broadcast(number, sizes)


def _range(node: Node, start: Value, limit: Value, delta: Value) -> NDArray:
    raise node.error("the bounds of its range depend on the input")


MOVEMENT: dict[str, Any] = {
    "Reshape": _moved(_reshape),
    "Flatten": _moved(_flatten),
    "Squeeze": _moved(_squeeze),
    "Unsqueeze": _moved(_unsqueeze),
    "Transpose": _moved(_transpose),
    "Slice": _moved(_slice),
    "Expand": _moved(_expand),
    "Tile": _moved(_tile),
    "Split": lambda node, x, sizes=None: _split(node, data(node, x), sizes),
    "Concat": _concat,
    "Gather": _gather,
    "OneHot": _one_hot,
    "Shape": _shape,
    "Size": _size,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
}
"""Functions from a node and its input values to the result (or a tuple of results), by ONNX operator name."""
