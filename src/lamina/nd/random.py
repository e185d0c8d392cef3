"""Random arrays under MXNet's ``nd.random``: distributions, and their ``*_like`` forms."""

from __future__ import annotations

from lamina.nd._distributions import (
    bits,
    exponential,
    gamma,
    generalized_negative_binomial,
    multinomial,
    negative_binomial,
    normal,
    poisson,
    randint,
    randn,
    shuffle,
    uniform,
)
from lamina.nd._random_like import (
    exponential_like,
    gamma_like,
    generalized_negative_binomial_like,
    negative_binomial_like,
    normal_like,
    poisson_like,
    uniform_like,
)
from lamina.nd._streams import Source, drawing_from, seed, source

__all__ = [
    "Source", "bits", "drawing_from", "exponential", "exponential_like", "gamma", "gamma_like",
    "generalized_negative_binomial", "generalized_negative_binomial_like", "multinomial", "negative_binomial",
    "negative_binomial_like", "normal", "normal_like", "poisson", "poisson_like", "randint", "randn", "seed",
    "shuffle", "source", "uniform", "uniform_like",
]  # fmt: skip
