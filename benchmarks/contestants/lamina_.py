"""lamina: the chapter's program, its step compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks import Task

import lamina
from lamina import autograd, nd
from lamina.context import set_current, usable
from lamina.errors import ContextError

__all__ = [
    "FACTORIES", "UNAVAILABLE", "Step", "epoch_of", "evaluation_of", "loop_over", "network", "parameters", "scaled",
    "training_step", "use_gpu", "version", "wait",
]  # fmt: skip

UNAVAILABLE: tuple[type[Exception], ...] = (ContextError,)

Step = Callable[[Any, Any, float], Any]


def version() -> str:
    return lamina.__version__


def use_gpu() -> None:
    """Have all arrays on the first GPU; `ContextError` where there is none."""
    set_current(usable(lamina.gpu()))


def wait() -> None:
    """Until the device is done."""
    nd.waitall()


def relu(X: Any) -> Any:
    return nd.maximum(X, nd.zeros_like(X))


def softmax_cross_entropy(yhat_linear: Any, y: Any) -> Any:
    return -nd.nansum(y * nd.log_softmax(yhat_linear), axis=0, exclude=True)


def squared_error(yhat: Any, y: Any) -> Any:
    return nd.sum(nd.square(yhat - y), axis=0, exclude=True) / 2


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


def SGD(params: list[Any]) -> Callable[[float], None]:  # noqa: N802 - the chapter's name
    def update(lr: float) -> None:
        for param in params:
            param[:] = param - lr * param.grad

    return update


def Adam(params: list[Any]) -> Callable[[float], None]:  # noqa: N802 - Kingma and Ba's name (2015)
    means, squares = [[nd.zeros_like(p) for p in params] for _ in range(2)]
    t = nd.zeros((1,))

    def update(lr: float) -> None:
        t[:] = t + 1
        rate = lr * nd.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        for param, mean, square in zip(params, means, squares, strict=True):
            mean[:] = 0.9 * mean + 0.1 * param.grad
            square[:] = 0.999 * square + 0.001 * nd.square(param.grad)
            param[:] = param - rate * mean / (nd.sqrt(square) + 1e-8)

    return update


def training_step(task: Task) -> Step:
    params = parameters(task)
    net, update = network(params), (SGD if task.optimizer == "sgd" else Adam)(params)
    return step_of(net, update, task)


def step_of(net: Callable[[Any], Any], update: Callable[[float], None], task: Task) -> Step:
    def step(data: Any, label: Any, lr: float) -> Any:
        with autograd.record():
            if task.classifies:
                loss = softmax_cross_entropy(net(data), nd.one_hot(label, 10))
            else:
                loss = squared_error(net(data), label)
        loss.backward()
        update(lr)
        return nd.mean(loss)

    return step


def scaled(step: Step, task: Task) -> Step:
    """The step on rows as they lie in memory: MNIST's are bytes."""
    if not task.classifies:
        return step
    return lambda pixels, label, lr: step(pixels.astype("float32") / 255, label, lr)


def epoch_of(step: Step, task: Task) -> Callable[[], object]:
    rows = task.images if task.classifies else task.inputs
    ctx = lamina.current_context()
    inputs, answers = (nd.from_numpy(x).as_in_context(ctx) for x in (rows, task.answers))
    train_step = lamina.compile(scaled(step, task), precision=task.precision)
    return lambda: train_step.run_batches(next(task.permutations), inputs, answers, task.lr)


def loop_over(train_step: Step, task: Task) -> Callable[[], object]:
    """The chapter's loop, its batches prepared."""
    batches = [(nd.array(task.inputs[i]), nd.array(task.answers[i])) for i in next(task.permutations)]

    def run() -> float:
        moving_loss = 0.0
        for data, label in batches:
            moving_loss = 0.99 * moving_loss + 0.01 * train_step(data, label, task.lr).asscalar()
        return moving_loss

    return run


def evaluation_of(net: Callable[[Any], Any], task: Task) -> Callable[[], object]:
    """The chapter's `evaluate_accuracy`, its batches prepared."""
    batches = [(nd.array(task.inputs[i]), nd.array(task.answers[i])) for i in next(task.permutations)]

    def run() -> float:
        numerator: Any = 0.0
        denominator = 0.0
        for data, label in batches:
            numerator += nd.sum(nd.argmax(net(data), axis=1) == label)
            denominator += data.shape[0]
        return (numerator / denominator).asscalar()

    return run


def epoch(task: Task) -> Callable[[], object]:
    return epoch_of(training_step(task), task)


def loop(task: Task) -> Callable[[], object]:
    return loop_over(lamina.compile(training_step(task)), task)


def evaluate(task: Task) -> Callable[[], object]:
    return evaluation_of(lamina.compile(network(parameters(task))), task)


def predict(task: Task) -> Callable[[], object]:
    net = lamina.compile(network(parameters(task)))
    rows, ctx = task.inputs, lamina.current_context()
    return lambda: net(nd.from_numpy(rows).as_in_context(ctx)).asnumpy()


def fit(_task: Task) -> Callable[[], object]:
    """An estimator on iris; what it imports is imported before."""
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    classifier = lamina.MLPClassifier(preset="fast", random_state=0)
    return lambda: classifier.fit(X, y).loss_


FACTORIES = {
    "epoch": epoch,
    "loop": loop,
    "evaluate": evaluate,
    "first": loop,
    "predict": predict,
    "fit": fit,
}
