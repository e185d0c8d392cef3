"""Dense, Dropout, Embedding, Flatten against NumPy."""

from typing import Any

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError
from lamina.gluon import nn

rng = np.random.default_rng(0)


def test_dense_flattens_its_input():
    layer = nn.Dense(4, activation="relu")
    layer.initialize("normal")
    layer.bias.set_data(nd.array(rng.normal(size=4)))
    x = rng.normal(size=(5, 2, 3)).astype(np.float32)
    out = layer(nd.array(x)).asnumpy()
    w, b = layer.weight.data().asnumpy(), layer.bias.data().asnumpy()
    assert w.shape == (4, 6)
    np.testing.assert_allclose(out, np.maximum(x.reshape(5, 6) @ w.T + b, 0), rtol=1e-5, atol=1e-6)


def test_dense_without_flatten_works_on_the_last_axis():
    layer = nn.Dense(4, flatten=False, use_bias=False)
    layer.initialize("normal")
    x = rng.normal(size=(5, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(
        layer(nd.array(x)).asnumpy(), x @ layer.weight.data().asnumpy().T, rtol=1e-5, atol=1e-6
    )
    assert layer.bias is None
    assert list(layer.collect_params()) == [layer.weight.name]


def test_dense_bias_is_zero_whatever_the_initializer():
    layer = nn.Dense(4, in_units=2)
    layer.initialize("ones")
    assert layer.weight.data().asnumpy().all()
    assert not layer.bias.data().asnumpy().any()
    chosen = nn.Dense(4, in_units=2, bias_initializer="ones")
    chosen.initialize("zeros")
    assert chosen.bias.data().asnumpy().all()


def test_dense_gradients():
    layer = nn.Dense(2, in_units=3)
    layer.initialize("normal")
    x = rng.normal(size=(4, 3)).astype(np.float32)
    head = rng.normal(size=(4, 2)).astype(np.float32)
    with autograd.record():
        y = layer(nd.array(x))
    y.backward(nd.array(head))
    np.testing.assert_allclose(layer.weight.grad().asnumpy(), head.T @ x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.bias.grad().asnumpy(), head.sum(0), rtol=1e-5, atol=1e-6)


def test_dense_in_float64():
    layer = nn.Dense(2, dtype="float64")
    layer.initialize()
    assert layer(nd.ones((1, 3), dtype="float64")).dtype == np.float64


def test_dense_prints_what_is_known():
    assert repr(nn.Dense(3)) == "Dense(None -> 3, linear)"
    assert repr(nn.Dense(3, "tanh", in_units=2)) == "Dense(2 -> 3, Activation(tanh))"


def test_dropout_keeps_the_mean_in_training_and_does_nothing_else():
    layer = nn.Dropout(0.25)
    x = nd.ones((100, 100))
    assert (layer(x) == x).min()
    with autograd.train_mode():
        y = layer(x).asnumpy()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    with autograd.record(train_mode=False):
        assert (layer(x) == x).min()


def test_dropout_shares_its_mask_along_axes():
    with autograd.train_mode():
        y = nn.Dropout(0.5, axes=(0,))(nd.ones((50, 100))).asnumpy()
    assert np.array_equal(y, np.broadcast_to(y[:1], y.shape))
    assert 0 < (y[0] == 0).sum() < 100


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_dropout_rates_are_probabilities(rate):
    with pytest.raises(ParameterError, match=f"between 0 and 1, not {rate}"):
        nn.Dropout(rate)


def test_embedding_rows_and_their_gradient():
    layer = nn.Embedding(5, 3)
    layer.initialize("normal")
    table = layer.weight.data().asnumpy()
    index = np.array([[0, 4], [4, 2]], np.int32)
    with autograd.record():
        y = layer(nd.array(index, dtype="int32"))
    y.backward()
    assert np.array_equal(y.asnumpy(), table[index])
    assert np.array_equal(layer.weight.grad().asnumpy(), np.array([1, 0, 1, 0, 2])[:, None] * np.ones(3))
    assert repr(layer) == "Embedding(5 -> 3, float32)"


def test_embedding_takes_float_indices_and_clips():
    layer = nn.Embedding(5, 3, sparse_grad=True)
    layer.initialize()
    table = layer.weight.data().asnumpy()
    assert np.array_equal(layer(nd.array([1, 7, -1])).asnumpy(), table[[1, 4, 0]])


def test_flatten():
    assert nn.Flatten()(nd.zeros((2, 3, 4))).shape == (2, 12)
    assert repr(nn.Flatten()) == "Flatten"


def test_a_wrong_width_is_an_error():
    layer = nn.Dense(2, in_units=3)
    layer.initialize()
    with pytest.raises(ShapeError, match="FullyConnected"):
        layer(nd.ones((1, 5)))


@pytest.mark.parametrize("axes", [0, np.int64(0), np.array([0]), (0,), [0]], ids=repr)
def test_one_axis_of_dropout_shares_its_fate(axes: Any) -> None:
    with autograd.train_mode():
        y = nn.Dropout(0.5, axes=axes)(nd.ones((40, 50))).asnumpy()
    assert (y == y[:1]).all() and 0 < y[0].sum() < 100


@pytest.mark.parametrize("layer", [nn.ELU, nn.LeakyReLU, nn.Swish, nn.BatchNorm, nn.LayerNorm, nn.GroupNorm])
def test_a_setting_that_is_no_number_is_told_when_the_layer_is_made(layer: Any) -> None:
    name = {nn.ELU: "alpha", nn.LeakyReLU: "alpha", nn.Swish: "beta"}.get(layer, "epsilon")
    with pytest.raises(ValueError, match=f"{name} must be a number, not '0.5'"):
        layer(**{name: "0.5"})


def test_an_axis_is_a_whole_number() -> None:
    with pytest.raises(ValueError, match=r"axis must be a whole number, not 1\.5"):
        nn.BatchNorm(axis=1.5)
