"""Random arrays: their distributions by SciPy's tests, their reproducibility, their shapes."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

import lamina as mx
from lamina import autograd, nd
from lamina.errors import ContextError, ParameterError

N = 20_000
CONTINUOUS: dict[str, tuple[Any, Any]] = {
    "uniform": (lambda: nd.random.uniform(-1, 3, shape=N), stats.uniform(-1, 4)),
    "normal": (lambda: nd.random.normal(2, 0.5, shape=N), stats.norm(2, 0.5)),
    "randn": (lambda: nd.random.randn(N, loc=1, scale=2), stats.norm(1, 2)),
    "exponential": (lambda: nd.random.exponential(2.5, shape=N), stats.expon(scale=2.5)),
    "gamma": (lambda: nd.random.gamma(0.7, 3.0, shape=N), stats.gamma(0.7, scale=3)),
    "random_exponential": (lambda: nd.random_exponential(lam=4, shape=N), stats.expon(scale=1 / 4)),
    "random_normal": (lambda: nd.random_normal(scale=0.01, shape=N), stats.norm(0, 0.01)),
}
DISCRETE: dict[str, tuple[Any, Any]] = {
    "poisson": (lambda: nd.random.poisson(3.5, shape=N), stats.poisson(3.5)),
    "negative_binomial": (lambda: nd.random.negative_binomial(4, 0.4, shape=N), stats.nbinom(4, 0.4)),
    "generalized": (
        lambda: nd.random.generalized_negative_binomial(2.0, 0.5, shape=N),
        stats.nbinom(2, 1 / (1 + 2 * 0.5)),
    ),
    "randint": (lambda: nd.random.randint(-2, 5, shape=N), stats.randint(-2, 5)),
    "multinomial": (
        lambda: nd.random.multinomial(nd.array([0.1, 0.0, 0.6, 0.3]), shape=N),
        stats.rv_discrete(values=(range(4), (0.1, 0.0, 0.6, 0.3))),
    ),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_distributions(name: str) -> None:
    nd.random.seed(17)
    draw, distribution = CONTINUOUS[name]
    sample = draw()
    assert sample.dtype == np.float32
    assert stats.kstest(sample.asnumpy().astype(np.float64), distribution.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_distributions(name: str) -> None:
    nd.random.seed(18)
    draw, distribution = DISCRETE[name]
    values, counts = np.unique(draw().asnumpy(), return_counts=True)
    expected = N * distribution.pmf(values)
    assert (expected > 0).all()
    common = expected > 5
    error = (counts - expected)[common] / np.sqrt(expected[common])
    assert stats.chi2.sf(np.square(error).sum(), max(1, common.sum() - 1)) > 1e-3


def test_the_seed_decides_and_streams_differ() -> None:
    mx.random.seed(5)
    first, second = nd.random.uniform(shape=4), nd.random.uniform(shape=4)
    mx.random.seed(5)
    assert (nd.random.uniform(shape=4) == first).min()
    assert (first != second).min()
    mx.random.seed(6)
    assert (nd.random.uniform(shape=4) != first).min()


def test_shapes_dtypes_and_contexts() -> None:
    assert nd.random.normal().shape == (1,)
    assert nd.random.normal(shape=3).shape == (3,)
    assert nd.random.uniform(shape=(2, 0)).shape == (2, 0)
    assert nd.random.uniform(shape=2, dtype="float64").dtype == np.float64
    assert nd.random.normal(shape=2, ctx=mx.cpu(1)).context == mx.cpu(1)
    assert nd.random.randint(5, shape=3).dtype == np.int32
    with pytest.raises(ContextError, match=r"gpu\(0\) is not available"):
        nd.random.normal(shape=2, ctx=mx.gpu())


def test_parameters_may_be_arrays_which_come_first_in_the_shape() -> None:
    low = nd.array([0, 10, 20])
    out = nd.sample_uniform(low, low + 1, shape=(4, 5))
    assert out.shape == (3, 4, 5)
    np.testing.assert_array_equal(
        np.floor(out.asnumpy()), np.broadcast_to(low.asnumpy()[:, None, None], (3, 4, 5))
    )
    assert nd.random.normal(low, 1).shape == (3,)
    assert nd.sample_normal(low, low + 1, shape=2).shape == (3, 2)
    assert nd.sample_gamma(low + 1, low + 1).shape == (3,)
    means = nd.sample_exponential(nd.array([0.1, 10.0]), shape=5000).mean(axis=1).asnumpy()
    np.testing.assert_allclose(means, [10, 0.1], rtol=0.1)
    rates = nd.sample_poisson(nd.array([1.0, 100.0]), shape=2000).mean(axis=1).asnumpy()
    np.testing.assert_allclose(rates, [1, 100], rtol=0.1)


def test_multinomial_of_rows_with_log_probabilities() -> None:
    p = nd.array([[0, 1, 0], [0.5, 0, 0.5]])
    samples, log_probability = nd.sample_multinomial(p, shape=(2, 3), get_prob=True)
    assert samples.shape == log_probability.shape == (2, 2, 3)
    assert samples.dtype == np.int32
    assert (samples[0] == nd.ones((2, 3), dtype="int32")).min()
    np.testing.assert_allclose(log_probability[1].asnumpy(), np.log(0.5), rtol=1e-6)
    assert nd.random.multinomial(p).shape == (2,)
    assert nd.random.multinomial(p[0]).shape == (1,)


@pytest.mark.parametrize(("shape", "drawn"), [(None, (2, 4)), (3, (2, 4, 3)), ((3, 2), (2, 4, 3, 2))])
def test_multinomial_of_many_rows(shape: Any, drawn: tuple[int, ...]) -> None:
    """The shapes and the gradient are those of MXNet 1.9.1."""
    p = nd.array(np.random.default_rng(0).dirichlet([1, 1, 1], (2, 4)))
    p.attach_grad()
    with autograd.record():
        classes, log_p = nd.random.multinomial(p, shape, get_prob=True)
    log_p.backward()
    assert classes.shape == log_p.shape == drawn and classes.dtype == np.int32
    index = classes.asnumpy().reshape(2, 4, -1)
    chosen = np.take_along_axis(p.asnumpy(), index, -1)
    np.testing.assert_allclose(log_p.asnumpy().reshape(index.shape), np.log(chosen), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(p.grad.asnumpy().sum(-1), (1 / chosen).sum(-1), rtol=1e-5)


def test_shuffle_permutes_rows() -> None:
    x = nd.arange(20).reshape((10, 2))
    out = nd.random.shuffle(x).asnumpy()
    assert out[np.argsort(out[:, 0])].tolist() == x.asnumpy().tolist()
    assert out.tolist() != x.asnumpy().tolist()
    assert nd.shuffle is nd.random.shuffle


def test_integers_from_nothing() -> None:
    with pytest.raises(ParameterError, match="no integer from 5"):
        nd.random.randint(5, 5)


def test_the_first_words_are_those_of_numpys_philox() -> None:
    nd.random.seed(123)
    words = np.random.Philox(key=[123, 0], counter=[0, 0, 0, 0]).random_raw(2)
    upper = (words >> np.uint64(11)) * 2.0**-53
    assert nd.random.uniform(shape=2, dtype="float64").asnumpy().tolist() == upper.tolist()


def test_parameters_out_of_range() -> None:
    with pytest.raises(ParameterError, match="standard deviation must not be negative, got -1"):
        nd.random.normal(scale=-1)
    for draw in (nd.random.gamma, nd.random.poisson):
        with pytest.raises(ParameterError, match=r"must not be negative or NaN, got -2\.0"):
            draw(-2)


def test_operators_take_the_context_before_the_dtype_by_position() -> None:
    """MXNet 1.9 has ``nd.random_normal(loc, scale, shape, ctx, dtype)``; ``nd.random.normal`` has the dtype first."""
    here = mx.cpu(1)
    for name in (
        "uniform",
        "normal",
        "gamma",
        "negative_binomial",
        "generalized_negative_binomial",
        "randint",
    ):
        dtype = "int64" if name == "randint" else "float64"
        low, high = (1, 1) if "binomial" in name else (1, 2)
        made = getattr(nd, f"random_{name}")(low, high, (2, 3), here, dtype)
        assert (made.shape, made.context, made.dtype) == ((2, 3), here, np.dtype(dtype))
        assert getattr(nd.random, name)(low, high, (2, 3), dtype, here).context == here
    for name in ("exponential", "poisson"):
        assert getattr(nd, f"random_{name}")(1, 4, here, "float64").dtype == np.float64
    out = nd.zeros((2,))
    assert nd.random_uniform(1, 2, out=out, shape=2) is out
    assert nd.random_normal.__doc__ == nd.random.normal.__doc__


@pytest.mark.parametrize("draw", [nd.random.normal, nd.random.exponential], ids=["normal", "exponential"])
def test_float16_has_only_finite_numbers(draw: Any) -> None:
    nd.random.seed(1)
    x = draw(shape=100_000, dtype="float16").asnumpy()
    assert x.dtype == np.float16
    assert np.isfinite(x).all()
    y = draw(shape=100_000, dtype="float32").asnumpy()
    assert abs(x.astype(np.float64).std() - y.std()) < 0.02


def test_float16_draws_no_impossible_class() -> None:
    nd.random.seed(1)
    counts = np.bincount(
        nd.random.multinomial(nd.array([0, 0.25, 0.75], dtype="float16"), shape=20_000).asnumpy(), minlength=3
    )
    assert counts[0] == 0
    assert stats.chisquare(counts[1:], [5000, 15000]).pvalue > 0.001


def test_the_log_probability_of_a_class_that_is_never_drawn_has_no_slope() -> None:
    p = nd.array([0.0, 0.5, 0.5])
    p.attach_grad()
    with mx.autograd.record():
        drawn, log_p = nd.random.multinomial(p, shape=10, get_prob=True)
    log_p.backward()
    counts = np.bincount(drawn.asnumpy(), minlength=3)
    np.testing.assert_allclose(p.grad.asnumpy(), counts / [1, 0.5, 0.5])


def test_what_has_no_probability_is_not_drawn_by_a_uniform_number_of_zero(monkeypatch) -> None:
    monkeypatch.setattr(
        "lamina.nd._distributions._unit", lambda shape, ctx, dtype: nd.zeros(shape, dtype=dtype)
    )
    assert nd.random.multinomial(nd.array([0.0, 0.0, 1.0]), shape=2).asnumpy().tolist() == [2, 2]
