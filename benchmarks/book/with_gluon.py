"""Networks of Gluon's layers, learned by its `Trainer`."""

from __future__ import annotations

from collections.abc import Callable

import lamina
from book.size import Size, batches_of, classes, pictures
from lamina import autograd, gluon, nd

__all__ = ["PROGRAMS"]


def layers(size: Size) -> list[float]:
    """The chapter's network, with dropout, and its accuracy."""
    net = gluon.nn.Sequential()
    with net.name_scope():
        net.add(gluon.nn.Dense(size.hidden, activation="relu"), gluon.nn.Dropout(0.5))
        net.add(gluon.nn.Dense(size.hidden, activation="relu"), gluon.nn.Dense(10))
    net.collect_params().initialize(lamina.init.Xavier())
    softmax_cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.001})
    X, labels = pictures(size), classes(size)
    losses = []
    for _ in range(2):
        for data, label in batches_of(X, labels, batch=size.batch):
            with autograd.record():
                loss = softmax_cross_entropy(net(data), label)
            loss.backward()
            trainer.step(data.shape[0])
            losses.append(nd.mean(loss).asscalar())
        accuracy = lamina.metric.Accuracy()
        for data, label in batches_of(X, labels, batch=size.batch):
            accuracy.update(preds=nd.argmax(net(data), axis=1), labels=label)
        losses.append(accuracy.get()[1])
    return losses


def adversarial(size: Size) -> list[float]:
    """The book's toy: two small networks that learn against each other, by steps in turn (Goodfellow et al., 2014)."""
    batch = 4 * size.batch
    A, b = nd.array([[1, 2], [-0.1, 0.5]]), nd.array([1, 2])
    X = nd.dot(nd.random_normal(shape=(size.steps * batch, 2)), A) + b
    generator, critic = gluon.nn.Sequential(), gluon.nn.Sequential()
    generator.add(gluon.nn.Dense(2))
    critic.add(gluon.nn.Dense(5, activation="tanh"), gluon.nn.Dense(3, activation="tanh"), gluon.nn.Dense(2))
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for net in (generator, critic):
        net.initialize(lamina.init.Normal(0.02))
    trainers = [
        gluon.Trainer(net.collect_params(), "adam", {"learning_rate": rate})
        for net, rate in ((generator, 0.01), (critic, 0.05))
    ]
    real_label, fake_label = nd.ones((batch,)), nd.zeros((batch,))
    seen: list[float] = []
    for (data,) in batches_of(X, batch=batch):
        noise = nd.random_normal(shape=(batch, 2))
        with autograd.record():
            fake = generator(noise)
            error = loss(critic(data), real_label) + loss(critic(fake.detach()), fake_label)
        error.backward()
        trainers[1].step(batch)
        with autograd.record():
            fooled = loss(critic(generator(noise)), real_label)
        fooled.backward()
        trainers[0].step(batch)
        seen += [nd.mean(error).asscalar(), nd.mean(fooled).asscalar()]
    return seen


def linear(size: Size) -> list[float]:
    """Linear regression: a layer of one unit, ten samples a step."""
    X = nd.random_normal(shape=(10 * size.steps, 2))
    y = 2 * X[:, 0] - 3.4 * X[:, 1] + 4.2 + 0.01 * nd.random_normal(shape=(10 * size.steps,))
    net = gluon.nn.Dense(1, in_units=2)
    net.collect_params().initialize(lamina.init.Normal(1.0))
    square_loss = gluon.loss.L2Loss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    losses = []
    for _ in range(3):
        cumulative_loss = 0
        for data, label in batches_of(X, y, batch=10):
            with autograd.record():
                loss = square_loss(net(data), label)
            loss.backward()
            trainer.step(10)
            cumulative_loss += nd.mean(loss).asscalar()
        losses.append(cumulative_loss)
    return losses


PROGRAMS: dict[str, Callable[[Size], list[float]]] = {
    "layers of Gluon's": layers,
    "adversarial networks": adversarial,
    "a linear layer": linear,
}
