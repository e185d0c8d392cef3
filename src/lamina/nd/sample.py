"""The operators ``nd.random_*`` and ``nd.sample_*``: `nd.random`'s distributions under MXNet's older argument names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.nd import random
from lamina.nd.operator import operator

if TYPE_CHECKING:
    from lamina.context import Context
    from lamina.nd.creation import Shape
    from lamina.nd.ndarray import NDArray

__all__ = [
    "random_exponential", "random_gamma", "random_generalized_negative_binomial", "random_negative_binomial",
    "random_normal", "random_poisson", "random_randint", "random_uniform", "sample_exponential", "sample_gamma",
    "sample_generalized_negative_binomial", "sample_multinomial", "sample_negative_binomial", "sample_normal",
    "sample_poisson", "sample_uniform", "shuffle",
]  # fmt: skip

random_uniform = sample_uniform = random.uniform
random_normal = random.normal
random_gamma = sample_gamma = random.gamma
random_poisson = sample_poisson = random.poisson
random_negative_binomial = sample_negative_binomial = random.negative_binomial
random_generalized_negative_binomial = random.generalized_negative_binomial
sample_generalized_negative_binomial = random.generalized_negative_binomial
random_randint = random.randint
shuffle = random.shuffle


@operator
def sample_normal(mu: NDArray, sigma: NDArray, shape: Shape | None = None, dtype: Any = None) -> NDArray:
    """Normal with means `mu` and standard deviations `sigma`."""
    return random.normal(mu, sigma, shape, dtype)


@operator
def random_exponential(
    lam: float = 1.0, shape: Shape | None = None, dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Exponential with rate `lam`: mean 1 / lam. (`nd.random.exponential` takes the mean.)"""
    return random.exponential(1.0 / lam, shape, dtype, ctx)


@operator
def sample_exponential(lam: NDArray, shape: Shape | None = None, dtype: Any = None) -> NDArray:
    """Exponential with rates `lam`."""
    return random.exponential(1.0 / lam, shape, dtype)


def sample_multinomial(
    data: NDArray, shape: Shape | None = None, get_prob: bool = False, dtype: Any = np.int32
) -> NDArray | list[NDArray]:
    """See `nd.random.multinomial`."""
    return random.multinomial(data, shape, get_prob, dtype)
