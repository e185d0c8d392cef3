"""NumPy by hand: the step that a careful person writes, with its products in BLAS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from workloads import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

UNAVAILABLE: tuple[type[Exception], ...] = ()


def version() -> str:
    return np.__version__


class Network:
    """Layers of ReLU trained with plain SGD on the summed softmax cross-entropy."""

    def __init__(self, task: Task) -> None:
        self.weights = task.weights()
        self.lr = np.float32(task.lr)

    def step(self, x: np.ndarray, labels: np.ndarray) -> float:
        inputs = [x]
        for W, b in self.weights[:-1]:
            x = x @ W
            x += b
            np.maximum(x, 0, out=x)
            inputs.append(x)
        W, b = self.weights[-1]
        loss, gradient = cross_entropy(x @ W + b, labels)
        self._descend(inputs, gradient)
        return loss

    def _descend(self, inputs: list[np.ndarray], gradient: np.ndarray) -> None:
        """Backward from the gradient of the last layer's output, updating each layer once it is used."""
        for layer in reversed(range(len(inputs))):
            x, (W, b) = inputs[layer], self.weights[layer]
            dW, db = x.T @ gradient, gradient.sum(0)
            if layer:
                gradient = gradient @ W.T
                gradient *= x > 0
            dW *= self.lr
            W -= dW
            b -= self.lr * db


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean loss, and the gradient of the summed one."""
    scores -= scores.max(1, keepdims=True)
    probabilities = np.exp(scores)
    sums = probabilities.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(np.mean(np.log(sums[:, 0]) - scores[rows, labels]))
    probabilities /= sums
    probabilities[rows, labels] -= 1
    return loss, probabilities


def epoch(task: Task) -> Callable[[], object]:
    network, inputs, labels = Network(task), task.inputs, task.labels

    def run() -> None:
        for rows in next(task.permutations):
            network.step(inputs[rows], labels[rows])

    return run


def loop(task: Task) -> Callable[[], object]:
    network = Network(task)
    batches = [(task.inputs[rows], task.labels[rows]) for rows in next(task.permutations)]

    def run() -> None:
        moving_loss = 0.0
        for data, labels in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * network.step(data, labels)

    return run


FACTORIES = {"epoch": epoch, "loop": loop}
