"""ONNX's elementwise operators: arithmetic, comparisons, mathematical functions, activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from lamina import nd
from lamina.core.primitive import bind
from lamina.interchange._graph import ElementType, Node, element_type
from lamina.interchange._values import Labels, Value, data, is_known, known_number, operand
from lamina.nd.ndarray import NDArray
from lamina.primitives.elementwise import UNARY

Operator = Callable[..., Any]


def _of_data(function: Callable[[Node, NDArray], NDArray]) -> Operator:
    return lambda node, x: function(node, data(node, x))


def _unary(function: Callable[[NDArray], NDArray]) -> Operator:
    return lambda node, x: function(data(node, x))


def _pair(node: Node, a: Value, b: Value) -> tuple[Any, Any]:
    """Convert the operands of a binary operator: a known scalar becomes a Python number, others become arrays."""
    first = operand(node, a, b)
    return first, operand(node, b, first)


def _binary(function: Callable[..., NDArray]) -> Operator:
    return lambda node, a, b: function(*_pair(node, a, b))


def _comparison(function: Callable[..., NDArray]) -> Operator:
    return lambda node, a, b: nd.cast(function(*_pair(node, a, b)), np.bool_)


def _variadic(function: Callable[..., NDArray]) -> Operator:
    def apply(node: Node, *inputs: Value) -> NDArray:
        if not inputs:
            raise node.error("has no input")
        return reduce(lambda a, b: function(*_pair(node, a, b)), inputs[1:], data(node, inputs[0]))

    return apply


def _mean(node: Node, *inputs: Value) -> NDArray:
    return _variadic(nd.add)(node, *inputs) / len(inputs)


def _power(node: Node, base: Value, exponent: Value) -> NDArray:
    """Raise `base` to a power; the exponent may have another dtype."""
    x = data(node, base)
    if is_known(exponent) and exponent.size == 1 and exponent.ndim <= x.ndim:
        number = known_number(node, exponent, "the exponent")
        simple = {2.0: nd.square, 1.0: nd.identity}.get(number)
        return simple(x) if simple else nd.power(x, number)
    return nd.power(x, nd.cast(data(node, exponent), x.dtype))


def _mod(node: Node, a: Value, b: Value) -> NDArray:
    """Compute the remainder; it has the divisor's sign, or with ``fmod=1`` the dividend's sign."""
    x, y = _pair(node, a, b)
    if not node.integer("fmod", 0):
        return nd.modulo(x, y)
    sign = nd.sign(x) if isinstance(x, NDArray) else float(np.sign(x))
    return sign * nd.modulo(abs(x), abs(y))


def _where(node: Node, condition: Value, a: Value, b: Value) -> NDArray:
    main = next((x for x in (a, b) if isinstance(x, NDArray)), None)
    x = data(node, a) if main is None else operand(node, a, main)
    y = operand(node, b, x) if isinstance(x, NDArray) else data(node, b)
    return _chosen(data(node, condition), x, y)


def _chosen(condition: NDArray, x: NDArray | float, y: NDArray | float) -> NDArray:
    """Select elements as `nd.where` does, but align a vector condition with the last axis, not the first."""
    rank = max(z.ndim for z in (condition, x, y) if isinstance(z, NDArray))
    return nd.where(condition.reshape((1,) * (rank - condition.ndim) + condition.shape), x, y)


def _clip(node: Node, x: Value, low: Value = None, high: Value = None) -> NDArray:
    """Limit `x` to the range from `low` to `high`.

    A NaN bound has no effect. An omitted bound is the dtype's extreme finite number.
    """
    result = data(node, x)
    if np.dtype(result.dtype).kind == "f":
        most = np.finfo(np.dtype(result.dtype).name).max
        low = np.asarray(-most) if low is None else low
        high = np.asarray(most) if high is None else high
    if low is not None:
        bound = operand(node, low, result)
        result = nd.where(nd.lesser(result, bound), bound, result)
    if high is None:
        return result
    bound = operand(node, high, result)
    return nd.where(nd.greater(result, bound), bound, result)


def _cast(node: Node, x: Value) -> Any:
    to = node.integer("to", 0)
    if isinstance(x, Labels):
        if to != ElementType.STRING:
            raise node.error("casts strings to numbers, which lamina does not support")
        return x
    if to == ElementType.STRING and is_known(x) and x.dtype == object:
        return x
    array, dtype = data(node, x), element_type(to)
    return array if np.dtype(array.dtype) == dtype else nd.cast(array, dtype)


def _cast_like(node: Node, x: Value, like: Value) -> NDArray:
    dtype = like.dtype if is_known(like) else data(node, like).dtype
    return nd.cast(data(node, x), dtype)


def _dropout(node: Node, x: Value, ratio: Value = None, _training: Value = None) -> NDArray:
    share = 0.5 if ratio is None else known_number(node, ratio, "the ratio")
    return nd.Dropout(data(node, x), p=share)


# --- activations ------------------------------------------------------------------------------------------------------


def _celu(node: Node, z: NDArray) -> NDArray:
    alpha = node.number("alpha", 1.0)
    if not alpha:
        raise node.error("its alpha is 0, but must be another number")
    return nd.maximum(z, 0.0) + nd.minimum(alpha * nd.expm1(nd.minimum(z, 0.0) / alpha), 0.0)


def _selu(node: Node, z: NDArray) -> NDArray:
    alpha, gamma = node.number("alpha", 1.6732632423543772), node.number("gamma", 1.0507009873554805)
    return nd.elu(z, alpha) * gamma


def _gelu(node: Node, z: NDArray) -> NDArray:
    if node.text("approximate", "none") != "tanh":
        return nd.gelu(z)
    inner = math.sqrt(2 / math.pi) * (z + 0.044715 * z * z * z)
    return 0.5 * z * (1.0 + nd.tanh(inner))


_WITH_ATTRIBUTES: dict[str, Callable[[Node, NDArray], NDArray]] = {
    "Celu": _celu,
    "Elu": lambda node, z: nd.elu(z, node.number("alpha", 1.0)),
    "Gelu": _gelu,
    "HardSigmoid": lambda node, z: nd.hard_sigmoid(z, node.number("alpha", 0.2), node.number("beta", 0.5)),
    "HardSwish": lambda _, z: z * nd.hard_sigmoid(z, 1 / 6, 0.5),
    "LeakyRelu": lambda node, z: nd.leaky_relu(z, node.number("alpha", 0.01)),
    "Selu": _selu,
    "Swish": lambda node, z: z * nd.sigmoid(z * node.number("alpha", 1.0)),
    "ThresholdedRelu": lambda node, z: nd.where(nd.greater(z, node.number("alpha", 1.0)), z, 0.0),
}


def _prelu(node: Node, x: Value, slope: Value) -> NDArray:
    z = data(node, x)
    return _chosen(nd.lesser(z, 0.0), nd.multiply(*_pair(node, z, slope)), z)


def _round(x: NDArray) -> NDArray:
    """Round to the nearest integer, and halves to even integers, unlike `nd.rint`, which rounds as MXNet does."""
    return bind(UNARY["rint"], x)


_PLAIN = {
    "Abs": nd.abs, "Acos": nd.arccos, "Acosh": nd.arccosh, "Asin": nd.arcsin, "Asinh": nd.arcsinh, "Atan": nd.arctan,
    "Atanh": nd.arctanh, "Ceil": nd.ceil, "Cos": nd.cos, "Cosh": nd.cosh, "Erf": nd.erf, "Exp": nd.exp,
    "Floor": nd.floor, "Log": nd.log, "Mish": nd.mish, "Neg": nd.negative, "Reciprocal": nd.reciprocal,
    "Relu": nd.relu, "Round": _round, "Sigmoid": nd.sigmoid, "Sign": nd.sign, "Sin": nd.sin, "Sinh": nd.sinh,
    "Softplus": nd.softrelu, "Softsign": nd.softsign, "Sqrt": nd.sqrt, "Tan": nd.tan, "Tanh": nd.tanh,
}  # fmt: skip

_COMPARISONS = {
    "Equal": nd.equal, "Greater": nd.greater, "GreaterOrEqual": nd.greater_equal, "Less": nd.lesser,
    "LessOrEqual": nd.lesser_equal, "And": nd.logical_and, "Or": nd.logical_or, "Xor": nd.logical_xor,
}  # fmt: skip
_OF_TWO = {"Add": nd.add, "Sub": nd.subtract, "Mul": nd.multiply, "Div": nd.divide}
_OF_SEVERAL = {"Max": nd.maximum, "Min": nd.minimum, "Sum": nd.add}

ELEMENTWISE: dict[str, Operator] = {
    **{name: _of_data(function) for name, function in _WITH_ATTRIBUTES.items()},
    **{name: _unary(function) for name, function in _PLAIN.items()},
    **{name: _binary(function) for name, function in _OF_TWO.items()},
    **{name: _variadic(function) for name, function in _OF_SEVERAL.items()},
    **{name: _comparison(function) for name, function in _COMPARISONS.items()},
    "PRelu": _prelu,
    "Mod": _mod,
    "Pow": _power,
    "Mean": _mean,
    "Not": lambda node, x: nd.cast(nd.logical_not(data(node, x)), np.bool_),
    "IsNaN": lambda node, x: nd.cast(nd.not_equal(data(node, x), data(node, x)), np.bool_),
    "Where": _where,
    "Clip": _clip,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Identity": lambda _, x: x,
    "Dropout": _dropout,
}
"""Functions from a node and its input values to the result, by ONNX operator name."""
