"""scikit-learn's MLP: `partial_fit` over all rows is one epoch of shuffled mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier, MLPRegressor
from tasks import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

UNAVAILABLE: tuple[type[Exception], ...] = ()


def version() -> str:
    return sklearn.__version__


def estimator(task: Task) -> tuple[Any, np.ndarray, np.ndarray]:
    """The estimator with the common initial weights, inputs and answers."""
    sgd = task.optimizer == "sgd"
    mlp = (MLPClassifier if task.classifies else MLPRegressor)(
        hidden_layer_sizes=task.layers[1:-1],
        solver=task.optimizer,
        momentum=0,
        nesterovs_momentum=False,
        alpha=0,
        batch_size=task.batch_size,
        learning_rate_init=task.lr * task.batch_size if sgd else task.lr,  # its loss is a mean, not a sum
    )
    inputs, answers = task.inputs, task.answers
    if not task.classifies and answers.shape[1] == 1:
        answers = answers[:, 0]
    classes = {"classes": np.arange(10)} if task.classifies else {}
    mlp.partial_fit(inputs[: task.batch_size], answers[: task.batch_size], **classes)
    for to, array in zip([*mlp.coefs_, *mlp.intercepts_], _in_order(task), strict=True):
        to[...] = array
    return mlp, inputs, answers


def _in_order(task: Task) -> list[np.ndarray]:
    """The weights of all layers, then the biases."""
    weights, biases = zip(*task.weights(), strict=True)
    return [*weights, *biases]


def epoch(task: Task) -> Callable[[], object]:
    mlp, inputs, answers = estimator(task)
    return lambda: mlp.partial_fit(inputs, answers)


def loop(task: Task) -> Callable[[], object]:
    mlp, inputs, answers = estimator(task)
    batches = [(inputs[rows], answers[rows]) for rows in next(task.permutations)]

    def run() -> float:
        moving_loss = 0.0
        for data, label in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * mlp.partial_fit(data, label).loss_
        return moving_loss

    return run


FACTORIES = {"epoch": epoch, "loop": loop}
