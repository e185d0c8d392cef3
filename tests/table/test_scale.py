"""Scaling against NumPy's and scikit-learn's quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import RobustScaler

from lamina.table._scale import count_statistics, matrix_statistics, robust_statistics, smooth_clip

numbers = st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: 0.0 if abs(x) < 1e-6 else x)


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=numbers))
def test_center_and_scale_are_those_of_scikit_learn(matrix):
    oracle = RobustScaler().fit(matrix)
    centers, factors = matrix_statistics(matrix)
    np.testing.assert_allclose(centers, oracle.center_, rtol=1e-12, atol=1e-12)
    spread = np.quantile(matrix, 0.75, axis=0) - np.quantile(matrix, 0.25, axis=0)
    ordinary = spread > 1e-9
    np.testing.assert_allclose(factors[ordinary], 1 / oracle.scale_[ordinary], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8, np.bool_])
def test_every_dtype_has_the_statistics_of_float64(dtype):
    matrix = np.random.default_rng(0).integers(0, 2 if dtype is np.bool_ else 100, (501, 7)).astype(dtype)
    for ours, theirs in zip(matrix_statistics(matrix), matrix_statistics(matrix.astype(float)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_missing_values_of_float16_are_ignored():
    matrix = np.arange(80, dtype=np.float16).reshape(20, 4)
    matrix[3:6, 1] = np.nan
    for ours, theirs in zip(matrix_statistics(matrix), matrix_statistics(matrix.astype(float)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_matrix_is_left_as_it_was():
    for order in "CF":
        matrix = np.asarray(np.random.default_rng(0).normal(size=(50, 3)), order=order)
        before = matrix.copy()
        matrix_statistics(matrix)
        robust_statistics(matrix[:, 0])
        np.testing.assert_array_equal(matrix, before)


def test_missing_numbers_are_ignored():
    matrix = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [5.0, np.nan]])
    centers, factors = matrix_statistics(matrix)
    assert (centers[0], factors[0]) == robust_statistics(np.array([1.0, 3.0, 5.0])) == (3.0, 0.5)
    assert (centers[1], factors[1]) == (0, 0)


def test_fallbacks():
    assert robust_statistics(np.array([0.0] * 9 + [8.0])) == (0, 0.25)  # half of max − min
    assert robust_statistics(np.array([5, 5, 5])) == (5, 0)
    assert robust_statistics(np.array([])) == (0, 0)
    assert robust_statistics(np.array([-1.7e308] + [0.0] * 8 + [1.7e308])) == (0, 1 / 1.7e308)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5).filter(any))
def test_statistics_of_counts_are_those_of_the_repeated_values(counts):
    values = np.array([-1.0, 0.0, 1.0, 2.5, 9.0])[: len(counts)]
    assert count_statistics(values, np.array(counts)) == pytest.approx(
        robust_statistics(np.repeat(values, counts))
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_smooth_clip(dtype):
    x = np.array([-1e30, -4, -1e-3, 0, 1, 5, 1e38, np.inf, np.nan], dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = x / np.sqrt(1 + (x.astype(np.longdouble) / 3) ** 2)
    expected[7] = 3
    clipped = x.copy()
    smooth_clip(clipped)
    np.testing.assert_allclose(clipped, expected.astype(dtype), rtol=1e-6)
    assert np.nanmax(np.abs(clipped)) <= 3
