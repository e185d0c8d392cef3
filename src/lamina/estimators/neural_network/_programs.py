"""Compiled functions for scikit-learn's networks: training steps, and loss with gradients."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lamina import nd
from lamina.compiler import CompiledFunction, compile
from lamina.nd.ndarray import NDArray
from lamina.optimizer.adam import adam_step
from lamina.optimizer.momentum import momentum_step, nesterov_step
from lamina.optimizer.optimizer import write

_KEPT = 32
"""Maximum number of cached programs, for searches that alternate between layer sizes."""
_NUMBERS = 5
"""Number of scalar arguments of a step: alpha, learning rate, two solver settings, epsilon."""

Parameters = Sequence[NDArray]


@dataclass(frozen=True)
class Kind:
    """The key of a program, besides dtype and batch size: scikit-learn's function names, and sizes."""

    activation: str
    output: str
    loss: str
    units: tuple[int, ...]
    dtype: str
    rows: int


MOMENTS = {"adam": ("ms", "vs"), "sgd": ("velocities",), "sgd with Nesterov": ("velocities",)}
"""Each solver's state: attributes of scikit-learn's optimizers, each a list with one array per parameter."""


@lru_cache(_KEPT)
def training_step(kind: Kind, solver: str) -> CompiledFunction[..., Any]:
    """One solver step on a batch; returns the batch's loss, with the penalty, before the step.

    The function's arguments: inputs (rows, columns), targets (rows, outputs), the rows' weights (rows, 1), alpha, the
    learning rate, two solver settings (Adam's decays; the momentum, and 0), epsilon; then the arrays that it
    updates: weights and intercepts, and as many of each moment.
    """
    return compile(_step(kind, solver))


def training_step_on_rows(kind: Kind, solver: str) -> CompiledFunction[..., Any]:
    """`training_step` for rows of a table: row numbers replace the inputs, and the table precedes the other arrays.

    Each training has its own function, which keeps the table alive meanwhile; compiled programs are cached.
    """
    step = _step(kind, solver)

    def step_on_rows(rows: NDArray, y: NDArray, w: NDArray, *others: Any) -> NDArray:
        numbers, (table, *arrays) = others[:_NUMBERS], others[_NUMBERS:]
        return step(nd.take(table, rows), y, w, *numbers, *arrays)

    return compile(step_on_rows)


def _step(kind: Kind, solver: str) -> Callable[..., NDArray]:
    count, moments = 2 * (len(kind.units) - 1), len(MOMENTS[solver])
    update = _UPDATES[solver]

    def step(
        x: NDArray, y: NDArray, w: NDArray, alpha: float, rate: float, a: float, b: float, epsilon: float,
        *arrays: NDArray,
    ) -> NDArray:  # fmt: skip
        parameters = arrays[:count]
        loss, gradients = _loss_and_gradients(kind, x, y, w, alpha, parameters)
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            state = tuple([arrays[count * (k + 1) + i] for k in range(moments)])
            write(parameter, state, update(parameter, gradient, state, rate, a, b, epsilon))
        return loss

    return step


@lru_cache(_KEPT)
def loss_and_gradients(kind: Kind) -> Callable[..., tuple[NDArray, list[NDArray]]]:
    """A function that returns the loss of all rows, with the penalty, and its gradients.

    The function's arguments: inputs, targets, row weights, alpha, and the network's weights and intercepts.
    """

    def evaluate(
        x: NDArray, y: NDArray, w: NDArray, alpha: float, *parameters: NDArray
    ) -> tuple[NDArray, list[NDArray]]:
        return _loss_and_gradients(kind, x, y, w, alpha, parameters)

    return compile(evaluate)


def taking_rows() -> CompiledFunction[..., Any]:
    """A compiled function that copies table rows; it takes row numbers, a destination for each table, and the tables.

    Each training has its own function, which keeps the tables alive meanwhile; compiling takes a hundredth of a second.
    """

    def take(rows: NDArray, *arrays: NDArray) -> None:
        places, tables = arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :]
        for place, table in zip(places, tables, strict=True):
            place[:] = nd.take(table, rows)

    return compile(take)


for _kept in (training_step, loss_and_gradients):
    atexit.register(_kept.cache_clear)  # before the modules that free the programs' memory are unloaded


def _loss_and_gradients(
    kind: Kind, x: NDArray, y: NDArray, w: NDArray, alpha: float, parameters: Parameters
) -> tuple[NDArray, list[NDArray]]:
    layers = len(kind.units) - 1
    weights, intercepts = parameters[:layers], parameters[layers:]
    values = [x]
    for i, (weight, intercept) in enumerate(zip(weights, intercepts, strict=True)):
        function = _ACTIVATIONS[kind.activation if i < layers - 1 else kind.output]
        values.append(function(nd.dot(values[-1], weight) + intercept))
    total = nd.sum(w)
    share = 1.0 / total  # multiplied with gradients, since divisions would take as long as Adam's arithmetic
    squares: Any = sum(nd.sum(weight * weight) for weight in weights)
    loss = _LOSSES[kind.loss](y, values[-1], w) / total + (0.5 * alpha) * squares / total
    # All pairs of output function and loss have this derivative by the function's input, even for clipped values.
    delta = (values[-1] - y) * w
    of_weights, of_intercepts = [], []
    for i in reversed(range(layers)):
        of_weights.append((nd.dot(values[i], delta, transpose_a=True) + alpha * weights[i]) * share)
        of_intercepts.append(nd.sum(delta, axis=0) * share)
        if i:
            delta = _SLOPES[kind.activation](values[i], nd.dot(delta, weights[i], transpose_b=True))
    return loss, of_weights[::-1] + of_intercepts[::-1]


# --- functions by scikit-learn's names --------------------------------------------------------------------------------

_ACTIVATIONS: dict[str, Callable[[NDArray], NDArray]] = {
    "identity": lambda z: z,
    "exp": nd.exp,
    "tanh": nd.tanh,
    "logistic": nd.sigmoid,
    "relu": nd.relu,
    "softmax": nd.softmax,
}
_SLOPES: dict[str, Callable[[NDArray, NDArray], NDArray]] = {
    "identity": lambda value, delta: delta,
    "tanh": lambda value, delta: delta * (1.0 - value * value),
    "logistic": lambda value, delta: delta * value * (1.0 - value),
    "relu": lambda value, delta: nd.where(value == 0.0, nd.zeros_like(delta), delta),
}
"""Gradients by an activation's input, from the activation's value and the gradient by this value."""


def _clipped(p: NDArray) -> NDArray:
    epsilon = float(np.finfo(p._dtype).eps)
    return nd.clip(p, epsilon, 1.0 - epsilon)


def _squared_error(y: NDArray, p: NDArray, w: NDArray) -> NDArray:
    return (0.5 / y.shape[1]) * nd.sum((y - p) * (y - p) * w)


def _poisson(y: NDArray, p: NDArray, w: NDArray) -> NDArray:
    logarithm = nd.where(y == 0.0, nd.zeros_like(y), y * nd.log(y / p))
    return nd.sum((logarithm - y + p) * w)


def _sum_of_rows(terms: NDArray) -> NDArray:
    """The sum of all terms, each row first; a row's sum is hardly rounded, since most of its terms are 0."""
    return nd.sum(nd.sum(terms, axis=1))


def _log_loss(y: NDArray, p: NDArray, w: NDArray) -> NDArray:
    return -_sum_of_rows(y * nd.log(_clipped(p)) * w)


def _binary_log_loss(y: NDArray, p: NDArray, w: NDArray) -> NDArray:
    p = _clipped(p)
    return -_sum_of_rows((y * nd.log(p) + (1.0 - y) * nd.log(1.0 - p)) * w)


_LOSSES: dict[str, Callable[[NDArray, NDArray, NDArray], NDArray]] = {
    "squared_error": _squared_error,
    "poisson": _poisson,
    "log_loss": _log_loss,
    "binary_log_loss": _binary_log_loss,
}
"""Weighted sums of losses over rows, from targets, outputs and weights, as in scikit-learn."""

_UPDATES: dict[str, Callable[..., Any]] = {
    "adam": lambda p, g, state, rate, a, b, epsilon: adam_step(
        p, g, state, rate=rate, betas=(a, b), epsilon=epsilon
    ),
    "sgd": lambda p, g, state, rate, a, _b, _e: momentum_step(p, g, state, rate=rate, momentum=a),
    "sgd with Nesterov": lambda p, g, state, rate, a, _b, _e: nesterov_step(
        p, g, state, rate=rate, momentum=a
    ),
}
