"""Arrays of random numbers. Each call draws from a new random stream, identified by the seed and a counter of calls.

Parameters of a distribution are scalars or arrays. With scalars the result has shape `shape`. With arrays, each of
their elements gets samples of shape `shape`, and the result has the parameters' shape followed by `shape`.

>>> from lamina import nd
>>> nd.random.seed(7)
>>> first = nd.random.normal(shape=3)
>>> nd.random.seed(7)
>>> bool((nd.random.normal(shape=3) == first).min())
True
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from inspect import signature
from operator import length_hint
from typing import Any, ParamSpec

import numpy as np

from lamina.core.array import Array
from lamina.core.primitive import bind, bind_on
from lamina.core.state import call_each_step
from lamina.device.context import Context, usable
from lamina.errors import ParameterError, ShapeError
from lamina.nd._shape import broadcast_to, reshape
from lamina.nd.creation import Shape, as_shape, full
from lamina.nd.elementwise import cast, floor, log, sqrt
from lamina.nd.lookup import pick
from lamina.nd.operators import NDArray, Operator, operator
from lamina.nd.reduce import argsort
from lamina.primitives import BINARY, argmin, element_type, random, take
from lamina.support.contexts import changed

__all__ = [
    "Source", "bits", "drawing_from", "exponential", "exponential_like", "gamma", "gamma_like",
    "generalized_negative_binomial", "generalized_negative_binomial_like", "multinomial", "negative_binomial",
    "negative_binomial_like", "normal", "normal_like", "poisson", "poisson_like", "randint", "randn", "seed",
    "shuffle", "source", "uniform", "uniform_like",
]  # fmt: skip

# --- random number streams ----------------------------------------------------------------------------------------


_STREAMS = sys.maxsize
"""The number of values of the stream counter."""


class Source:
    """A source of random streams, with a seed and a counter of streams."""

    def __init__(self, seed: int = 0, stream: int = 0) -> None:
        self.lock = threading.RLock()  # a signal handler may draw while this thread holds the lock
        self.go_to(seed, stream)

    def seed(self) -> int:
        return self._at[0]

    def next_stream(self) -> int:
        with self.lock:
            return next(self._at[1])  # atomic under interrupts

    def position(self) -> tuple[int, int]:
        """The seed and the number of the next stream, which together determine all later draws."""
        with self.lock:
            seed, streams = self._at
            return seed, _STREAMS - length_hint(streams)

    def go_to(self, seed: int, stream: int) -> None:
        """Continue from `seed` and `stream`, an earlier `position`."""
        with self.lock:
            self._at = seed, iter(range(stream, _STREAMS))


source = Source()
"""The source that `seed` sets, shared by all threads except inside `drawing_from`."""


class _Chosen(threading.local):
    source: Source | None = None


_chosen = _Chosen()


def drawing_from(own: Source) -> AbstractContextManager[None]:
    """A context in which this thread draws from `own`; steps compiled inside draw from `own` later, too.

    A training run with a separate source is independent of random draws elsewhere, also in other threads.
    """
    return changed(_chosen, source=own)


def seed(seed_state: int, ctx: Any = "all") -> None:
    """Seed all random numbers; the same seed starts the same sequence of draws."""
    source.go_to(int(seed_state), 0)


def next_stream() -> tuple[float, float]:
    """The seed and an unused stream number; in a compiled step, new values at each call."""
    drawn = _chosen.source or source
    return call_each_step(drawn.seed, integer=True), call_each_step(drawn.next_stream, integer=True)


# --- distributions ------------------------------------------------------------------------------------------------


P = ParamSpec("P")

Real = Any
"""A parameter of a distribution, a number or an NDArray."""
Size = Shape | None
"""The shape of the samples for each parameter, by default that of the parameters, and (1,) for numbers."""


def _unit(shape: tuple[int, ...], ctx: Context | None, dtype: Any) -> NDArray:
    return bind_on(usable(ctx), random.random_uniform, *next_stream(), shape=shape, dtype=element_type(dtype))


def bits(shape: tuple[int, ...], ctx: Context | None, dtype: Any) -> NDArray:
    """Uniformly distributed unsigned integers over the full range of `dtype`."""
    return bind_on(usable(ctx), random.random_bits, *next_stream(), shape=shape, dtype=np.dtype(dtype))


def _sampler(function: Callable[P, NDArray]) -> Operator[P]:
    """Make an operator that uses shape and dtype of ``out=`` where the call passes neither."""
    as_operator, parameters = operator(function), signature(function)

    @wraps(function)
    def call(*args: Any, out: NDArray | None = None, **kwargs: Any) -> NDArray:
        if out is not None:
            given = parameters.bind_partial(*args, **{k: v for k, v in kwargs.items() if k != "name"})
            if "shape" in parameters.parameters and given.arguments.get("shape") is None:
                kwargs["shape"] = out.shape
        return as_operator(*args, out=out, **kwargs)

    return call  # pyright: ignore[reportReturnType] - the overloads of Operator describe `call`


def _logarithmic(dtype: Any) -> Any:
    """The dtype for logarithms of uniform random numbers: float32 in place of float16.

    In float16, 1 - u is often 0.
    """
    return np.float32 if dtype == np.float16 else dtype


class _Draw:
    """The shape, dtype and context of a random result, with the parameters broadcast to that shape."""

    def __init__(self, shape: Size, dtype: Any, ctx: Context | None, *parameters: Real) -> None:
        arrays = [p for p in parameters if isinstance(p, Array)]
        own = np.broadcast_shapes(*(p.shape for p in arrays))
        self.shape = own + (as_shape(shape) if shape is not None else () if arrays else (1,))
        self.dtype = element_type(dtype or (arrays[0].dtype if arrays else None))
        self.context = arrays[0]._context if arrays else ctx
        self._own = own
        self.parameters = [self._brought(p) for p in parameters]

    def _brought(self, parameter: Real) -> Real:
        if not isinstance(parameter, Array):
            return parameter
        outer = broadcast_to(cast(parameter, self.dtype), self._own)  # pyright: ignore[reportArgumentType]
        return broadcast_to(reshape(outer, self._own + (1,) * (len(self.shape) - len(self._own))), self.shape)

    def unit(self) -> NDArray:
        """Uniform random numbers on [0, 1), of the result's shape."""
        return _unit(self.shape, self.context, self.dtype)

    def exponential(self) -> NDArray:
        """Exponential random numbers with mean 1, always finite, of the result's shape."""
        wide = _logarithmic(self.dtype)
        return (-bind(random.same_log, 1.0 - _unit(self.shape, self.context, wide))).astype(
            self.dtype, copy=False
        )

    def filled(self, parameter: Real) -> NDArray:
        """A parameter, broadcast to the result's shape."""
        if isinstance(parameter, Array):
            return parameter  # pyright: ignore[reportReturnType]
        return full(self.shape, parameter, ctx=self.context, dtype=self.dtype)


@_sampler
def uniform(
    low: Real = 0.0, high: Real = 1.0, shape: Size = None, dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Uniform random numbers on [low, high).

    >>> from lamina import nd
    >>> nd.random.uniform(-1, 1, shape=(2, 3)).shape
    (2, 3)
    """
    draw = _Draw(shape, dtype, ctx, low, high)
    low, high = draw.parameters
    if isinstance(low, int | float) and isinstance(high, int | float):
        unit = draw.unit()
        scaled = unit if high - low == 1 else unit * (high - low)
        return scaled + low if low else scaled
    return draw.unit() * (high - low) + low


@_sampler
def normal(
    loc: Real = 0.0, scale: Real = 1.0, shape: Size = None, dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Normal random numbers with mean `loc` and standard deviation `scale` (Box & Muller, 1958).

    Raises `ParameterError` if the standard deviation is negative.

    >>> from lamina import nd
    >>> nd.random.normal(0, 0.01, shape=(784, 256)).shape
    (784, 256)
    """
    if isinstance(scale, int | float) and scale < 0:
        raise ParameterError(f"normal: the standard deviation must not be negative, got {scale}")
    draw = _Draw(shape, dtype, ctx, loc, scale)
    loc, scale = draw.parameters
    radius = sqrt(2.0 * draw.exponential())
    return radius * bind(random.same_cosine_of_turns, draw.unit()) * scale + loc


def randn(
    *shape: int, loc: Real = 0.0, scale: Real = 1.0, dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """`normal` with the shape as arguments: ``randn(2, 3)``."""
    return normal(loc, scale, shape=shape or None, dtype=dtype, ctx=ctx)


@_sampler
def exponential(
    scale: Real = 1.0, shape: Size = None, dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Exponential random numbers with mean `scale`."""
    draw = _Draw(shape, dtype, ctx, scale)
    return draw.exponential() * draw.parameters[0]


@_sampler
def gamma(
    alpha: Real = 1.0, beta: Real = 1.0, shape: Size = None, dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Gamma random numbers with shape `alpha` and scale `beta`, hence with mean alpha · beta."""
    draw = _Draw(shape, dtype, ctx, alpha, beta)
    alpha, beta = draw.parameters
    return bind(random.random_gamma, *next_stream(), draw.filled(alpha)) * beta


@_sampler
def poisson(lam: Real = 1.0, shape: Size = None, dtype: Any = None, ctx: Context | None = None) -> NDArray:
    """Poisson random numbers with mean `lam`, as float32 by default."""
    draw = _Draw(shape, dtype, ctx, lam)
    return bind(random.random_poisson, *next_stream(), draw.filled(draw.parameters[0]))


@_sampler
def negative_binomial(
    k: Real = 1, p: Real = 1, shape: Size = None, dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Negative binomial random numbers: failures before the `k`-th success, in trials with success probability `p`."""
    draw = _Draw(shape, dtype, ctx, k, p)
    k, p = draw.parameters
    rate = bind(random.random_gamma, *next_stream(), draw.filled(k)) * ((1 - p) / p)
    return bind(random.random_poisson, *next_stream(), rate)


@_sampler
def generalized_negative_binomial(
    mu: Real = 1, alpha: Real = 1, shape: Size = None, dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Negative binomial random numbers with mean `mu` and dispersion `alpha`, hence with variance mu + alpha · mu²."""
    draw = _Draw(shape, dtype, ctx, mu, alpha)
    mu, alpha = draw.parameters
    if isinstance(alpha, int | float) and alpha == 0:
        return bind(random.random_poisson, *next_stream(), draw.filled(mu))
    rate = bind(random.random_gamma, *next_stream(), draw.filled(1 / alpha)) * (alpha * mu)
    return bind(random.random_poisson, *next_stream(), rate)


@_sampler
def randint(
    low: int, high: int | None = None, shape: Size = None, dtype: Any = np.int32, ctx: Context | None = None
) -> NDArray:
    """Random integers in [low, high), or in [0, low) if `high` is None.

    Raises `ParameterError` if the range contains no integer.
    """
    first, last = (0, low) if high is None else (low, high)
    if last <= first:
        raise ParameterError(f"randint: there is no integer from {first} to below {last}")
    unit = _unit(as_shape(shape) if shape is not None else (1,), ctx, np.float64)
    return cast(floor(unit * float(last - first) + float(first)), dtype or np.int32)


_LONGEST_WAIT = 64.0
"""The substitute for -log 0 = ∞, larger than all other -log u; impossible classes thus wait longest."""


def multinomial(
    data: NDArray, shape: Size = None, get_prob: bool = False, dtype: Any = np.int32
) -> NDArray | list[NDArray]:
    """Random classes, drawn with the probabilities `data` of shape (k,) or (m, …, k).

    The result has shape `shape` or (m, …, *shape). With `get_prob` the result is [classes, their log-probabilities],
    differentiable with respect to `data`. (Each class has an exponential waiting time, whose rate is its probability;
    the class with the shortest time is drawn.)

    Raises `ShapeError` if `data` has no axis.

    >>> from lamina import nd
    >>> nd.random.multinomial(nd.array([0, 1, 0]), shape=2).asnumpy()
    array([1, 1], dtype=int32)
    """
    if not data.ndim:
        raise ShapeError("multinomial: needs probabilities of shape (…, k), got ()")
    batch, classes = data.shape[:-1], data.shape[-1]
    extra = () if shape is None else as_shape(shape)
    count = math.prod(extra)
    wide = _logarithmic(data.dtype)
    rates = reshape(data.astype(wide, copy=False), (*batch, 1, classes))
    waiting = -bind(random.same_log, _unit((*batch, count, classes), data.context, wide))
    waiting = bind(BINARY["minimum"], waiting, _LONGEST_WAIT)
    drawn = bind(argmin, waiting / rates, axis=len(batch) + 1, keepdims=False)
    out_shape = (*batch, *extra) or (1,)
    samples = cast(reshape(drawn, out_shape), dtype)
    if not get_prob:
        return samples
    repeated = broadcast_to(reshape(data, (*batch, 1, classes)), (*batch, count, classes))
    # Taking the logarithm last gives no gradient to classes that are not drawn, whose probability may be 0.
    return [samples, reshape(log(pick(repeated, drawn, axis=-1)), out_shape)]


@_sampler
def shuffle(data: NDArray) -> NDArray:
    """A copy of `data` with the entries along axis 0 in random order."""
    order = argsort(_unit(data.shape[:1], data.context, np.float64), dtype=np.int64)
    return bind(take, data, order, axis=0, mode="clip")


# --- with the shape, dtype and context of another array -----------------------------------------------------------


@operator
def uniform_like(data: NDArray, low: float = 0.0, high: float = 1.0) -> NDArray:
    """Uniform random numbers with the shape, dtype and context of `data`."""
    return uniform(low, high, data.shape, data.dtype, data.context)


@operator
def normal_like(data: NDArray, loc: float = 0.0, scale: float = 1.0) -> NDArray:
    """Normal random numbers with the shape, dtype and context of `data`."""
    return normal(loc, scale, data.shape, data.dtype, data.context)


@operator
def exponential_like(data: NDArray, lam: float = 1.0) -> NDArray:
    """Exponential random numbers with rate `lam` (mean 1 / lam), and the shape, dtype and context of `data`."""
    return exponential(1.0 / lam, data.shape, data.dtype, data.context)


@operator
def gamma_like(data: NDArray, alpha: float = 1.0, beta: float = 1.0) -> NDArray:
    """Gamma random numbers with the shape, dtype and context of `data`."""
    return gamma(alpha, beta, data.shape, data.dtype, data.context)


@operator
def poisson_like(data: NDArray, lam: float = 1.0) -> NDArray:
    """Poisson random numbers with the shape, dtype and context of `data`."""
    return poisson(lam, data.shape, data.dtype, data.context)


@operator
def negative_binomial_like(data: NDArray, k: int = 1, p: float = 1.0) -> NDArray:
    """Negative binomial random numbers with the shape, dtype and context of `data`."""
    return negative_binomial(k, p, data.shape, data.dtype, data.context)


@operator
def generalized_negative_binomial_like(data: NDArray, mu: float = 1.0, alpha: float = 1.0) -> NDArray:
    """Generalized negative binomial random numbers with the shape, dtype and context of `data`."""
    return generalized_negative_binomial(mu, alpha, data.shape, data.dtype, data.context)
