"""Random numbers in symbols under MXNet's names ``mx.sym.random``; `lamina.nd.random` has the same functions."""

from __future__ import annotations

from inspect import signature
from typing import Any

from lamina import nd
from lamina.mxnet.symbol.nodes import Symbol, SymbolError, function
from lamina.support.unsupported import names_of_others

__all__ = [
    "exponential", "gamma", "multinomial", "negative_binomial", "normal", "normal_like", "poisson", "randint", "randn",
    "shuffle", "uniform", "uniform_like",
]  # fmt: skip


def _drawing(distribution: str) -> Any:
    """The function of a distribution, whose parameters are all numbers or all symbols."""
    known = signature(getattr(nd.random, distribution))
    parameters = list(known.parameters)[: list(known.parameters).index("shape")]

    def draw(*args: Any, name: str | None = None, **named: Any) -> Symbol:
        given = known.bind(*args, **named)
        options = {key: given.arguments[key] for key in ("shape", "dtype") if key in given.arguments}
        given.apply_defaults()
        values = [given.arguments[key] for key in parameters]
        if len({isinstance(value, Symbol) for value in values}) > 1:
            raise SymbolError(f"{distribution}: the parameters must be all numbers or all symbols")
        if distribution == "exponential":
            values = [1 / values[0]]
        of = f"_{'sample' if isinstance(values[0], Symbol) else 'random'}_{distribution}"
        return function(of, of)(*values, name=name, **options)

    return draw


exponential, gamma, negative_binomial = map(_drawing, ("exponential", "gamma", "negative_binomial"))
normal, poisson, randint, uniform = map(_drawing, ("normal", "poisson", "randint", "uniform"))


def normal_like(data: Symbol, loc: float = 0.0, scale: float = 1.0, **named: Any) -> Symbol:
    """Draws from a normal distribution, in the shape of `data`."""
    return function("_random_normal_like", "normal_like")(data, loc, scale, **named)


def uniform_like(data: Symbol, low: float = 0.0, high: float = 1.0, **named: Any) -> Symbol:
    """Draws from a uniform distribution, in the shape of `data`."""
    return function("_random_uniform_like", "uniform_like")(data, low, high, **named)


def shuffle(data: Symbol, **named: Any) -> Symbol:
    """The rows of `data` in random order."""
    return function("_shuffle", "_shuffle")(data, **named)


def randn(*shape: int, **named: Any) -> Symbol:
    """Draws from a standard normal distribution, in this shape."""
    return normal(shape=shape, **named)


def multinomial(data: Symbol, shape: Any = (), get_prob: bool = True, **named: Any) -> Symbol:
    """Draws from rows of probabilities, and their log probabilities unless ``get_prob=False``."""
    return function("_sample_multinomial", "_sample_multinomial")(data, shape, get_prob, **named)


__getattr__ = names_of_others("lamina.symbol.random")
