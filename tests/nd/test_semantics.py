"""The points of MXNet's behaviour that a rewrite gets wrong, one test each."""

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, nd
from lamina.errors import AutogradError, DTypeError, ShapeError


def test_dtypes_of_new_arrays() -> None:
    assert nd.array(np.zeros(2)).dtype == np.float32
    assert nd.array([1, 2]).dtype == np.float32
    assert nd.array(nd.zeros(2, dtype="float64")).dtype == np.float64
    assert nd.array(nd.zeros(2, dtype="uint8")).dtype == np.uint8


def test_dtypes_of_results() -> None:
    x = nd.array([[1, 3, 2]])
    assert (x > 1).dtype == np.float32
    for positions in (x.argmax(axis=1), x.argsort(), x.topk(k=2), nd.arange(3)):
        assert positions.dtype == np.float32
    assert nd.sample_multinomial(nd.array([0.5, 0.5])).dtype == np.int32
    assert (nd.array([7], dtype="int32") / 2).dtype == np.int32
    assert (nd.array([7], dtype="int32") / 2).asscalar() == 3
    with pytest.raises(DTypeError, match="mixed dtypes"):
        nd.ones(1) * nd.ones(1, dtype="float64")


def test_shapes_of_single_numbers() -> None:
    x = nd.array([[1, 2], [3, 4]])
    for one in (x.sum(), x.max(), x.mean(), x.argmax(), x.norm(), x[1, 0], nd.dot(x[0], x[0]), nd.array(5)):
        assert one.shape == (1,)
    assert nd.zeros(3).shape == (3,)
    assert nd.random_normal(shape=3).shape == (3,)


def test_concat_defaults_to_dim_1_and_reductions_exclude() -> None:
    x = nd.ones((2, 3))
    assert nd.concat(x, x).shape == (2, 6)
    assert nd.nansum(x, axis=0, exclude=True).asnumpy().tolist() == [3, 3]


def test_a_reshape_to_fewer_elements_is_an_error() -> None:
    with pytest.raises(ShapeError, match="6 elements"):
        nd.ones((2, 3)).reshape((2, 2))


def test_take_clips_by_default() -> None:
    x = nd.array([10, 20, 30])
    assert x.take(nd.array([-1])).asscalar() == 10
    assert x.take(nd.array([3])).asscalar() == 30
    assert x.take(nd.array([-1]), mode="wrap").asscalar() == 30


def test_ties_of_maximum_and_minimum() -> None:
    x, y = nd.array([1.0, 2.0, 3.0]), nd.array([1.0, 5.0, 2.0])
    for array in (x, y):
        array.attach_grad()
    for function, ascending in ((nd.maximum, 1), (nd.minimum, -1)):
        for number_second in (True, False):  # a number loses a tie, wherever it stands
            with autograd.record():
                result = function(x, 2) if number_second else function(2, x)
            result.backward()
            assert x.grad.asnumpy().tolist() == [0, 1, 1][::ascending]
        with autograd.record():  # of two arrays the first wins
            result = function(x, y)
        result.backward()
        assert (x.grad.asnumpy()[0], y.grad.asnumpy()[0]) == (1, 0)


def test_names_of_arguments_and_the_long_name_of_nd() -> None:
    from lamina import ndarray

    assert ndarray is nd is mx.ndarray
    assert nd.array(source_array=[2]).asscalar() == 2
    assert nd.power(base=nd.array([2]), exp=3).asscalar() == 8
    assert nd.norm(nd.ones(4, dtype="float16"), 2, 0, "float32").dtype == np.float32
    assert nd.ones(1).tostype("default").stype == "default"
    with pytest.raises(mx.MXNetError):
        nd.ones(2) + nd.ones(3)


def test_views_identity_and_contexts() -> None:
    x = nd.zeros((3, 2))
    same = x
    x[1:][:] = 1
    x.reshape((6,))[:1] = 2
    x[:, 1][:] = 9
    x += 1
    x[:] = x * 2
    assert x is same
    assert x.asnumpy().tolist() == [[6, 2], [4, 4], [4, 4]]
    assert x.as_in_context(mx.cpu()) is x
    with x.context:
        assert nd.ones(1).context is x.context


def test_autograd() -> None:
    w = nd.array([1.0, 2.0])
    w.attach_grad()
    grad = w.grad
    with autograd.record():
        loss = w * w
        with pytest.raises(AutogradError):
            w[:] = 0
        with pytest.raises(AutogradError):
            w += 1
        loss.backward()
    assert w.grad is grad
    assert grad.asnumpy().tolist() == [2, 4]
    with pytest.raises(AutogradError):
        loss.backward()
    w.attach_grad("add")
    for _ in range(2):
        with autograd.record():
            loss = w * 3
        loss.backward()
    assert w.grad.asnumpy().tolist() == [6, 6]
    with autograd.train_mode():
        assert (nd.Dropout(nd.ones(1000), p=0.5) == 0).sum().asscalar() > 0


def test_conditions_iteration_and_repr() -> None:
    a, b = nd.array([2]), nd.array([1])
    if a < b:
        pytest.fail("2 < 1")
    assert [row.shape for row in nd.zeros((2, 3))] == [(3,), (3,)]
    assert str(nd.zeros((2, 3))).endswith("<NDArray 2x3 @cpu(0)>")


def test_names_of_the_chapter() -> None:
    x = nd.random_normal(shape=(4, 3), scale=0.01, ctx=mx.cpu())
    y = nd.one_hot(nd.array([0, 2, 1, 1]), 3)
    relu = nd.maximum(x, nd.zeros_like(x))
    exp = nd.exp(x - nd.max(x))
    softmax = exp / nd.nansum(exp, axis=0, exclude=True).reshape((-1, 1))
    loss = -nd.nansum(y * nd.log(softmax), axis=0, exclude=True)
    np.testing.assert_allclose(loss.asnumpy(), -(y * nd.log_softmax(x)).sum(axis=1).asnumpy(), rtol=1e-5)
    assert nd.dot(relu, x.T).shape == (4, 4)
    assert 0 <= (nd.sum(nd.argmax(x, axis=1) == nd.argmax(y, axis=1)) / 4).asscalar() <= 1
