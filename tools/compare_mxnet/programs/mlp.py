"""Multilayer perceptrons, from scratch and with Gluon, with weight decay."""

import numpy

from mxnet import autograd, gluon, init, np, npx
from mxnet.gluon import nn

npx.set_np()
draws = numpy.random.RandomState(3)
X = np.array(draws.normal(size=(64, 6)), dtype="float32")
y = np.array((draws.normal(size=64) > 0) + 2 * (draws.normal(size=64) > 0), dtype="int32")
W1 = np.array(draws.normal(0, 0.1, (6, 16)), dtype="float32")
W2 = np.array(draws.normal(0, 0.1, (16, 4)), dtype="float32")
b1, b2 = np.zeros(16), np.zeros(4)
params = [W1, b1, W2, b2]
for param in params:
    param.attach_grad()


def relu(X):
    return np.maximum(X, 0)


def scratch(X):
    X = X.reshape((-1, 6))
    H = relu(np.dot(X, W1) + b1)
    return np.dot(H, W2) + b2


loss = gluon.loss.SoftmaxCrossEntropyLoss()
history = []
for _ in range(10):
    with autograd.record():
        l = loss(scratch(X), y) + 0.01 * sum((w**2).sum() / 2 for w in (W1, W2))
    l.backward()
    for param in params:
        param[:] -= 0.5 * param.grad / 64
    history.append(l.mean())

net = nn.Sequential()
net.add(nn.Dense(16, activation="relu"), nn.Dense(4))
net.initialize(init.Constant(0.02))
net(X)
net[0].weight.set_data(np.array(draws.normal(0, 0.1, (16, 6)), dtype="float32"))
net.collect_params(".*bias").setattr("wd_mult", 0)
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5, "wd": 0.01, "momentum": 0.9})
concise = []
for _ in range(10):
    with autograd.record():
        l = loss(net(X), y)
    l.backward()
    trainer.step(64)
    concise.append(l.mean())
x = np.arange(-4.0, 4.0, 1.0)
x.attach_grad()
slopes = []
for function in (npx.relu, npx.sigmoid, np.tanh):
    with autograd.record():
        out = function(x)
    out.backward()
    slopes.append((out, x.grad.copy()))
results = [history, W1, b2, concise, net[1].weight.data(), np.linalg.norm(W1), slopes, net(X).argmax(axis=1)]
