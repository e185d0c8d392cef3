"""Activations against their formulas in NumPy and SciPy."""

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError
from lamina.estimators.network import Architecture
from lamina.gluon import nn
from lamina.nd.activation import ACTIVATIONS as REGISTERED

A = np.linspace(-3, 3, 24).reshape(4, 6) + 0.01
x = nd.array(A, dtype="float64")

ACTIVATIONS: dict[str, Any] = {
    "relu": lambda a: np.maximum(a, 0),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softrelu": lambda a: np.logaddexp(a, 0),
    "softsign": lambda a: a / (1 + np.abs(a)),
    "log_sigmoid": special.log_expit,
    "mish": lambda a: a * np.tanh(np.logaddexp(a, 0)),
}


BY_NAME_ALONE: dict[str, Any] = {
    "identity": lambda a: a,
    "logistic": special.expit,
    "softplus": lambda a: np.logaddexp(a, 0),
    "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
    "elu": lambda a: np.where(a > 0, a, np.expm1(a)),
    "selu": lambda a: 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(a)),
    "gelu": lambda a: a * stats.norm.cdf(a),
    "silu": lambda a: a * special.expit(a),
    "hard_sigmoid": lambda a: np.clip(0.2 * a + 0.5, 0, 1),
}


@pytest.mark.parametrize("name", {**ACTIVATIONS, **BY_NAME_ALONE})
def test_what_is_chosen_by_name_is_the_same_for_everybody(name: str) -> None:
    expected = {**ACTIVATIONS, **BY_NAME_ALONE}[name](A)
    np.testing.assert_allclose(nd.Activation(x, act_type=name).asnumpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(nn.Activation(name)(x).asnumpy(), expected, rtol=1e-12)
    layers = Architecture(0, 1, (), 1, hidden=(1,), activation=name).activations()
    np.testing.assert_allclose(layers[0](x).asnumpy(), expected, rtol=1e-12)


def test_every_name_has_its_formula_here() -> None:
    assert set(REGISTERED) == {*ACTIVATIONS, *BY_NAME_ALONE}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_mish_is_accurate_and_does_not_overflow(dtype: str) -> None:
    a = np.concatenate([np.linspace(-20, 20, 401), [-300.0, 4.99, 5.01, 29.9, 30.1, 300.0]])
    v = nd.array(a, dtype=dtype)
    v.attach_grad()
    with autograd.record():
        y = nd.mish(v)
    y.backward()
    wide = v.asnumpy().astype(np.longdouble)
    t = np.tanh(np.logaddexp(wide, 0))
    slope = t + wide * (1 - t * t) / (1 + np.exp(-wide))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y.asnumpy(), wide * t, rtol=8 * eps, atol=eps)
    np.testing.assert_allclose(v.grad.asnumpy(), slope, rtol=8 * eps, atol=80 * eps)


@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_activation(act_type: str) -> None:
    expected = ACTIVATIONS[act_type](A)
    np.testing.assert_allclose(nd.Activation(x, act_type=act_type).asnumpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(getattr(nd, act_type)(x).asnumpy(), expected, rtol=1e-12)


def test_an_unknown_activation_lists_the_known_ones() -> None:
    with pytest.raises(
        ParameterError,
        match=r"unknown activation 'softplu'. Did you mean 'softplus'\? Known: identity, relu, ",
    ):
        nd.Activation(x, act_type="softplu")
    with pytest.raises(ParameterError, match="known: leaky, elu, selu, gelu, prelu, rrelu"):
        nd.LeakyReLU(x, act_type="swish")


LEAKY: dict[str, Any] = {
    "leaky": lambda a: np.where(a > 0, a, 0.25 * a),
    "elu": lambda a: np.where(a > 0, a, 0.25 * np.expm1(a)),
    "selu": lambda a: 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(a)),
    "gelu": lambda a: a * stats.norm.cdf(a),
    "rrelu": lambda a: np.where(a > 0, a, (0.125 + 0.334) / 2 * a),
}


@pytest.mark.parametrize("act_type", LEAKY)
def test_leaky_relu_kinds(act_type: str) -> None:
    np.testing.assert_allclose(nd.LeakyReLU(x, act_type=act_type).asnumpy(), LEAKY[act_type](A), rtol=1e-12)


def test_prelu_has_slopes_for_axis_0_where_only_that_fits() -> None:
    slopes = np.linspace(0.1, 0.6, len(A))
    assert len(A) != A.shape[1]
    y = nd.LeakyReLU(x, nd.array(slopes, dtype="float64"), act_type="prelu")
    np.testing.assert_allclose(y.asnumpy(), np.where(A > 0, A, slopes[:, None] * A))
    with pytest.raises(ShapeError, match=r"gamma \(9,\) does not fit axis 1 or 0"):
        nd.LeakyReLU(x, nd.ones(9), act_type="prelu")


def test_prelu_has_a_slope_for_each_place_on_axis_1() -> None:
    slopes = np.linspace(0.1, 0.6, 6)
    gamma = nd.array(slopes, dtype="float64")
    gamma.attach_grad()
    with autograd.record():
        y = nd.LeakyReLU(x, gamma, act_type="prelu")
    y.backward()
    np.testing.assert_allclose(y.asnumpy(), np.where(A > 0, A, slopes * A))
    np.testing.assert_allclose(gamma.grad.asnumpy(), np.minimum(A, 0).sum(0))
    one = nd.LeakyReLU(x, nd.array([0.5], dtype="float64"), act_type="prelu")
    np.testing.assert_allclose(one.asnumpy(), np.where(A > 0, A, 0.5 * A))
    with pytest.raises(ParameterError, match="needs the slopes, gamma"):
        nd.LeakyReLU(x, act_type="prelu")
    with pytest.raises(ShapeError, match=r"gamma \(5,\) does not fit axis 1 or 0 of data \(4, 6\)"):
        nd.prelu(x, nd.ones(5, dtype="float64"))


def test_rrelu_draws_its_slopes_while_training() -> None:
    with autograd.train_mode():
        slopes = (nd.LeakyReLU(-nd.ones((50, 40)), act_type="rrelu") * -1).asnumpy()
    assert 0.125 <= slopes.min() < 0.13
    assert 0.33 < slopes.max() < 0.334


@pytest.mark.parametrize(
    ("name", "at_zero"),
    [("relu", 0), ("leaky_relu", 0.25), ("elu", 0.25), ("softrelu", 0.5), ("softsign", 1), ("gelu", 0.5)],
)
def test_the_gradient_at_zero(name: str, at_zero: float) -> None:
    v = nd.zeros(1)
    v.attach_grad()
    with autograd.record():
        y = getattr(nd, name)(v)
    y.backward()
    assert v.grad.asscalar() == at_zero


def test_large_arguments_neither_overflow_nor_lose_their_gradient() -> None:
    v = nd.array([-200.0, 200.0])
    v.attach_grad()
    for name in ("elu", "selu", "softrelu", "log_sigmoid", "sigmoid", "softsign", "gelu", "mish"):
        with autograd.record():
            y = getattr(nd, name)(v)
        y.backward()
        assert np.isfinite(y.asnumpy()).all(), name
        assert np.isfinite(v.grad.asnumpy()).all(), name


def test_hard_sigmoid() -> None:
    v = nd.array([-4.0, -1.0, 0.0, 1.0, 4.0])
    v.attach_grad()
    with autograd.record():
        y = nd.hard_sigmoid(v)
    y.backward()
    np.testing.assert_allclose(y.asnumpy(), [0, 0.3, 0.5, 0.7, 1], rtol=1e-6)
    np.testing.assert_allclose(v.grad.asnumpy(), [0, 0.2, 0.2, 0.2, 0])
