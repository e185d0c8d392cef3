"""Functions of one array against NumPy and SciPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from lamina import autograd, nd

INSIDE = np.linspace(-0.95, 0.95, 12).reshape(3, 4)
ANY = np.linspace(-2.6, 2.7, 12).reshape(3, 4)
POSITIVE = np.linspace(0.1, 4.0, 12).reshape(3, 4)

CASES: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "abs": (np.abs, ANY),
    "sign": (np.sign, ANY),
    "negative": (np.negative, ANY),
    "floor": (np.floor, ANY),
    "ceil": (np.ceil, ANY),
    "trunc": (np.trunc, ANY),
    "fix": (np.trunc, ANY),  # np.fix is deprecated since NumPy 2.5
    "rint": (np.rint, ANY),
    "round": (np.round, ANY),
    "exp": (np.exp, ANY),
    "expm1": (np.expm1, ANY),
    "log": (np.log, POSITIVE),
    "log2": (np.log2, POSITIVE),
    "log10": (np.log10, POSITIVE),
    "log1p": (np.log1p, POSITIVE),
    "sqrt": (np.sqrt, POSITIVE),
    "rsqrt": (lambda x: 1 / np.sqrt(x), POSITIVE),
    "cbrt": (np.cbrt, ANY),
    "rcbrt": (lambda x: 1 / np.cbrt(x), ANY),
    "square": (np.square, ANY),
    "reciprocal": (np.reciprocal, ANY),
    "sin": (np.sin, ANY),
    "cos": (np.cos, ANY),
    "tan": (np.tan, ANY),
    "arcsin": (np.arcsin, INSIDE),
    "arccos": (np.arccos, INSIDE),
    "arctan": (np.arctan, ANY),
    "sinh": (np.sinh, ANY),
    "cosh": (np.cosh, ANY),
    "tanh": (np.tanh, ANY),
    "arcsinh": (np.arcsinh, ANY),
    "arccosh": (np.arccosh, POSITIVE + 1),
    "arctanh": (np.arctanh, INSIDE),
    "degrees": (np.degrees, ANY),
    "radians": (np.radians, ANY),
    "erf": (special.erf, ANY),
    "erfinv": (special.erfinv, INSIDE),
    "gamma": (special.gamma, ANY),
    "gammaln": (special.gammaln, ANY),
    "digamma": (special.digamma, ANY),
    "logical_not": (np.logical_not, np.array([0.0, 1.0, -2.0])),
    "relu": (lambda x: np.maximum(x, 0), ANY),
    "sigmoid": (special.expit, ANY),
    "identity": (lambda x: x, ANY),
    "make_loss": (lambda x: x, ANY),
    "BlockGrad": (lambda x: x, ANY),
}


@pytest.mark.parametrize("name", CASES)
def test_matches_the_oracle_as_a_function_and_as_a_method(name: str) -> None:
    oracle, x = CASES[name]
    for dtype, tolerance in ((np.float32, 2e-6), (np.float64, 1e-12)):
        given = nd.array(x, dtype=dtype)
        out = getattr(nd, name)(given)
        assert out.dtype == dtype
        np.testing.assert_allclose(out.asnumpy(), oracle(given.asnumpy()), rtol=tolerance, atol=tolerance)
        if hasattr(given, name):
            np.testing.assert_array_equal(getattr(given, name)().asnumpy(), out.asnumpy())


@pytest.mark.parametrize("name", CASES)
def test_float16_stays_float16(name: str) -> None:
    oracle, x = CASES[name]
    given = nd.array(x, dtype="float16")
    out = getattr(nd, name)(given)
    assert out.dtype == np.float16
    exact = oracle(given.asnumpy().astype(np.float64))
    np.testing.assert_allclose(out.asnumpy(), exact, rtol=1e-2, atol=4e-3)


def test_integers_stay_integers() -> None:
    x = nd.array([4, 9], dtype="int32")
    assert nd.sqrt(x).dtype == np.int32
    assert nd.sqrt(x).asnumpy().tolist() == [2, 3]
    assert nd.square(x).dtype == np.int32


def test_poles_and_overflow_are_quiet() -> None:
    assert nd.log(nd.array([0, -1])).asnumpy().tolist()[0] == -np.inf
    assert np.isnan(nd.sqrt(nd.array([-1])).asnumpy()[0])
    assert nd.exp(nd.array([1000])).asnumpy()[0] == np.inf
    assert nd.array([1e38]).square().asnumpy()[0] == np.inf


def test_clip_passes_the_gradient_within_its_bounds_included() -> None:
    x = nd.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    x.attach_grad()
    with autograd.record():
        y = x.clip(-1, 1)
    y.backward()
    assert y.asnumpy().tolist() == [-1, -1, 0, 1, 1]
    assert x.grad.asnumpy().tolist() == [0, 1, 1, 1, 0]
    assert nd.clip(nd.array([1, 5, 9], dtype="int32"), 2, 7).asnumpy().tolist() == [2, 5, 7]


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_smooth_l1_is_hubers_loss(sigma: float) -> None:
    out = nd.smooth_l1(nd.array(ANY, dtype="float64"), scalar=sigma).asnumpy()
    expected = special.huber(1 / sigma**2, ANY) * sigma**2
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def test_cast_truncates_toward_zero() -> None:
    x = nd.array([-1.7, 0.2, 1.7])
    assert nd.cast(x, dtype="int32").asnumpy().tolist() == [-1, 0, 1]
    assert nd.Cast(x, dtype="bool").asnumpy().tolist() == [True, True, True]


def test_stop_gradient_stops_it_and_identity_does_not() -> None:
    x = nd.array([3.0])
    x.attach_grad()
    with autograd.record():
        y = nd.identity(x) * nd.stop_gradient(x)
    y.backward()
    assert x.grad.asscalar() == 3
