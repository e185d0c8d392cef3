"""Special functions against SciPy."""

import numpy as np
import pytest
from scipy import special

from lamina import nd
from lamina.core.primitive import bind
from lamina.primitives.elementwise import UNARY

CASES = {
    "erf": (special.erf, np.linspace(-6, 6, 201)),
    "erfinv": (special.erfinv, np.concatenate([np.linspace(-0.9999, 0.9999, 201), [-1, 1, 1.5]])),
    "gammaln": (special.gammaln, np.concatenate([np.linspace(0.01, 30, 101), [-0.5, -1.5, -2.25, 0, -1]])),
    "digamma": (special.digamma, np.concatenate([np.linspace(0.01, 30, 101), [-0.5, -1.25, -7.75]])),
    "sigmoid": (special.expit, np.linspace(-30, 30, 101)),
    "cbrt": (special.cbrt, np.linspace(-3, 3, 31)),
}


@pytest.mark.parametrize("name", CASES)
def test_matches_scipy(name: str) -> None:
    oracle, x = CASES[name]
    out = bind(UNARY[name], nd.array(x, dtype=np.float64)).asnumpy()
    np.testing.assert_allclose(out, oracle(x), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_keeps_the_dtype(name: str, dtype: type) -> None:
    oracle, x = CASES[name]
    out = bind(UNARY[name], nd.array(x[:50], dtype=dtype)).asnumpy()
    assert out.dtype == dtype
    tolerance = 4 * np.finfo(dtype).eps
    expected = oracle(x[:50].astype(dtype).astype(np.float64))
    np.testing.assert_allclose(out.astype(np.float64), expected, rtol=tolerance, atol=tolerance)


def test_softrelu_neither_overflows_nor_loses_small_values() -> None:
    x = np.array([-800.0, -30.0, 0.0, 30.0, 800.0])
    expected = [0.0, np.exp(-30.0), np.log(2), 30 + np.log1p(np.exp(-30.0)), 800.0]
    np.testing.assert_allclose(UNARY["softrelu"].eval(x), expected, rtol=1e-12)


@pytest.mark.parametrize("x", [[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], [0.49999997, -0.49999997]])
def test_round_takes_halves_away_from_zero_and_rint_to_even(x: list[float]) -> None:
    values = np.array(x, np.float32)
    exact = values.astype(np.float64)
    away = np.sign(exact) * np.floor(np.abs(exact) + 0.5)
    np.testing.assert_array_equal(UNARY["round"].eval(values), away)
    np.testing.assert_array_equal(UNARY["rint"].eval(values), np.rint(exact))
