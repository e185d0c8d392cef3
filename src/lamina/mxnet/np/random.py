"""Random distributions, sampling and permutations, under the names of ``np.random``.

As for ``nd.random``, ``npx.random.seed`` sets the seed. `size` is the result's shape, by default the parameters'
broadcast shape, which is () for numbers.

>>> from lamina import np, npx
>>> npx.random.seed(7)
>>> np.random.normal(0, 1, size=(2, 3)).shape, np.random.uniform().shape
((2, 3), ())
"""

from __future__ import annotations

import math
from typing import Any

import numpy as onp

from lamina import nd
from lamina.core.array import Array
from lamina.core.primitive import bind
from lamina.device.context import Context
from lamina.errors import ParameterError, ShapeError
from lamina.mxnet.np.conversion import as_array, function, with_shape
from lamina.mxnet.np.promotion import as_float, cast_to
from lamina.nd.facade import plain, shown
from lamina.nd.random import seed
from lamina.primitives import indexing
from lamina.primitives.random import same_exp, same_expm1, same_log
from lamina.support.unsupported import names_of_others

__all__ = [
    "beta", "chisquare", "choice", "exponential", "gamma", "gumbel", "laplace", "logistic", "lognormal", "multinomial",
    "multivariate_normal", "normal", "pareto", "permutation", "poisson", "power", "rand", "randint", "randn",
    "rayleigh", "seed", "shuffle", "uniform", "weibull",
]  # fmt: skip

_INT = onp.dtype(onp.int64)


def _shape(size: Any, *parameters: Any) -> tuple[int, ...]:
    """The result's shape, which is `size` or by default the parameters' broadcast shape."""
    own = onp.broadcast_shapes(*(onp.shape(p) if not isinstance(p, Array) else p.shape for p in parameters))
    if size is None:
        return own
    wanted = nd.creation.as_shape(tuple(size) if isinstance(size, list | tuple) else size)
    if onp.broadcast_shapes(own, wanted) != wanted:
        raise ShapeError(f"random: parameters of shape {own} do not broadcast to size {wanted}")
    return wanted


def _parameter(p: Any) -> Any:
    return p if isinstance(p, int | float) else as_float(as_array(p))


def _given(size: Any, *parameters: Any) -> tuple[Any, ...]:
    """The result's shape, and the parameters as floats."""
    return _shape(size, *parameters), *map(_parameter, parameters)


def _unit(shape: tuple[int, ...], dtype: Any, ctx: Context | None) -> Any:
    """Uniform random numbers on [0, 1)."""
    return nd.random.uniform(shape=shape, dtype=dtype, ctx=ctx)


def _exponential(shape: tuple[int, ...], dtype: Any, ctx: Context | None) -> Any:
    """Exponential random numbers with mean 1."""
    return nd.random.exponential(shape=shape, dtype=dtype, ctx=ctx)


@function
def uniform(low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Uniform random numbers on [low, high)."""
    shape, low, high = _given(size, low, high)
    if isinstance(low, int | float) and isinstance(high, int | float):
        return nd.random.uniform(low, high, shape=shape, dtype=dtype, ctx=ctx)
    return _unit(shape, dtype, ctx) * (high - low) + low


@function
def normal(loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Normal random numbers with mean `loc` and standard deviation `scale`."""
    shape, loc, scale = _given(size, loc, scale)
    if isinstance(loc, int | float) and isinstance(scale, int | float):
        return nd.random.normal(loc, scale, shape=shape, dtype=dtype, ctx=ctx)
    return nd.random.normal(shape=shape, dtype=dtype, ctx=ctx) * scale + loc


@function
def lognormal(mean: Any = 0.0, sigma: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Log-normal random numbers: exp of normal numbers with mean `mean` and standard deviation `sigma`."""
    shape, mean, sigma = _given(size, mean, sigma)
    return bind(same_exp, nd.random.normal(shape=shape, dtype=dtype, ctx=ctx) * sigma + mean)


@function
def exponential(scale: Any = 1.0, size: Any = None, ctx: Any = None, dtype: Any = None) -> Any:
    """Exponential random numbers with mean `scale`."""
    shape, scale = _given(size, scale)
    return _exponential(shape, dtype, ctx) * scale


@function
def laplace(loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Laplace-distributed random numbers about `loc` with scale `scale`."""
    shape, loc, scale = _given(size, loc, scale)
    return (_exponential(shape, dtype, ctx) - _exponential(shape, dtype, ctx)) * scale + loc


@function
def gumbel(loc: Any = 0.0, scale: Any = 1.0, size: Any = None, ctx: Any = None, dtype: Any = None) -> Any:
    """Gumbel-distributed random numbers (1954), loc - scale · log E with E exponential."""
    shape, loc, scale = _given(size, loc, scale)
    return bind(same_log, _exponential(shape, dtype, ctx)) * (scale * -1.0) + loc


@function
def logistic(loc: Any = 0.0, scale: Any = 1.0, size: Any = None, ctx: Any = None, dtype: Any = None) -> Any:
    """Logistically distributed random numbers, loc + scale · log(u / (1 - u)) with u uniform."""
    shape, loc, scale = _given(size, loc, scale)
    waiting = _exponential(shape, dtype, ctx)  # -log(1 - u)
    return bind(same_log, bind(same_expm1, waiting)) * scale + loc


@function
def rayleigh(scale: Any = 1.0, size: Any = None, ctx: Any = None, dtype: Any = None) -> Any:
    """Rayleigh-distributed random numbers: lengths of 2-D normal vectors with standard deviation `scale`."""
    shape, scale = _given(size, scale)
    return nd.sqrt(_exponential(shape, dtype, ctx) * 2.0) * scale


@function
def weibull(a: Any, size: Any = None, ctx: Any = None, dtype: Any = None) -> Any:
    """Weibull-distributed random numbers, E^(1/a) with E exponential."""
    shape, a = _given(size, a)
    return _to_power(_exponential(shape, dtype, ctx), a)


def _to_power(x: Any, a: Any) -> Any:
    return bind(same_exp, bind(same_log, x) / a)


@function
def pareto(a: Any, size: Any = None, ctx: Any = None, dtype: Any = None) -> Any:
    """Random numbers of Pareto's second (Lomax) distribution, e^(E/a) - 1 with E exponential."""
    shape, a = _given(size, a)
    return bind(same_expm1, _exponential(shape, dtype, ctx) / a)


@function
def power(a: Any, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Random numbers on [0, 1] with density a·xᵃ⁻¹, computed as u^(1/a) with u uniform."""
    shape, a = _given(size, a)
    return _to_power(_unit(shape, dtype, ctx), a)


@function
def gamma(shape: Any, scale: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Gamma random numbers with shape `shape` and scale `scale`, hence with mean shape · scale."""
    return _gamma(shape, _shape(size, shape, scale), dtype, ctx) * _parameter(scale)


def _gamma(shape: Any, size: tuple[int, ...], dtype: Any, ctx: Context | None) -> Any:
    shape = _parameter(shape)
    if isinstance(shape, int | float):
        return nd.random.gamma(shape, 1.0, shape=size, dtype=dtype, ctx=ctx)
    whole = nd.broadcast_to(with_shape(shape, (1,) * (len(size) - shape.ndim) + shape.shape), size)
    return with_shape(nd.random.gamma(whole, nd.ones_like(whole), shape=(), dtype=dtype), size)


@function
def chisquare(df: Any, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Chi-square random numbers, distributed as the sum of squares of `df` standard normal numbers."""
    return _gamma(_parameter(df) / 2, _shape(size, df), dtype, ctx) * 2.0


@function
def beta(a: Any, b: Any, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Beta random numbers, X / (X + Y) with X and Y gamma-distributed with shapes `a` and `b`."""
    shape = _shape(size, a, b)
    x, y = _gamma(a, shape, dtype, ctx), _gamma(b, shape, dtype, ctx)
    return x / (x + y)


@function
def poisson(lam: Any = 1.0, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Poisson random numbers with mean `lam`, as int64 like NumPy's (MXNet 1.x lacks them)."""
    shape, lam = _given(size, lam)
    if isinstance(lam, int | float):
        return cast_to(nd.random.poisson(lam, shape=shape, ctx=ctx), _INT)
    whole = nd.broadcast_to(with_shape(lam, (1,) * (len(shape) - lam.ndim) + lam.shape), shape)
    return cast_to(with_shape(nd.random.poisson(whole, shape=()), shape), _INT)


@function
def multivariate_normal(
    mean: Any, cov: Any, size: Any = None, check_valid: Any = None, tol: Any = None
) -> Any:
    """Normal random vectors with means of shape (…, n) and covariances of shape (…, n, n).

    `size` is the number or shape of the vectors for each pair of mean and covariance.
    """
    mean, cov = as_float(as_array(mean)), as_float(as_array(cov))
    root = nd.linalg.potrf(cov)
    batch = onp.broadcast_shapes(mean.shape[:-1], cov.shape[:-2])
    outer = () if size is None else nd.creation.as_shape(size)
    noise = nd.random.normal(shape=(*outer, *batch, mean.shape[-1], 1), dtype=mean.dtype)
    from lamina.mxnet.np._products import matmul

    product = matmul(root, noise).as_nd_ndarray()
    return shown(with_shape(product, product.shape[:-1])) + shown(mean)


def rand(*size: int, dtype: Any = None, ctx: Any = None) -> Any:
    """Uniform random numbers on [0, 1), with the shape as arguments: ``rand(2, 3)``."""
    return uniform(0.0, 1.0, size=size, dtype=dtype, ctx=ctx)


def randn(*size: int, dtype: Any = None, ctx: Any = None) -> Any:
    """Standard normal random numbers, with the shape as arguments: ``randn(2, 3)``."""
    return normal(0.0, 1.0, size=size, dtype=dtype, ctx=ctx)


# --- integers, choices and orders ----------------------------------------------------------------------------------


@function
def randint(low: int, high: int | None = None, size: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
    """Random integers in [low, high), or in [0, low) if `high` is None, as int64 by default.

    >>> from lamina import np
    >>> np.random.randint(5, 6, size=2)
    array([5, 5], dtype=int64)
    """
    return nd.random.randint(low, high, shape=_shape(size), dtype=dtype or _INT, ctx=ctx)


@function
def choice(a: Any, size: Any = None, replace: bool = True, p: Any = None, ctx: Any = None) -> Any:
    """Random elements of an array, or of ``range(a)``, with probabilities `p`.

    With ``replace=False`` each element is drawn at most once.

    >>> from lamina import np
    >>> sorted(np.random.choice(3, size=3, replace=False).tolist())
    [0, 1, 2]
    """
    count = a.shape[0] if isinstance(a, Array) else int(a)
    shape = _shape(size)
    at = _chosen(count, shape, replace, None if p is None else as_float(as_array(p)), ctx)
    if not isinstance(a, Array):
        return at
    found = bind(indexing.take, a, with_shape(at, at.shape or (1,)), axis=0, mode="clip")
    return with_shape(found, (*shape, *a.shape[1:]))


def _chosen(count: int, shape: tuple[int, ...], replace: bool, p: Any, ctx: Context | None) -> Any:
    """Random indices below `count`, of shape `shape`, drawn by the Gumbel-max trick.

    The drawn index has the largest sum of log p and Gumbel noise; without replacement, k draws take the k largest sums.
    """
    k = math.prod(shape)
    if p is not None and p.shape != (count,):
        raise ShapeError(
            f"choice: p must have one probability for each of {count} elements, got shape {p.shape}"
        )
    if replace and p is None:
        return nd.random.randint(0, count, shape=shape, dtype=_INT, ctx=ctx)
    if not replace and k > count:
        raise ParameterError(f"choice: can't draw {k} of {count} elements with replace=False")
    rows = (k, count) if replace else (count,)
    scores = bind(same_log, nd.random.exponential(shape=rows, dtype="float64", ctx=ctx)) * -1.0
    if p is not None:
        scores = scores + bind(same_log, cast_to(p, onp.dtype(onp.float64)))
    if replace:
        found = nd.topk(scores, axis=1, k=1, dtype=_INT)
    else:
        found = nd.topk(scores, k=k, dtype=_INT) if k else nd.zeros((0,), dtype=_INT)
    return with_shape(found, shape)


def shuffle(x: Any) -> None:
    """Shuffle an array in place along axis 0."""
    array = plain(x)
    array[:] = nd.random.shuffle(array)


@function
def permutation(x: Any) -> Any:
    """A copy shuffled along axis 0, or for an integer x the integers below x in random order."""
    if isinstance(x, int | onp.integer):
        return _chosen(int(x), (int(x),), False, None, None)
    return nd.random.shuffle(as_array(x))


@function
def multinomial(n: int, pvals: Any, size: Any = None) -> Any:
    """The counts of each class in `n` draws with probabilities `pvals`, as int64 of shape (*size, classes).

    >>> from lamina import np
    >>> np.random.multinomial(10, np.array([0, 1, 0]))
    array([ 0, 10,  0], dtype=int64)
    """
    p = as_float(as_array(pvals))
    if p.ndim != 1:
        raise ShapeError(f"multinomial: needs probabilities of shape (k,), got {p.shape}")
    shape = _shape(size)
    drawn = nd.random.multinomial(p, shape=(math.prod(shape) * int(n),), dtype=_INT)
    classes = with_shape(drawn, (math.prod(shape), int(n)))
    counts = nd.one_hot(classes, p.shape[0], dtype=_INT).sum(axis=1)  # pyright: ignore
    return with_shape(counts, (*shape, p.shape[0]))


__getattr__ = names_of_others("lamina.np.random")
