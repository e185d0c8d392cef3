"""Shapes: reshape codes against NumPy and MXNet's documented examples, axes and broadcasting against NumPy."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina import nd
from lamina.errors import ShapeError

shapes = hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)


def counted(shape: tuple[int, ...]) -> nd.NDArray:
    return nd.array(np.arange(math.prod(shape)).reshape(shape))


MXNET_EXAMPLES = [  # from MXNet 1.x's documentation of reshape
    ((2, 3, 4), (4, 0, 2), (4, 3, 2)),
    ((2, 3, 4), (2, 0, 0), (2, 3, 4)),
    ((2, 3, 4), (6, 1, -1), (6, 1, 4)),
    ((2, 3, 4), (3, -1, 8), (3, 1, 8)),
    ((2, 3, 4), (-1,), (24,)),
    ((2, 3, 4), (-2,), (2, 3, 4)),
    ((2, 3, 4), (2, -2), (2, 3, 4)),
    ((2, 3, 4), (-2, 1, 1), (2, 3, 4, 1, 1)),
    ((2, 3, 4), (-3, 4), (6, 4)),
    ((2, 3, 4, 5), (-3, -3), (6, 20)),
    ((2, 3, 4), (0, -3), (2, 12)),
    ((2, 3, 4), (-3, -2), (6, 4)),
    ((2, 3, 4), (-4, 1, 2, -2), (1, 2, 3, 4)),
    ((2, 3, 4), (2, -4, -1, 3, -2), (2, 1, 3, 4)),
]


@pytest.mark.parametrize(("own", "codes", "expected"), MXNET_EXAMPLES)
def test_reshape_codes_as_documented_by_mxnet(own: Any, codes: Any, expected: Any) -> None:
    assert counted(own).reshape(codes).shape == expected


def test_reverse_matches_from_the_right() -> None:
    assert counted((10, 5, 4)).reshape((-1, 0)).shape == (40, 5)
    assert counted((10, 5, 4)).reshape((-1, 0), reverse=True).shape == (50, 4)
    assert counted((8, 3)).reshape((-4, 2, 4, 0), reverse=False).shape == (2, 4, 3)
    assert counted((3, 8)).reshape((0, -4, 2, 4), reverse=True).shape == (3, 2, 4)


@given(shapes, st.data())
def test_reshape_is_numpys_for_plain_sizes(shape: tuple[int, ...], data: Any) -> None:
    target = list(data.draw(st.permutations(shape)))
    if data.draw(st.booleans()):
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    x = counted(shape)
    np.testing.assert_array_equal(x.reshape(target).asnumpy(), x.asnumpy().reshape(target))


@given(shapes, st.data())
def test_reshape_codes_that_only_rename_the_own_shape(shape: tuple[int, ...], data: Any) -> None:
    """Replace sizes by 0, pairs by -3, the tail by -2, a size by its factors under -4: the result is known."""
    codes: list[int] = []
    expected: list[int] = []
    axis = 0
    while axis < len(shape):
        code = data.draw(st.sampled_from([0, 1, -2, -3, -4]))
        if code == -2:
            codes, expected, axis = [*codes, -2], [*expected, *shape[axis:]], len(shape)
        elif code == -3 and axis + 1 < len(shape):
            codes, expected, axis = [*codes, -3], [*expected, shape[axis] * shape[axis + 1]], axis + 2
        elif code == -4:
            first = data.draw(st.sampled_from([d for d in range(1, shape[axis] + 1) if shape[axis] % d == 0]))
            second = data.draw(st.sampled_from([-1, shape[axis] // first]))
            codes, expected, axis = (
                [*codes, -4, first, second],
                [*expected, first, shape[axis] // first],
                axis + 1,
            )
        else:
            codes, expected, axis = (
                [*codes, 0 if code == 0 else shape[axis]],
                [*expected, shape[axis]],
                axis + 1,
            )
    x = counted(shape)
    np.testing.assert_array_equal(x.reshape(tuple(codes)).asnumpy(), x.asnumpy().reshape(expected))


def test_the_forms_of_the_method() -> None:
    x = counted((2, 6))
    assert x.reshape(3, 4).shape == x.reshape((3, 4)).shape == x.reshape([3, 4]).shape == (3, 4)
    assert x.reshape(shape=(4, 3)).shape == (4, 3)
    assert x.reshape(-1).shape == x.reshape((-1,)).shape == (12,)
    assert nd.Reshape(x, shape=(0, 2, 3)).shape == (2, 2, 3)


def test_reshape_shares_memory() -> None:
    x = nd.zeros((2, 3))
    x.reshape((3, 2))[0] = 7
    assert x.asnumpy().ravel()[:2].tolist() == [7, 7]


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ((2, 2), r"\(2, 3\) has 6 elements and cannot become \(2, 2\)|would have 4"),
        ((-1, -1), "only one size can be -1"),
        ((0, 0, 0), r"refer to more axes than the shape \(2, 3\) has"),
        ((-4, 4, -1, 0), "cannot split a size of 2 into 4"),
        ((-5,), "neither a size nor a code"),
        ((-1, 4), r"\(2, 3\) has 6 elements and cannot become"),
    ],
)
def test_impossible_shapes(codes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        counted((2, 3)).reshape(codes)


def test_a_split_has_one_open_size() -> None:
    with pytest.raises(ShapeError, match="cannot split a size of 1 into -1 and -1"):
        counted((1,)).reshape((-4, -1, -1))


def test_reshape_like() -> None:
    x = counted((30, 7))
    assert nd.reshape_like(x, nd.zeros((7, 30))).shape == (7, 30)
    assert x.reshape_like(nd.zeros((15, 2, 4)), lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2).shape == (
        15,
        2,
        7,
    )
    assert x.reshape_like(nd.zeros((4, 7)), -1, None, -1, None).shape == (30, 7)


def test_flatten_and_expand_and_squeeze() -> None:
    x = counted((2, 3, 4))
    assert x.flatten().shape == nd.Flatten(x).shape == (2, 12)
    assert nd.flatten(nd.zeros(5)).shape == (5, 1)
    assert x.expand_dims(0).shape == (1, 2, 3, 4)
    assert x.expand_dims(-1).shape == (2, 3, 4, 1)
    assert nd.zeros((1, 2, 1)).squeeze().shape == (2,)
    assert nd.zeros((1, 2, 1)).squeeze(axis=-1).shape == (1, 2)
    assert nd.zeros((1, 1)).squeeze().shape == (1,)
    with pytest.raises(ShapeError, match=r"squeeze: axis 1 of shape \(1, 2\) has size 2"):
        nd.zeros((1, 2)).squeeze(axis=1)


@given(shapes, st.data())
def test_transposes_are_numpys(shape: tuple[int, ...], data: Any) -> None:
    x = counted(shape)
    order = data.draw(st.permutations(range(len(shape))))
    np.testing.assert_array_equal(x.transpose(order).asnumpy(), x.asnumpy().transpose(order))
    np.testing.assert_array_equal(x.T.asnumpy(), x.asnumpy().T)
    a, b = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.integers(0, len(shape) - 1))
    np.testing.assert_array_equal(nd.swapaxes(x, a, b).asnumpy(), x.asnumpy().swapaxes(a, b))
    np.testing.assert_array_equal(nd.moveaxis(x, a, b).asnumpy(), np.moveaxis(x.asnumpy(), a, b))
    to = list(range(len(shape)))
    np.testing.assert_array_equal(nd.moveaxis(x, order, to).asnumpy(), np.moveaxis(x.asnumpy(), order, to))


def test_transpose_forms_and_errors() -> None:
    x = counted((2, 3))
    assert x.transpose((1, 0)).shape == x.transpose(1, 0).shape == x.transpose().shape == (3, 2)
    assert x.transpose(axes=(1, 0)).shape == nd.transpose(x, axes=(1, 0)).shape == (3, 2)
    with pytest.raises(ShapeError, match=r"axes \(0, 0\) are not a permutation"):
        x.transpose((0, 0))
    with pytest.raises(ShapeError, match="1 sources, but 2 destinations"):
        nd.moveaxis(x, 0, (0, 1))
    with pytest.raises(ShapeError, match="source names an axis twice"):
        nd.moveaxis(x, (0, 0), (0, 1))
    with pytest.raises(ShapeError, match="destination names an axis twice"):
        nd.moveaxis(x, (0, 1), (1, 1))


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, max_side=3))
def test_broadcasting_is_numpys(drawn: Any) -> None:
    target = drawn.result_shape
    x, y = (counted(s) for s in drawn.input_shapes)
    np.testing.assert_array_equal(nd.broadcast_to(x, target).asnumpy(), np.broadcast_to(x.asnumpy(), target))
    assert [a.shape for a in nd.broadcast_arrays(x, y)] == [target, target]


def test_broadcast_with_zeros_axes_and_another_array() -> None:
    x = counted((1, 3, 1))
    assert x.broadcast_to((2, 0, 0)).shape == (2, 3, 1)
    assert nd.broadcast_axis(x, axis=2, size=5).shape == (1, 3, 5)
    assert x.broadcast_axes(axis=(0, 2), size=(4, 5)).shape == (4, 3, 5)
    assert x.broadcast_like(nd.zeros((2, 3, 4))).shape == (2, 3, 4)
    assert nd.broadcast_like(x, nd.zeros((9, 7)), lhs_axes=(0,), rhs_axes=(1,)).shape == (7, 3, 1)
    with pytest.raises(
        ShapeError, match=r"broadcast_to: shape \(1, 3, 1\) does not broadcast to \(1, 4, 1\)"
    ):
        x.broadcast_to((1, 4, 1))
    with pytest.raises(ShapeError, match="1 axes, but 2 sizes"):
        nd.broadcast_axis(x, axis=0, size=(2, 3))


def test_shapes_as_arrays() -> None:
    x = counted((2, 3))
    assert nd.shape_array(x).asnumpy().tolist() == [2, 3]
    assert nd.size_array(x).asnumpy().tolist() == [6]
    assert nd.shape_array(x).dtype == np.int64
