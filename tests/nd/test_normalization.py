"""Normalizations against their formulas in NumPy."""

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError

rng = np.random.default_rng(0)
A = rng.normal(2, 3, size=(6, 4, 5))


def statistics(axis: int = 1) -> tuple[nd.NDArray, ...]:
    """gamma, beta, moving mean and variance for an axis of A."""
    n = A.shape[axis]
    return tuple(
        nd.array(v, dtype="float64") for v in (rng.uniform(1, 2, n), rng.normal(size=n), [0.5] * n, [2.0] * n)
    )


def normalized(a: np.ndarray, mean: np.ndarray, var: np.ndarray, eps: float, axis: int) -> np.ndarray:
    shape = [1] * a.ndim
    shape[axis] = -1
    return (a - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_batch_norm_in_training_uses_and_remembers_the_batch(axis: int) -> None:
    gamma, beta, mean, var = statistics(axis)
    others = tuple(a for a in range(3) if a != axis % 3)
    with autograd.record():
        out = nd.BatchNorm(
            nd.array(A, dtype="float64"),
            gamma,
            beta,
            mean,
            var,
            eps=1e-3,
            momentum=0.8,
            fix_gamma=False,
            axis=axis,
        )
    shape = [1, 1, 1]
    shape[axis] = -1
    hat = normalized(A, A.mean(others), A.var(others), 1e-3, axis)
    expected = hat * gamma.asnumpy().reshape(shape) + beta.asnumpy().reshape(shape)
    np.testing.assert_allclose(out.asnumpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(mean.asnumpy(), 0.8 * 0.5 + 0.2 * A.mean(others))
    np.testing.assert_allclose(var.asnumpy(), 0.8 * 2.0 + 0.2 * A.var(others))


@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_with_the_moving_statistics(training: bool) -> None:
    gamma, beta, mean, var = statistics()
    with autograd.train_mode() if training else autograd.predict_mode():
        out = nd.BatchNorm(nd.array(A, dtype="float64"), gamma, beta, mean, var, use_global_stats=training)
    expected = normalized(A, mean.asnumpy(), var.asnumpy(), 1e-3, 1) + beta.asnumpy().reshape(1, -1, 1)
    np.testing.assert_allclose(out.asnumpy(), expected)
    assert set(mean.asnumpy()) == {0.5}
    assert set(var.asnumpy()) == {2.0}


def test_fixed_gamma_counts_as_one_and_gets_no_gradient() -> None:
    gamma, beta, mean, var = statistics()
    gamma.attach_grad()
    beta.attach_grad()
    with autograd.record():
        y = nd.BatchNorm(nd.array(A, dtype="float64"), gamma, beta, mean, var, fix_gamma=True)
    y.backward()
    assert not gamma.grad.asnumpy().any()
    np.testing.assert_allclose(beta.grad.asnumpy(), 30)


def test_batch_norm_can_give_its_statistics() -> None:
    gamma, beta, mean, var = statistics()
    with autograd.train_mode():
        out, batch_mean, scale = nd.BatchNorm(
            nd.array(A, dtype="float64"), gamma, beta, mean, var, eps=1e-5, output_mean_var=True
        )
    assert out.shape == A.shape
    np.testing.assert_allclose(batch_mean.asnumpy(), A.mean((0, 2)))
    np.testing.assert_allclose(scale.asnumpy(), 1 / np.sqrt(A.var((0, 2)) + 1e-5))


def test_batch_norm_statistics_of_another_size() -> None:
    with pytest.raises(ShapeError, match=r"axis 1 of data \(2, 3\) needs beta of shape \(3,\), got \(4,\)"):
        nd.BatchNorm(nd.ones((2, 3)), nd.ones(3), nd.ones(4), nd.ones(3), nd.ones(3))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_layer_norm(axis: int) -> None:
    n = A.shape[axis]
    g, b = rng.uniform(1, 2, n), rng.normal(size=n)
    given = (nd.array(v, dtype="float64") for v in (A, g, b))
    out, mean, std = nd.LayerNorm(*given, axis=axis, eps=1e-5, output_mean_var=True)
    shape = [1, 1, 1]
    shape[axis] = -1
    expected_std = np.sqrt(A.var(axis, keepdims=True) + 1e-5)
    hat = (A - A.mean(axis, keepdims=True)) / expected_std
    np.testing.assert_allclose(out.asnumpy(), hat * g.reshape(shape) + b.reshape(shape))
    np.testing.assert_allclose(mean.asnumpy(), A.mean(axis, keepdims=True))
    np.testing.assert_allclose(std.asnumpy(), expected_std)


@pytest.mark.parametrize(("mode", "axes"), [("instance", (1, 2)), ("channel", (1,)), ("spatial", (2,))])
def test_l2_normalization(mode: str, axes: tuple[int, ...]) -> None:
    out = nd.L2Normalization(nd.array(A, dtype="float64"), mode=mode).asnumpy()
    np.testing.assert_allclose(out, A / np.sqrt(np.square(A).sum(axes, keepdims=True) + 1e-10))


def test_an_unknown_mode_of_l2_normalization() -> None:
    with pytest.raises(ParameterError, match="known: instance, channel, spatial"):
        nd.L2Normalization(nd.ones((2, 2)), mode="row")
