"""Activation functions, under their own names and through `Activation` and `LeakyReLU`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.errors import ParameterError, ShapeError
from lamina.nd.operator import Operator, known_name, operator
from lamina.nd.random import uniform
from lamina.primitives.elementwise import BINARY, COMPARISON, UNARY, where
from lamina.primitives.movement import reshape

if TYPE_CHECKING:
    from lamina.nd.ndarray import NDArray

__all__ = [
    "Activation", "LeakyReLU", "elu", "gelu", "hard_sigmoid", "leaky_relu", "log_sigmoid", "mish", "prelu", "relu",
    "selu", "sigmoid", "softrelu", "softsign",
]  # fmt: skip


@operator
def relu(data: NDArray) -> NDArray:
    """max(x, 0); the gradient at 0 is 0.

    >>> from lamina import nd
    >>> nd.relu(nd.array([-1, 2])).asnumpy()
    array([0., 2.], dtype=float32)
    """
    return bind(UNARY["relu"], data)


@operator
def sigmoid(data: NDArray) -> NDArray:
    """1 / (1 + exp(-x))."""
    return bind(UNARY["sigmoid"], data)


@operator
def softrelu(data: NDArray) -> NDArray:
    """log(1 + exp(x)), also called softplus; without overflow."""
    return bind(UNARY["softrelu"], data)


@operator
def log_sigmoid(data: NDArray) -> NDArray:
    """log(1 / (1 + exp(-x))), accurate for large negative x too."""
    return -softrelu(-data)


@operator
def softsign(data: NDArray) -> NDArray:
    """x / (1 + |x|)."""
    return data / (1.0 + bind(UNARY["abs"], data))


@operator
def mish(data: NDArray) -> NDArray:
    """x · tanh(softrelu(x)) (Misra, 2019)."""
    return data * bind(UNARY["tanh"], softrelu(data))


@operator
def hard_sigmoid(data: NDArray, alpha: float = 0.2, beta: float = 0.5) -> NDArray:
    """alpha·x + beta, cut to [0, 1]; the gradient is 0 outside (0, 1)."""
    line = data * alpha + beta
    inside = bind(COMPARISON["greater"], line, 0.0) * bind(COMPARISON["less"], line, 1.0)
    return bind(where, inside, line, bind(COMPARISON["greater_equal"], line, 1.0))


@operator
def gelu(data: NDArray) -> NDArray:
    """x · Φ(x) with the normal distribution function Φ (Hendrycks & Gimpel, 2016)."""
    return (0.5 * data) * (1.0 + bind(UNARY["erf"], data * math.sqrt(0.5)))


def _positive(data: NDArray) -> NDArray:
    return bind(COMPARISON["greater"], data, 0.0)


@operator
def leaky_relu(data: NDArray, slope: float = 0.25) -> NDArray:
    """x where x > 0, else slope · x."""
    return bind(where, _positive(data), data, data * slope)


@operator
def elu(data: NDArray, slope: float = 0.25) -> NDArray:
    """x where x > 0, else slope · (exp(x) - 1) (Clevert et al., 2015)."""
    below = bind(
        UNARY["expm1"], bind(BINARY["minimum"], data, 0.0)
    )  # so that exp does not overflow in its gradient
    return bind(where, _positive(data), data, below * slope)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@operator
def selu(data: NDArray) -> NDArray:
    """scale · elu(x, alpha), with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return elu(data, _SELU_ALPHA) * _SELU_SCALE


@operator
def prelu(data: NDArray, gamma: NDArray) -> NDArray:
    """x where x > 0, else gamma · x, with a slope for all or for each place on axis 1 (He et al., 2015)."""
    if gamma.ndim == 1 and data.ndim > 1:
        channels = data.shape[1]
        if gamma.shape[0] not in (1, channels):
            raise ShapeError(f"prelu: gamma {gamma.shape} does not fit axis 1 of data {data.shape}")
        gamma = bind(reshape, gamma, shape=(1, gamma.shape[0]) + (1,) * (data.ndim - 2))
    return bind(where, _positive(data), data, data * gamma)


_ACTIVATIONS: dict[str, Operator[[NDArray]]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": operator(lambda data: bind(UNARY["tanh"], data)),
    "softrelu": softrelu,
    "softsign": softsign,
    "log_sigmoid": log_sigmoid,
    "mish": mish,
}


@operator
def Activation(data: NDArray, act_type: str) -> NDArray:  # noqa: N802 - MXNet's name
    """An activation by name: relu, sigmoid, tanh, softrelu, softsign, log_sigmoid or mish.

    >>> from lamina import nd
    >>> nd.Activation(nd.array([0.0]), act_type="sigmoid").asscalar().item()
    0.5
    """
    function = _ACTIVATIONS.get(act_type)
    if function is None:
        raise ParameterError(
            f"Activation: act_type={act_type!r} is unknown; known: {', '.join(_ACTIVATIONS)}"
        )
    return function(data)


@operator
def LeakyReLU(  # noqa: N802 - MXNet's name
    data: NDArray,
    gamma: NDArray | None = None,
    act_type: str = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
) -> NDArray:
    """The family of `leaky_relu`: act_type leaky, elu, selu, gelu, prelu (slopes `gamma`) or rrelu.

    rrelu draws each slope from [lower_bound, upper_bound) in training mode, and takes the middle else.

    >>> from lamina import nd
    >>> nd.LeakyReLU(nd.array([-1, 2]), act_type="leaky", slope=0.5).asnumpy()
    array([-0.5,  2. ], dtype=float32)
    """
    known_name("LeakyReLU", "act_type", act_type, ("leaky", "elu", "selu", "gelu", "prelu", "rrelu"))
    if act_type == "leaky":
        return leaky_relu(data, slope)
    if act_type == "elu":
        return elu(data, slope)
    if act_type == "prelu":
        if gamma is None:
            raise ParameterError("LeakyReLU: act_type='prelu' needs the slopes, gamma")
        return prelu(data, gamma)
    if act_type == "rrelu":
        return _rrelu(data, lower_bound, upper_bound)
    return selu(data) if act_type == "selu" else gelu(data)


def _rrelu(data: NDArray, lower: float, upper: float) -> NDArray:
    if not state.training:
        return leaky_relu(data, (lower + upper) / 2)
    slopes = uniform(lower, upper, shape=data.shape, dtype=data.dtype, ctx=data.context)
    return bind(where, _positive(data), data, data * slopes)
