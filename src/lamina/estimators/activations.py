"""Activation functions by name, for the estimators."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable

from lamina import nd
from lamina.nd.ndarray import NDArray

__all__ = ["ACTIVATIONS", "Activation", "activation_by_name"]

Activation = Callable[[NDArray], NDArray]

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _softplus(x: NDArray) -> NDArray:
    """log(1 + eˣ), without overflow."""
    return nd.maximum(x, 0.0) + nd.log1p(nd.exp(-nd.abs(x)))


def _elu(x: NDArray, alpha: float = 1.0) -> NDArray:
    return nd.where(x > 0, x, alpha * nd.expm1(nd.minimum(x, 0.0)))


def _mish(x: NDArray) -> NDArray:
    """x · tanh(softplus(x)) = x · (u² + 2u) / (u² + 2u + 2) with u = eˣ: one exponential (Misra, 2019)."""
    u = nd.exp(nd.minimum(x, 30.0))
    n = u * (u + 2.0)
    return x * (n / (n + 2.0))


ACTIVATIONS: dict[str, Activation] = {
    "identity": lambda x: x,
    "relu": nd.relu,
    "tanh": nd.tanh,
    "logistic": nd.sigmoid,
    "elu": _elu,
    "selu": lambda x: _elu(x, _SELU_ALPHA) * _SELU_SCALE,
    "gelu": lambda x: 0.5 * x * (1.0 + nd.erf(x * (1 / math.sqrt(2)))),
    "silu": lambda x: x * nd.sigmoid(x),
    "mish": _mish,
    "softplus": _softplus,
    "leaky_relu": lambda x: nd.where(x > 0, x, 0.01 * x),
}
"""SELU: Klambauer et al., 2017; GELU: Hendrycks and Gimpel, 2016; SiLU: Elfwing et al., 2018; Mish: Misra, 2019."""


def activation_by_name(name: str) -> Activation:
    """The function; an unknown name raises `ValueError` that lists the known ones."""
    if name not in ACTIVATIONS:
        near = difflib.get_close_matches(name, ACTIVATIONS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"activation {name!r} is unknown{hint} Known: {', '.join(sorted(ACTIVATIONS))}")
    return ACTIVATIONS[name]
