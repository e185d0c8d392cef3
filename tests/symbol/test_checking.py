"""`mx.test_utils`' checks of symbols: they pass for what is right, and fail for what is wrong."""

import numpy as np
import pytest

import lamina as mx
from lamina.errors import LaminaError
from lamina.test_utils import (
    check_numeric_gradient,
    check_symbolic_backward,
    check_symbolic_forward,
    simple_forward,
)

X, W = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[0.5, 1.0], [-1.0, 2.0]])


def product() -> mx.symbol.Symbol:
    return mx.sym.broadcast_mul(mx.sym.var("x"), mx.sym.var("w"), name="product")


def test_outputs_by_order_and_by_name() -> None:
    for location in ([X, W], {"w": W, "x": mx.nd.array(X)}):
        (y,) = check_symbolic_forward(product(), location, {"product_output": X * W})
        np.testing.assert_allclose(y.asnumpy(), X * W)
    with pytest.raises(AssertionError, match="forward product_output"):
        check_symbolic_forward(product(), [X, W], [X + W])
    np.testing.assert_allclose(simple_forward(product(), x=X, w=W), X * W)
    assert product().eval(x=mx.nd.array(X), w=mx.nd.array(W))[0].shape == (2, 2)


def test_gradients_of_those_that_ask_for_them() -> None:
    head = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = check_symbolic_backward(product(), [X, W], [head], {"x": head * W, "w": head * X})
    np.testing.assert_allclose(found["w"].asnumpy(), head * X)
    found = check_symbolic_backward(product(), [X, W], None, [W, X], grad_req={"x": "write", "w": "null"})
    assert list(found) == ["x"]
    with pytest.raises(AssertionError, match="backward x"):
        check_symbolic_backward(product(), [X, W], [head], {"x": head * X})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_dense_network_s_gradients_are_its_differences(dtype: str) -> None:
    hidden = mx.sym.BatchNorm(
        mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=3, name="fc"), name="bn", fix_gamma=False
    )
    net = mx.sym.softmax(mx.sym.Activation(hidden, act_type="tanh"))
    random = np.random.default_rng(0)
    shapes, _, states = net.infer_shape(x=(4, 2))
    location = [random.normal(size=shape) for shape in shapes]
    aux = [np.ones(shape) for shape in states]
    check_numeric_gradient(net, location, aux, atol=1e-4, dtype=dtype)
    check_numeric_gradient(net, location, aux, atol=1e-4, dtype=dtype, grad_nodes=["fc_weight"])


def test_a_wrong_gradient_is_found() -> None:
    with pytest.raises(AssertionError, match="numeric gradient x"):
        check_numeric_gradient(mx.sym.BlockGrad(mx.sym.square(mx.sym.var("x"))), [X])


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ValueError, match=r"location: got 1 values for 2 names: x, w"):
        check_symbolic_forward(product(), [X], [X])
    with pytest.raises(ValueError, match=r"location: no value for w"):
        check_symbolic_forward(product(), {"x": X}, [X])
    with pytest.raises(ValueError, match=r"location: 'v' is none of x, w"):
        check_symbolic_forward(product(), {"v": X}, [X])
    with pytest.raises(ValueError, match=r"the variable 'w' has no array; there are x"):
        product().eval(x=mx.nd.array(X))
    with pytest.raises(LaminaError):
        check_symbolic_forward(product(), [X, np.ones((3, 3))], [X])
