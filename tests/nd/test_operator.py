"""The `out=` argument, and the list of public names."""

import inspect

import numpy as np
import pytest

from lamina import autograd, nd
from lamina.errors import ShapeError


def test_out_receives_the_result_and_is_returned() -> None:
    x, out = nd.array([1, 4]), nd.zeros(2)
    assert nd.sqrt(x, out=out) is out
    assert out.asnumpy().tolist() == [1, 2]
    assert nd.add(x, 1, out=out) is out
    assert nd.random.uniform(2, 3, shape=2, out=out) is out
    assert ((out >= 2) * (out < 3)).min()
    assert nd.elemwise_add(x, x, out=x) is x
    assert x.asnumpy().tolist() == [2, 8]


def test_out_of_another_shape() -> None:
    with pytest.raises(ShapeError, match=r"out= has shape \(3,\), the result has shape \(2,\)"):
        nd.sqrt(nd.ones(2), out=nd.zeros(3))


def test_gradients_flow_through_out() -> None:
    x, out = nd.array([3.0]), nd.zeros(1)
    x.attach_grad()
    with autograd.record():
        nd.square(x, out=out)
    out.backward()
    assert x.grad.asscalar() == 6


def test_name_is_accepted_as_in_mxnet() -> None:
    assert nd.relu(nd.array([-1]), name="first").asscalar() == 0


def test_every_public_name_exists_once_and_is_documented() -> None:
    assert len(set(nd.__all__)) == len(nd.__all__)
    for name in nd.__all__:
        assert inspect.getdoc(getattr(nd, name)), name


def test_float64_numbers_in_unusual_places() -> None:
    assert nd.full(np.int64(2), np.float64(1.5)).asnumpy().tolist() == [1.5, 1.5]


@pytest.mark.parametrize("wrong", [3.0, [1, 2], "a"])
def test_what_is_no_array(wrong: object) -> None:
    with pytest.raises(
        TypeError, match=f"exp: needs an NDArray, got {type(wrong).__name__}; make one with nd.array"
    ):
        nd.exp(wrong)  # pyright: ignore
    with pytest.raises(TypeError, match="dot: needs an NDArray"):
        nd.dot(nd.ones((2, 2)), wrong)  # pyright: ignore


def test_an_axis_may_be_a_numpy_integer() -> None:
    assert nd.ones((2, 3)).sum(axis=np.int64(1)).shape == (2,)


@pytest.mark.parametrize("name", ["exp", "broadcast_mul", "elemwise_add"])
def test_unknown_arguments_of_functions_of_arrays_are_ignored_as_in_mxnet(name: str) -> None:
    """MXNet 1.9.1 ignores them; GluonTS calls ``F.broadcast_mul(x, y, axis=-1)``."""
    x = nd.array([[1.0, 2.0]])
    function, arrays = getattr(nd, name), (x,) if name == "exp" else (x, x)
    with pytest.warns(UserWarning, match=r"axis is ignored, as in MXNet"):
        given = function(*arrays, axis=-1)
    np.testing.assert_array_equal(given.asnumpy(), function(*arrays).asnumpy())
    with pytest.warns(UserWarning, match=r"axis, ctx are ignored"):
        function(*arrays, axis=-1, ctx=None)
    with pytest.raises(TypeError, match=r"has no argument 'ot'\. Did you mean 'out'"):
        function(*arrays, ot=x)
    with pytest.raises(TypeError, match=r"has no argument '(dat|rsh)'\. Did you mean '(data|rhs)'"):
        function(*arrays[1:], **{"dat" if name == "exp" else "rsh": x})
    with pytest.raises(TypeError, match="sum has no argument 'foo'"):
        nd.sum(x, foo=1)
