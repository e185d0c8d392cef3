"""Products against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import nd
from lamina.errors import DTypeError, ShapeError

rng = np.random.default_rng(0)


def f64(*shape: int) -> nd.NDArray:
    return nd.array(rng.normal(size=shape), dtype="float64")


@given(st.booleans(), st.booleans(), st.integers(1, 3), st.integers(1, 3))
def test_dot_of_any_ranks_is_tensordot(ta: bool, tb: bool, left: int, right: int) -> None:
    lead, tail = (2, 3, 4)[: left - 1], (5, 2, 3)[: right - 1]
    a = f64(*((7, *lead) if ta else (*lead, 7)))
    b = f64(*((*tail, 7) if tb else (7, *tail)))
    out = nd.dot(a, b, transpose_a=ta, transpose_b=tb)
    expected = np.tensordot(a.asnumpy(), b.asnumpy(), axes=(0 if ta else -1, -1 if tb else 0))
    assert out.shape == (expected.shape or (1,))
    np.testing.assert_allclose(out.asnumpy(), expected.reshape(out.shape), rtol=1e-12)


def test_dot_errors_show_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"dot: shapes \(2, 3\) and \(2, 3\) do not fit.*3 columns.*2 rows"):
        nd.dot(nd.ones((2, 3)), nd.ones((2, 3)))
    with pytest.raises(
        ShapeError, match=r"batch_dot: shapes .* do not fit: the batches have 2 and 3 matrices"
    ):
        nd.batch_dot(nd.ones((2, 3, 4)), nd.ones((3, 4, 5)))
    with pytest.raises(ShapeError, match=r"dot: shapes \(2, 2, 3\) and \(2,\) do not fit"):
        nd.dot(nd.ones((2, 2, 3)), nd.ones(2))
    with pytest.raises(DTypeError, match="matmul: mixed dtypes float32 and float64"):
        nd.dot(nd.ones((2, 2)), nd.ones((2, 2), dtype="float64"))


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_batch_dot_and_gemm2(ta: bool, tb: bool) -> None:
    a, b = f64(4, *((3, 2) if ta else (2, 3))), f64(4, *((5, 3) if tb else (3, 5)))
    x, y = (np.swapaxes(m.asnumpy(), -1, -2) if t else m.asnumpy() for m, t in ((a, ta), (b, tb)))
    np.testing.assert_allclose(nd.batch_dot(a, b, ta, tb).asnumpy(), x @ y)
    np.testing.assert_allclose(nd.linalg_gemm2(a, b, ta, tb, alpha=0.5).asnumpy(), 0.5 * (x @ y))
    c = f64(4, 2, 5)
    out = nd.linalg.gemm(a, b, c, ta, tb, alpha=2.0, beta=3.0).asnumpy()
    np.testing.assert_allclose(out, 2 * (x @ y) + 3 * c.asnumpy())


def test_gemm2_of_single_matrices_and_of_batches_of_several_axes() -> None:
    a, b = f64(2, 3), f64(3, 4)
    np.testing.assert_allclose(nd.linalg.gemm2(a, b).asnumpy(), a.asnumpy() @ b.asnumpy())
    a, b = f64(2, 5, 2, 3), f64(2, 5, 3, 4)
    np.testing.assert_allclose(nd.linalg.gemm2(a, b).asnumpy(), a.asnumpy() @ b.asnumpy())
    rows_first = nd.linalg.gemm2(nd.moveaxis(a, 2, 0), nd.moveaxis(b, 2, 0), axis=0).asnumpy()
    np.testing.assert_allclose(np.moveaxis(rows_first, 0, 2), a.asnumpy() @ b.asnumpy())


def test_syrk() -> None:
    a = f64(2, 3)
    np.testing.assert_allclose(nd.linalg_syrk(a, alpha=2.0).asnumpy(), 2 * a.asnumpy() @ a.asnumpy().T)
    np.testing.assert_allclose(nd.linalg.syrk(a, transpose=True).asnumpy(), a.asnumpy().T @ a.asnumpy())


def test_batches_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="two batches of matrices"):
        nd.batch_dot(nd.ones((2, 3)), nd.ones((3, 2)))
    with pytest.raises(ShapeError, match=r"gemm2.*\(2, 3, 4\) and \(3, 4, 5\)"):
        nd.linalg.gemm2(nd.ones((2, 3, 4)), nd.ones((3, 4, 5)))


def test_matmul_operator() -> None:
    a, b = f64(2, 3), f64(3, 4)
    np.testing.assert_allclose((a @ b).asnumpy(), a.asnumpy() @ b.asnumpy())
