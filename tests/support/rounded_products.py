"""Matrix products whose operands are rounded: what they are, and how far from exact ones they may be."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["BOUNDS", "EXACT", "assert_near", "numbers", "rounded"]

EXACT = 1e-5
"""What float32 sums of a few hundred terms are off by, of the sum of magnitudes."""
BOUNDS = {"float32": 0.0, "tf32": 2.0**-10, "bfloat16": 2.0**-7}
"""What `lamina.compile` says that rounded operands add to that."""
_DROPPED_BITS = {"float32": 0, "tf32": 13, "bfloat16": 16}


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """float32 numbers around 0."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def rounded(x: np.ndarray, precision: str) -> np.ndarray:
    """float32 numbers with the bits of a precision: tf32 rounds halves away from zero, bfloat16 to even."""
    bits = 24 - _DROPPED_BITS[precision]
    mantissa, exponent = np.frexp(x.astype(np.float64))
    scaled = mantissa * 2.0**bits
    whole = np.trunc(scaled + np.copysign(0.5, scaled)) if precision == "tf32" else np.rint(scaled)
    return np.ldexp(whole, exponent - bits)


def assert_near(found: Any, a: np.ndarray, b: np.ndarray, bound: float) -> None:
    """A product differs from the exact one by at most `bound` of the product of magnitudes."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    assert (np.abs(found.asnumpy() - a @ b) <= bound * (np.abs(a) @ np.abs(b)) + 1e-30).all()
