"""The operators ``nd.random_*`` and ``nd.sample_*`` under MXNet's older argument names, and ``nd.random_pdf_*``."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from inspect import Signature, signature
from typing import Any

from lamina.core.primitive import bind
from lamina.device.context import Context
from lamina.errors import ShapeError
from lamina.nd import random
from lamina.nd.creation import Shape
from lamina.nd.elementwise import exp, gammaln, log
from lamina.nd.operators import NDArray, operator
from lamina.nd.reduce import sum
from lamina.primitives import reshape, where

__all__ = [
    "normal", "random_exponential", "random_gamma", "random_generalized_negative_binomial",
    "random_negative_binomial", "random_normal", "random_pdf_dirichlet", "random_pdf_exponential",
    "random_pdf_gamma", "random_pdf_generalized_negative_binomial", "random_pdf_negative_binomial",
    "random_pdf_normal", "random_pdf_poisson", "random_pdf_uniform", "random_poisson", "random_randint",
    "random_uniform", "sample_exponential", "sample_gamma", "sample_generalized_negative_binomial",
    "sample_multinomial", "sample_negative_binomial", "sample_normal", "sample_poisson", "sample_uniform", "shuffle",
    "uniform",
]  # fmt: skip


def _as_operator(function: Callable[..., NDArray]) -> Callable[..., NDArray]:
    """Wrap a function of `nd.random` to take `ctx` before `dtype` among its positional arguments, as in MXNet."""
    *others, dtype, ctx = signature(function).parameters.values()
    swapped, first = Signature([*others, ctx, dtype]), len(others)

    @wraps(function)
    def call(*args: Any, out: NDArray | None = None, name: str | None = None, **kwargs: Any) -> NDArray:
        if len(args) <= first:
            return function(*args, out=out, **kwargs)
        given = swapped.bind(*args, **kwargs)
        return function(**given.arguments, out=out)

    call.__signature__ = swapped  # pyright: ignore[reportAttributeAccessIssue]
    return call


random_uniform, random_normal = map(_as_operator, (random.uniform, random.normal))
random_gamma, random_poisson, random_randint = map(
    _as_operator, (random.gamma, random.poisson, random.randint)
)
random_negative_binomial = _as_operator(random.negative_binomial)
random_generalized_negative_binomial = _as_operator(random.generalized_negative_binomial)
sample_uniform, sample_gamma, sample_poisson = random.uniform, random.gamma, random.poisson
sample_multinomial, sample_negative_binomial = random.multinomial, random.negative_binomial
sample_generalized_negative_binomial = random.generalized_negative_binomial
shuffle, uniform, normal = random.shuffle, random_uniform, random_normal


@operator
def sample_normal(mu: NDArray, sigma: NDArray, shape: Shape | None = None, dtype: Any = None) -> NDArray:
    """Normal random numbers with means `mu` and standard deviations `sigma`."""
    return random.normal(mu, sigma, shape, dtype)


@operator
def random_exponential(
    lam: float = 1.0, shape: Shape | None = None, ctx: Context | None = None, dtype: Any = None
) -> NDArray:
    """Exponential random numbers with rate `lam`, hence with mean 1 / lam.

    `nd.random.exponential` takes the mean instead.
    """
    return random.exponential(1.0 / lam, shape, dtype, ctx)


@operator
def sample_exponential(lam: NDArray, shape: Shape | None = None, dtype: Any = None) -> NDArray:
    """Exponential random numbers with rates `lam`."""
    return random.exponential(1.0 / lam, shape, dtype)


# --- densities ----------------------------------------------------------------------------------------------------
#
# The parameters have the shape of `sample` without its last axis, along which the samples of each distribution lie.
# With `is_log` the functions return log densities.


def _lines(name: str, sample: NDArray, *parameters: NDArray) -> list[NDArray]:
    """The parameters, reshaped to broadcast over the last axis of `sample`."""
    for p in parameters:
        if p.shape != sample.shape[:-1]:
            raise ShapeError(
                f"{name}: a sample of shape {sample.shape} needs parameters of shape {sample.shape[:-1]}, "
                f"got {p.shape}"
            )
    return [bind(reshape, p, shape=(*p.shape, 1)) for p in parameters]


def _density(logarithm: NDArray, is_log: bool) -> NDArray:
    return logarithm if is_log else exp(logarithm)


@operator
def random_pdf_uniform(sample: NDArray, low: NDArray, high: NDArray, is_log: bool = False) -> NDArray:
    """The uniform density: 1 / (high - low) within [low, high], else 0."""
    low, high = _lines("random_pdf_uniform", sample, low, high)
    inside = (sample >= low) * (sample <= high)
    density = inside * (1.0 / (high - low))
    return log(density) if is_log else density


@operator
def random_pdf_normal(sample: NDArray, mu: NDArray, sigma: NDArray, is_log: bool = False) -> NDArray:
    """The normal density with mean `mu` and standard deviation `sigma`.

    >>> from lamina import nd
    >>> nd.random_pdf_normal(nd.zeros((1, 1)), nd.zeros(1), nd.ones(1), is_log=True).asscalar().item() < -0.9
    True
    """
    mu, sigma = _lines("random_pdf_normal", sample, mu, sigma)
    off = (sample - mu) / sigma
    return _density(-0.5 * off * off - log(sigma) - 0.5 * math.log(2 * math.pi), is_log)


@operator
def random_pdf_gamma(sample: NDArray, alpha: NDArray, beta: NDArray, is_log: bool = False) -> NDArray:
    """The gamma density with shape `alpha` and rate `beta`; as in MXNet, `beta` is not the scale."""
    alpha, beta = _lines("random_pdf_gamma", sample, alpha, beta)
    return _density(alpha * log(beta) + (alpha - 1.0) * log(sample) - beta * sample - gammaln(alpha), is_log)


@operator
def random_pdf_exponential(sample: NDArray, lam: NDArray, is_log: bool = False) -> NDArray:
    """The exponential density with rate `lam`."""
    (lam,) = _lines("random_pdf_exponential", sample, lam)
    return _density(log(lam) - lam * sample, is_log)


@operator
def random_pdf_poisson(sample: NDArray, lam: NDArray, is_log: bool = False) -> NDArray:
    """The Poisson probability with mean `lam`."""
    (lam,) = _lines("random_pdf_poisson", sample, lam)
    return _density(sample * log(lam) - gammaln(sample + 1.0) - lam, is_log)


def _negative_binomial(sample: NDArray, k: NDArray, p: NDArray) -> NDArray:
    ways = gammaln(sample + k) - gammaln(sample + 1.0) - gammaln(k)
    return ways + k * log(p) + sample * log(1.0 - p)


@operator
def random_pdf_negative_binomial(sample: NDArray, k: NDArray, p: NDArray, is_log: bool = False) -> NDArray:
    """The probability of `sample` failures before `k` successes of probability `p`."""
    k, p = _lines("random_pdf_negative_binomial", sample, k, p)
    return _density(_negative_binomial(sample, k, p), is_log)


@operator
def random_pdf_generalized_negative_binomial(
    sample: NDArray, mu: NDArray, alpha: NDArray, is_log: bool = False
) -> NDArray:
    """The negative binomial probability with mean `mu` and dispersion `alpha`."""
    mu, alpha = _lines("random_pdf_generalized_negative_binomial", sample, mu, alpha)
    return _density(_negative_binomial(sample, 1.0 / alpha, 1.0 / (mu * alpha + 1.0)), is_log)


@operator
def random_pdf_dirichlet(sample: NDArray, alpha: NDArray, is_log: bool = False) -> NDArray:
    """The Dirichlet density, where the last axis of `sample` and `alpha` has the components."""
    if alpha.shape[-1] != sample.shape[-1]:
        raise ShapeError(
            f"random_pdf_dirichlet: the last axes of sample {sample.shape} and alpha {alpha.shape} differ"
        )
    extra = sample.ndim - alpha.ndim
    alpha = bind(reshape, alpha, shape=(*alpha.shape[:-1], *(1,) * extra, alpha.shape[-1]))
    powers = bind(where, alpha == 1.0, sample * 0.0, (alpha - 1.0) * log(sample))
    return _density(sum(powers - gammaln(alpha), axis=-1) + gammaln(sum(alpha, axis=-1)), is_log)
