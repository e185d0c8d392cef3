"""The softmax family against SciPy."""

import numpy as np
import pytest
from scipy import special

from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError

A = np.random.default_rng(0).normal(size=(3, 4, 5)) * 3
x = nd.array(A, dtype="float64")


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_softmax_log_softmax_softmin(axis: int) -> None:
    np.testing.assert_allclose(nd.softmax(x, axis=axis).asnumpy(), special.softmax(A, axis), rtol=1e-12)
    np.testing.assert_allclose(x.log_softmax(axis=axis).asnumpy(), special.log_softmax(A, axis), rtol=1e-12)
    np.testing.assert_allclose(nd.softmin(x, axis=axis).asnumpy(), special.softmax(-A, axis), rtol=1e-12)


def test_temperature_and_dtype() -> None:
    np.testing.assert_allclose(
        nd.softmax(x, temperature=2.0).asnumpy(), special.softmax(A / 2, -1), rtol=1e-12
    )
    assert nd.softmax(nd.array(A, dtype="float16"), dtype="float32").dtype == np.float32


def test_extreme_scores() -> None:
    v = nd.array([[1000.0, 0.0], [-np.inf, 0.0], [-1000.0, -1000.0]])
    assert nd.softmax(v).asnumpy().tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    assert nd.log_softmax(v).asnumpy()[0].tolist() == [0, -1000]


def test_softmax_activation() -> None:
    flat = special.softmax(A.reshape(3, -1), -1).reshape(A.shape)
    np.testing.assert_allclose(nd.SoftmaxActivation(x).asnumpy(), flat, rtol=1e-12)
    np.testing.assert_allclose(
        nd.SoftmaxActivation(x, mode="channel").asnumpy(), special.softmax(A, 1), rtol=1e-12
    )
    with pytest.raises(ParameterError, match="known: instance, channel"):
        nd.SoftmaxActivation(x, mode="spatial")


def test_softmax_cross_entropy_sums_over_the_batch() -> None:
    scores = nd.array(A[0], dtype="float64")
    labels = np.array([0, 4, 2, 2])
    scores.attach_grad()
    with autograd.record():
        loss = nd.softmax_cross_entropy(scores, nd.array(labels))
    loss.backward()
    assert loss.shape == (1,)
    np.testing.assert_allclose(loss.asscalar(), -special.log_softmax(A[0], -1)[range(4), labels].sum())
    np.testing.assert_allclose(
        scores.grad.asnumpy(), special.softmax(A[0], -1) - np.eye(5)[labels], atol=1e-12
    )
    with pytest.raises(ShapeError, match=r"got \(4, 5\) and \(3,\)"):
        nd.softmax_cross_entropy(scores, nd.zeros(3))
