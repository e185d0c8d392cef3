"""The array itself: representation, conversions, copies, memory."""

import copy
import math
import pickle
import re
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import nd
from lamina.errors import ShapeError


def test_repr_is_mxnets() -> None:
    assert repr(nd.array([[1, 2]])) == "\n[[1. 2.]]\n<NDArray 1x2 @cpu(0)>"
    assert str(nd.array([3], dtype="int32", ctx=mx.cpu(1))) == "\n[3]\n<NDArray 1 @cpu(1)>"
    assert repr(nd.zeros((0, 3))) == "\n[]\n<NDArray 0x3 @cpu(0)>"


def test_what_it_says_of_itself() -> None:
    x = nd.zeros((2, 3))
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)
    assert x.dtype is np.float32
    assert x.context is x.ctx is mx.cpu()
    assert x.stype == "default"
    assert x.T.shape == (3, 2)


def test_numbers_out() -> None:
    x = nd.array([2.5])
    assert x.asscalar() == 2.5
    assert isinstance(x.asscalar(), np.float32)
    assert isinstance(x.item(), float)
    assert (float(x), int(x)) == (2.5, 2)
    assert nd.array([[1, 2]]).tolist() == [[1, 2]]
    assert [10, 20, 30][nd.array([1], dtype="int32")] == 20
    with pytest.raises(ShapeError, match=r"asscalar: needs exactly one element, the shape is \(2,\)"):
        nd.ones(2).asscalar()
    with pytest.raises(TypeError, match="only an integer array of one element is an index"):
        [1, 2][nd.array([1])]


def test_truth_of_one_element() -> None:
    a, b = nd.array([2]), nd.array([1])
    assert a > b
    assert not a < b
    assert not nd.zeros((0,))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(nd.ones(2))


def test_iteration_gives_rows_and_membership_compares() -> None:
    rows = list(nd.array([[1, 2], [3, 4]]))
    assert [row.asnumpy().tolist() for row in rows] == [[1, 2], [3, 4]]
    assert [v.shape for v in nd.ones(2)] == [(1,), (1,)]
    assert sum(nd.array([1, 2, 3])).asscalar() == 6


def test_comparison_with_what_is_no_number() -> None:
    x = nd.ones(1)
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True


def test_identity_survives_writing_in_place() -> None:
    x = nd.ones((2, 2))
    same, memory = x, x._concrete()
    x[:] = 3
    x += 1
    x -= 2
    x *= 6
    x /= 4
    x %= 2
    assert x is same
    assert x._concrete() is memory
    assert set(x.asnumpy().ravel()) == {1}
    with pytest.raises(
        ShapeError, match=r"in-place add: \(2, 2\) cannot hold the result's shape \(3, 2, 2\)"
    ):
        x += nd.ones((3, 2, 2))


def test_slices_along_axis_0_share_memory_and_columns_copy() -> None:
    x = nd.zeros((4, 3))
    x[1:3][:] = 1
    x[0][:] = 2
    x[3, 1:][:] = 3
    x.reshape((12,))[11:] = 4
    assert x.asnumpy().tolist() == [[2, 2, 2], [1, 1, 1], [1, 1, 1], [0, 3, 4]]
    before = x.asnumpy()
    x[:, 1][:] = 9
    x[::2][:] = 9
    x[nd.array([0])][:] = 9
    assert x.asnumpy().tolist() == before.tolist()


def test_copies() -> None:
    x = nd.array([1, 2])
    for other in (
        x.copy(),
        copy.copy(x),
        copy.deepcopy(x),
        pickle.loads(pickle.dumps(x)),
        x.astype("float32"),
    ):
        assert isinstance(other, nd.NDArray)
        assert other.asnumpy().tolist() == [1, 2]
        other[:] = 0
    assert x.asnumpy().tolist() == [1, 2]
    kept = pickle.loads(pickle.dumps(nd.array([1], ctx=mx.cpu(1), dtype="int64")))
    assert (kept.context, kept.dtype) == (mx.cpu(1), np.int64)


def test_no_copy_where_none_is_needed() -> None:
    x = nd.ones(2)
    assert x.astype("float32", copy=False) is x
    assert x.as_in_context(mx.cpu()) is x
    assert x.as_in_ctx(mx.cpu(1)).context is mx.cpu(1)
    assert np.shares_memory(x.detach()._concrete(), x._concrete())
    assert x[:] is x


def test_copyto() -> None:
    x, y = nd.array([1, 2]), nd.zeros(2)
    assert x.copyto(y) is y
    assert y.asnumpy().tolist() == [1, 2]
    assert x.copyto(mx.cpu(1)).context == mx.cpu(1)
    with pytest.raises(ShapeError, match=r"copyto: \(2,\) does not fit into \(3,\)"):
        x.copyto(nd.zeros(3))


def test_context_as_a_default() -> None:
    with nd.zeros(1, ctx=mx.cpu(3)).context:
        assert nd.ones(1).context == mx.cpu(3)


def test_bool_arrays() -> None:
    x = nd.array([True, False], dtype="bool")
    assert x.asnumpy().dtype == bool
    assert nd.logical_not(x).asnumpy().tolist() == [False, True]
    assert x.astype("float32").sum().asscalar() == 1


def test_arrays_are_hashable_by_identity() -> None:
    x, y = nd.ones(1), nd.ones(1)
    assert len({x, y}) == 2


def test_copies_of_the_standard_library() -> None:
    x = nd.ones(2)
    for copied in (copy.copy(x), copy.deepcopy(x), mx.compile(copy.copy)(x)):
        copied[:] = 3
    assert x.asnumpy().tolist() == [1, 1]


ONE_ELEMENT = [nd.array([1.23456]), nd.array([[-7]], dtype="int32"), mx.np.array(2.5), mx.np.array([0.125])]


@pytest.mark.parametrize("x", ONE_ELEMENT, ids=str)
def test_one_element_is_formatted_and_converted_as_its_number(x: Any) -> None:
    number = x.item()
    assert f"{x:.4f} {x:>12} {x:+.1e}" == f"{number:.4f} {number:>12} {number:+.1e}"
    assert format(x, "08.2f") == format(number, "08.2f")
    assert "%.3f %d".__mod__((x, x)) == "%.3f %d".__mod__((number, number))
    assert (int(x), float(x), math.isnan(x), math.floor(x)) == (
        int(number), float(number), False, math.floor(number),
    )  # fmt: skip
    assert f"{x}" == str(x)


@pytest.mark.parametrize("digits", [None, 0, 1, 3, -1])
def test_round_of_one_element_is_python_s_and_of_more_numpy_s(digits: int | None) -> None:
    x = nd.array([12.5])
    assert round(x, digits) == round(12.5, digits) and type(round(x, digits)) is type(round(12.5, digits))
    many = np.array([0.5, 1.5, -2.345, 17.0], np.float32)
    rounded = round(nd.array(many), digits)
    assert isinstance(rounded, nd.NDArray)
    np.testing.assert_array_equal(rounded.asnumpy(), np.round(many, digits or 0))


@pytest.mark.parametrize("x", [nd.ones((2, 3)), mx.np.ones((2, 3)), nd.ones((0,)), mx.np.ones((0,))])
def test_an_array_of_several_elements_has_no_format_of_a_number(x: Any) -> None:
    assert f"{x}" == str(x)
    with pytest.raises(
        TypeError, match=rf"'.4f' is for one number, and this array has shape {re.escape(str(x.shape))}"
    ):
        f"{x:.4f}"


def test_an_array_stands_for_its_dtype():
    """As in NumPy and MXNet; Sockeye's losses call ``astype(label)``."""
    x, label = nd.ones((2,)), nd.zeros((1,), dtype="int32")
    assert x.astype(x, copy=False) is x
    assert x.astype(label).dtype == nd.zeros((1,), dtype=label).dtype == np.int32
