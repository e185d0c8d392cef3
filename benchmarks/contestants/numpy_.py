"""NumPy by hand: the step that a careful person writes, with its products in BLAS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tasks import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

UNAVAILABLE: tuple[type[Exception], ...] = ()


def version() -> str:
    return np.__version__


class Network:
    """Layers of ReLU, trained on the summed loss."""

    def __init__(self, task: Task) -> None:
        self.weights = task.weights()
        self.loss = cross_entropy if task.classifies else squared_error
        make = Descent if task.optimizer == "sgd" else Adam
        self.rules = [[make(array, task.lr) for array in pair] for pair in self.weights]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.forward(x)[-1]

    def forward(self, x: np.ndarray) -> list[np.ndarray]:
        """The inputs of all layers, and the last layer's output."""
        values = [x]
        for W, b in self.weights[:-1]:
            x = x @ W
            x += b
            np.maximum(x, 0, out=x)
            values.append(x)
        W, b = self.weights[-1]
        return [*values, x @ W + b]

    def step(self, x: np.ndarray, answers: np.ndarray) -> float:
        """Backward from the gradient of the output, each layer updated once its weights are used."""
        *inputs, output = self.forward(x)
        loss, gradient = self.loss(output, answers)
        for layer in reversed(range(len(inputs))):
            x, (W, _), (update_W, update_b) = inputs[layer], self.weights[layer], self.rules[layer]
            dW, db = x.T @ gradient, gradient.sum(0)
            if layer:
                gradient = gradient @ W.T
                gradient *= x > 0
            update_W(dW)
            update_b(db)
        return loss


class Descent:
    """Plain gradient descent on one array, in place."""

    def __init__(self, array: np.ndarray, lr: float) -> None:
        self.array, self.lr = array, np.float32(lr)

    def __call__(self, gradient: np.ndarray) -> None:
        gradient *= self.lr
        self.array -= gradient


class Adam:
    """Adam (Kingma and Ba, 2015) on one array, in place."""

    def __init__(self, array: np.ndarray, lr: float) -> None:
        self.array, self.lr, self.t = array, lr, 0
        self.mean, self.square = np.zeros_like(array), np.zeros_like(array)

    def __call__(self, gradient: np.ndarray) -> None:
        self.t += 1
        rate = np.float32(self.lr * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t))
        self.mean *= np.float32(0.9)
        self.mean += np.float32(0.1) * gradient
        np.square(gradient, out=gradient)
        gradient *= np.float32(0.001)
        self.square *= np.float32(0.999)
        self.square += gradient
        np.sqrt(self.square, out=gradient)
        gradient += np.float32(1e-8)
        np.divide(self.mean, gradient, out=gradient)
        gradient *= rate
        self.array -= gradient


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


def squared_error(output: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean loss, and the gradient of the summed one."""
    output -= targets
    return float(np.vdot(output, output)) / (2 * len(output)), output


def epoch(task: Task) -> Callable[[], object]:
    network, inputs, answers = Network(task), task.inputs, task.answers

    def run() -> None:
        for rows in next(task.permutations):
            network.step(inputs[rows], answers[rows])

    return run


def loop(task: Task) -> Callable[[], object]:
    network = Network(task)
    batches = [(task.inputs[rows], task.answers[rows]) for rows in next(task.permutations)]

    def run() -> float:
        moving_loss = 0.0
        for data, answers in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * network.step(data, answers)
        return moving_loss

    return run


def predict(task: Task) -> Callable[[], object]:
    network, rows = Network(task), task.inputs
    return lambda: network(rows)


FACTORIES = {"epoch": epoch, "loop": loop, "predict": predict}
