"""Random numbers in symbols: names, shapes and dtypes are MXNet 1.9.1's."""

import numpy as np
import pytest

import lamina as mx
from lamina import nd
from lamina.symbol import load_json, var

A, B = np.array([[1, 2, 3], [4, 5, 6]], "float32"), np.array([[1, 1, 2], [2, 3, 1]], "float32")
S = mx.sym
a, b = var("a"), var("b")


def computed(symbol):
    """The outputs of a symbol, after a round trip through its text."""
    symbol = load_json(symbol.tojson())
    arrays = {"a": nd.array(A), "b": nd.array(B)}
    return symbol.bind(mx.cpu(), {name: arrays[name] for name in symbol.list_arguments()}).forward()


@pytest.mark.parametrize(
    ("make", "name", "shape"),
    [
        (lambda: S.sample_normal(a, b, shape=(2,)), "sample_normal0", (2, 3, 2)),
        (lambda: S.sample_gamma(a, b), "sample_gamma0", (2, 3)),
        (lambda: S.sample_uniform(a, b, shape=4), "sample_uniform0", (2, 3, 4)),
        (lambda: S.sample_exponential(a, shape=(2, 3)), "sample_exponential0", (2, 3, 2, 3)),
        (lambda: S.random.normal(a, b), "_sample_normal0", (2, 3)),
        (lambda: S.random.gamma(alpha=a, beta=b, shape=2), "_sample_gamma0", (2, 3, 2)),
        (lambda: S.random.uniform(0, 1, (2, 3)), "_random_uniform0", (2, 3)),
        (lambda: S.random.negative_binomial(3, 0.5, shape=(2,)), "_random_negative_binomial0", (2,)),
        (lambda: S.random.randn(2, 3), "_random_normal0", (2, 3)),
        (lambda: S.random.shuffle(a), "_shuffle0", (2, 3)),
        (lambda: S.random.normal_like(a), "normal_like0", (2, 3)),
        (lambda: S.random.uniform_like(a, low=2, high=3), "uniform_like0", (2, 3)),
    ],
)
def test_draws(make, name, shape):
    with mx.name.NameManager():
        symbol = make()
    (drawn,) = computed(symbol)
    assert (symbol.name, drawn.shape, drawn.dtype) == (name, shape, np.float32)


def test_draws_follow_their_parameters():
    draw = S.random.normal(a * 10, b * 0.01, shape=(3,))
    assert np.abs(computed(draw)[0].asnumpy() - 10 * A[..., None]).max() < 0.3
    mean = computed(S.random.exponential(2.0, shape=(4000,)))[0].asnumpy().mean()
    assert abs(mean - 2) < 0.2  # the standard error is 0.03
    classes, logs = computed(S.random.multinomial(S.softmax(a), shape=5))
    assert classes.dtype == np.int32
    assert classes.shape == logs.shape == (2, 5)
    probabilities = np.exp(A[0] - A[0].max()) / np.exp(A[0] - A[0].max()).sum()
    assert logs.asnumpy()[0] == pytest.approx(np.log(probabilities[classes.asnumpy()[0]]), abs=1e-5)


def test_names_of_nodes_of_contrib_and_linalg():
    with mx.name.NameManager():
        symbols = [S.contrib.arange_like(a), S.contrib.div_sqrt_dim(a), S.linalg.maketrian(a)]
    assert [x.name for x in symbols] == ["arange_like0", "div_sqrt_dim0", "maketrian0"]
