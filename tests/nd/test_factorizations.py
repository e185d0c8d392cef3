"""Linear algebra against NumPy, and its gradients, of first and second order, against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, nd
from lamina.errors import LaminaError, ShapeError

RANDOM = np.random.default_rng(3)
ROOTS = RANDOM.uniform(-1, 1, (2, 2, 3, 3))
DEFINITE = ROOTS @ ROOTS.swapaxes(-1, -2) + np.diag([1.0, 2.0, 3.5])
WIDE = RANDOM.uniform(-1, 1, (2, 2, 3, 4))
LOWER = np.tril(ROOTS) + 2 * np.eye(3)


def double(x: np.ndarray) -> nd.NDArray:
    return nd.array(x, dtype="float64")


def symmetric(x: nd.NDArray) -> nd.NDArray:
    return (x + x.swapaxes(-1, -2)) * 0.5


def test_values_of_batches() -> None:
    lower, q_l = nd.linalg.potrf(double(DEFINITE)), nd.linalg.gelqf(double(WIDE))
    np.testing.assert_allclose(lower.asnumpy(), np.linalg.cholesky(DEFINITE), rtol=1e-12)
    np.testing.assert_allclose(nd.linalg.potri(lower).asnumpy(), np.linalg.inv(DEFINITE), rtol=1e-10)
    np.testing.assert_allclose((q_l[1].asnumpy() @ q_l[0].asnumpy()), WIDE, rtol=1e-10)
    upper = nd.linalg.potrf(double(DEFINITE), lower=False)
    np.testing.assert_array_equal(upper.asnumpy(), lower.asnumpy().swapaxes(-1, -2))
    inverse = nd.linalg.potri(upper, lower=False).asnumpy()
    np.testing.assert_allclose(inverse, np.linalg.inv(DEFINITE), rtol=1e-10)
    identity = q_l[0].asnumpy() @ q_l[0].asnumpy().swapaxes(-1, -2)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-12)
    u, values = (x.asnumpy() for x in nd.linalg.syevd(double(DEFINITE)))
    np.testing.assert_allclose(u.swapaxes(-1, -2) @ (values[..., np.newaxis] * u), DEFINITE, rtol=1e-10)
    sign, log = nd.linalg.slogdet(double(-DEFINITE))
    assert (sign.asnumpy() == -1).all()
    np.testing.assert_allclose(np.exp(log.asnumpy()), np.linalg.det(DEFINITE), rtol=1e-10)
    np.testing.assert_allclose(nd.linalg.det(double(ROOTS)).asnumpy(), np.linalg.det(ROOTS), rtol=1e-10)
    np.testing.assert_allclose(nd.linalg.inverse(double(LOWER)).asnumpy(), np.linalg.inv(LOWER), rtol=1e-10)
    np.testing.assert_allclose(nd.linalg.sumlogdiag(lower).asnumpy() * 2, log.asnumpy(), rtol=1e-10)


@pytest.mark.parametrize("rightside", [False, True])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_triangles_on_either_side(rightside: bool, transpose: bool, lower: bool) -> None:
    flags = {"rightside": rightside, "transpose": transpose, "lower": lower, "alpha": 2.0}
    full = LOWER + 0.3 * LOWER.swapaxes(-1, -2)
    t = np.tril(full) if lower else np.triu(full)
    t = t.swapaxes(-1, -2) if transpose else t
    b = WIDE.swapaxes(-1, -2) if rightside else WIDE
    product = nd.linalg.trmm(double(full), double(b), **flags)
    np.testing.assert_allclose(product.asnumpy(), 2 * (b @ t if rightside else t @ b), rtol=1e-12)
    solved = nd.linalg.trsm(double(full), product, **flags).asnumpy()
    np.testing.assert_allclose(solved, 4 * b, rtol=1e-10)


def scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays as a smooth number."""

    def number(*arrays: Any) -> Any:
        found = function(*arrays)
        parts = found if isinstance(found, list) else [found]
        return sum(
            (nd.sin(p) * nd.arange(1, p.size + 1, dtype="float64").reshape(p.shape)).sum() for p in parts
        )

    return number


DIFFERENTIABLE: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "potrf": (lambda x: nd.linalg.potrf(symmetric(x)), DEFINITE[0]),
    "potri": (nd.linalg.potri, LOWER[0]),
    "trsm": (lambda x: nd.linalg.trsm(x, double(WIDE)), LOWER),
    "gelqf": (nd.linalg.gelqf, WIDE[0]),
    "syevd": (lambda x: nd.linalg.syevd(symmetric(x)), DEFINITE[0]),
    "det": (nd.linalg.det, ROOTS),
    "slogdet": (lambda x: nd.linalg.slogdet(x)[1], ROOTS),
    "inverse": (nd.linalg.inverse, DEFINITE),
    "triangles": (lambda x: nd.linalg.maketrian(nd.linalg.extracttrian(x, offset=1), offset=1), ROOTS),
    "diagonals": (lambda x: nd.linalg.makediag(nd.linalg.extractdiag(x, offset=-1), offset=2), ROOTS),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_first_and_second_gradients(name: str) -> None:
    function, start = DIFFERENTIABLE[name]
    number = scalar(function)
    direction = double(RANDOM.uniform(-1, 1, start.shape))

    def slope(at: np.ndarray) -> tuple[float, float, float]:
        """The function, its slope along the direction, and the slope of that."""
        x = double(at)
        x.attach_grad()
        with autograd.record():
            y = number(x)
            (g,) = autograd.grad(y, x, create_graph=True)
            along = (g * direction).sum()
        along.backward()
        return y.asscalar(), along.asscalar(), (x.grad * direction).sum().asscalar()

    step = 1e-5
    above, below = slope(start + step * direction.asnumpy()), slope(start - step * direction.asnumpy())
    _, first, second = slope(start)
    assert first == pytest.approx((above[0] - below[0]) / (2 * step), rel=1e-6, abs=1e-7)
    assert second == pytest.approx((above[1] - below[1]) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.compiles
def test_in_compiled_functions_it_runs_as_it_is() -> None:
    x = nd.array(DEFINITE[0, 0])
    solve = mx.compile(lambda a: nd.linalg.inverse(a + 1.0) * 2)
    with pytest.warns(UserWarning, match="the operator 'inverse' .* has no compiled form"):
        solve(x)
    np.testing.assert_allclose(solve(x).asnumpy(), 2 * np.linalg.inv(DEFINITE[0, 0] + 1), rtol=1e-4)


def test_what_cannot_be() -> None:
    with pytest.raises(LaminaError, match=r"not positive definite .*\(3, 3\)"):
        nd.linalg.potrf(nd.array(-np.eye(3))).asnumpy()
    with pytest.raises(LaminaError, match="Singular"):
        nd.linalg.inverse(nd.zeros((2, 2))).asnumpy()
    with pytest.raises(LaminaError, match="a 0 on its diagonal"):
        nd.linalg.trsm(nd.zeros((2, 2)), nd.ones((2, 1))).asnumpy()
    for function in (nd.linalg.potrf, nd.linalg.det, nd.linalg.extractdiag, nd.linalg.extracttrian):
        with pytest.raises(ShapeError, match=r"square matrices.*\(2, 3\)"):
            function(nd.zeros((2, 3))).asnumpy()
    with pytest.raises(ShapeError, match=r"as many columns as rows, got shape \(3, 2\)"):
        nd.linalg.gelqf(nd.zeros((3, 2)))[0].asnumpy()
    with pytest.raises(ShapeError, match="do not fill a triangle"):
        nd.linalg.maketrian(nd.zeros((2,)))
    with pytest.raises(TypeError, match="needs floats, got int32"):
        nd.linalg.det(nd.ones((2, 2), dtype="int32")).asnumpy()
    with pytest.raises(ShapeError, match="equally many columns"):
        nd.khatri_rao(nd.zeros((2, 3)), nd.zeros((2, 2)))
