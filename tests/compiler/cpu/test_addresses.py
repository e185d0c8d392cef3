"""The quick way to an array's elements, against NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.compiler.cpu._binding import address_of


@pytest.mark.parametrize(
    "array",
    [np.zeros(3), np.zeros((4, 5), np.int8)[1:, 2:], np.arange(9.0)[::-2], np.zeros((0, 2)), np.array(1.0)],
    ids=["vector", "part", "reversed", "empty", "number"],
)
def test_it_is_where_numpy_says(array: np.ndarray) -> None:
    assert address_of(array) == array.ctypes.data
