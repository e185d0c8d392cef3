"""JAX: jit, and `lax.scan` over the batches of an epoch; the data is on the device."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tasks import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "use_gpu", "version", "wait"]


class NoGPUError(Exception):
    """There is no GPU that JAX can use."""


_PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}
UNAVAILABLE: tuple[type[Exception], ...] = (NoGPUError,)


def version() -> str:
    return jax.__version__


def use_gpu() -> None:
    """Arrays are on the GPU by themselves, if JAX was installed for one."""
    if jax.default_backend() != "gpu":
        raise NoGPUError(f"JAX finds no GPU, only {jax.default_backend()}")


def wait() -> None:
    """The work waits by itself."""


def net(params: Any, x: Any) -> Any:
    *hidden, (W_last, b_last) = params
    for W, b in hidden:
        x = jax.nn.relu(x @ W + b)
    return x @ W_last + b_last


def cross_entropy(params: Any, x: Any, labels: Any) -> Any:
    scores = jax.nn.log_softmax(net(params, x))
    return -jnp.take_along_axis(scores, labels[:, None], axis=1).sum()


def squared_error(params: Any, x: Any, targets: Any) -> Any:
    return jnp.square(net(params, x) - targets).sum() / 2


def training_step(task: Task) -> tuple[Callable[..., Any], Any]:
    """A step from (state, x, answers, lr) to (state, mean loss), and the first state: parameters and Adam's moments."""
    jax.config.update("jax_default_matmul_precision", _PRECISIONS[task.precision])  # on GPUs it would be TF32
    loss_of = jax.value_and_grad(cross_entropy if task.classifies else squared_error)
    params = jax.tree.map(jnp.asarray, task.weights())

    def sgd(state: Any, x: Any, answers: Any, lr: Any) -> tuple[Any, Any]:
        loss, gradients = loss_of(state, x, answers)
        return jax.tree.map(lambda p, g: p - lr * g, state, gradients), loss / len(x)

    def adam(state: Any, x: Any, answers: Any, lr: Any) -> tuple[Any, Any]:
        params, means, squares, t = state
        loss, gradients = loss_of(params, x, answers)
        t = t + 1
        rate = lr * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
        squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradients)
        params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, means, squares)
        return (params, means, squares, t), loss / len(x)

    if task.optimizer == "sgd":
        return sgd, params
    zeros = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
    return adam, (params, *zeros, jnp.float32(0))


def answers_of(task: Task) -> Any:
    return jnp.asarray(task.answers.astype(np.int32) if task.classifies else task.answers)


def epoch(task: Task) -> Callable[[], object]:
    inputs, answers = jnp.asarray(task.inputs), answers_of(task)
    step, state = training_step(task)

    @partial(jax.jit, donate_argnums=0)
    def scan(state: Any, rows: Any, inputs: Any, answers: Any) -> Any:
        return jax.lax.scan(lambda s, i: step(s, inputs[i], answers[i], task.lr), state, rows)

    def run() -> None:
        nonlocal state
        state, losses = scan(state, next(task.permutations), inputs, answers)
        jax.block_until_ready(losses)

    return run


def loop(task: Task) -> Callable[[], object]:
    inputs, answers = jnp.asarray(task.inputs), answers_of(task)
    batches = [(inputs[rows], answers[rows]) for rows in next(task.permutations)]
    step, state = training_step(task)
    step = jax.jit(step, donate_argnums=0)

    def run() -> float:
        nonlocal state
        moving_loss = 0.0
        for data, label in batches:
            state, loss = step(state, data, label, task.lr)
            moving_loss = 0.99 * moving_loss + 0.01 * float(loss)
        return moving_loss

    return run


def predict(task: Task) -> Callable[[], object]:
    compiled = jax.jit(partial(net, jax.tree.map(jnp.asarray, task.weights())))
    rows = task.inputs
    return lambda: np.asarray(compiled(rows))


FACTORIES = {"epoch": epoch, "loop": loop, "first": loop, "predict": predict}
