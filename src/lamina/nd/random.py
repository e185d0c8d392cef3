"""Random arrays. Every call takes a stream of its own from the seeded counter, so results do not depend on timing."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from lamina.context import Context, current_context
from lamina.core.primitive import bind
from lamina.core.state import call_each_step
from lamina.nd.creation import Shape, as_shape
from lamina.nd.math import log, sqrt
from lamina.nd.ndarray import NDArray
from lamina.primitives.elementwise import UNARY
from lamina.primitives.random import random_uniform

__all__ = ["normal", "seed", "uniform"]


class _Source:
    """The seed, and the number of the next stream."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seed = 0
        self.stream = 0

    def next_stream(self) -> int:
        with self.lock:
            self.stream += 1
            return self.stream - 1


_source = _Source()


def seed(seed_state: int, ctx: Any = "all") -> None:
    """Start all random streams anew from this seed."""
    with _source.lock:
        _source.seed, _source.stream = int(seed_state), 0


def _unit(shape: tuple[int, ...], ctx: Context | None, dtype: Any) -> NDArray:
    """Uniform on [0, 1)."""
    key = call_each_step(lambda: _source.seed, integer=True)
    stream = call_each_step(_source.next_stream, integer=True)
    result = bind(random_uniform, key, stream, shape=shape, dtype=np.dtype(dtype or np.float32))
    result._context = (ctx or current_context()).require_backend()
    return result


def uniform(
    low: float = 0.0, high: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Uniform on [low, high)."""
    return _unit(as_shape(shape), ctx, dtype) * (high - low) + low


def normal(
    loc: float = 0.0, scale: float = 1.0, shape: Shape = (1,), dtype: Any = None, ctx: Context | None = None
) -> NDArray:
    """Normal with mean `loc` and standard deviation `scale` (Box and Muller, 1958)."""
    size = as_shape(shape)
    radius = sqrt(-2.0 * log(1.0 - _unit(size, ctx, dtype)))
    angle = bind(UNARY["cos"], (2 * math.pi) * _unit(size, ctx, dtype))
    return radius * angle * scale + loc
