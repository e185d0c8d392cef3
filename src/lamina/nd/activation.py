"""Activation functions: under separate names, by name in `ACTIVATIONS`, and as MXNet's `LeakyReLU`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lamina.core.primitive import bind
from lamina.core.state import state
from lamina.errors import ParameterError, ShapeError
from lamina.nd.elementwise import clip, stop_gradient, tanh
from lamina.nd.operators import NDArray, known_name, operator
from lamina.nd.random import uniform
from lamina.primitives import BINARY, COMPARISON, UNARY, reshape, where
from lamina.support.messages import unknown

__all__ = [
    "Activation", "LeakyReLU", "elu", "gelu", "hard_sigmoid", "leaky_relu", "log_sigmoid", "mish", "prelu", "relu",
    "selu", "sigmoid", "softrelu", "softsign",
]  # fmt: skip


@operator
def relu(data: NDArray) -> NDArray:
    """max(x, 0), with gradient 0 at 0.

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
    """log(1 + exp(x)) without overflow, also called softplus."""
    return bind(UNARY["softrelu"], data)


@operator
def log_sigmoid(data: NDArray) -> NDArray:
    """log(1 / (1 + exp(-x))), accurate also for large negative x."""
    return -softrelu(-data)


@operator
def softsign(data: NDArray) -> NDArray:
    """x / (1 + |x|)."""
    return data / (1.0 + bind(UNARY["abs"], data))


@operator
def mish(data: NDArray) -> NDArray:
    """x · tanh(softrelu(x)) (Misra, 2019).

    The formula is x · (u² + 2u) / (u² + 2u + 2) with u = eˣ, which needs only one exponential. Where u² would overflow,
    the fraction is 1.
    """
    most = 5.0 if np.dtype(data.dtype) == np.float16 else 30.0
    u = bind(UNARY["exp"], bind(BINARY["minimum"], data, most))
    n = u * (u + 2.0)
    return data * (n / (n + 2.0))


@operator
def hard_sigmoid(data: NDArray, alpha: float = 0.2, beta: float = 0.5) -> NDArray:
    """alpha·x + beta, clipped to [0, 1]; the gradient is 0 where clipped, and NaN stays NaN."""
    line = data * alpha + beta
    inside = bind(COMPARISON["greater"], line, 0.0) * bind(COMPARISON["less"], line, 1.0)
    return bind(where, inside, line, clip(stop_gradient(line), 0.0, 1.0))


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
    below = bind(BINARY["minimum"], data, 0.0)  # prevents an overflow of exp in its gradient
    return bind(where, _positive(data), data, bind(UNARY["expm1"], below) * slope)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@operator
def selu(data: NDArray) -> NDArray:
    """scale · elu(x, alpha), with constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return elu(data, _SELU_ALPHA) * _SELU_SCALE


@operator
def prelu(data: NDArray, gamma: NDArray) -> NDArray:
    """x where x > 0, else gamma · x (He et al., 2015).

    `gamma` has one slope, or one per channel. The channels are on axis 1, or on axis 0 if only the size of axis 0
    matches.

    Raises `ShapeError` if the size of `gamma` is neither 1 nor the size of axis 0 or 1.
    """
    if gamma.ndim == 1 and data.ndim > 1:
        fitting = [axis for axis in (1, 0) if gamma.shape[0] in (1, data.shape[axis])]
        if not fitting:
            raise ShapeError(f"prelu: gamma {gamma.shape} does not fit axis 1 or 0 of data {data.shape}")
        sizes = [1] * data.ndim
        sizes[fitting[0]] = gamma.shape[0]
        gamma = bind(reshape, gamma, shape=tuple(sizes))
    return bind(where, _positive(data), data, data * gamma)


ActivationFunction = Callable[["NDArray"], "NDArray"]

ACTIVATIONS: dict[str, ActivationFunction] = {
    "identity": lambda data: data,
    "relu": relu,
    "sigmoid": sigmoid,
    "logistic": sigmoid,  # scikit-learn's name
    "tanh": tanh,
    "softrelu": softrelu,
    "softplus": softrelu,  # the name outside MXNet
    "softsign": softsign,
    "log_sigmoid": log_sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "leaky_relu": lambda data: leaky_relu(data, 0.01),
    "elu": lambda data: elu(data, 1.0),
    "selu": selu,
    "gelu": gelu,
    "silu": lambda data: data * sigmoid(data),
    "mish": mish,
}
"""Activations by name, for `Activation`, Gluon's layers and the estimators.

In this table, leaky_relu and elu have the papers' slopes (Maas et al., 2013; Clevert et al., 2015); the functions
have MXNet's default 0.25. SiLU is from Elfwing et al., 2018.
"""


def activation_by_name(name: str) -> ActivationFunction:
    """The activation function called `name`. Raises `ParameterError` for an unknown name."""
    if name not in ACTIVATIONS:
        raise ParameterError(unknown("activation", name, ACTIVATIONS))
    return ACTIVATIONS[name]


@operator
def Activation(data: NDArray, act_type: str) -> NDArray:
    """Apply the activation function called `act_type`, such as relu, sigmoid, tanh or softrelu.

    `lamina.nd.activation.ACTIVATIONS` lists all names.

    >>> from lamina import nd
    >>> nd.Activation(nd.array([0.0]), act_type="sigmoid").asscalar().item()
    0.5
    """
    return activation_by_name(act_type)(data)


@operator
def LeakyReLU(
    data: NDArray,
    gamma: NDArray | None = None,
    act_type: str = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
) -> NDArray:
    """MXNet's family of leaky ReLUs; `act_type` is leaky, elu, selu, gelu, prelu (with slopes `gamma`) or rrelu.

    rrelu draws each slope from [lower_bound, upper_bound) in training mode, and uses the midpoint otherwise.

    Raises `ParameterError` for an unknown `act_type`, or if `gamma` is missing for prelu.

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
