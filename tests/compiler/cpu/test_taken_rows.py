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


ROWS, COLUMNS, UNITS = 400, 784, 96
"""A batch that outgrows half of a cache of two megabytes in float64, so that its products are cut into blocks."""


def picture_table(dtype: str, filled: float) -> np.ndarray:
    random = np.random.default_rng(0)
    table = random.normal(size=(500, COLUMNS))
    return (table * (random.random(table.shape) < filled)).astype(dtype)


def forward_and_gradient(x: nd.NDArray, w: nd.NDArray, d: nd.NDArray) -> tuple[nd.NDArray, nd.NDArray]:
    return nd.relu(nd.dot(x, w)), nd.dot(x, d, transpose_a=True)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("filled", [0.15, 1.0], ids=["pictures", "dense"])
@pytest.mark.parametrize(
    ("dtype", "index", "mode"),
    [("float32", "int32", "clip"), ("float64", "int64", "wrap"), ("float64", "float32", "clip")],
)
def test_products_of_them_have_the_bits_of_products_of_a_copy(dtype, index, mode, filled, threads):
    lamina.set_num_threads(threads)
    random = np.random.default_rng(1)
    table = nd.from_numpy(picture_table(dtype, filled))
    rows = nd.from_numpy(
        random.integers(-20, 520, ROWS).astype(index)
    )  # some are beyond the table, some twice
    w, d = (
        nd.from_numpy(random.normal(size=size).astype(dtype)) for size in ((COLUMNS, UNITS), (ROWS, UNITS))
    )
    taking = lamina.compile(lambda t, i, w, d: forward_and_gradient(nd.take(t, i, mode=mode), w, d))
    copied = lamina.compile(lambda t, i: nd.take(t, i, mode=mode))(table, rows)
    expected = lamina.compile(forward_and_gradient)(copied, w, d)
    for found, other in zip(taking(table, rows, w, d), expected, strict=True):
        np.testing.assert_array_equal(found.asnumpy(), other.asnumpy())
    x = np.take(table.asnumpy(), rows.asnumpy().astype(int), axis=0, mode=mode)
    rounding = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(expected[1].asnumpy(), x.T @ d.asnumpy(), rtol=rounding, atol=rounding)


def test_products_and_others_read_them():
    table, random = picture_table("float64", 0.2), np.random.default_rng(2)
    rows, w = random.integers(0, 500, ROWS), random.normal(size=(COLUMNS, UNITS))

    def step(t: nd.NDArray, i: nd.NDArray, w: nd.NDArray) -> tuple[nd.NDArray, nd.NDArray]:
        x = nd.take(t, i)
        return nd.dot(x, w), nd.sum(nd.transpose(x) * 2.0, axis=1)

    found, sums = lamina.compile(step)(*map(nd.from_numpy, (table, rows, w)))
    np.testing.assert_allclose(found.asnumpy(), table[rows] @ w, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(sums.asnumpy(), 2 * table[rows].sum(axis=0), rtol=1e-10, atol=1e-10)


def test_a_table_that_the_step_changes_is_read_before():
    table, random = picture_table("float64", 0.2), np.random.default_rng(3)
    rows, w, d = (
        random.integers(0, 500, ROWS),
        random.normal(size=(COLUMNS, UNITS)),
        random.normal(size=(ROWS, UNITS)),
    )

    def step(t: nd.NDArray, i: nd.NDArray, w: nd.NDArray, d: nd.NDArray) -> tuple[nd.NDArray, nd.NDArray]:
        results = forward_and_gradient(nd.take(t, i), w, d)
        t[:] = t * 0.5
        return results

    changed = nd.from_numpy(table.copy())
    first, second = lamina.compile(step)(changed, *map(nd.from_numpy, (rows, w, d)))
    x = table[rows]
    np.testing.assert_allclose(first.asnumpy(), np.maximum(x @ w, 0), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(second.asnumpy(), x.T @ d, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(changed.asnumpy(), table * 0.5)


def test_infinite_weights_of_pixels_that_are_zero_still_count():
    """0 · inf is NaN, however the zeros are skipped."""
    table, random = picture_table("float64", 0.2), np.random.default_rng(4)
    rows, w = random.integers(0, 500, ROWS), random.normal(size=(COLUMNS, UNITS))
    table[:, 5], w[5, 7] = 0, np.inf
    found = lamina.compile(lambda t, i, w: nd.dot(nd.take(t, i), w))(*map(nd.from_numpy, (table, rows, w)))
    assert np.isnan(found.asnumpy()[:, 7]).all()
    assert np.isfinite(np.delete(found.asnumpy(), 7, axis=1)).all()
