"""NumPy implementations of special functions that NumPy lacks, which the tests compare with SciPy."""

from __future__ import annotations

import math

import numpy as np

_erf = np.vectorize(math.erf, otypes=[np.float64])


def erf_array(x: np.ndarray) -> np.ndarray:
    """The error function, by the C library's `erf` in float64."""
    return _erf(x).astype(x.dtype) if x.size else x.copy()


def erfinv_array(x: np.ndarray) -> np.ndarray:
    """The inverse error function by Giles' approximation (2012), with two Newton steps in float64."""
    y = np.asarray(x, np.float64)
    w = -np.log((1 - y) * (1 + y))
    inner = np.where(w < 5, w - 2.5, np.sqrt(np.maximum(w, 5)) - 3)
    z = np.where(w < 5, np.polyval(_CENTRAL, inner), np.polyval(_TAIL, inner)) * y
    for _ in range(2):
        slope = 2 / math.sqrt(math.pi) * np.exp(-z * z)
        z = z - (erf_array(np.nan_to_num(z)) - y) / slope
    z = np.where(np.abs(y) == 1, np.copysign(np.inf, y), z)
    return np.where(np.abs(y) > 1, np.nan, z).astype(x.dtype)


_CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


def _lgamma(x: float) -> float:
    """log|Γ(x)|, infinite at the poles 0, -1, -2, …"""
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


_gammaln = np.vectorize(_lgamma, otypes=[np.float64])


def gammaln_array(x: np.ndarray) -> np.ndarray:
    """log|Γ(x)|, by the C library's `lgamma` in float64."""
    return _gammaln(x).astype(x.dtype) if x.size else x.copy()


def digamma_array(x: np.ndarray) -> np.ndarray:
    """The derivative of log Γ, by recurrence up to 10 and an asymptotic series (Abramowitz & Stegun 6.3.18)."""
    y = np.asarray(x, np.float64)
    reflected = y < 0
    z = np.where(reflected, 1 - y, y)
    shift = np.zeros_like(z)
    for _ in range(10):
        small = z < 10
        shift = shift - np.where(small, 1 / np.where(small, z, 1), 0)
        z = np.where(small, z + 1, z)
    u = 1 / (z * z)
    series = u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u * (1 / 240 - u * (1 / 132 - u * 691 / 32760)))))
    value = shift + np.log(z) - 0.5 / z - series
    value = np.where(reflected, value - np.pi / np.tan(np.pi * y), value)
    pole = (y < 0) & (y == np.floor(y))
    value = np.where(y == 0, -np.copysign(np.inf, y), value)
    return np.where(pole, np.nan, value).astype(x.dtype)


def polygamma_array(x: np.ndarray, order: int) -> np.ndarray:
    """The `order`-th derivative of `digamma` (A & S 6.4.6, 6.4.11); NaN at poles, and below -1000 (too long)."""
    z = np.asarray(x, np.float64).copy()
    pole = (z <= 0) & (z == np.floor(z))
    z[pole | (z < -1000)] = np.nan
    total = np.zeros_like(z)
    factorial = math.factorial(order)
    while (small := z < 20).any():
        total += np.where(small, factorial / np.where(small, z, 1) ** (order + 1), 0)
        z = np.where(small, z + 1, z)
    total += math.factorial(order - 1) / z**order + factorial / (2 * z ** (order + 1))
    for k, bernoulli in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730), 1):
        factor = bernoulli * math.factorial(2 * k + order - 1) / math.factorial(2 * k)
        total += factor / z ** (2 * k + order)
    return (-total if order % 2 == 0 else total).astype(x.dtype)
