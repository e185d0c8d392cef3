"""Optimizers from scratch, on one page: each is a function of a parameter, its gradient and a small state.

python examples/optimizers_from_scratch.py [--epochs 3] [--limit N]
"""

import argparse

import lamina as mx
from lamina import autograd, nd

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--limit", type=int, default=1000, help="the number of samples")
args = parser.parse_args()


# Every optimizer gets the parameter w, its gradient g, its state s (zeros at first, two arrays like w) and t, the
# number of this step, from 1. It changes w and s in place.


def sgd(w, g, s, t, lr=0.2):
    w[:] = w - lr * g


def momentum(w, g, s, t, lr=0.02, mu=0.9):
    """A velocity, which follows the gradient (Polyak, 1964)."""
    v, _ = s
    v[:] = mu * v + lr * g
    w[:] = w - v


def nesterov(w, g, s, t, lr=0.02, mu=0.9):
    """Momentum that looks ahead (Nesterov, 1983)."""
    v, _ = s
    v[:] = mu * v + g
    w[:] = w - lr * (mu * v + g)


def adagrad(w, g, s, t, lr=0.9, eps=1e-7):
    """A step size for each weight, shrinking with the sum of squared gradients (Duchi et al., 2011)."""
    total, _ = s
    total[:] = total + g * g
    w[:] = w - lr * g / (nd.sqrt(total) + eps)


def rmsprop(w, g, s, t, lr=0.03, gamma=0.9, eps=1e-8):
    """AdaGrad that forgets (Tieleman & Hinton, 2012)."""
    average, _ = s
    average[:] = gamma * average + (1 - gamma) * g * g
    w[:] = w - lr * g / nd.sqrt(average + eps)


def adadelta(w, g, s, t, rho=0.9, eps=1e-3):
    """RMSProp without a learning rate: steps as large as the steps before (Zeiler, 2012)."""
    average, steps = s
    average[:] = rho * average + (1 - rho) * g * g
    step = nd.sqrt((steps + eps) / (average + eps)) * g
    steps[:] = rho * steps + (1 - rho) * step * step
    w[:] = w - step


def adam(w, g, s, t, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8):
    """Momentum and RMSProp, both corrected for their start at 0 (Kingma & Ba, 2015)."""
    m, v = s
    m[:] = beta1 * m + (1 - beta1) * g
    v[:] = beta2 * v + (1 - beta2) * g * g
    w[:] = w - lr * (m / (1 - beta1**t)) / (nd.sqrt(v / (1 - beta2**t)) + eps)


batch_size = 10
mx.random.seed(1)
true_weight, true_bias = nd.array([[2], [-3.4]]), 4.2
X = nd.random_normal(shape=(args.limit, 2))
y = nd.dot(X, true_weight) + true_bias + 0.01 * nd.random_normal(shape=(args.limit, 1))


def square_loss(prediction, label):
    return (prediction - label) ** 2 / 2


def train(optimizer):
    """The loss over all data after each epoch."""
    w, b = nd.zeros((2, 1)), nd.zeros(1)
    params = [w, b]
    states = [(nd.zeros_like(p), nd.zeros_like(p)) for p in params]
    for p in params:
        p.attach_grad()
    losses, t = [], 0
    for epoch in range(args.epochs):
        for i in range(0, args.limit, batch_size):
            data, label = X[i : i + batch_size], y[i : i + batch_size]
            with autograd.record():
                loss = nd.mean(square_loss(nd.dot(data, w) + b, label))
            loss.backward()
            t += 1
            for p, s in zip(params, states, strict=True):
                optimizer(p, p.grad, s, t)
        losses.append(nd.mean(square_loss(nd.dot(X, w) + b, y)).asscalar())
    return losses


print("loss after each epoch")
for optimizer in (sgd, momentum, nesterov, adagrad, rmsprop, adadelta, adam):
    print(f"{optimizer.__name__:10}", *(f"{loss:10.6f}" for loss in train(optimizer)))
