"""scikit-learn's MLPClassifier: `partial_fit` over all rows is one epoch of shuffled mini-batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier
from workloads import Task

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

UNAVAILABLE: tuple[type[Exception], ...] = ()
_CLASSES = np.arange(10)


def version() -> str:
    return sklearn.__version__


def classifier(task: Task) -> MLPClassifier:
    """A classifier with the common initial weights. Its rate is per mean loss, the chapter's per summed loss."""
    mlp = MLPClassifier(
        task.layers[1:-1],
        solver="sgd",
        momentum=0,
        nesterovs_momentum=False,
        alpha=0,
        batch_size=task.batch_size,
        learning_rate_init=task.lr * task.batch_size,
    )
    mlp.partial_fit(task.inputs[: task.batch_size], task.labels[: task.batch_size], classes=_CLASSES)
    mlp.coefs_, mlp.intercepts_ = map(list, zip(*task.weights(), strict=True))
    return mlp


def epoch(task: Task) -> Callable[[], object]:
    mlp, inputs, labels = classifier(task), task.inputs, task.labels
    return lambda: mlp.partial_fit(inputs, labels)


def loop(task: Task) -> Callable[[], object]:
    mlp = classifier(task)
    batches = [(task.inputs[rows], task.labels[rows]) for rows in next(task.permutations)]

    def run() -> None:
        moving_loss = 0.0
        for data, labels in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * mlp.partial_fit(data, labels).loss_

    return run


FACTORIES = {"epoch": epoch, "loop": loop}
