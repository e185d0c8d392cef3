"""`nd`, `autograd`, `random` and what stands around them."""

from __future__ import annotations

from typing import Any

import numpy as np

NAMESPACES = (
    "mx", "mx.nd", "mx.nd.NDArray", "mx.nd.linalg", "mx.nd.random", "mx.nd.contrib", "mx.nd.image", "mx.autograd",
    "mx.random", "mx.context", "mx.base", "mx.name", "mx.attribute", "mx.util", "mx.runtime", "mx.test_utils",
    "mx.engine",
)  # fmt: skip


def prepare(mx: Any) -> dict[str, Any]:
    """Arrays that the calls may use, made anew for each."""
    array = mx.nd.array
    return {
        "A": array(np.arange(12).reshape(3, 4) / 4 - 1),
        "B": array(np.arange(24).reshape(2, 3, 4)),
        "I": array([0, 2, 1]),
        "V": array([1.0, -2.0, 3.0]),
    }


CALLS = """
nd.take(A, nd.array([-1, 5]))
grads(lambda x: nd.take(x, nd.array([0, 2, 0])), A)
derivatives(nd.exp, nd.array([0.5]))
kind(nd.random.uniform(shape=(2, 3)))
"""

PROGRAMS: list[Any] = []

SETTLED: dict[str, str] = {}
