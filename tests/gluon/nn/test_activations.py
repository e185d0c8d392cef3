"""Activation layers against their formulas in NumPy, and their gradients against finite differences in
float64."""

import math

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import ParameterError
from lamina.gluon import nn

erf = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(x))


FORMULAS = [
    (nn.Activation("relu"), lambda x: np.maximum(x, 0)),
    (nn.Activation("sigmoid"), sigmoid),
    (nn.Activation("tanh"), np.tanh),
    (nn.Activation("softrelu"), lambda x: np.log1p(np.exp(x))),
    (nn.Activation("softsign"), lambda x: x / (1 + np.abs(x))),
    (nn.LeakyReLU(0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    (nn.PReLU(), lambda x: np.where(x > 0, x, 0.25 * x)),
    (nn.ELU(), lambda x: elu(x, 1)),
    (nn.ELU(0.5), lambda x: elu(x, 0.5)),
    (nn.SELU(), lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772)),
    (nn.GELU(), lambda x: x / 2 * (1 + erf(x / math.sqrt(2)))),
    (nn.Swish(), lambda x: x * sigmoid(x)),
    (nn.Swish(2.0), lambda x: x * sigmoid(2 * x)),
    (nn.SiLU(), lambda x: x * sigmoid(x)),
    (nn.Mish(), lambda x: x * np.tanh(np.log1p(np.exp(x)))),
]
X = np.array([[-3.1, -1.2, -0.4], [0.3, 1.1, 2.7]])


@pytest.mark.parametrize(("layer", "formula"), FORMULAS, ids=lambda case: repr(case)[:20])
def test_value_and_gradient(layer, formula):
    layer.collect_params().initialize(force_reinit=True)
    layer.cast("float64")
    x = nd.array(X, dtype="float64")
    x.attach_grad()
    with autograd.record():
        y = layer(x)
    y.backward()
    np.testing.assert_allclose(y.asnumpy(), formula(X), rtol=1e-12)
    slope = (formula(X + 1e-6) - formula(X - 1e-6)) / 2e-6
    np.testing.assert_allclose(x.grad.asnumpy(), slope, rtol=1e-7, atol=1e-8)


def test_prelu_learns_a_slope_for_each_channel():
    layer = nn.PReLU(in_channels=3, alpha_initializer="ones")
    layer.initialize()
    layer.alpha.set_data(nd.array([0.1, 0.2, 0.3]))
    x = nd.array(X)
    with autograd.record():
        y = layer(x)
    y.backward()
    np.testing.assert_allclose(y.asnumpy(), np.where(X > 0, X, X * [0.1, 0.2, 0.3]), rtol=1e-6)
    np.testing.assert_allclose(layer.alpha.grad().asnumpy(), np.minimum(X, 0).sum(0), rtol=1e-6)


def test_unknown_or_impossible_activations():
    with pytest.raises(
        ParameterError, match=r"unknown activation 'reul'. Did you mean 'relu'\? Known: identity, relu"
    ):
        nn.Activation("reul")
    with pytest.raises(ParameterError, match="unknown activation 'reul'"):
        nn.Dense(3, activation="reul")
    with pytest.raises(ParameterError, match="at least 0, not -1"):
        nn.LeakyReLU(-1)
