"""Probabilities and exponentials of outputs, against SciPy and decimal arithmetic."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import lamina
from lamina import nd
from lamina.estimators.meaning import SIZES, Decision, computed_probabilities, holds, numbers, probabilities

RANDOM = np.random.default_rng(0)


def exp(x):
    """The exponential as predictions of counts have it."""
    column, one = x.reshape(-1, 1), np.ones(1)
    return numbers(column, 0 * one, one, -np.inf * one, np.inf * one, logarithmic=True)[:, 0]


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
    x = np.array([710.0, 1e9, np.inf, -708.0, -746.0, -1e9, -np.inf, np.nan])
    expected = [np.inf, np.inf, np.inf, np.exp(-708.0), 0.0, 0.0, 0.0, np.nan]
    np.testing.assert_allclose(exp(x), expected, rtol=1e-15)
    assert exp(np.array([-720.0]))[0] == 0, "what is not a normal number is 0"


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 3), (4, 130), (0, 3)])
def test_softmax_is_scipys(shape):
    from scipy.special import softmax as expected

    x = RANDOM.normal(size=shape, scale=20)
    np.testing.assert_allclose(
        computed_probabilities(x, several=False), expected(x, axis=1), rtol=1e-14, atol=1e-300
    )


@given(arrays(np.float64, (1, 5), elements=st.floats(-800, 800)))
def test_logistic_is_scipys(x):
    from scipy.special import expit

    np.testing.assert_allclose(computed_probabilities(x, several=True), expit(x), rtol=1e-14, atol=1e-300)


@pytest.mark.few(1)
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 11, 130])
def test_rows_do_not_depend_on_each_other(several, classes):
    x = RANDOM.normal(size=(SIZES[-1] + 17, classes), scale=5).astype(np.float32)
    whole = computed_probabilities(x, several=several)
    assert whole.shape == x.shape
    for count in (1, 2, *SIZES):
        begin = RANDOM.integers(0, len(x) - count)
        part = x[begin : begin + count]
        np.testing.assert_array_equal(
            computed_probabilities(part, several=several), whole[begin : begin + count]
        )


@pytest.mark.parametrize(
    "formula",
    [
        Decision().decided,
        Decision(positive=0, threshold=0.25).decided,
        Decision(positive=1, threshold=0.25).decided,
        holds,
        lambda x: numbers(x, *_limits(x), logarithmic=False),
        lambda x: numbers(x, *_limits(x), logarithmic=True),
        lambda x: numbers(x, *_limits(x), logarithmic=False, levels=2),
    ],
)
def test_formulas_give_the_same_bits_for_numpys_arrays_and_compiled(formula):
    x = RANDOM.normal(size=(SIZES[-1], 2)).astype(np.float32)
    x[::9] = x[::9, :1]
    x[::7] = 0.25
    found = lamina.compile(formula, independent_rows=True)(nd.array(x)).asnumpy()
    assert found.dtype == formula(x).dtype
    np.testing.assert_array_equal(found, formula(x))


def _limits(x):
    limits = np.array([[[0.1, 3.0]], [[7.3, 1.1]], [[-9.0, 0.5]], [[9.0, 5.0]]])
    return [nd.array(row, dtype="float64") for row in limits] if isinstance(x, nd.NDArray) else list(limits)


def test_probabilities_of_one_row_add_up_to_one():
    found = probabilities(nd.array([[1.0, 2.0, 3.0]]), several=False)
    assert found.dtype == np.float64
    assert nd.sum(found).asscalar() == pytest.approx(1, abs=1e-15)
