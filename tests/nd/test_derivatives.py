"""First, second and third derivatives of all functions of one number, against differences of the one before."""

from __future__ import annotations

import numpy as np
import pytest

from lamina import autograd, nd

NAMES = (
    "abs", "cbrt", "cos", "cosh", "degrees", "digamma", "erf", "exp", "expm1", "gamma", "gammaln", "gelu",
    "log", "log10", "log1p", "log2", "log_sigmoid", "mish", "negative", "radians", "rcbrt", "reciprocal", "relu",
    "rsqrt", "selu", "sigmoid", "sin", "sinh", "softrelu", "softsign", "sqrt", "square", "tan", "tanh",
    "arcsinh", "arctan",
)  # fmt: skip
INSIDE = ("arccos", "arcsin", "arctanh", "erfinv")
BEYOND = ("arccosh",)
POINTS = (
    [(name, 0.1, 1.4) for name in NAMES]
    + [(name, -0.8, 0.8) for name in INSIDE]
    + [(name, 1.5, 3) for name in BEYOND]
)


def derivatives(name: str, at: np.ndarray) -> list[np.ndarray]:
    x = nd.array(at, dtype="float64")
    x.attach_grad()
    found: list[nd.NDArray] = []
    with autograd.record():
        y = getattr(nd, name)(x)
        found.append(y)
        for _ in range(3):
            (y,) = autograd.grad(y, x, create_graph=True)
            found.append(y)
    return [y.asnumpy() for y in found]


@pytest.mark.parametrize(("name", "low", "high"), POINTS)
def test_derivatives(name: str, low: float, high: float) -> None:
    x, step = np.linspace(low, high, 5), 1e-5
    at, above, below = (derivatives(name, x + s) for s in (0, step, -step))
    for order in (1, 2, 3):
        difference = (above[order - 1] - below[order - 1]) / (2 * step)
        np.testing.assert_allclose(at[order], difference, rtol=2e-6, atol=2e-6)
