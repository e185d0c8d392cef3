"""The layers that normalize, against NumPy."""

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import ShapeError
from lamina.gluon import nn

rng = np.random.default_rng(1)
X = rng.normal(2, 3, size=(6, 4)).astype(np.float32)
GAMMA, BETA = np.array([1, 2, 3, 4], np.float32), np.array([0, -1, 1, 0.5], np.float32)


def ready(layer):
    layer.initialize()
    layer(nd.array(X))
    for parameter, values in ((layer.gamma, GAMMA), (layer.beta, BETA)):
        parameter.set_data(nd.array(values))
    return layer


def normalized(x, axis):
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + 1e-5)


def test_batch_norm_uses_the_batch_in_training_and_running_statistics_else():
    layer = ready(nn.BatchNorm())
    np.testing.assert_allclose(layer(nd.array(X)).asnumpy(), X / np.sqrt(1 + 1e-5) * GAMMA + BETA, rtol=1e-5)
    mean, var = np.zeros(4), np.ones(4)
    for _ in range(3):
        with autograd.record():
            y = layer(nd.array(X))
        mean, var = 0.9 * mean + 0.1 * X.mean(0), 0.9 * var + 0.1 * X.var(0)
        np.testing.assert_allclose(y.asnumpy(), normalized(X, 0) * GAMMA + BETA, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.running_mean.data().asnumpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.data().asnumpy(), var, rtol=1e-5)
    expected = (X - mean) / np.sqrt(var + 1e-5) * GAMMA + BETA
    np.testing.assert_allclose(layer(nd.array(X)).asnumpy(), expected, rtol=1e-4, atol=1e-5)


def test_running_statistics_change_in_train_mode_only():
    layer = ready(nn.BatchNorm())
    before = layer.running_mean.data().asnumpy()
    layer(nd.array(X))
    with autograd.record(train_mode=False):
        layer(nd.array(X))
    assert np.array_equal(layer.running_mean.data().asnumpy(), before)
    with autograd.train_mode():
        layer(nd.array(X))
    assert not np.array_equal(layer.running_mean.data().asnumpy(), before)


def test_batch_norm_with_global_statistics():
    layer = ready(nn.BatchNorm(use_global_stats=True))
    with autograd.record():
        y = layer(nd.array(X))
    np.testing.assert_allclose(y.asnumpy(), X / np.sqrt(1 + 1e-5) * GAMMA + BETA, rtol=1e-5)
    assert not layer.running_mean.data().asnumpy().any()


def test_gamma_counts_as_one_without_scale():
    layer = ready(nn.BatchNorm(scale=False, center=False))
    with autograd.record():
        y = layer(nd.array(X))
    np.testing.assert_allclose(y.asnumpy(), normalized(X, 0) + BETA, rtol=1e-4, atol=1e-5)
    assert layer.gamma.grad_req == layer.beta.grad_req == "null"


def test_batch_norm_gradients():
    layer = ready(nn.BatchNorm())
    layer.cast("float64")
    x, head = nd.array(X, dtype="float64"), rng.normal(size=X.shape)
    x.attach_grad()
    with autograd.record():
        y = layer(x)
    y.backward(nd.array(head, dtype="float64"))

    def objective(values):
        return (head * (normalized(values, 0) * GAMMA + BETA)).sum()

    numeric = np.zeros_like(head)
    for i in np.ndindex(X.shape):
        up, down = X.astype(np.float64), X.astype(np.float64)
        up[i] += 1e-5
        down[i] -= 1e-5
        numeric[i] = (objective(up) - objective(down)) / 2e-5
    np.testing.assert_allclose(x.grad.asnumpy(), numeric, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        layer.gamma.grad().asnumpy(), (head * normalized(np.float64(X), 0)).sum(0), rtol=1e-6
    )
    np.testing.assert_allclose(layer.beta.grad().asnumpy(), head.sum(0), rtol=1e-9)


def test_batch_norm_of_images_and_other_axes():
    x = rng.normal(size=(3, 4, 2, 5)).astype(np.float32)
    for axis in (1, 3, -1):
        layer = nn.BatchNorm(axis=axis)
        layer.initialize()
        with autograd.train_mode():
            y = layer(nd.array(x)).asnumpy()
        others = tuple(a for a in range(4) if a != axis % 4)
        np.testing.assert_allclose(y, normalized(x, others), rtol=1e-4, atol=1e-5)
        assert layer.gamma.shape == (x.shape[axis],)


def test_layer_norm():
    layer = ready(nn.LayerNorm())
    np.testing.assert_allclose(
        layer(nd.array(X)).asnumpy(), normalized(X, 1) * GAMMA + BETA, rtol=1e-4, atol=1e-5
    )


def test_they_print_as_in_mxnet():
    assert repr(nn.BatchNorm()) == (
        "BatchNorm(axis=1, eps=1e-05, momentum=0.9, fix_gamma=False, use_global_stats=False, "
        "in_channels=None)"
    )
    assert (
        repr(nn.LayerNorm(in_channels=4))
        == "LayerNorm(eps=1e-05, axis=-1, center=True, scale=True, in_channels=4)"
    )


@pytest.mark.parametrize("kind", [nn.BatchNorm, nn.LayerNorm])
def test_half_precision(kind):
    layer = kind(in_channels=4)
    layer.cast("float16")
    assert np.dtype(layer.gamma.dtype) == (np.float32 if kind is nn.BatchNorm else np.float16)


PLANES = rng.normal(1, 2, size=(3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("axis", [1, 2])
def test_instance_norm_normalizes_each_place_of_its_axis(axis):
    layer = nn.InstanceNorm(axis=axis, scale=True, epsilon=1e-5)
    layer.initialize()
    y = layer(nd.array(PLANES)).asnumpy()
    np.testing.assert_allclose(y, normalized(PLANES, 3 - axis), rtol=1e-4, atol=1e-5)
    assert layer.gamma.shape == (PLANES.shape[axis],)
    assert [p.grad_req for p in nn.InstanceNorm().collect_params().values()] == ["null", "write"]


def test_group_norm_normalizes_groups_of_features():
    layer = nn.GroupNorm(num_groups=2)
    layer.initialize()
    layer.gamma.set_data(nd.array([2, 3]))
    layer.beta.set_data(nd.array([1, -1]))
    grouped = PLANES.reshape(3, 2, 10)
    expected = normalized(grouped, 2) * np.array([2, 3]).reshape(1, 2, 1) + np.array([1, -1]).reshape(1, 2, 1)
    y = layer(nd.array(PLANES)).asnumpy()
    np.testing.assert_allclose(y, expected.reshape(PLANES.shape), rtol=1e-4, atol=1e-5)
    assert repr(layer) == "GroupNorm(eps=1e-05, num_groups=2, center=True, scale=True)"


def test_groups_need_a_channel_axis():
    with pytest.raises(ShapeError, match=r"axis 1 of data \(4,\) can't be divided into 2 groups"):
        nd.GroupNorm(nd.ones(4), nd.ones(2), nd.zeros(2), num_groups=2)
