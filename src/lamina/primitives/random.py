"""Counter-based random numbers, which depend only on (seed, stream), in eager and compiled code alike.

The generator is Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), as in NumPy. Each
call of a random operator uses a separate stream, without state that passes between calls. Distributions transform
uniform numbers by additions, products, quotients and square roots, each rounded separately, and by the functions
``same_…``, which consist of these operations. Therefore all numbers have the same bits on every machine and device.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.core.lowering import Elementwise, Fill
from lamina.core.primitive import Primitive, bind, primitive
from lamina.errors import ParameterError
from lamina.primitives.elementary import ARRAYS, Unfused, cosine_of_turns, exp, expm1_by_log, log
from lamina.primitives.elementwise import UNARY
from lamina.primitives.typing import Type, like_first

Ints = tuple[int, ...]


def _philox(seed: int, stream: int) -> np.random.Philox:
    """NumPy's bit generator at the start of a stream, with key (seed, 0) and counter (0, 0, stream, 0)."""
    mask = (1 << 64) - 1
    return np.random.Philox(key=[seed & mask, 0], counter=[0, 0, stream & mask, 0])


def generator(seed: int, stream: int) -> np.random.Generator:
    """NumPy's generator for a stream, for operators that are never compiled (gamma, Poisson, shuffling)."""
    return np.random.Generator(_philox(seed, stream))


def _drawn(name: str, draw: Any) -> Primitive:
    """A primitive of a seed and a stream, with the result's shape and dtype as parameters."""

    def infer(seed: Any, stream: Any, shape: Ints, dtype: Any) -> Type:
        return tuple(shape), np.dtype(dtype)

    return primitive(name, eval=draw, infer=infer, lowering=Fill())


def _random_uniform(seed: int, stream: int, shape: Ints, dtype: Any) -> np.ndarray:
    """Uniform numbers on [0, 1): the upper 24 bits of each half of a word, low first, or a word's upper 53."""
    size = int(np.prod(shape))
    bits = _philox(int(seed), int(stream))
    if np.dtype(dtype) == np.float64:
        words = bits.random_raw(size)
        return ((words >> np.uint64(11)) * 2.0**-53).reshape(shape)
    words = np.asarray(bits.random_raw((size + 1) // 2), "<u8").view(np.uint32)[:size]
    return ((words >> np.uint32(8)) * np.float32(2.0**-24)).astype(dtype, copy=False).reshape(shape)


random_uniform = _drawn("random_uniform", _random_uniform)
"""``random_uniform(seed, stream, shape=, dtype=)``: uniform on [0, 1)."""


def _random_bits(seed: int, stream: int, shape: Ints, dtype: Any) -> np.ndarray:
    """Unsigned integers split from the 64-bit words of a stream, lowest bits first."""
    size, itemsize = int(np.prod(shape)), np.dtype(dtype).itemsize
    words = np.asarray(_philox(int(seed), int(stream)).random_raw(-(-size * itemsize // 8)), "<u8")
    return words.view(np.dtype(dtype).newbyteorder("<"))[:size].astype(dtype, copy=False).reshape(shape)


random_bits = _drawn("random_bits", _random_bits)
"""``random_bits(seed, stream, shape=, dtype=)``: unsigned integers, all equally likely."""


def _sampled(name: str, sample: Any) -> Primitive:
    """Make a primitive for rejection sampling, never compiled, with one result per element of the parameter."""

    def eval(seed: int, stream: int, parameter: np.ndarray) -> np.ndarray:
        if not (parameter >= 0).all():
            raise ParameterError(f"{name}: its parameter must not be negative or NaN, got {parameter.min()}")
        return np.asarray(sample(generator(int(seed), int(stream)), parameter), parameter.dtype)

    return primitive(name, eval=eval, infer=lambda seed, stream, parameter: like_first(parameter))


random_gamma = _sampled("random_gamma", lambda random, alpha: random.standard_gamma(alpha.astype(np.float64)))
random_poisson = _sampled("random_poisson", lambda random, mean: random.poisson(mean))
"""``random_gamma(seed, stream, alpha)``, with scale 1, and ``random_poisson(seed, stream, mean)``."""


_AT_ONCE = 1 << 14
"""The block size, in elements, with temporary arrays that fit in the processor's caches."""


def _same(name: str, function: Any, derivative: Any) -> Primitive:
    """Make the primitive of a float function with the same bits everywhere; `derivative(x, out)` is of operators."""

    def eval(x: np.ndarray) -> np.ndarray:
        flat = x.ravel()
        out = np.empty_like(flat)
        wide = np.float32 if x.dtype == np.float16 else x.dtype
        for start in range(0, flat.size, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            out[part] = function(ARRAYS, flat[part].astype(wide, copy=False))
        return out.reshape(x.shape)

    lowering = Elementwise(lambda b, x: function(Unfused(b), x), expensive=True)
    vjp = (lambda g, out, x: g * derivative(x, out),)
    return primitive(name, eval=eval, infer=like_first, vjp=vjp, lowering=lowering)


def _exp_without_denormals(b: Any, x: Any) -> Any:
    """exp(x), with denormal results replaced by 0, since only some machines flush denormals."""
    least = float(np.log(np.finfo(x.dtype).smallest_normal))
    return b.where(b.less(x, least), 0.0, exp(b, x))


def _derivative_of_cosine(x: Any, _out: Any) -> Any:
    return (-2 * math.pi) * bind(UNARY["sin"], (2 * math.pi) * x)


same_log = _same("same_log", log, lambda x, out: 1.0 / x)
same_exp = _same("same_exp", _exp_without_denormals, lambda x, out: out)
same_expm1 = _same("same_expm1", expm1_by_log, lambda x, out: out + 1.0)
same_cosine_of_turns = _same("same_cosine_of_turns", cosine_of_turns, _derivative_of_cosine)
"""Primitives for log x, exp x, exp(x) - 1 and cos 2πx."""
