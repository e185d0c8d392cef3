"""Indexing and assignment against NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina import autograd, nd
from lamina.errors import ShapeError


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@st.composite
def shapes_and_basic_keys(draw: Any) -> tuple[tuple[int, ...], Any]:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
    return shape, draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=6))


@st.composite
def shapes_and_integer_arrays(draw: Any) -> tuple[tuple[int, ...], Any]:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=5))
    count = draw(st.integers(1, len(shape)))
    size = draw(hnp.array_shapes(min_dims=1, max_dims=2, max_side=3))
    return shape, tuple(
        draw(hnp.arrays(np.int64, size, elements=st.integers(-shape[a], shape[a] - 1))) for a in range(count)
    )


@given(shapes_and_basic_keys())
def test_basic_keys_read_as_in_numpy(case: Any) -> None:
    shape, key = case
    a = numbered(shape)
    expected = a[key]
    np.testing.assert_array_equal(nd.array(a)[key].asnumpy(), expected if np.ndim(expected) else [expected])


@given(shapes_and_basic_keys(), st.sampled_from(["number", "array", "numpy", "row"]))
def test_basic_keys_write_as_in_numpy(case: Any, kind: str) -> None:
    shape, key = case
    a = numbered(shape)
    x = nd.array(a)
    part = np.shape(a[key])
    value = {"number": -1.0, "row": np.full(part[-1:], -2.0)}.get(kind, -np.ones(part) - numbered(part))
    a[key] = value
    x[key] = nd.array(value, dtype="float64") if kind == "array" and part else value
    np.testing.assert_array_equal(x.asnumpy(), a)


@pytest.mark.filterwarnings("ignore:x.*holds only 0 and 1")  # drawn positions may look like a mask
@given(shapes_and_integer_arrays())
def test_integer_arrays_read_and_write_as_in_numpy(case: Any) -> None:
    shape, key = case
    a = numbered(shape)
    x = nd.array(a)
    for form in (key, tuple(nd.array(k) for k in key), tuple(k.tolist() for k in key)):
        np.testing.assert_array_equal(x[form].asnumpy(), a[key])
    x[key] = -1
    a[key] = -1
    np.testing.assert_array_equal(x.asnumpy(), a)


def test_a_single_array_without_a_tuple() -> None:
    a = numbered((4, 3))
    x = nd.array(a)
    np.testing.assert_array_equal(x[nd.array([2, 0])].asnumpy(), a[[2, 0]])
    np.testing.assert_array_equal(x[[2, 0]].asnumpy(), a[[2, 0]])
    np.testing.assert_array_equal(x[np.array([[2], [-1]])].asnumpy(), a[[[2], [-1]]])
    assert x[np.zeros(0, int)].shape == (0, 3)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), [2, 0]),
        (slice(1, 3), [0, 2]),
        ([0, 2], slice(1, 3)),
        (..., [1, 1]),
        (None, [0, 1]),
        ([0, 1], 2),
        (1, [0, 2]),
    ],
)
def test_slices_and_arrays_together(key: Any) -> None:
    a = numbered((4, 3))
    x = nd.array(a)
    np.testing.assert_array_equal(x[key].asnumpy(), a[key])
    x[key] = 9
    a[key] = 9
    np.testing.assert_array_equal(x.asnumpy(), a)


@given(st.data())
def test_boolean_masks(data: Any) -> None:
    a = numbered((4, 3))
    shape = data.draw(st.sampled_from([(4, 3), (4,)]))
    mask = data.draw(hnp.arrays(bool, shape))
    x = nd.array(a)
    for form in (mask, nd.array(mask, dtype="bool")):
        np.testing.assert_array_equal(x[form].asnumpy(), a[mask])
    x[mask] = -1
    a[mask] = -1
    np.testing.assert_array_equal(x.asnumpy(), a)


def test_gradients_flow_through_every_kind_of_key() -> None:
    a = numbered((4, 3))
    keys: list[Any] = [1, (slice(None), 1), (slice(None, None, -2), None), [0, 0, 2], ([0, 1], [2, 2])]
    keys += [a > 5, (slice(None), [2, 2]), (..., 0)]
    for key in keys:
        x = nd.array(a)
        x.attach_grad()
        with autograd.record():
            y = x[key]
        head = numbered(y.shape) + 1
        y.backward(nd.array(head))
        expected = np.zeros_like(a)
        np.add.at(expected, key, head.reshape(a[key].shape))
        np.testing.assert_array_equal(x.grad.asnumpy(), expected)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (4, r"index 4 is out of bounds for axis 0 of shape \(4, 3\)"),
        ((0, -4), "index -4 is out of bounds for axis 1"),
        ((0, 0, 0), r"3 indices are too many for an array of shape \(4, 3\)"),
        ([0, 4], r"index 4 is out of bounds for axis 0 of shape \(4, 3\)"),
        ((..., ...), "single ellipsis"),
        ("a", "an index of type str is not possible"),
        (1.5, "an index of type float is not possible"),
        (np.zeros(3, bool), r"x\[…\] with x of shape \(4, 3\): boolean index did not match"),
    ],
)
def test_keys_that_do_not_fit(key: Any, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        nd.zeros((4, 3))[key]


def test_a_single_element_takes_and_gives_arrays_of_shape_1() -> None:
    counts, x = nd.zeros(3), nd.zeros((2, 2))
    counts[1] += 1
    counts[1] += 1
    x[0, 1] = counts[1] * 2
    x[1, 0] = np.ones((1, 1))
    x[1, 1] = [3]
    assert counts.asnumpy().tolist() == [0, 2, 0]
    assert x.asnumpy().tolist() == [[0, 4], [1, 3]]
    with pytest.raises(ShapeError, match=r"a value of shape \(2,\) does not fit: could not broadcast"):
        x[0, 1] = nd.ones(2)


def test_values_that_do_not_fit() -> None:
    x = nd.zeros((4, 3))
    with pytest.raises(ShapeError, match=r"a value of shape \(4,\) does not fit"):
        x[:] = nd.ones(4)
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        x[4] = 1
    assert not x.asnumpy().any()


def test_assignment_converts_to_the_arrays_dtype() -> None:
    x = nd.zeros(2, dtype="int32")
    x[:] = nd.array([1.9, -1.9])
    assert x.asnumpy().tolist() == [1, -1]
    y = nd.zeros(2)
    y[:] = np.array([1, 2], np.int64)
    assert y.dtype == np.float32


def test_a_large_array_is_indexed_without_counting_its_elements() -> None:
    x = nd.zeros((1000, 1000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "unravel_index", None)
        assert x[nd.array([1, 2])].shape == (2, 1000)
        assert x[:, [1, 2]].shape == (1000, 2)
        assert x[[1, 2], [3, 4]].shape == (2,)
