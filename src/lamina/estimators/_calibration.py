"""Temperature scaling: one factor for a classifier's outputs that makes its probabilities as sure as they should be.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv 1706.04599. The epoch is judged
after scaling: how well a network separates classes goes on getting better when it is already too sure of itself
(Berta, Holzmüller, Jordan, Bach, "Rethinking Early Stopping: Refine, Then Calibrate", 2025, arXiv 2501.19195).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.optimize import minimize_scalar

__all__ = ["best_factor"]

_BOUNDS = (math.log(0.02), math.log(5.0))
_SPREAD = 0.5
"""The standard deviation of log(factor) before any row has been seen: a few rows, all of them right, prove little."""


def best_factor(log_likelihood: Callable[[float], float], rows: int) -> float:
    """The factor on outputs that makes the classes of some rows likeliest.

    `log_likelihood` gives the mean over the rows with a factor on the outputs. The factor found is the most probable
    one if its logarithm is normal with mean 0 and standard deviation ½ beforehand.

    >>> import numpy as np
    >>> logits = np.array([4.0, 4.0, 4.0, -4.0] * 1000)  # of the true class: 3 of 4 are right, which log 3 would say
    >>> factor = best_factor(lambda factor: -np.logaddexp(0, -factor * logits).mean(), 4000)
    >>> round(4 * factor, 1)
    1.1
    """
    weight = 0.5 / (_SPREAD**2 * max(rows, 1))

    def cost(logarithm: float) -> float:
        return weight * logarithm**2 - log_likelihood(math.exp(logarithm))

    found = minimize_scalar(cost, bounds=_BOUNDS, method="bounded", options={"xatol": 0.01})
    return math.exp(found.x)
