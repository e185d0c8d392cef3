"""Functions made of operations that are each rounded by themselves, against a wider format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamina.primitives.random import same_exp, same_expm1, same_log


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("primitive", "function", "low", "high"),
    [(same_exp, np.exp, -80, 85), (same_expm1, np.expm1, 0.001, 60), (same_log, np.log, 0.001, 60)],
    ids=["exp", "expm1", "log"],
)
def test_they_are_off_by_a_few_units_in_the_last_place(
    primitive: Any, function: Any, low: float, high: float, dtype: Any
) -> None:
    x = np.linspace(low, high, 20_001).astype(dtype)
    expected = function(x.astype(np.longdouble))
    errors = np.abs(primitive.eval(x) - expected) / np.spacing(np.abs(expected).astype(dtype))
    assert errors.max() < 3
