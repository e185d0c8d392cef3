"""ONNX's matrix products, normalizations, softmax and reductions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina import nd
from lamina.interchange._graph import Node
from lamina.interchange._values import (
    Value,
    axes_of,
    axis_of,
    by_norm,
    data,
    known_integers,
    operand,
    reshaped,
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
        return reshaped(
            found, [1 if i == axis else n for i, n in enumerate(array.shape) if kept or i != axis]
        )

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
