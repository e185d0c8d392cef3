"""slice, slice_axis and slice_like against Python's slices."""

import numpy as np
import pytest

from lamina import nd
from lamina.errors import ShapeError

A = np.arange(24, dtype=np.float32).reshape(4, 6)
x = nd.array(A)


def test_slice() -> None:
    np.testing.assert_array_equal(nd.slice(x, begin=(1, 2), end=(3, 5)).asnumpy(), A[1:3, 2:5])
    np.testing.assert_array_equal(nd.slice(x, (None, 1), (None, None)).asnumpy(), A[:, 1:])
    np.testing.assert_array_equal(x.slice(begin=1, end=3).asnumpy(), A[1:3])
    np.testing.assert_array_equal(x.slice((3, 5), (0, 0), step=(-1, -2)).asnumpy(), A[3:0:-1, 5:0:-2])
    with pytest.raises(ShapeError, match=r"bounds for 3 axes, but the shape is \(4, 6\)"):
        nd.slice(x, (0, 0, 0), (1, 1, 1))


def test_slice_axis() -> None:
    np.testing.assert_array_equal(nd.slice_axis(x, axis=1, begin=1, end=4).asnumpy(), A[:, 1:4])
    np.testing.assert_array_equal(x.slice_axis(axis=-1, begin=-3, end=None).asnumpy(), A[:, -3:])
    np.testing.assert_array_equal(x.slice_axis(axis=0, begin=0, end=-1).asnumpy(), A[:-1])
    with pytest.raises(ShapeError, match=r"slice_axis: 7 lies outside axis 1 of shape \(4, 6\)"):
        nd.slice_axis(x, axis=1, begin=0, end=7)


def test_slice_like() -> None:
    np.testing.assert_array_equal(nd.slice_like(x, nd.zeros((2, 3))).asnumpy(), A[:2, :3])
    np.testing.assert_array_equal(x.slice_like(nd.zeros((2, 3)), axes=(0,)).asnumpy(), A[:2])
    np.testing.assert_array_equal(x.slice_like(nd.zeros((2, 3)), axes=(-1,)).asnumpy(), A[:, :3])
    with pytest.raises(ShapeError, match=r"axis 0 of \(4, 6\) is shorter than that of \(5, 6\)"):
        nd.slice_like(x, nd.zeros((5, 6)))
    with pytest.raises(ShapeError, match="differ in number of axes"):
        nd.slice_like(x, nd.zeros(3))
    with pytest.raises(ShapeError, match=r"axis 1 of \(4, 6\) is missing in \(3,\)"):
        nd.slice_like(x, nd.zeros(3), axes=(1,))
