"""`nd._internal` and `nd.op`: NumPy's arithmetic under MXNet's inner names, with gradients."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, nd
from lamina.errors import ShapeError

X, Y = np.array([[1.0, -2.0], [0.5, 3.0]], "float32"), np.array([[2.0, 2.0], [-1.0, 0.5]], "float32")
SAME = {
    "plus": np.add, "minus": np.subtract, "mul": np.multiply, "div": np.divide, "mod": np.mod, "maximum": np.maximum,
    "minimum": np.minimum, "hypot": np.hypot, "equal": np.equal, "not_equal": np.not_equal, "greater": np.greater,
    "greater_equal": np.greater_equal, "lesser": np.less, "lesser_equal": np.less_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip


@pytest.mark.parametrize(("name", "function"), SAME.items())
def test_arithmetic_is_that_of_numpy(name, function):
    internal = nd._internal
    found = getattr(internal, f"_{name}")(nd.array(X), nd.array(Y))
    np.testing.assert_allclose(found.asnumpy(), function(X, Y), rtol=1e-6)
    out = nd.zeros((2, 2))
    assert getattr(internal, f"_{name}_scalar")(nd.array(X), scalar=2, out=out) is out
    np.testing.assert_allclose(out.asnumpy(), function(X, np.float32(2)), rtol=1e-6)


def test_numbers_first_powers_and_gradients():
    x = nd.array(np.abs(X))
    x.attach_grad()
    with autograd.record():
        y = nd._internal._rpower_scalar(x, scalar=2) + nd._internal._power_scalar(x, scalar=2)
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), np.log(2) * 2 ** np.abs(X) + 2 * np.abs(X), rtol=1e-5)
    np.testing.assert_allclose(nd._internal._rminus_scalar(nd.array(X), scalar=1).asnumpy(), 1 - X)
    np.testing.assert_allclose(nd._internal._rdiv_scalar(nd.array(X), scalar=1).asnumpy(), 1 / X)
    np.testing.assert_allclose(
        nd._internal._rmod_scalar(nd.array(X), scalar=5).asnumpy(), np.mod(5, X), rtol=1e-6
    )


def test_copies_and_numbers_that_are_written():
    out = nd.zeros((2, 2))
    assert nd._internal._copyto(nd.array(X), out=out) is out
    np.testing.assert_array_equal(out.asnumpy(), X)
    np.testing.assert_array_equal(nd._internal._set_value(3, out=out).asnumpy(), np.full((2, 2), 3))
    assert nd._internal._random_uniform(shape=(2, 3)).shape == nd._internal._zeros(shape=(2, 3)).shape


def test_what_differs_is_told():
    with pytest.raises(ShapeError, match=r"_plus: shapes \(2, 2\) and \(1, 2\) differ; use nd.broadcast_\*"):
        nd._internal._plus(nd.array(X), nd.array(Y[:1]))
    with pytest.raises(AttributeError, match="_npi_add"):
        _ = nd._internal._npi_add
    assert mx.nd.op.broadcast_add is nd.broadcast_add
    assert nd.ones((2,), ctx=mx.Context("cpu_shared", 0)).context.device_typeid == 5
