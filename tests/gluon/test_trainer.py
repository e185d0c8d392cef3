"""The trainer: scaling, multipliers, stale gradients, several devices, saving and loading its states."""

import numpy as np
import pytest
from both_modes import sees_the_same

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.errors import DataError, ParameterError, StaleGradientError
from lamina.files.tensors import load_tensors, save_tensors
from lamina.gluon import nn


def dense(units=2, inputs=3, **kwargs):
    net = nn.Dense(units, in_units=inputs, weight_initializer="ones", **kwargs)
    net.initialize()
    return net


def backward(net, factor=1.0):
    """Afterwards the gradient of every weight is `factor`, times 4 samples."""
    with autograd.record():
        loss = net(nd.ones((4, net.weight.shape[1]))) * factor
    loss.backward()


def test_step_divides_by_the_batch_size():
    net = dense()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    backward(net)
    data = net.weight.data()
    trainer.step(4)
    assert net.weight.data() is data
    assert np.array_equal(data.asnumpy(), np.full((2, 3), 0.5))
    assert np.array_equal(net.bias.data().asnumpy(), [-0.5, -0.5])
    assert np.array_equal(net.weight.grad().asnumpy(), np.full((2, 3), 4))
    assert trainer.optimizer.rescale_grad == 1


def test_the_optimizers_own_rescaling_multiplies():
    net = dense()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5, "rescale_grad": 0.25})
    backward(net)
    trainer.step(2)
    np.testing.assert_allclose(net.weight.data().asnumpy(), np.full((2, 3), 1 - 0.5 * 0.25 * 4 / 2))


def test_weight_decay_comes_after_rescaling_and_clipping_and_follows_wd_mult():
    net = dense()
    net.bias.set_data(nd.ones(2))
    net.collect_params(".*bias").setattr("wd_mult", 0)
    settings = {"learning_rate": 0.1, "wd": 0.5, "clip_gradient": 2.0}
    trainer = gluon.Trainer(net.collect_params(), "sgd", settings)
    backward(net, factor=3)
    trainer.step(4)  # a gradient of 3, clipped to 2
    np.testing.assert_allclose(net.weight.data().asnumpy(), np.full((2, 3), 1 - 0.1 * (2 + 0.5)), rtol=1e-6)
    np.testing.assert_allclose(net.bias.data().asnumpy(), [1 - 0.1 * 2] * 2, rtol=1e-6)


def test_learning_rates():
    net = dense()
    net.bias.lr_mult = 0.5
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    assert trainer.learning_rate == 0.1
    trainer.set_learning_rate(1.0)
    assert trainer.learning_rate == 1.0
    backward(net)
    trainer.step(4)
    np.testing.assert_allclose(net.weight.data().asnumpy(), np.zeros((2, 3)), atol=1e-7)
    np.testing.assert_allclose(net.bias.data().asnumpy(), [-0.5, -0.5])


def test_a_schedule_goes_by_the_number_of_updates():
    net = dense()
    schedule = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5, base_lr=1.0)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0, "lr_scheduler": schedule})
    changes = []
    for _ in range(6):
        before = net.weight.data().asnumpy()
        backward(net)
        trainer.step(4)
        changes.append((before - net.weight.data().asnumpy())[0, 0])
    np.testing.assert_allclose(changes, [1, 1, 0.5, 0.5, 0.25, 0.25])


def test_stale_gradients_are_warned_of_and_not_used():
    used, unused = dense(), dense(prefix="unused_")
    net = nn.HybridSequential()
    net.add(used, unused)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    backward(used)
    with pytest.warns(UserWarning, match="'unused_weight', 'unused_bias' have not been written by backward"):
        trainer.step(4)
    assert np.array_equal(used.weight.data().asnumpy(), np.zeros((2, 3)))
    assert np.array_equal(unused.weight.data().asnumpy(), np.ones((2, 3)))
    with pytest.warns(UserWarning, match="have not been written"):
        trainer.step(4)
    assert np.array_equal(used.weight.data().asnumpy(), np.zeros((2, 3)))
    trainer.step(4, ignore_stale_grad=True)
    assert np.array_equal(used.weight.data().asnumpy(), np.zeros((2, 3)))
    backward(used)
    backward(unused)
    trainer.step(4)
    assert np.array_equal(unused.weight.data().asnumpy(), np.zeros((2, 3)))


def test_frozen_parameters_stay():
    net = dense()
    net.weight.grad_req = "null"
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    backward(net)
    trainer.step(4)
    assert np.array_equal(net.weight.data().asnumpy(), np.ones((2, 3)))
    assert np.array_equal(net.bias.data().asnumpy(), [-1, -1])


def test_a_shared_parameter_is_updated_once():
    net = nn.HybridSequential()
    net.add(dense(3))
    net.add(nn.Dense(3, in_units=3, params=net[0].params, weight_initializer="ones"))
    params = [p for layer in net for p in layer.params.values()]
    trainer = gluon.Trainer(params, "sgd", {"learning_rate": 1.0})
    backward(net[0])
    trainer.step(4)
    assert np.array_equal(net[0].weight.data().asnumpy(), np.zeros((3, 3)))


def test_gradients_may_be_changed_between_allreduce_and_update():
    net = dense()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    backward(net)
    trainer.allreduce_grads()
    net.weight.grad()[:] = 0.5
    trainer.update(1)
    assert np.array_equal(net.weight.data().asnumpy(), np.full((2, 3), 0.5))


def test_several_devices_add_their_gradients_and_stay_equal():
    devices = [mx.cpu(0), mx.cpu(1)]
    net = nn.Dense(1, in_units=2, weight_initializer="ones")
    net.initialize(ctx=devices)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    expected, velocity = np.ones((1, 2)), np.zeros((1, 2))
    for _ in range(2):
        with autograd.record():
            losses = [net(nd.array([[k, 2.0]], ctx=device)) for k, device in enumerate(devices)]
        autograd.backward(losses)
        trainer.step(2)
        velocity = 0.9 * velocity + 0.1 * np.array([[1, 4]]) / 2
        expected = expected - velocity
    for device in devices:
        np.testing.assert_allclose(net.weight.data(device).asnumpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adadelta"])
def test_training_goes_on_from_saved_states_as_if_never_stopped(tmp_path, optimizer):
    settings = {"momentum": 0.9} if optimizer == "sgd" else {}

    def start():
        net = dense()
        return net, gluon.Trainer(net.collect_params(), optimizer, settings)

    def train(net, trainer, steps):
        for k in range(steps):
            backward(net, factor=1 + k % 3)
            trainer.step(4)

    whole, whole_trainer = start()
    train(whole, whole_trainer, 3)
    train(whole, whole_trainer, 3)
    first, first_trainer = start()
    train(first, first_trainer, 3)
    first.save_parameters(tmp_path / "net.params")
    first_trainer.save_states(tmp_path / "trainer.states")
    second, second_trainer = start()
    second.load_parameters(tmp_path / "net.params")
    second_trainer.load_states(tmp_path / "trainer.states")
    train(second, second_trainer, 3)
    assert np.array_equal(second.weight.data().asnumpy(), whole.weight.data().asnumpy())
    assert np.array_equal(second.bias.data().asnumpy(), whole.bias.data().asnumpy())


def test_states_of_something_else_are_refused(tmp_path):
    path = tmp_path / "trainer.states"
    net = dense()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    backward(net)
    trainer.step(4)
    trainer.save_states(path)
    with pytest.raises(DataError, match="holds states of Adam, but the optimizer is SGD"):
        gluon.Trainer(dense().collect_params(), "sgd").load_states(path)
    with pytest.raises(
        DataError, match=r"state 0 of 'w_weight' should have shape \(5, 3\), found shape \(2, 3\)"
    ):
        gluon.Trainer(dense(5, prefix="w_").collect_params(), "adam").load_states(path)
    with pytest.raises(DataError, match="a state for parameter 1, but the trainer has only 1"):
        gluon.Trainer(dense().collect_params(".*weight"), "adam").load_states(path)
    gluon.Trainer(dense().collect_params(".*weight"), "adam").save_states(tmp_path / "fewer.states")
    with pytest.raises(DataError, match="is of 1 parameters, but the trainer has 2"):
        trainer.load_states(tmp_path / "fewer.states")
    arrays, described = load_tensors(path)
    damages = [
        {"update_counts": text} for text in ("[1", "[" * 100_000, '{"a": 1}', '{"0": "1"}', '{"0": -1}')
    ]
    for damage in (*damages, {"num_update": "-1"}, {"num_update": "nan"}):
        save_tensors(path, arrays, described | damage)
        with pytest.raises(DataError, match="does not hold a trainer's states"):
            trainer.load_states(path)
    save_tensors(path, {**arrays, "weight": np.zeros(1)}, described)
    with pytest.raises(DataError, match="holds an array 'weight', which is not a trainer's state"):
        trainer.load_states(path)
    save_tensors(path, {name: x for name, x in arrays.items() if name != "1.1"}, described)
    with pytest.raises(DataError, match=r"state 1 of '\w+' should have shape \(2,\), found nothing"):
        trainer.load_states(path)
    save_tensors(path, {name: x for name, x in arrays.items() if name[0] != "1"}, described)
    with pytest.raises(DataError, match=r"state 0 of '\w+' should have shape \(2,\), found nothing"):
        trainer.load_states(path)


def test_states_that_a_file_lacks_begin_again(tmp_path):
    path = tmp_path / "trainer.states"
    net = dense()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    trainer.save_states(path)
    start = [p.data().copy() for p in net.collect_params().values()]
    backward(net)
    trainer.step(4)
    after = [p.data().asnumpy() for p in net.collect_params().values()]
    trainer.load_states(path)
    for p, x in zip(net.collect_params().values(), start, strict=True):
        p.set_data(x)
    backward(net)
    trainer.step(4)
    for p, x in zip(net.collect_params().values(), after, strict=True):
        assert np.array_equal(p.data().asnumpy(), x)
    assert trainer.optimizer.num_update == 1


def test_a_batch_size_of_0_is_an_error():
    net = nn.Dense(1, in_units=3)
    net.initialize()
    with pytest.raises(ParameterError, match="divided by batch_size, which must be positive, not 0"):
        gluon.Trainer(net.collect_params(), "sgd").step(0)


def test_wrong_arguments():
    net = dense()
    with pytest.raises(ParameterError, match="Trainer needs a list or dictionary of Parameters"):
        gluon.Trainer(net, "sgd")
    with pytest.raises(ParameterError, match="Trainer needs a list or dictionary of Parameters"):
        gluon.Trainer([net], "sgd")
    with pytest.raises(ParameterError, match="is for an optimizer given by name"):
        gluon.Trainer(net.collect_params(), mx.optimizer.SGD(), {"learning_rate": 1.0})


def test_a_step_before_the_first_forward_names_the_parameter():
    net = nn.Dense(2, prefix="fc_")
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with pytest.raises(gluon.DeferredInitializationError, match="'fc_weight'"):
        trainer.step(1)


# --- updates are deferred, and compiled by themselves ----------------------------------------------------------------


def _trained(change=None, make=mx.optimizer.Adam, **settings):
    """Weights after some steps; `change(trainer, t)` before step t."""
    random = np.random.default_rng(0)
    net = nn.HybridSequential()
    net.add(nn.Dense(5, in_units=3, activation="relu"), nn.BatchNorm(in_channels=5), nn.Dense(1, in_units=5))
    net.initialize()
    for p in net.collect_params().values():
        p.set_data(nd.array(random.normal(size=p.shape)))
    trainer = gluon.Trainer(net.collect_params(), make(learning_rate=0.01, **settings))
    loss_of = gluon.loss.L2Loss()
    for t in range(12):
        if change is not None:
            change(trainer, t)
        size = 4 + t % 2
        x = nd.array(random.normal(size=(size, 3)))
        with autograd.record():
            loss = loss_of(net(x), nd.ones((size, 1)))
        loss.backward()
        trainer.step(size)
    return [p.data().asnumpy() for p in net.collect_params().values()]


def _change_rate(trainer, t):
    trainer.set_learning_rate(0.01 / (1 + t))


def _change_decay(trainer, t):
    trainer.optimizer.wd = 0.1 if t > 2 else 0.0


def _change_multiplier(trainer, t):
    trainer._params[0].wd_mult = float(t)


@pytest.mark.slow
@pytest.mark.parametrize("change", [None, _change_rate, _change_decay, _change_multiplier])
def test_deferred_updates_are_the_eager_ones(change):
    found = _trained(change, wd=0.1)
    with mx.eager():
        expected = _trained(change, wd=0.1)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


class _Counting(mx.optimizer.Optimizer):
    """Written for MXNet: divides by the number of the update, which Python keeps."""

    def update(self, index, weight, grad, state):
        self._update_count(index)
        weight[:] = weight - self._get_lr(index) / self._index_update_count[index] * grad


def test_an_optimizer_may_count_in_python():
    found = _trained(make=_Counting)
    with mx.eager():
        expected = _trained(make=_Counting)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_updates_warn_of_stale_gradients_and_leave_gradients_readable():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    net.initialize()
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    with autograd.record():
        loss = net[0](nd.ones((1, 2)))
    loss.backward()
    before = net[1].weight.data().asnumpy()
    with pytest.warns(UserWarning, match="have not been written by backward"):
        trainer.step(1)
    np.testing.assert_array_equal(net[1].weight.data().asnumpy(), before)
    np.testing.assert_array_equal(net[0].weight.grad().asnumpy(), np.ones((2, 2)))
    with pytest.warns(UserWarning, match="have not been written by backward"):
        trainer.step(1)


@pytest.mark.parametrize("keep_gradients", [True, False])
def test_gradients_used_in_a_compiled_step_are_not_used_again(keep_gradients):
    net = dense()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})

    @mx.compile(keep_gradients=keep_gradients)
    def step():
        backward(net)
        trainer.step(4)

    for _ in range(3):
        step()
        before = net.weight.data().asnumpy()
        with pytest.warns(UserWarning, match="have not been written by backward"):
            trainer.step(4)
        np.testing.assert_array_equal(net.weight.data().asnumpy(), before)
    backward(net)
    trainer.step(4)
    np.testing.assert_array_equal(net.weight.data().asnumpy(), before - 0.5)


def test_another_gradient_is_not_taken_for_the_one_that_was_used():
    net = dense()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    backward(net)
    trainer.step(4)
    before = net.weight.data().asnumpy()
    net.collect_params().setattr("grad_req", "add")
    backward(net)
    trainer.step(4)
    np.testing.assert_array_equal(net.weight.data().asnumpy(), before - 0.5)


@pytest.mark.compiles
def test_gradients_that_a_compiled_step_used_up_for_something_else_are_an_error():
    net = dense()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})

    @mx.compile
    def norm():
        backward(net)
        return nd.norm(net.weight.grad())

    for _ in range(3):
        norm()
        with pytest.raises(StaleGradientError):
            trainer.step(4)


@pytest.mark.compiles
def test_gradients_used_in_a_loop_that_is_compiled_by_itself_are_not_used_again():
    def program(see):
        net = dense()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
        for _ in range(6):
            backward(net)
            trainer.step(4)
            see(net.weight.data())
            trainer.step(4, ignore_stale_grad=True)
            see(net.weight.data())

    sees_the_same(program)


def test_numbers_of_mxnet_that_depend_on_the_order_of_updates():
    random = np.random.RandomState(0)
    rows = random.randn(40, 6).astype("float32")
    labels = (rows[:, :1] * 2 - rows[:, 1:2] + 0.3).astype("float32")
    net, random = gluon.nn.HybridSequential(), np.random.RandomState(0)
    net.add(gluon.nn.Dense(3, activation="tanh", in_units=6), gluon.nn.Dense(1, in_units=3))
    net.initialize()
    for parameter in net.collect_params().values():
        parameter.set_data(nd.array(random.randn(*parameter.shape) * 0.3))
    trainer = gluon.Trainer(net.collect_params(), "nadam", {"learning_rate": 0.05, "wd": 0.1})
    for _ in range(4):
        with autograd.record():
            loss = gluon.loss.L2Loss()(net(nd.array(rows)), nd.array(labels))
        loss.backward()
        trainer.step(40)
    of_mxnet = [-0.0421, -0.2262, -0.6086], [0.3329, 0.396, -0.1164]
    np.testing.assert_allclose(net[0].bias.data().asnumpy(), of_mxnet[0], atol=2e-4)
    np.testing.assert_allclose(net[1].weight.data().asnumpy()[0], of_mxnet[1], atol=2e-4)


def test_a_dictionary_is_updated_in_the_order_of_its_keys_as_in_mxnet():
    order = []

    class Watched(mx.optimizer.SGD):
        def update(self, index, weight, grad, state):
            order.append(weight.shape[0])
            super().update(index, weight, grad, state)

    named = {key: gluon.Parameter(name, shape=(size,)) for key, name, size in [("b", "p", 1), ("a", "q", 2)]}
    for parameter in named.values():
        parameter.initialize()
    trainer = gluon.Trainer({**named, "c": named["a"]}, Watched(learning_rate=0.1))
    with autograd.record():
        loss = named["a"].data().sum() + named["b"].data().sum()
    loss.backward()
    trainer.step(1)
    assert order == [2, 1]


def test_a_trainer_pickled_by_an_earlier_version_goes_on():
    net = dense()
    attributes = vars(gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})).copy()
    del attributes["_order"]
    loaded = gluon.Trainer.__new__(gluon.Trainer)
    loaded.__setstate__(attributes)
    backward(net)
    loaded.step(4)
    assert np.array_equal(net.weight.data().asnumpy(), np.full((2, 3), 0.5))
