"""Operators of one's own, with several inputs and outputs, settings and states, recorded and not."""

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.errors import ParameterError, ShapeError


class Scaled(mx.operator.CustomOp):
    """(a · x + y, x · y), and counts its forwards in training."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, is_train, req, in_data, out_data, aux):
        x, y = in_data
        self.assign(out_data[0], req[0], self.factor * x + y)
        self.assign(out_data[1], req[1], x * y)
        aux[0][:] += int(is_train)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        x, y = in_data
        self.assign(in_grad[0], req[0], self.factor * out_grad[0] + y * out_grad[1])
        self.assign(in_grad[1], "add", out_grad[0])
        self.assign(in_grad[1], "add", x * out_grad[1])
        self.assign(in_grad[1], "null", 9)


@mx.operator.register("scaled")
class ScaledProp(mx.operator.CustomOpProp):
    def __init__(self, factor="1"):
        super().__init__(need_top_grad=True)
        assert isinstance(factor, str)
        self.factor = float(factor)

    def list_arguments(self):
        return ["x", "y"]

    def list_outputs(self):
        return ["sum", "product"]

    def list_auxiliary_states(self):
        return ["count"]

    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0]] * 2, [[1]]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Scaled(self.factor)


class NumpySoftmax(mx.operator.CustomOp):
    """As MXNet's tutorial has it, with NumPy."""

    def forward(self, is_train, req, in_data, out_data, aux):
        x = in_data[0].asnumpy()
        y = np.exp(x - x.max(axis=1, keepdims=True))
        self.assign(out_data[0], req[0], nd.array(y / y.sum(axis=1, keepdims=True)))

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        y, label = out_data[0].asnumpy(), in_data[1].asnumpy().astype(int)
        y[np.arange(len(label)), label] -= 1
        self.assign(in_grad[0], req[0], nd.array(y))


@mx.operator.register("numpy_softmax")
class NumpySoftmaxProp(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def infer_shape(self, in_shape):
        return [in_shape[0], [in_shape[0][0]]], [in_shape[0]]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        return NumpySoftmax()


def test_outputs_gradients_and_states():
    x, y, count = nd.array([1.0, 2.0]), nd.array([3.0, 5.0]), nd.zeros(1)
    for a in (x, y):
        a.attach_grad()
    with autograd.record():
        total, product = nd.Custom(x, y, count, op_type="scaled", factor=3)
        loss = (total + 2 * product).sum()
    loss.backward()
    np.testing.assert_array_equal(total.asnumpy(), [6, 11])
    np.testing.assert_array_equal(x.grad.asnumpy(), [3 + 2 * 3, 3 + 2 * 5])
    np.testing.assert_array_equal(y.grad.asnumpy(), [1 + 2 * 1, 1 + 2 * 2])
    nd.Custom(y=y, x=x, count=count, op_type="scaled")
    assert count.item() == 1


def test_an_operator_in_a_network_trains():
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.dense = gluon.nn.Dense(3, in_units=3)

        def hybrid_forward(self, F, x, label):
            return F.Custom(self.dense(x), label, op_type="numpy_softmax")

    mx.random.seed(1)
    net = Net()
    net.initialize(mx.init.Xavier())
    x, label = nd.array(np.eye(3)), nd.array([2, 0, 1])
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    for _ in range(60):
        with autograd.record():
            out = net(x, label)
        out.backward()
        trainer.step(1)
    np.testing.assert_array_equal(out.asnumpy().argmax(1), [2, 0, 1])
    assert out.asnumpy().max(1).min() > 0.9


def test_errors():
    with pytest.raises(ParameterError, match=r"unknown operator 'scald'\. Did you mean 'scaled'"):
        nd.Custom(nd.ones(1), op_type="scald")
    with pytest.raises(TypeError, match=r"Custom\(scaled\) takes x, y, count; got 1 arrays"):
        nd.Custom(nd.ones(1), op_type="scaled")
    with pytest.raises(ShapeError, match=r"label has shape \(2,\), but infer_shape returned \(3,\)"):
        nd.Custom(nd.ones((3, 3)), nd.ones(2), op_type="numpy_softmax")
    with pytest.raises(ValueError, match="not 'wirte'"):
        mx.operator.CustomOp().assign(nd.ones(1), "wirte", 1)
    mx.operator.register("bare")(mx.operator.CustomOpProp)
    with pytest.raises(NotImplementedError, match="create_operator"):
        nd.Custom(nd.ones(1), op_type="bare")


def test_a_loop_without_a_decorator_may_use_one():
    """The tape noted the class of a pending array, so that backward failed once the loop was recognized."""

    def trained(steps):
        mx.random.seed(1)
        weight, rows = nd.random.normal(shape=(3, 4)), nd.random.normal(shape=(5, 4))
        label = nd.array([0, 1, 2, 0, 1])
        weight.attach_grad()
        for _ in range(steps):
            with autograd.record():
                out = nd.Custom(nd.dot(rows, weight.T), label, op_type="numpy_softmax")
            out.backward()
            weight[:] = weight - 0.1 * weight.grad
        return weight.asnumpy()

    with mx.eager():
        expected = trained(40)
    assert np.array_equal(trained(40), expected)
