"""Sorting against NumPy."""

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import ParameterError

A = np.random.default_rng(0).permutation(24).reshape(2, 3, 4).astype(np.float32)
x = nd.array(A)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("ascending", [True, False])
def test_sort_and_argsort(axis: int | None, ascending: bool) -> None:
    key = A if ascending else -A
    order = np.argsort(key, axis=axis, kind="stable")
    out = nd.argsort(x, axis=axis, is_ascend=ascending)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.asnumpy(), order)
    np.testing.assert_array_equal(
        nd.sort(x, axis=axis, is_ascend=ascending).asnumpy(), np.sort(key, axis) * (1 if ascending else -1)
    )
    assert x.argsort(axis=axis, dtype="int32").dtype == np.int32


def test_equal_elements_keep_their_order_and_nan_comes_last() -> None:
    v = nd.array([2, np.nan, 2, 1])
    assert v.argsort().asnumpy().tolist() == [3, 0, 2, 1]
    assert v.argsort(is_ascend=False).asnumpy().tolist() == [0, 2, 3, 1]
    assert nd.array([3, 200, 1], dtype="uint8").sort(is_ascend=False).asnumpy().tolist() == [200, 3, 1]


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("ascending", [False, True])
def test_topk(axis: int | None, ascending: bool) -> None:
    line = A.ravel() if axis is None else A
    place = 0 if axis is None else axis
    order = np.take(np.argsort(line if ascending else -line, axis=place), range(2), axis=place)
    values = np.take_along_axis(line, order, place)
    kinds = {"axis": axis, "k": 2, "is_ascend": ascending}
    np.testing.assert_array_equal(nd.topk(x, **kinds).asnumpy(), order)
    np.testing.assert_array_equal(nd.topk(x, ret_typ="value", **kinds).asnumpy(), values)
    both = x.topk(ret_typ="both", dtype="int32", **kinds)
    np.testing.assert_array_equal(both[0].asnumpy(), values)
    assert both[1].dtype == np.int32
    mask = nd.topk(x, ret_typ="mask", **kinds)
    assert mask.shape == A.shape
    np.testing.assert_array_equal(np.sort(A[mask.asnumpy() == 1]), np.sort(values.ravel()))


def test_topk_limits() -> None:
    assert nd.topk(nd.array([3, 1, 2]), k=0).asnumpy().tolist() == [0, 2, 1]
    with pytest.raises(ParameterError, match=r"k=5, but axis 2 of shape \(2, 3, 4\) has only 4"):
        nd.topk(x, k=5)
    with pytest.raises(ParameterError, match="ret_typ='index' is unknown; known: indices, value, both, mask"):
        nd.topk(x, ret_typ="index")


def test_gradients_go_back_to_where_the_values_came_from() -> None:
    v = nd.array([1.0, 3.0, 2.0])
    v.attach_grad()
    with autograd.record():
        y = v.sort() * nd.array([1, 10, 100])
    y.backward()
    assert v.grad.asnumpy().tolist() == [1, 100, 10]
    with autograd.record():
        y = v.topk(k=2, ret_typ="value") * nd.array([5, 7])
    y.backward()
    assert v.grad.asnumpy().tolist() == [0, 5, 7]
