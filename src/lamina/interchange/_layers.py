"""ONNX's operators of whole arrays: products, normalizations, reductions, and those that move or look up elements."""

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
    by_norm,
    data,
    is_known,
    known_integers,
    known_number,
    operand,
    permuted,
    require_small,
    reshaped,
    sliced,
)
from lamina.nd.ndarray import NDArray

_SOFTMAX_OF_ONE_AXIS = 13
"""The first opset whose softmax uses a single axis; earlier opsets use this axis and all later axes."""


# --- products ---------------------------------------------------------------------------------------------------------


def _gemm(node: Node, a: Value, b: Value, c: Value = None) -> NDArray:
    x, y = data(node, a), data(node, b)
    if x.ndim != 2 or y.ndim != 2:
        raise node.error(f"its operands must be matrices, not of shapes {x.shape} and {y.shape}")
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    product = nd.dot(x, y, bool(node.integer("transA", 0)), bool(node.integer("transB", 0)))
    product = product if alpha == 1 else product * alpha
    if c is None or not beta:
        return product
    bias = operand(node, c, product)
    total = product + (bias if beta == 1 else bias * beta)
    if total.shape != product.shape:
        raise node.error(f"its bias changes the shape {product.shape} of the product to {total.shape}")
    return total


def _matmul(node: Node, a: Value, b: Value) -> NDArray:
    """Multiply like NumPy's matmul: matrices are in the last two axes, batch axes are broadcast."""
    x, y = data(node, a), data(node, b)
    if y.ndim <= 2:
        return reshaped(nd.dot(x, y), (*x.shape[:-1], *y.shape[1:]))
    if x.ndim < 2:
        x = reshaped(x, (1, *x.shape))
        return _matmul(node, x, y).reshape((*y.shape[:-2], y.shape[-1]))
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    left = nd.broadcast_to(x, (*batch, *x.shape[-2:]))
    return nd.linalg_gemm2(left, nd.broadcast_to(y, (*batch, *y.shape[-2:])))


# --- normalizations ---------------------------------------------------------------------------------------------------


def _one_output(node: Node) -> None:
    """Raise an error if a normalization node also outputs its statistics."""
    if any(node.outputs[1:]):
        raise node.error("has more than one output, which only training needs")


def _batch_normalization(
    node: Node, x: Value, scale: Value, bias: Value, mean: Value, variance: Value
) -> NDArray:
    _one_output(node)
    momentum, epsilon = node.number("momentum", 0.9), node.number("epsilon", 1e-5)
    vectors = [data(node, value) for value in (scale, bias, mean, variance)]
    return nd.BatchNorm(data(node, x), *vectors, eps=epsilon, momentum=momentum, fix_gamma=False, axis=1)


def _centred(x: NDArray, axes: tuple[int, ...], epsilon: float) -> NDArray:
    centred = x - nd.mean(x, axis=axes, keepdims=True)
    return centred * nd.rsqrt(nd.mean(centred * centred, axis=axes, keepdims=True) + epsilon)


def _axes_from(node: Node, x: NDArray) -> tuple[int, ...]:
    return tuple(range(axis_of(node, node.integer("axis", -1), x.ndim), x.ndim))


def _layer_normalization(node: Node, x: Value, scale: Value, bias: Value = None) -> NDArray:
    _one_output(node)
    array = data(node, x)
    normal = _centred(array, _axes_from(node, array), node.number("epsilon", 1e-5))
    scaled = normal * operand(node, scale, normal)
    return scaled if bias is None else scaled + operand(node, bias, scaled)


def _rms_normalization(node: Node, x: Value, scale: Value) -> NDArray:
    array = data(node, x)
    squares = nd.mean(array * array, axis=_axes_from(node, array), keepdims=True)
    normal = array * nd.rsqrt(squares + node.number("epsilon", 1e-5))
    return normal * operand(node, scale, normal)


def _lp_normalization(node: Node, x: Value) -> NDArray:
    array, order = data(node, x), node.integer("p", 2)
    if order not in (1, 2):
        raise node.error(f"its p is {order}, not 1 or 2")
    return by_norm(array, nd.norm(array, ord=order, axis=(node.integer("axis", -1),), keepdims=True))


def _softmax(function: Callable[..., NDArray]) -> Callable[..., NDArray]:
    def apply(node: Node, x: Value) -> NDArray:
        array = data(node, x)
        if node.opset >= _SOFTMAX_OF_ONE_AXIS:
            return function(array, axis=axis_of(node, node.integer("axis", -1), array.ndim))
        axis = axis_of(node, node.integer("axis", 1), array.ndim)
        rows = reshaped(array, (math.prod(array.shape[:axis]), math.prod(array.shape[axis:])))
        return reshaped(function(rows, axis=-1), array.shape)

    return apply


# --- reductions -------------------------------------------------------------------------------------------------------

Function = Callable[[NDArray], NDArray]


def _itself(x: NDArray) -> NDArray:
    return x


def _reduction(
    fold: Callable[..., NDArray], before: Function = _itself, after: Function = _itself
) -> Callable[..., NDArray]:
    """Create a reduction operator, which computes after(fold(before(x))).

    The computation is in float32 for float16. Without axes, and with `noop_with_empty_axes`, the operator skips `fold`.
    """

    def apply(node: Node, x: Value, axes: Value = None) -> NDArray:
        array = data(node, x)
        own, work = array.dtype, np.float32 if array.dtype == np.float16 else array.dtype
        places = [] if axes is None else known_integers(node, axes, "axes")
        axis = axes_of(node, places, array.ndim) or tuple(range(array.ndim))
        if not places and node.integer("noop_with_empty_axes", 0):
            axis = ()
        result = before(nd.cast(array, work) if own != work else array)
        if axis:
            result = fold(result, axis=axis, keepdims=True)
        result = after(result)
        if not node.integer("keepdims", 1):
            result = reshaped(result, [n for i, n in enumerate(array.shape) if i not in axis])
        return nd.cast(result, own) if own != work else result

    return apply


def _log_sum_exp(x: NDArray, axis: tuple[int, ...], keepdims: bool) -> NDArray:
    """Compute log Σ exp(x) over the axes; where the maximum is finite, it is subtracted to avoid overflow."""
    most = nd.stop_gradient(nd.max(x, axis=axis, keepdims=keepdims))
    if np.dtype(x.dtype).kind == "f":
        most = nd.where(nd.lesser(nd.abs(most), math.inf), most, nd.zeros_like(most))
    return nd.log(nd.sum(nd.exp(x - most), axis=axis, keepdims=keepdims)) + most


def _position(function: Callable[..., NDArray]) -> Callable[..., NDArray]:
    def apply(node: Node, x: Value) -> NDArray:
        if node.integer("select_last_index", 0):
            raise node.error("select_last_index=1 is not supported")
        array = data(node, x)
        axis = axis_of(node, node.integer("axis", 0), max(array.ndim, 1))
        found = nd.cast(function(reshaped(array, array.shape or (1,)), axis=axis, keepdims=True), np.int64)
        kept = bool(node.integer("keepdims", 1))
        sizes = [1 if i == axis else n for i, n in enumerate(array.shape) if kept or i != axis]
        return reshaped(found, sizes)

    return apply


LAYERS: dict[str, Any] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "RMSNormalization": _rms_normalization,
    "LpNormalization": _lp_normalization,
    "Softmax": _softmax(nd.softmax),
    "LogSoftmax": _softmax(nd.log_softmax),
    "ArgMax": _position(nd.argmax),
    "ArgMin": _position(nd.argmin),
    "ReduceSum": _reduction(nd.sum),
    "ReduceMean": _reduction(nd.mean),
    "ReduceMax": _reduction(nd.max),
    "ReduceMin": _reduction(nd.min),
    "ReduceProd": _reduction(nd.prod),
    "ReduceL1": _reduction(nd.sum, before=nd.abs),
    "ReduceL2": _reduction(nd.sum, before=nd.square, after=nd.sqrt),
    "ReduceSumSquare": _reduction(nd.sum, before=nd.square),
    "ReduceLogSum": _reduction(nd.sum, after=nd.log),
    "ReduceLogSumExp": _reduction(_log_sum_exp),
}
"""Functions from a node and its input values to the result, by ONNX operator name."""

# --- moved, looked up and made ------------------------------------------------------------------------------------


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


def _reshape(node: Node, x: Any, shape: Value) -> Any:
    sizes = known_integers(node, shape, "the shape")
    return reshaped(x, _new_shape(node, x.shape, sizes, bool(node.integer("allowzero", 0))))


def _flatten(node: Node, x: NDArray) -> NDArray:
    axis = node.integer("axis", 1)
    place = x.ndim if axis == x.ndim else axis_of(node, axis, x.ndim)
    return reshaped(x, (math.prod(x.shape[:place]), math.prod(x.shape[place:])))


def _squeeze(node: Node, x: Any, axes: Value = None) -> Any:
    places = [] if axes is None else axes_of(node, known_integers(node, axes, "axes"), x.ndim)
    places = places or [i for i, n in enumerate(x.shape) if n == 1]
    if any(x.shape[i] != 1 for i in places):
        raise node.error(f"axes {list(places)} of the shape {x.shape} are not all of size 1")
    return reshaped(x, [n for i, n in enumerate(x.shape) if i not in places])


def _unsqueeze(node: Node, x: Any, axes: Value) -> Any:
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


def _slice(node: Node, x: Any, starts: Value, ends: Value, axes: Value = None, steps: Value = None) -> Any:
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


def _range(node: Node, start: Value, limit: Value, delta: Value) -> np.ndarray:
    bounds = [x for x in (start, limit, delta) if is_known(x)]
    if len(bounds) < 3:
        raise node.error("the bounds of its range depend on the input")
    first, last, step = (x.item() for x in bounds)
    if not step or not math.isfinite((last - first) / step):
        raise node.error(f"invalid range from {first} to {last} in steps of {step}")
    require_small(node, (max(0, math.ceil((last - first) / step)),))
    return np.arange(first, last, step, dtype=bounds[0].dtype)


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
