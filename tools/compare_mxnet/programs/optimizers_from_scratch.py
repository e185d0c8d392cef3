"""Optimizers from scratch: momentum, AdaGrad, RMSProp, AdaDelta, Adam, Yogi; beside those of Gluon."""

import numpy

from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()
draws = numpy.random.RandomState(5)
features = np.array(draws.normal(size=(60, 3)), dtype="float32")
labels = np.dot(features, np.array([1.0, -2.0, 0.5])) + 0.3


def sgd_momentum(params, states, hyperparams):
    for p, v in zip(params, states):
        v[:] = hyperparams["momentum"] * v + p.grad
        p[:] -= hyperparams["lr"] * v


def adagrad(params, states, hyperparams):
    eps = 1e-6
    for p, s in zip(params, states):
        s[:] += np.square(p.grad)
        p[:] -= hyperparams["lr"] * p.grad / np.sqrt(s + eps)


def rmsprop(params, states, hyperparams):
    gamma, eps = hyperparams["gamma"], 1e-6
    for p, s in zip(params, states):
        s[:] = gamma * s + (1 - gamma) * np.square(p.grad)
        p[:] -= hyperparams["lr"] * p.grad / np.sqrt(s + eps)


def adadelta(params, states, hyperparams):
    rho, eps = hyperparams["rho"], 1e-5
    for p, (s, delta) in zip(params, states):
        s[:] = rho * s + (1 - rho) * np.square(p.grad)
        g = (np.sqrt(delta + eps) / np.sqrt(s + eps)) * p.grad
        p[:] -= g
        delta[:] = rho * delta + (1 - rho) * g * g


def adam(params, states, hyperparams):
    beta1, beta2, eps = 0.9, 0.999, 1e-6
    for p, (v, s) in zip(params, states):
        v[:] = beta1 * v + (1 - beta1) * p.grad
        s[:] = beta2 * s + (1 - beta2) * np.square(p.grad)
        v_bias_corr = v / (1 - beta1 ** hyperparams["t"])
        s_bias_corr = s / (1 - beta2 ** hyperparams["t"])
        p[:] -= hyperparams["lr"] * v_bias_corr / (np.sqrt(s_bias_corr) + eps)
    hyperparams["t"] += 1


def yogi(params, states, hyperparams):
    beta1, beta2, eps = 0.9, 0.999, 1e-3
    for p, (v, s) in zip(params, states):
        v[:] = beta1 * v + (1 - beta1) * p.grad
        s[:] = s + (1 - beta2) * np.sign(np.square(p.grad) - s) * np.square(p.grad)
        v_bias_corr = v / (1 - beta1 ** hyperparams["t"])
        s_bias_corr = s / (1 - beta2 ** hyperparams["t"])
        p[:] -= hyperparams["lr"] * v_bias_corr / (np.sqrt(s_bias_corr) + eps)
    hyperparams["t"] += 1


def trained(update, hyperparams, pairs):
    w, b = np.array([[0.1], [-0.1], [0.2]]), np.zeros(1)
    shapes = ((3, 1), (1,))
    states = [(np.zeros(s), np.zeros(s)) if pairs else np.zeros(s) for s in shapes]
    w.attach_grad()
    b.attach_grad()
    history = []
    for epoch in range(2):
        for i in range(0, 60, 10):
            X, y = features[i : i + 10], labels[i : i + 10]
            with autograd.record():
                l = ((np.dot(X, w) + b - y.reshape(-1, 1)) ** 2 / 2).mean()
            l.backward()
            update([w, b], states, hyperparams)
        history.append(l.item())
    return [history, w, b]


by_hand = [
    trained(sgd_momentum, {"lr": 0.02, "momentum": 0.5}, False), trained(adagrad, {"lr": 0.1}, False),
    trained(rmsprop, {"lr": 0.01, "gamma": 0.9}, False), trained(adadelta, {"rho": 0.9}, True),
    trained(adam, {"lr": 0.01, "t": 1}, True), trained(yogi, {"lr": 0.01, "t": 1}, True),
]  # fmt: skip


def with_trainer(name, settings):
    net = nn.Dense(1)
    net.initialize(init.Constant(0.1))
    trainer = gluon.Trainer(net.collect_params(), name, settings)
    loss = gluon.loss.L2Loss()
    for i in range(0, 60, 10):
        with autograd.record():
            l = loss(net(features[i : i + 10]), labels[i : i + 10])
        l.backward()
        trainer.step(10)
    return net.weight.data()


names = {
    "sgd": {"momentum": 0.9},
    "adagrad": {},
    "rmsprop": {"gamma1": 0.9},
    "adadelta": {"rho": 0.9},
    "adam": {},
}
results = [by_hand, [with_trainer(name, {"learning_rate": 0.05, **more}) for name, more in names.items()]]
