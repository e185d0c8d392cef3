"""Looking up elements, against NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import autograd, nd
from lamina.errors import ParameterError, ShapeError

rng = np.random.default_rng(0)
A = rng.normal(size=(4, 5)).astype(np.float32)
x = nd.array(A)


@pytest.mark.parametrize("mode", ["clip", "wrap"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8"])
def test_take(mode: Any, axis: int, dtype: str) -> None:
    indices = np.array([[0, 3, 9], [1, 1, 2]], dtype)
    out = nd.take(x, nd.array(indices, dtype=dtype), axis=axis, mode=mode)
    np.testing.assert_array_equal(out.asnumpy(), np.take(A, indices.astype(int), axis=axis, mode=mode))


def test_take_clips_by_default_and_can_raise() -> None:
    v = nd.array([10, 20, 30])
    assert v.take(nd.array([-1, 7])).asnumpy().tolist() == [10, 30]
    assert v.take(nd.array([-1]), mode="wrap").asnumpy().tolist() == [30]
    assert v.take(nd.array([-1]), mode="raise").asnumpy().tolist() == [30]
    with pytest.raises(IndexError, match=r"index 3\.0 is out of bounds for an axis of size 3"):
        v.take(nd.array([0, 3]), mode="raise")
    with pytest.raises(ParameterError, match="mode='other' is unknown; known: clip, wrap, raise"):
        v.take(nd.array([0]), mode="other")
    with pytest.raises(ShapeError, match=r"take: axis 0 of shape \(0, 3\) is empty"):
        nd.zeros((0, 3)).take(nd.array([0]))


def test_gradients_of_take_add_up() -> None:
    w = nd.array([[1.0, 2.0], [3.0, 4.0]])
    w.attach_grad()
    with autograd.record():
        y = nd.Embedding(nd.array([0, 0, 1]), w, input_dim=2, output_dim=2)
    y.backward()
    assert w.grad.asnumpy().tolist() == [[2, 2], [1, 1]]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_pick(axis: int, keepdims: bool) -> None:
    index = rng.integers(0, 4, A.shape[1 - axis % 2])
    expected = np.take_along_axis(A, np.expand_dims(index, axis), axis)
    out = nd.pick(x, nd.array(index), axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(out.asnumpy(), expected if keepdims else expected.squeeze(axis))


def test_pick_modes_and_errors() -> None:
    assert x.pick(nd.array([-1, 9, 0, 0])).asnumpy().tolist() == [A[0, 0], A[1, 4], A[2, 0], A[3, 0]]
    assert x.pick(nd.array([-1, 9, 0, 0]), mode="wrap").asnumpy().tolist() == [
        A[0, 4],
        A[1, 4],
        A[2, 0],
        A[3, 0],
    ]
    assert nd.batch_take(x, nd.array([1, 1, 1, 1])).asnumpy().tolist() == A[:, 1].tolist()
    with pytest.raises(
        ShapeError, match=r"data \(4, 5\) along axis 1 needs an index of shape \(4,\), got \(3,\)"
    ):
        x.pick(nd.array([0, 1, 2]))


@given(st.integers(1, 2), st.integers(0, 4))
def test_gather_nd_and_scatter_nd(depth: int, count: int) -> None:
    index = np.stack([np.random.default_rng(count).permutation(4)[:count] for _ in range(depth)])
    out = nd.gather_nd(x, nd.array(index))
    np.testing.assert_array_equal(out.asnumpy(), A[tuple(index)])
    back = np.zeros_like(A)
    back[tuple(index)] = out.asnumpy()
    np.testing.assert_array_equal(nd.scatter_nd(out, nd.array(index), A.shape).asnumpy(), back)


def test_gather_nd_of_too_many_axes() -> None:
    with pytest.raises(ShapeError, match=r"address 3 axes, but the data has shape \(4, 5\)"):
        nd.gather_nd(x, nd.zeros((3, 2)))
    with pytest.raises(ShapeError, match=r"scatter_nd: .* need data of shape \(2, 5\), got \(2,\)"):
        nd.scatter_nd(nd.zeros(2), nd.zeros((1, 2)), (4, 5))


def test_one_hot() -> None:
    labels = nd.array([1, 0, 2, 5, -1])
    expected = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(nd.one_hot(labels, 3).asnumpy(), expected)
    np.testing.assert_array_equal(labels.one_hot(3, on_value=5, off_value=2).asnumpy(), expected * 3 + 2)
    assert nd.one_hot(labels, 3, dtype="int32").dtype == np.int32
    assert nd.one_hot(nd.zeros((2, 3)), 4).shape == (2, 3, 4)
    assert nd.one_hot(nd.array([1], dtype="uint8"), 3).asnumpy().tolist() == [[0, 1, 0]]


def test_where() -> None:
    mask = A > 0
    np.testing.assert_array_equal(nd.where(nd.array(mask), x, -x).asnumpy(), np.where(mask, A, -A))
    np.testing.assert_array_equal(nd.where(x > 0, x, 0).asnumpy(), np.where(mask, A, 0))
    np.testing.assert_array_equal(nd.where(x > 0, 1, x).asnumpy(), np.where(mask, 1, A))


def test_a_vector_as_condition_chooses_rows() -> None:
    square = nd.array([[1, 2], [3, 4]])
    assert nd.where(nd.array([0, 1]), square, -square).asnumpy().tolist() == [[-1, -2], [3, 4]]
    with pytest.raises(
        ShapeError, match=r"a condition of shape \(2,\) does not have an element for each row of \(3, 2\)"
    ):
        nd.where(nd.array([0, 1]), nd.ones((3, 2)), nd.zeros((3, 2)))


def test_where_keeps_gradients_of_what_was_not_chosen_at_zero() -> None:
    v = nd.array([0.0, 4.0])
    v.attach_grad()
    with autograd.record():
        y = nd.where(v > 0, nd.sqrt(v), v)
    y.backward(nd.array([0.0, 1.0]))
    assert v.grad.asnumpy()[1] == 0.25


@pytest.mark.parametrize("k", [-2, -1, 0, 1, 3])
def test_diag(k: int) -> None:
    np.testing.assert_array_equal(nd.diag(x, k=k).asnumpy(), np.diag(A, k))
    np.testing.assert_array_equal(nd.diag(nd.array([1, 2, 3]), k=k).asnumpy(), np.diag([1, 2, 3], k))


def test_diag_of_batches_and_beyond_the_matrix() -> None:
    batch = rng.normal(size=(3, 2, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        nd.diag(nd.array(batch), axis1=1, axis2=2).asnumpy(), np.diagonal(batch, axis1=1, axis2=2)
    )
    np.testing.assert_array_equal(
        nd.diag(nd.array(batch), k=1, axis1=0, axis2=2).asnumpy(), np.diagonal(batch, 1, axis1=0, axis2=2)
    )
    with pytest.raises(ShapeError, match="have no diagonal 7"):
        nd.diag(x, k=7)


def test_embedding_checks_its_sizes_and_clips() -> None:
    w = nd.array([[1, 2], [3, 4]])
    assert nd.Embedding(nd.array([-1, 5]), w).asnumpy().tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ShapeError, match=r"input_dim=3.*weight has shape \(2, 2\)"):
        nd.Embedding(nd.array([0]), w, input_dim=3, output_dim=2)


def test_boolean_mask() -> None:
    mask = np.array([1, 0, 1, 0])
    np.testing.assert_array_equal(nd.contrib.boolean_mask(x, nd.array(mask)).asnumpy(), A[mask == 1])
    assert nd.contrib.boolean_mask(x, nd.zeros(5), axis=1).shape == (4, 0)
    with pytest.raises(ShapeError, match=r"needs an index of shape \(4,\), got \(5,\)"):
        nd.contrib.boolean_mask(x, nd.zeros(5))
