"""Parameters: initialization now or later, the identity of their arrays, gradients, loading, copies."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.errors import ContextError, ParameterError


def ready(name="weight", shape=(2, 3), **kwargs):
    parameter = gluon.Parameter(name, shape=shape, **kwargs)
    parameter.initialize()
    return parameter


def test_it_prints_as_in_mxnet():
    assert (
        repr(gluon.Parameter("w", shape=(5, 0)))
        == "Parameter w (shape=(5, 0), dtype=<class 'numpy.float32'>)"
    )
    assert repr(gluon.nn.Dense(5, prefix="d_").weight) == "Parameter d_weight (shape=(5, 0), dtype=float32)"
    assert repr(gluon.Parameter("w")) == "Parameter w (shape=None, dtype=<class 'numpy.float32'>)"
    assert repr(gluon.Parameter("w", shape=3)).startswith("Parameter w (shape=(3,)")


def test_data_and_grad_keep_their_identity_through_steps():
    w = ready()
    data, grad = w.data(), w.grad()
    for _ in range(2):
        with autograd.record():
            loss = (w.data() * 2).sum()
        loss.backward()
        w.data()[:] = w.data() - 0.1 * w.grad()
    w.set_data(nd.ones((2, 3)))
    w.zero_grad()
    assert w.data() is data
    assert w.grad() is grad
    assert data.grad is grad
    assert np.array_equal(data.asnumpy(), np.ones((2, 3)))
    assert not grad.asnumpy().any()


def test_replacing_the_array_in_the_list_is_what_data_returns():
    w = ready()
    sample = nd.ones((2, 3))
    w._data[0] = sample
    assert w.data() is sample


def test_a_recorded_array_put_in_its_place_passes_the_gradient_on():
    mu, w = ready("mu", shape=(3,)), ready(shape=(3,))
    with autograd.record():
        w._data[0] = mu.data() * 2
        loss = (w.data() * nd.array([1, 2, 3])).sum()
    loss.backward()
    assert np.array_equal(mu.grad().asnumpy(), [2, 4, 6])


def test_too_early_is_an_error_that_names_the_parameter():
    w = gluon.Parameter("fc_weight", shape=(2, 0), allow_deferred_init=True)
    for use in (w.data, w.grad, w.list_data, w.list_ctx, lambda: w.set_data(nd.ones((2, 3)))):
        with pytest.raises(gluon.UninitializedParameterError, match="'fc_weight' has not been initialized"):
            use()
    w.initialize()
    with pytest.raises(gluon.DeferredInitializationError, match=r"'fc_weight'.*\(2, 0\).*first forward"):
        w.data()
    assert isinstance(gluon.DeferredInitializationError("x"), RuntimeError)
    assert w.list_ctx() == [mx.cpu()]


def test_deferred_initialization_finishes_once_the_shape_is_known():
    w = gluon.Parameter("w", shape=(2, 0), allow_deferred_init=True, init="ones")
    w.initialize()
    with pytest.raises(ParameterError, match=r"\(2, 0\), which can't become \(3, 4\)"):
        w.shape = (3, 4)
    w.shape = (2, 4)
    w._finish_deferred_init()
    assert np.array_equal(w.data().asnumpy(), np.ones((2, 4)))


def test_values_set_before_the_shape_is_known_wait():
    w = gluon.Parameter("w", shape=(2, 0), allow_deferred_init=True)
    w.initialize()
    w.set_data(nd.array([[1, 2, 3], [4, 5, 6]]))
    assert w.shape == (2, 3)
    w._finish_deferred_init()
    assert np.array_equal(w.data().asnumpy(), [[1, 2, 3], [4, 5, 6]])


def test_an_unknown_shape_that_may_not_wait_is_an_error():
    with pytest.raises(ParameterError, match=r"'w' cannot be initialized: its shape \(2, 0\)"):
        gluon.Parameter("w", shape=(2, 0)).initialize()
    with pytest.raises(ParameterError, match="'w' cannot be initialized: its shape None"):
        gluon.Parameter("w").initialize()


def test_initializing_again_needs_force_reinit():
    w = ready(init="ones")
    before = w.data()
    before[:] = 5
    with pytest.warns(UserWarning, match="'weight' is already initialized.*force_reinit"):
        w.initialize()
    assert w.data() is before
    w.initialize(force_reinit=True)
    assert np.array_equal(w.data().asnumpy(), np.ones((2, 3)))


def test_which_initializer_decides():
    assert ready(init="ones").data().asnumpy().all()
    first = gluon.Parameter("weight", shape=(2, 3), init="ones")
    first.initialize("zeros")  # an argument goes before the parameter's own
    assert not first.data().asnumpy().any()
    bias = gluon.Parameter("dense0_bias", shape=(3,))
    bias.initialize(default_init=mx.init.Normal(1))  # whatever the name, as in MXNet
    assert bias.data().asnumpy().all()
    chosen = gluon.Parameter("dense0_bias", shape=(3,))
    chosen.initialize("ones")
    assert chosen.data().asnumpy().all()


def test_initialization_is_uniform_by_default():
    values = ready(shape=(100, 100)).data().asnumpy()
    assert -0.07 <= values.min() < -0.069
    assert 0.069 < values.max() <= 0.07


def test_initialization_is_never_recorded():
    w = gluon.Parameter("w", shape=(2, 2))
    with autograd.record():
        w.initialize()
        y = w.data().sum()
    y.backward()
    assert np.array_equal(w.grad().asnumpy(), np.ones((2, 2)))


@pytest.mark.parametrize(("req", "expected"), [("write", 2), ("add", 4)])
def test_grad_req(req, expected):
    w = ready(grad_req=req)
    for _ in range(2):
        with autograd.record():
            y = (w.data() * 2).sum()
        y.backward()
    assert np.array_equal(w.grad().asnumpy(), np.full((2, 3), expected))


def test_grad_req_can_change():
    w = ready()
    w.grad_req = "null"
    with pytest.raises(ParameterError, match="'weight' has no gradient, because its grad_req is 'null'"):
        w.grad()
    assert w.data().grad is None
    w.grad_req = "add"
    assert w.data().grad is w.grad()
    with pytest.raises(ParameterError, match="grad_req is 'write', 'add' or 'null', not 'sum'"):
        w.grad_req = "sum"
    fixed = gluon.Parameter("running", shape=1, differentiable=False)
    assert fixed.grad_req == "null"


def test_cast():
    w = ready(init="ones")
    w.cast("float64")
    assert w.data().dtype == np.float64
    assert w.grad().dtype == np.float64
    assert w.data().grad is w.grad()
    assert w.data().asnumpy().all()


def test_several_devices():
    w = gluon.Parameter("w", shape=(2,), init="ones")
    w.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    assert w.list_ctx() == [mx.cpu(0), mx.cpu(1)]
    assert [x.context for x in w.list_data()] == [mx.cpu(0), mx.cpu(1)]
    assert w.data(mx.cpu(1)).context is mx.cpu(1)
    assert w.grad(mx.cpu(1)).context is mx.cpu(1)
    assert w.data().context is mx.cpu(0)
    with pytest.raises(
        gluon.UninitializedParameterError, match=r"'w' was not initialized on cpu\(2\).*move the inputs"
    ):
        w.data(mx.cpu(2))
    params = gluon.ParameterDict()
    params.update({"w": w})
    assert params.list_ctx() == [mx.cpu(0), mx.cpu(1)]
    w.set_data(nd.array([3, 4]))
    assert np.array_equal(w.data(mx.cpu(1)).asnumpy(), [3, 4])
    w.reset_ctx(mx.cpu(1))
    assert w.list_ctx() == [mx.cpu(1)]
    assert np.array_equal(w.data().asnumpy(), [3, 4])


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [("float16", [60000, 0.1, 0.7]), ("float32", [60000, 0.1, 0.7]), ("int64", [1, 2, 2**53 + 1])],
)
def test_equal_constants_on_several_devices_are_saved_as_they_are(dtype, numbers, tmp_path):
    values = np.array(numbers, dtype)
    w = gluon.Parameter("w", shape=(3,), grad_req="null", differentiable=False, dtype=dtype)
    w.initialize(ctx=[mx.cpu(i) for i in range(3)])
    w.set_data(nd.array(values, dtype=dtype))
    params = gluon.ParameterDict()
    params.update({"w": w})
    params.save(tmp_path / "w.params")
    assert np.array_equal(nd.load(str(tmp_path / "w.params"))["w"].asnumpy(), values)


def test_a_compiled_function_follows_a_parameter_to_fewer_devices():
    w = gluon.Parameter("w", shape=(2,), init="ones")
    w.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    times = mx.compile(lambda x: x * w.data(x.context))
    assert np.array_equal(times(nd.ones(2, ctx=mx.cpu(1))).asnumpy(), [1, 1])
    w.reset_ctx(mx.cpu(0))
    assert np.array_equal(times(nd.ones(2, ctx=mx.cpu(0))).asnumpy(), [1, 1])
    with pytest.raises(gluon.UninitializedParameterError, match=r"'w' was not initialized on cpu\(1\)"):
        times(nd.ones(2, ctx=mx.cpu(1)))


def test_a_device_without_backend_is_an_error():
    with pytest.raises(ContextError, match="no device was found"):
        gluon.Parameter("w", shape=2).initialize(ctx=mx.gpu())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_a_copy_has_its_own_array_and_gradient(duplicate):
    w = ready()
    twin = duplicate(w)
    with autograd.record():
        y = (twin.data() * 3).sum()
    y.backward()
    assert np.array_equal(twin.grad().asnumpy(), np.full((2, 3), 3))
    assert not w.grad().asnumpy().any()
    assert np.array_equal(twin.data().asnumpy(), w.data().asnumpy())


def test_sparse_parameters_are_refused():
    with pytest.raises(ParameterError, match="'w': stype is 'row_sparse'"):
        gluon.Parameter("w", stype="row_sparse")


def test_constant():
    c = gluon.Constant("c", [[1, 2], [3, 4]])
    c.initialize()
    assert repr(c) == "Constant c (shape=(2, 2), dtype=<class 'numpy.float32'>)"
    assert np.array_equal(c.data().asnumpy(), [[1, 2], [3, 4]])
    with pytest.warns(UserWarning, match="Constant 'c' has no gradient"):
        c.grad_req = "write"
    assert c.grad_req == "null"


def test_a_parameter_is_dense_and_says_so():
    with pytest.raises(RuntimeError, match=r"'w' is dense.* use data\(\)"):
        ready("w").row_sparse_data(nd.array([0]))
    with pytest.raises(ParameterError, match="grad_stype is one of default, row_sparse, csr, not 'rows'"):
        gluon.Parameter("w", grad_stype="rows")


def test_what_does_not_fit_is_an_assertion_as_in_mxnet(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="stype is 'invalid'"):
        gluon.Parameter("weight", shape=(2, 2), stype="invalid")
    shared = gluon.ParameterDict("shared_")
    shared.get("w", shape=(2, 2))
    with pytest.raises(
        AssertionError, match=r"exists with shape=\(2, 2\), but is requested with shape=\(3, 3\)"
    ):
        shared.get("w", shape=(3, 3))
    small, large = gluon.nn.Dense(1, in_units=2), gluon.nn.Dense(1, in_units=3)
    small.initialize()
    small.save_parameters(tmp_path / "small.params")
    with pytest.raises(AssertionError, match=r"has shape \(1, 2\), but \(1, 3\) is expected"):
        large.load_parameters(tmp_path / "small.params")


def test_an_array_is_taken_under_mxnet_s_name_for_it() -> None:
    weight = gluon.Parameter("weight", shape=(0, 2), allow_deferred_init=True)
    weight._load_init(nd.array([[1, 2]]), mx.cpu())
    assert weight.data().asnumpy().tolist() == [[1, 2]]
    with pytest.raises(AssertionError, match="float64, but float32 is expected"):
        weight._load_init(nd.ones((1, 2), dtype="float64"), mx.cpu())
    weight._load_init(nd.ones((1, 2), dtype="float64"), mx.cpu(), cast_dtype=True, dtype_source="saved")
    assert weight.data().dtype == np.float64


def test_a_file_has_the_mean_of_running_statistics_over_devices(tmp_path):
    contexts = [mx.cpu(0), mx.cpu(1), mx.cpu(2)]
    net = gluon.nn.BatchNorm(in_channels=2)
    net.initialize(ctx=contexts)
    rows = np.arange(24, dtype="float32").reshape(12, 2) ** 2
    with autograd.record():
        outputs = [net(part) for part in gluon.utils.split_and_load(rows, contexts)]
    autograd.backward(outputs)
    path = str(tmp_path / "n.params")
    net.save_parameters(path)
    saved = nd.load(path)["running_mean"].asnumpy()
    expected = np.mean([x.asnumpy() for x in net.running_mean.list_data()], axis=0)
    np.testing.assert_allclose(saved, expected, rtol=1e-6)
    assert not np.array_equal(saved, net.running_mean.data(contexts[0]).asnumpy())
