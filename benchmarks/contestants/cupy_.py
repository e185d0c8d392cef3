"""CuPy by hand: what `numpy_` does, on a GPU; products in cuBLAS, a kernel for each operator. SGD only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy as cp
from tasks import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "use_gpu", "version", "wait"]

UNAVAILABLE: tuple[type[Exception], ...] = (cp.cuda.runtime.CUDARuntimeError,)


def version() -> str:
    return cp.__version__


def use_gpu() -> None:
    """CuPy has nothing else."""


def wait() -> None:
    """Until the device is done."""
    cp.cuda.Device().synchronize()


def training_step(task: Task) -> Callable[[Any, Any], Any]:
    weights = [(cp.asarray(W), cp.asarray(b)) for W, b in task.weights()]
    loss_of = cross_entropy if task.classifies else squared_error

    def step(x: Any, answers: Any) -> Any:
        values = [x]
        for W, b in weights[:-1]:
            values.append(cp.maximum(values[-1] @ W + b, 0))
        W, b = weights[-1]
        loss, gradient = loss_of(values[-1] @ W + b, answers)
        for layer in reversed(range(len(weights))):
            W, b = weights[layer]
            dW, db = values[layer].T @ gradient, gradient.sum(0)
            if layer:
                gradient = (gradient @ W.T) * (values[layer] > 0)
            W -= cp.float32(task.lr) * dW
            b -= cp.float32(task.lr) * db
        return loss

    return step


def cross_entropy(scores: Any, labels: Any) -> tuple[Any, Any]:
    """The mean loss, and the gradient of the summed one."""
    scores = scores - scores.max(1, keepdims=True)
    exponentials = cp.exp(scores)
    sums = exponentials.sum(1, keepdims=True)
    rows = cp.arange(len(labels))
    loss = cp.mean(cp.log(sums[:, 0]) - scores[rows, labels])
    probabilities = exponentials / sums
    probabilities[rows, labels] -= 1
    return loss, probabilities


def squared_error(output: Any, targets: Any) -> tuple[Any, Any]:
    """The mean loss, and the gradient of the summed one."""
    difference = output - targets
    return (difference**2).sum() / (2 * len(output)), difference


def _arrays(task: Task) -> tuple[Any, Any]:
    answers = cp.asarray(task.answers)
    return cp.asarray(task.inputs), answers.astype(cp.int32) if task.classifies else answers


def epoch(task: Task) -> Callable[[], object]:
    (inputs, answers), step = _arrays(task), training_step(task)

    def run() -> None:
        for rows in cp.asarray(next(task.permutations)):
            step(inputs[rows], answers[rows])

    return run


def loop(task: Task) -> Callable[[], object]:
    (inputs, answers), step = _arrays(task), training_step(task)
    batches = [(inputs[rows], answers[rows]) for rows in cp.asarray(next(task.permutations))]

    def run() -> float:
        moving_loss = 0.0
        for data, label in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * float(step(data, label))
        return moving_loss

    return run


FACTORIES = {"epoch": epoch, "loop": loop}
