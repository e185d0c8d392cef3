"""The products of a training step alone, in NumPy's BLAS: nothing between them, into memory that is there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tasks import Task

from contestants.numpy_ import UNAVAILABLE

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]


def version() -> str:
    """The library's name and version."""
    blas = np.show_config("dicts")["Build Dependencies"]["blas"]  # pyright: ignore
    return f"{blas['name']} {blas['version']}"


def epoch(task: Task) -> Callable[[], object]:
    """As many steps as training has. Forward, weights' gradients and hidden units' gradients of every layer."""
    weights = [W for W, _ in task.weights()]
    values = [np.ones((task.batch_size, n), np.float32) for n in task.layers]
    gradients = [np.empty_like(W) for W in weights]

    def step() -> None:
        for layer, W in enumerate(weights):
            np.matmul(values[layer], W, out=values[layer + 1])
        for layer in reversed(range(len(weights))):
            np.matmul(values[layer].T, values[layer + 1], out=gradients[layer])
            if layer:
                np.matmul(values[layer + 1], weights[layer].T, out=values[layer])

    def run() -> None:
        for _ in range(task.steps):
            for value in values:  # the numbers do not matter, as long as they stay usual ones
                value.fill(1)
            step()

    return run


FACTORIES = {"epoch": epoch}
