"""Rows taken out of a table by a kernel that asks for the next ones meanwhile: NumPy's, wherever they come from."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nd


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["clip", "wrap"])
@pytest.mark.parametrize("columns", [1, 7, 16, 54, 784])
@pytest.mark.parametrize(
    ("dtype", "index"), [("float32", "int32"), ("float64", "int64"), ("uint8", "float32")]
)
def test_they_are_those_that_numpy_takes(dtype, index, columns, mode, threads):
    lamina.set_num_threads(threads)
    random = np.random.default_rng(columns)
    table = (100 * random.random((300, columns))).astype(dtype)
    rows = random.integers(-20, 320, 70).astype(index)  # some are beyond the table
    take = lamina.compile(lambda table, rows: nd.take(table, rows, mode=mode))
    found = take(nd.from_numpy(table), nd.from_numpy(rows)).asnumpy()
    np.testing.assert_array_equal(found, np.take(table, rows.astype(int), axis=0, mode=mode))
    assert found.dtype == dtype
