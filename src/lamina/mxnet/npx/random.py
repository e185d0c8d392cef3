"""MXNet's ``npx.random``, with the seed, and distributions with `batch_shape` samples per parameter."""

from __future__ import annotations

from typing import Any

import numpy as onp

from lamina.mxnet import np
from lamina.nd.random import seed
from lamina.support.unsupported import names_of_others

__all__ = ["bernoulli", "normal_n", "seed", "uniform_n"]


def _whole(parameters: tuple[Any, ...], batch_shape: Any) -> tuple[int, ...]:
    batch = (batch_shape,) if isinstance(batch_shape, int) else tuple(batch_shape or ())
    return (*batch, *onp.broadcast_shapes(*(np.shape(p) for p in parameters)))


def uniform_n(
    low: Any = 0.0, high: Any = 1.0, batch_shape: Any = None, dtype: Any = None, ctx: Any = None
) -> Any:
    """Uniform random numbers on [low, high), of shape `batch_shape` followed by the parameters' shape."""
    return np.random.uniform(low, high, _whole((low, high), batch_shape), dtype, ctx)


def normal_n(
    loc: Any = 0.0, scale: Any = 1.0, batch_shape: Any = None, dtype: Any = None, ctx: Any = None
) -> Any:
    """Normal random numbers with mean `loc` and standard deviation `scale`.

    The result's shape is `batch_shape` followed by the parameters' shape.
    """
    return np.random.normal(loc, scale, _whole((loc, scale), batch_shape), dtype, ctx)


def bernoulli(
    prob: Any = None, logit: Any = None, size: Any = None, dtype: Any = None, ctx: Any = None
) -> Any:
    """Random numbers that are 1 with probability `prob`, or sigmoid(`logit`), else 0, as float32."""
    if (prob is None) == (logit is None):
        raise ValueError("bernoulli: give either prob or logit")
    if prob is None:
        prob = 1 / (1 + np.exp(-np.array(logit)))
    drawn = np.random.uniform(size=np.shape(prob) if size is None else size, ctx=ctx)
    return (drawn < prob).astype(dtype or "float32")


__getattr__ = names_of_others("lamina.npx.random")
