"""Axes that are texts, as MXNet's operators read them, and what no axis can be."""

import re

import numpy as np
import pytest

from lamina import autograd, nd
from lamina import np as mnp
from lamina.errors import DTypeError, ShapeError

X = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("0", 0),
        (" -1", -1),
        ("(0,1)", (0, 1)),
        ("[1]", (1,)),
        ("(1,)", (1,)),
        ("( 0, -1 )", (0, -1)),
        ("()", ()),
        ("None", None),
    ],
)
def test_a_text_is_the_axis_that_it_says(text, axis):
    x = nd.array(X)
    for found, expected in (
        (nd.sum(x, axis=text), nd.sum(x, axis=axis)),
        (nd.sum(x, text), nd.sum(x, axis)),
        (x.max(axis=text), x.max(axis=axis)),
    ):
        np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy())


def test_texts_of_other_operators():
    x = nd.array(X)
    np.testing.assert_array_equal(nd.concat(x, x, dim="1").asnumpy(), np.concatenate([X, X], axis=1))
    np.testing.assert_array_equal(nd.transpose(x, axes="(1, 0)").asnumpy(), X.T)
    np.testing.assert_array_equal(nd.transpose(x[0], axes="0").asnumpy(), X[0])
    np.testing.assert_array_equal(nd.transpose(x[0], axes=0).asnumpy(), X[0])
    np.testing.assert_array_equal(nd.transpose(x, axes="()").asnumpy(), X.T)
    np.testing.assert_array_equal(nd.flip(x, axis="1").asnumpy(), X[:, ::-1])


def test_the_gradient_of_a_sum_over_an_axis_in_a_text():
    x = nd.array(X)
    x.attach_grad()
    with autograd.record():
        y = nd.sum(x, axis="0") * nd.array([1, 2, 3, 4])
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), np.tile(np.float32([1, 2, 3, 4]), (3, 1)))


@pytest.mark.parametrize("axis", ["a", "", "0,", "(0", "1.0", 1.5, object], ids=str)
@pytest.mark.parametrize("name", ["sum", "max", "argmax", "softmax", "sort", "squeeze", "cumsum"])
def test_what_is_no_axis_is_told_in_a_line(name, axis):
    with pytest.raises(DTypeError, match=r"^[a-z_]+: an axis is a whole number, not [^\n]+$"):
        getattr(nd, name)(nd.array(X), axis=axis)


@pytest.mark.parametrize("axes", ["a", "(a)", "", 1.5, object], ids=str)
def test_what_are_no_axes_is_told_whole(axes):
    with pytest.raises(DTypeError, match=re.escape(f"transpose: an axis is a whole number, not {axes!r}")):
        nd.transpose(nd.array(X), axes=axes)


@pytest.mark.parametrize("axes", [0, True, np.int64(1)], ids=repr)
def test_one_axis_is_no_permutation_of_two(axes):
    with pytest.raises(ShapeError, match=r"transpose: axes .* are not a permutation"):
        nd.transpose(nd.array(X), axes=axes)


@pytest.mark.parametrize("name", ["sum", "mean", "argmax", "squeeze", "expand_dims", "flip"])
@pytest.mark.parametrize("axis", ["a", "0", "", 1.5, [0, "a"]], ids=str)
def test_texts_are_no_axes_of_numpys_functions(name, axis):
    with pytest.raises(TypeError, match=r": an axis is a whole number, not "):
        getattr(mnp, name)(mnp.array(X), axis=axis)
