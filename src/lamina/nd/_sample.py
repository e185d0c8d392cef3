"""The operators ``nd.random_*`` and ``nd.sample_*``: `nd.random`'s distributions under MXNet's older argument names."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Signature, signature
from typing import Any

import numpy as np

from lamina.device.context import Context
from lamina.nd import random
from lamina.nd.creation import Shape
from lamina.nd.operators import NDArray, operator

__all__ = [
    "normal", "random_exponential", "random_gamma", "random_generalized_negative_binomial", "random_negative_binomial",
    "random_normal", "random_poisson", "random_randint", "random_uniform", "sample_exponential", "sample_gamma",
    "sample_generalized_negative_binomial", "sample_multinomial", "sample_negative_binomial", "sample_normal",
    "sample_poisson", "sample_uniform", "shuffle", "uniform",
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


random_uniform = _as_operator(random.uniform)
random_normal = _as_operator(random.normal)
random_gamma = _as_operator(random.gamma)
random_poisson = _as_operator(random.poisson)
random_negative_binomial = _as_operator(random.negative_binomial)
random_generalized_negative_binomial = _as_operator(random.generalized_negative_binomial)
random_randint = _as_operator(random.randint)
sample_uniform, sample_gamma, sample_poisson = random.uniform, random.gamma, random.poisson
sample_negative_binomial = random.negative_binomial
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


def sample_multinomial(
    data: NDArray, shape: Shape | None = None, get_prob: bool = False, dtype: Any = np.int32
) -> NDArray | list[NDArray]:
    """Random classes with the probabilities `data`; see `nd.random.multinomial`."""
    return random.multinomial(data, shape, get_prob, dtype)
