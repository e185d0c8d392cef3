"""Exponentials in steps that round alike everywhere, against NumPy's and decimal arithmetic."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lamina.estimators.exponential import exp, logistic, softmax

RANDOM = np.random.default_rng(0)


def test_exp_is_within_two_units_in_the_last_place():
    x = np.concatenate([RANDOM.uniform(-708, 709, 2000), RANDOM.normal(size=2000), [0.0, -0.0, 1e-300]])
    with localcontext(prec=50):
        exact = [Decimal(float(value)).exp() for value in x]
        units = [
            abs((Decimal(float(y)) - e) / Decimal(float(np.spacing(float(e)))))
            for y, e in zip(exp(x), exact, strict=True)
        ]
    assert max(units) < 2


def test_the_ends_of_exp():
    x = np.array([710.0, 1e9, np.inf, -745.0, -746.0, -1e9, -np.inf, np.nan])
    expected = [np.inf, np.inf, np.inf, 4.9e-324, 0.0, 0.0, 0.0, np.nan]
    np.testing.assert_array_equal(exp(x), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 3), (4, 130), (0, 3)])
def test_softmax_is_scipys(shape):
    from scipy.special import softmax as expected

    x = RANDOM.normal(size=shape, scale=20)
    np.testing.assert_allclose(softmax(x), expected(x, axis=1), rtol=1e-14, atol=1e-300)


def test_rows_do_not_depend_on_each_other():
    x = RANDOM.normal(size=(257, 11), scale=5)
    np.testing.assert_array_equal(softmax(x), np.concatenate([softmax(row[None]) for row in x]))


@given(arrays(np.float64, 5, elements=st.floats(-800, 800)))
def test_logistic_is_scipys(x):
    from scipy.special import expit

    np.testing.assert_allclose(logistic(x), expit(x), rtol=1e-14, atol=1e-300)
