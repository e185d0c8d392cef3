"""Random arrays with the shape, dtype and context of another array, as MXNet's ``nd.random.*_like``."""

from __future__ import annotations

from lamina.nd import _distributions as distributions
from lamina.nd.operators import NDArray, operator

__all__ = [
    "exponential_like", "gamma_like", "generalized_negative_binomial_like", "negative_binomial_like", "normal_like",
    "poisson_like", "uniform_like",
]  # fmt: skip


@operator
def uniform_like(data: NDArray, low: float = 0.0, high: float = 1.0) -> NDArray:
    """Uniform random numbers with the shape, dtype and context of `data`."""
    return distributions.uniform(low, high, data.shape, data.dtype, data.context)


@operator
def normal_like(data: NDArray, loc: float = 0.0, scale: float = 1.0) -> NDArray:
    """Normal random numbers with the shape, dtype and context of `data`."""
    return distributions.normal(loc, scale, data.shape, data.dtype, data.context)


@operator
def exponential_like(data: NDArray, lam: float = 1.0) -> NDArray:
    """Exponential random numbers with rate `lam` (mean 1 / lam), and the shape, dtype and context of `data`."""
    return distributions.exponential(1.0 / lam, data.shape, data.dtype, data.context)


@operator
def gamma_like(data: NDArray, alpha: float = 1.0, beta: float = 1.0) -> NDArray:
    """Gamma random numbers with the shape, dtype and context of `data`."""
    return distributions.gamma(alpha, beta, data.shape, data.dtype, data.context)


@operator
def poisson_like(data: NDArray, lam: float = 1.0) -> NDArray:
    """Poisson random numbers with the shape, dtype and context of `data`."""
    return distributions.poisson(lam, data.shape, data.dtype, data.context)


@operator
def negative_binomial_like(data: NDArray, k: int = 1, p: float = 1.0) -> NDArray:
    """Negative binomial random numbers with the shape, dtype and context of `data`."""
    return distributions.negative_binomial(k, p, data.shape, data.dtype, data.context)


@operator
def generalized_negative_binomial_like(data: NDArray, mu: float = 1.0, alpha: float = 1.0) -> NDArray:
    """Generalized negative binomial random numbers with the shape, dtype and context of `data`."""
    return distributions.generalized_negative_binomial(mu, alpha, data.shape, data.dtype, data.context)
