"""Counter-based randomness: the numbers depend on (seed, stream) alone, eagerly and compiled alike.

The generator is Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), as NumPy has it.
Every random operator takes a stream of its own, so no state passes from one to the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core.lowering import Fill
from lamina.core.primitive import Primitive, primitive
from lamina.errors import ParameterError
from lamina.primitives.typing import Type

__all__ = ["generator", "philox", "random_bits", "random_gamma", "random_poisson", "random_uniform"]

Ints = tuple[int, ...]


def philox(seed: int, stream: int) -> np.random.Philox:
    """NumPy's bit generator at the start of a stream: key (seed, 0), counter (0, 0, stream, 0)."""
    mask = (1 << 64) - 1
    return np.random.Philox(key=[seed & mask, 0], counter=[0, 0, stream & mask, 0])


def generator(seed: int, stream: int) -> np.random.Generator:
    """NumPy's distributions over a stream, for what is never compiled (gamma, Poisson, shuffling)."""
    return np.random.Generator(philox(seed, stream))


def _random_uniform(seed: int, stream: int, shape: Ints, dtype: Any) -> np.ndarray:
    """float32: the upper 24 bits of each half of the 64-bit words, low half first; float64: their upper 53 bits."""
    size = int(np.prod(shape))
    bits = philox(int(seed), int(stream))
    if np.dtype(dtype) == np.float64:
        words = bits.random_raw(size)
        return ((words >> np.uint64(11)) * 2.0**-53).reshape(shape)
    words = np.asarray(bits.random_raw((size + 1) // 2), "<u8").view(np.uint32)[:size]
    return ((words >> np.uint32(8)) * np.float32(2.0**-24)).astype(dtype, copy=False).reshape(shape)


random_uniform = primitive(
    "random_uniform",
    eval=_random_uniform,
    infer=lambda seed, stream, shape, dtype: (tuple(shape), np.dtype(dtype)),
    lowering=Fill(),
)
"""``random_uniform(seed, stream, shape=, dtype=)``: uniform on [0, 1)."""


def _random_bits(seed: int, stream: int, shape: Ints, dtype: Any) -> np.ndarray:
    """The 64-bit words cut into elements, lowest bits first."""
    size, itemsize = int(np.prod(shape)), np.dtype(dtype).itemsize
    words = np.asarray(philox(int(seed), int(stream)).random_raw(-(-size * itemsize // 8)), "<u8")
    return words.view(np.dtype(dtype).newbyteorder("<"))[:size].astype(dtype, copy=False).reshape(shape)


random_bits = primitive(
    "random_bits",
    eval=_random_bits,
    infer=lambda seed, stream, shape, dtype: (tuple(shape), np.dtype(dtype)),
    lowering=Fill(),
)
"""``random_bits(seed, stream, shape=, dtype=)``: unsigned integers, all equally likely."""


def _sampled(name: str, sample: Any) -> Primitive:
    """Rejection sampling, an element of the result for each of the parameter: never compiled."""

    def eval(seed: int, stream: int, parameter: np.ndarray) -> np.ndarray:
        if not (parameter >= 0).all():
            raise ParameterError(f"{name}: its parameter must not be negative or NaN, got {parameter.min()}")
        return np.asarray(sample(generator(int(seed), int(stream)), parameter), parameter.dtype)

    def infer(seed: Any, stream: Any, parameter: Any) -> Type:
        return tuple(parameter.shape), np.dtype(parameter.dtype)

    return primitive(name, eval=eval, infer=infer)


random_gamma = _sampled("random_gamma", lambda random, alpha: random.standard_gamma(alpha.astype(np.float64)))
random_poisson = _sampled("random_poisson", lambda random, mean: random.poisson(mean))
"""``random_gamma(seed, stream, alpha)`` of scale 1, and ``random_poisson(seed, stream, mean)``."""
