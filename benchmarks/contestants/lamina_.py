"""lamina: the chapter's network and step, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workloads import Task

import lamina
from lamina import autograd, nd

__all__ = ["FACTORIES", "UNAVAILABLE", "version"]

UNAVAILABLE: tuple[type[Exception], ...] = ()


def version() -> str:
    return lamina.__version__


def relu(X: Any) -> Any:
    return nd.maximum(X, nd.zeros_like(X))


def softmax_cross_entropy(yhat_linear: Any, y: Any) -> Any:
    return -nd.nansum(y * nd.log_softmax(yhat_linear), axis=0, exclude=True)


def SGD(params: list[Any], lr: float) -> None:  # noqa: N802 - the chapter's name
    for param in params:
        param[:] = param - lr * param.grad


def parameters(task: Task) -> list[Any]:
    params = [nd.array(x) for pair in task.weights() for x in pair]
    for param in params:
        param.attach_grad()
    return params


def network(params: list[Any]) -> Callable[[Any], Any]:
    def net(X: Any) -> Any:
        *hidden, (W_last, b_last) = zip(params[::2], params[1::2], strict=True)
        for W, b in hidden:
            X = relu(nd.dot(X, W) + b)
        return nd.dot(X, W_last) + b_last

    return net


def chapter_step(task: Task) -> Callable[[Any, Any, float], Any]:
    params = parameters(task)
    net = network(params)

    def step(data: Any, label: Any, lr: float) -> Any:
        with autograd.record():
            loss = softmax_cross_entropy(net(data), nd.one_hot(label, 10))
        loss.backward()
        SGD(params, lr)
        return nd.mean(loss)

    return step


def epoch(task: Task) -> Callable[[], object]:
    step = chapter_step(task)
    images, labels = nd.array(task.images, dtype="uint8"), nd.array(task.labels, dtype="uint8")

    @lamina.compile
    def train_step(pixels: Any, label: Any, lr: float) -> Any:
        return step(pixels.astype("float32") / 255, label, lr)

    def run() -> object:
        return train_step.run_batches(next(task.permutations), images, labels, task.lr)

    return run


def loop(task: Task) -> Callable[[], object]:
    train_step = lamina.compile(chapter_step(task))
    rows = next(task.permutations)
    batches = [(nd.array(task.inputs[i]), nd.array(task.labels[i])) for i in rows]

    def run() -> None:
        moving_loss = 0.0
        for data, label in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * train_step(data, label, task.lr).asscalar()

    return run


FACTORIES: dict[str, Callable[[Task], Callable[[], object]]] = {"epoch": epoch, "loop": loop}
