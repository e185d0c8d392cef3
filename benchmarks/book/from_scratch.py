"""Networks and optimizers written out in arrays and `autograd`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from book.size import Size, batches_of, classes, pictures
from lamina import autograd, nd

__all__ = ["PROGRAMS"]


def SGD(params: list[Any], lr: float) -> None:  # noqa: N802 - the book's name
    for param in params:
        param[:] = param - lr * param.grad


def relu(X: Any) -> Any:
    return nd.maximum(X, nd.zeros_like(X))


def softmax_cross_entropy(yhat_linear: Any, y: Any) -> Any:
    return -nd.nansum(y * nd.log_softmax(yhat_linear), axis=0, exclude=True)


def weights(*shapes: Any, scale: float = 0.1) -> list[Any]:
    params = [nd.random_normal(shape=shape, scale=scale) for shape in shapes]
    for param in params:
        param.attach_grad()
    return params


def linear_regression(size: Size) -> list[float]:
    """Ten samples of two numbers a step: all that it costs is the calls."""
    X = nd.random_normal(shape=(10 * size.steps, 2))
    y = 2 * X[:, 0] - 3.4 * X[:, 1] + 4.2 + 0.01 * nd.random_normal(shape=(10 * size.steps,))
    w, b = weights((2, 1), 1)
    losses = []
    for _ in range(5):
        cumulative_loss = 0
        for data, label in batches_of(X, y, batch=10):
            with autograd.record():
                output = nd.dot(data, w) + b
                loss = nd.mean((output - label.reshape((-1, 1))) ** 2)
            loss.backward()
            SGD([w, b], 0.01)
            cumulative_loss += loss.asscalar()
        losses.append(cumulative_loss)
    return losses


def softmax_regression(size: Size) -> list[float]:
    X, labels = pictures(size), classes(size)
    W, b = weights((size.inputs, 10), 10)
    losses = []
    for _ in range(3):
        for data, label in batches_of(X, labels, batch=size.batch):
            label_one_hot = nd.one_hot(label, 10)
            with autograd.record():
                loss = softmax_cross_entropy(nd.dot(data, W) + b, label_one_hot)
            loss.backward()
            SGD([W, b], 0.001)
            losses.append(nd.sum(loss).asscalar())
    return losses


def _layers(size: Size) -> list[Any]:
    n, m = size.inputs, size.hidden
    return weights((n, m), m, (m, m), m, (m, 10), 10)


def dropout(size: Size) -> list[float]:
    """Masks drawn at each step."""

    def dropped(X: Any, drop_probability: float) -> Any:
        keep_probability = 1 - drop_probability
        mask = nd.random_uniform(0, 1.0, X.shape, ctx=X.context) < keep_probability
        return mask * X * (1 / keep_probability)

    W1, b1, W2, b2, W3, b3 = params = _layers(size)
    X, labels = pictures(size), classes(size)
    losses, moving_loss = [], 0.0
    for _ in range(2):
        for data, label in batches_of(X, labels, batch=size.batch):
            with autograd.record():
                h1 = dropped(relu(nd.dot(data, W1) + b1), 0.5)
                h2 = dropped(relu(nd.dot(h1, W2) + b2), 0.5)
                loss = softmax_cross_entropy(nd.dot(h2, W3) + b3, nd.one_hot(label, 10))
            loss.backward()
            SGD(params, 0.001)
            moving_loss = 0.99 * moving_loss + 0.01 * nd.mean(loss).asscalar()
            losses.append(moving_loss)
    return losses


def weight_decay(size: Size) -> list[float]:
    """Every weight in the loss, which is read for the plot after each pass only."""
    W1, b1, W2, b2, W3, b3 = params = _layers(size)
    X, labels = pictures(size), classes(size)
    losses = []
    for _ in range(2):
        for data, label in batches_of(X, labels, batch=size.batch):
            with autograd.record():
                h = relu(nd.dot(relu(nd.dot(data, W1) + b1), W2) + b2)
                fit = nd.sum(softmax_cross_entropy(nd.dot(h, W3) + b3, nd.one_hot(label, 10)))
                loss = fit + 0.01 * sum(nd.sum(W**2) for W in (W1, W2, W3))
            loss.backward()
            SGD(params, 0.0005)
        losses.append(loss.asscalar())
    return losses


def momentum(param: Any, s: Any, t: int) -> None:
    s[0][:] = 0.9 * s[0] + 0.02 * param.grad
    param[:] = param - s[0]


def adagrad(param: Any, s: Any, t: int) -> None:
    g = param.grad
    s[0][:] += nd.square(g)
    param[:] -= 0.05 * g / nd.sqrt(s[0] + 1e-7)


def rmsprop(param: Any, s: Any, t: int) -> None:
    g = param.grad
    s[0][:] = 0.9 * s[0] + (1.0 - 0.9) * nd.square(g)
    param[:] -= 0.003 * g / nd.sqrt(s[0] + 1e-8)


def adadelta(param: Any, s: Any, t: int) -> None:
    g = param.grad
    s[0][:] = 0.9 * s[0] + (1.0 - 0.9) * nd.square(g)
    cur_delta = nd.sqrt(s[1] + 1e-5) / nd.sqrt(s[0] + 1e-5) * g
    s[1][:] = 0.9 * s[1] + (1.0 - 0.9) * cur_delta * cur_delta
    param[:] -= cur_delta


def adam(param: Any, s: Any, t: int) -> None:
    g = param.grad
    v, sqr = s
    v[:] = 0.9 * v + (1.0 - 0.9) * g
    sqr[:] = 0.999 * sqr + (1.0 - 0.999) * nd.square(g)
    v_bias_corr = v / (1.0 - 0.9**t)
    sqr_bias_corr = sqr / (1.0 - 0.999**t)
    param[:] = param - 0.001 * v_bias_corr / (nd.sqrt(sqr_bias_corr) + 1e-8)


def optimizing(rule: Callable[[Any, Any, int], None]) -> Callable[[Size], list[float]]:
    """The program of the chapter on an optimizer: the chapter's network, learned by `rule`."""

    def program(size: Size) -> list[float]:
        W1, b1, W2, b2, W3, b3 = params = _layers(size)
        states = [(nd.zeros_like(p), nd.zeros_like(p)) for p in params]
        X, labels = pictures(size), classes(size)
        losses = []
        for t, (data, label) in enumerate(batches_of(X, labels, batch=size.batch), 1):
            with autograd.record():
                h = relu(nd.dot(relu(nd.dot(data, W1) + b1), W2) + b2)
                loss = nd.mean(softmax_cross_entropy(nd.dot(h, W3) + b3, nd.one_hot(label, 10)))
            loss.backward()
            for param, state in zip(params, states, strict=True):
                rule(param, state, t)
            losses.append(loss.asscalar())
        return losses

    return program


def recurrent(size: Size) -> list[float]:
    """A simple recurrent network over sequences of characters, with its gradients clipped."""
    length, vocabulary = 8, 30
    hidden = size.hidden
    params = weights((vocabulary, hidden), (hidden, hidden), hidden, (hidden, vocabulary), vocabulary)
    Wxh, Whh, bh, Why, by = params
    numbers = nd.random.randint(0, vocabulary, shape=(size.steps * (length + 1), size.batch))
    losses = []
    for step in range(size.steps):
        text = numbers[step * (length + 1) : (step + 1) * (length + 1)]
        sequence = nd.one_hot(text, vocabulary)
        state = nd.zeros((size.batch, hidden))
        with autograd.record():
            loss = 0.0
            for i in range(length):
                state = nd.tanh(nd.dot(sequence[i], Wxh) + nd.dot(state, Whh) + bh)
                loss = loss + nd.mean(softmax_cross_entropy(nd.dot(state, Why) + by, sequence[i + 1]))
        loss.backward()
        norm = nd.zeros(1)
        for param in params:
            norm = norm + nd.sum(param.grad**2)
        norm = nd.sqrt(norm).asscalar()
        if norm > 5:
            for param in params:
                param.grad[:] *= 5 / norm
        SGD(params, 0.1)
        losses.append((loss / length).asscalar())
    return losses


PROGRAMS: dict[str, Callable[[Size], list[float]]] = {
    "linear regression": linear_regression,
    "softmax regression": softmax_regression,
    "dropout": dropout,
    "weight decay": weight_decay,
    "momentum": optimizing(momentum),
    "adagrad": optimizing(adagrad),
    "rmsprop": optimizing(rmsprop),
    "adadelta": optimizing(adadelta),
    "adam": optimizing(adam),
    "recurrent network": recurrent,
}
