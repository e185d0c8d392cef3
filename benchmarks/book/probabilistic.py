"""Bayes by backprop, a variational autoencoder and a matrix factorization: what draws random numbers, or looks up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from book.from_scratch import SGD, relu, softmax_cross_entropy, weights
from book.size import Size, batches_of, classes, pictures
from lamina import autograd, nd

__all__ = ["PROGRAMS"]


def log_gaussian(x: Any, mu: Any, sigma: Any) -> Any:
    return -0.5 * math.log(2.0 * math.pi) - nd.log(sigma) - (x - mu) ** 2 / (2 * sigma**2)


def scale_mixture_prior(x: Any) -> Any:
    first = 0.75 * nd.exp(log_gaussian(x, 0.0, nd.array([1.0])))
    second = 0.25 * nd.exp(log_gaussian(x, 0.0, nd.array([0.2])))
    return nd.log(first + second)


def bayes_by_backprop(size: Size) -> list[float]:
    """Means and scales of all weights are learned; the weights are drawn at each step (Blundell et al., 2015)."""
    shapes: list[Any] = [(size.inputs, size.hidden), (size.hidden,), (size.hidden, 10), (10,)]
    mus = weights(*shapes)
    rhos = [nd.random_normal(loc=-3, scale=0.1, shape=shape) for shape in shapes]
    for rho in rhos:
        rho.attach_grad()
    X, labels = pictures(size), classes(size)
    losses, moving_loss = [], 0.0
    for data, label in batches_of(X, labels, batch=size.batch):
        with autograd.record():
            epsilons = [nd.random_normal(shape=mu.shape, loc=0.0, scale=1.0) for mu in mus]
            sigmas = [nd.log(1.0 + nd.exp(rho)) for rho in rhos]
            drawn = [mu + sigma * epsilon for mu, sigma, epsilon in zip(mus, sigmas, epsilons, strict=True)]
            W1, b1, W2, b2 = drawn
            output = nd.dot(relu(nd.dot(data, W1) + b1), W2) + b2
            log_likelihood = nd.sum(-softmax_cross_entropy(output, nd.one_hot(label, 10)))
            log_prior = sum(nd.sum(scale_mixture_prior(w)) for w in drawn)
            log_posterior = sum(
                nd.sum(log_gaussian(w, mu, sigma)) for w, mu, sigma in zip(drawn, mus, sigmas, strict=True)
            )
            loss = (log_posterior - log_prior) / size.steps - log_likelihood
        loss.backward()
        SGD(mus + rhos, 0.0001)
        moving_loss = 0.99 * moving_loss + 0.01 * nd.mean(loss).asscalar()
        losses.append(moving_loss)
    return losses


def autoencoder(size: Size) -> list[float]:
    """Codes of five numbers, drawn between encoder and decoder (Kingma & Welling, 2014)."""
    n, m, codes = size.inputs, size.hidden, 5
    params = weights((n, m), m, (m, 2 * codes), 2 * codes, (codes, m), m, (m, n), n, scale=0.05)
    W1, b1, W2, b2, W3, b3, W4, b4 = params
    losses = []
    for (data,) in batches_of(pictures(size), batch=size.batch):
        with autograd.record():
            h = nd.dot(nd.tanh(nd.dot(data, W1) + b1), W2) + b2
            mu, log_variance = nd.split(h, axis=1, num_outputs=2)
            epsilon = nd.random_normal(0, 1, shape=(size.batch, codes))
            z = mu + nd.exp(0.5 * log_variance) * epsilon
            y = nd.sigmoid(nd.dot(nd.tanh(nd.dot(z, W3) + b3), W4) + b4)
            divergence = -0.5 * nd.sum(1 + log_variance - mu * mu - nd.exp(log_variance), axis=1)
            likelihood = nd.sum(data * nd.log(y + 1e-10) + (1 - data) * nd.log(1 - y + 1e-10), axis=1)
            loss = divergence - likelihood
        loss.backward()
        SGD(params, 0.0001)
        losses.append(nd.mean(loss).asscalar())
    return losses


def matrix_factorization(size: Size) -> list[float]:
    """Ratings as products of rows of two tables."""
    users, items, factors = 30 * size.batch, 40 * size.batch, size.hidden // 4 + 1
    U, V = params = weights((users, factors), (items, factors))
    n = size.steps * size.batch
    rows = nd.random.randint(0, users, shape=(n,))
    columns = nd.random.randint(0, items, shape=(n,))
    scores = nd.random_uniform(0, 5, shape=(n,))
    losses = []
    for user, item, score in batches_of(rows, columns, scores, batch=size.batch):
        with autograd.record():
            guess = nd.sum(nd.take(U, user) * nd.take(V, item), axis=1)
            loss = nd.mean((guess - score) ** 2)
        loss.backward()
        SGD(params, 0.05)
        losses.append(loss.asscalar())
    return losses


PROGRAMS: dict[str, Callable[[Size], list[float]]] = {
    "bayes by backprop": bayes_by_backprop,
    "variational autoencoder": autoencoder,
    "matrix factorization": matrix_factorization,
}
