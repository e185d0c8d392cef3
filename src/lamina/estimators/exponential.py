"""Probabilities as the same bits on every processor: sums, products and quotients that IEEE 754 says how to round.

NumPy's exp differs in the last bit from version to version and from processor to processor. What a network's outputs
stand for should not, so that a model that left lamina, as a compiled library, says exactly what it said here: these
steps can be done in any language.
"""

from __future__ import annotations

import numpy as np

__all__ = ["COEFFICIENTS", "HIGHEST", "LOG_2", "LOWEST", "ROUND_MAGIC", "exp", "logistic", "softmax"]

LOWEST, HIGHEST = -746.0, 710.0
"""Beyond these, exp is 0 or infinite."""
LOG_2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
"""The logarithm of 2 in two parts (fdlibm's). The first ends in zero bits: its product with an exponent is exact."""
ROUND_MAGIC = 1.5 * 2.0**52
"""x + this - this rounds x to a whole number, which is in the sum's lowest bits."""
COEFFICIENTS = (
    0.500000000000000005, 0.166666666666666851, 0.041666666666666035, 0.00833333333331570441,
    0.001388888888913423, 0.000198412698997254388, 0.0000248015869037601565, 2.75572314832653692e-6,
    2.7557592450504988e-7, 2.51132260216459128e-8, 2.08256134305365494e-9,
)  # fmt: skip
"""(exp(r) - 1 - r) / r² for |r| <= log(2) / 2, as in compiled code."""

_MAGIC_BITS = int(np.float64(ROUND_MAGIC).view(np.int64))
_BIAS, _MANTISSA_BITS = 1023, 52


def exp(x: np.ndarray) -> np.ndarray:
    """The exponential of each number (float64), within 2 units in the last place.

    2ⁿ exp(r) with x = n log 2 + r and |r| <= log(2) / 2, by a polynomial; 2ⁿ in two factors, since it may not be a
    normal number. Each step is rounded once: no fused multiply-adds.

    >>> exp(np.array([0.0, 1.0, -1000.0, 1000.0, np.nan]))
    array([1.        , 2.71828183, 0.        ,        inf,        nan])
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        x = np.minimum(np.maximum(x, LOWEST), HIGHEST)
        shifted = x * (1 / sum(LOG_2)) + ROUND_MAGIC
        n = shifted - ROUND_MAGIC
        r = (x - n * LOG_2[0]) - n * LOG_2[1]
        value = np.full_like(r, COEFFICIENTS[-1])
        for coefficient in COEFFICIENTS[-2::-1]:
            value = value * r + coefficient
        value = ((r * r) * value + r) + 1.0
        exponent = shifted.view(np.int64) - _MAGIC_BITS
        half = exponent >> 1
        return (value * _power_of_two(half)) * _power_of_two(exponent - half)


def _power_of_two(n: np.ndarray) -> np.ndarray:
    return ((n + _BIAS) << _MANTISSA_BITS).view(np.float64)


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) of each number (float64).

    >>> logistic(np.array([0.0, -1000.0, 1000.0]))
    array([0.5, 0. , 1. ])
    """
    return 1.0 / (exp(-x) + 1.0)


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x) of each row (float64) divided by its sum, which is taken from the first element to the last.

    >>> softmax(np.array([[0.0, np.log(3)], [1000.0, 1000.0]]))
    array([[0.25, 0.75],
           [0.5 , 0.5 ]])
    """
    columns = np.ascontiguousarray(x.T)
    powers = exp(columns - columns.max(axis=0))
    return np.ascontiguousarray((powers / np.add.accumulate(powers, axis=0)[-1]).T)
