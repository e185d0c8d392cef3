"""JAX: jit, and `lax.scan` over the batches of an epoch; the data is on the device."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from workloads import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

UNAVAILABLE: tuple[type[Exception], ...] = ()


def version() -> str:
    return jax.__version__


def net(params: Any, x: Any) -> Any:
    *hidden, (W_last, b_last) = params
    for W, b in hidden:
        x = jax.nn.relu(x @ W + b)
    return x @ W_last + b_last


def summed_loss(params: Any, x: Any, labels: Any) -> Any:
    scores = jax.nn.log_softmax(net(params, x))
    return -jnp.take_along_axis(scores, labels[:, None], axis=1).sum()


def sgd_step(params: Any, x: Any, labels: Any, lr: Any) -> tuple[Any, Any]:
    loss, gradients = jax.value_and_grad(summed_loss)(params, x, labels)
    return jax.tree.map(lambda p, g: p - lr * g, params, gradients), loss / len(x)


def weights(task: Task) -> Any:
    return jax.tree.map(jnp.asarray, task.weights())


def epoch(task: Task) -> Callable[[], object]:
    inputs, labels = jnp.asarray(task.inputs), jnp.asarray(task.labels, jnp.int32)
    params = weights(task)

    @partial(jax.jit, donate_argnums=0)
    def scan(params: Any, rows: Any, inputs: Any, labels: Any) -> Any:
        return jax.lax.scan(lambda p, i: sgd_step(p, inputs[i], labels[i], task.lr), params, rows)

    def run() -> None:
        nonlocal params
        params, losses = scan(params, next(task.permutations), inputs, labels)
        jax.block_until_ready(losses)

    return run


def loop(task: Task) -> Callable[[], object]:
    rows = next(task.permutations)
    batches = [(jnp.asarray(task.inputs[i]), jnp.asarray(task.labels[i], jnp.int32)) for i in rows]
    step = jax.jit(sgd_step, donate_argnums=0)
    params = weights(task)

    def run() -> None:
        nonlocal params
        moving_loss = 0.0
        for data, label in batches:
            params, loss = step(params, data, label, task.lr)
            moving_loss = 0.99 * moving_loss + 0.01 * float(loss)

    return run


FACTORIES = {"epoch": epoch, "loop": loop}
