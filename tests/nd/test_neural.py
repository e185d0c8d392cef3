"""FullyConnected and Dropout."""

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError

rng = np.random.default_rng(0)


def test_fully_connected_flattens_all_but_the_first_axis() -> None:
    a, w, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(5, 12)), rng.normal(size=5)
    x, weight, bias = (nd.array(v, dtype="float64") for v in (a, w, b))
    out = nd.FullyConnected(x, weight, bias, num_hidden=5)
    np.testing.assert_allclose(out.asnumpy(), a.reshape(2, 12) @ w.T + b)
    bare = nd.FullyConnected(data=x, weight=weight, num_hidden=5, no_bias=True)
    np.testing.assert_allclose(bare.asnumpy(), a.reshape(2, 12) @ w.T)


def test_fully_connected_on_the_last_axis() -> None:
    a, w = rng.normal(size=(2, 3, 4)), rng.normal(size=(5, 4))
    out = nd.FullyConnected(nd.array(a), nd.array(w), nd.zeros(5), num_hidden=5, flatten=False)
    np.testing.assert_allclose(out.asnumpy(), a @ w.T, rtol=1e-5, atol=1e-6)
    assert nd.FullyConnected(nd.ones(3), nd.ones((4, 3)), nd.zeros(4), flatten=False).shape == (4,)


def test_fully_connected_errors() -> None:
    with pytest.raises(
        ShapeError, match=r"data \(2, 3\).*num_hidden=5 needs a weight of shape \(5, 3\), got \(4, 3\)"
    ):
        nd.FullyConnected(nd.ones((2, 3)), nd.ones((4, 3)), nd.zeros(4), num_hidden=5)
    with pytest.raises(ParameterError, match="pass a bias, or no_bias=True"):
        nd.FullyConnected(nd.ones((2, 3)), nd.ones((4, 3)), num_hidden=4)


def test_dropout_is_active_in_training_mode_with_or_without_recording() -> None:
    x = nd.ones((100, 100))
    assert (nd.Dropout(x, p=0.3) == x).min()
    for mode in (autograd.record(), autograd.train_mode()):
        with mode:
            out = nd.Dropout(x, p=0.3).asnumpy()
        assert set(np.unique(out)) == {0, np.float32(1 / 0.7)}
        assert abs((out == 0).mean() - 0.3) < 0.02
    with autograd.record(train_mode=False):
        assert (nd.Dropout(x, p=0.3) == x).min()
    assert (nd.Dropout(x, p=0.3, mode="always") == 0).max()


def test_dropout_masks_are_new_each_time_and_the_gradient_uses_the_same() -> None:
    x = nd.ones((20, 20))
    x.attach_grad()
    with autograd.record():
        first, second = nd.Dropout(x, p=0.5), nd.Dropout(x, p=0.5)
    assert (first != second).max()
    first.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), first.asnumpy())


def test_dropout_shared_along_axes_and_its_limits() -> None:
    out = nd.Dropout(nd.ones((50, 7)), p=0.5, mode="always", axes=(1,)).asnumpy()
    assert (out == out[:, :1]).all()
    assert nd.Dropout(nd.ones(3), p=1, mode="always").asnumpy().tolist() == [0, 0, 0]
    with pytest.raises(ParameterError, match=r"p=1\.5 is not a probability"):
        nd.Dropout(nd.ones(3), p=1.5)
    with pytest.raises(ParameterError, match="known: training, always"):
        nd.Dropout(nd.ones(3), mode="never")
