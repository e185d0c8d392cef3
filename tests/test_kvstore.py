"""Key-value stores: what MXNet's do on one machine, and trainers that update parameters in them."""

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.errors import ContextError, DataError, OutsideError, ParameterError
from lamina.gluon import nn
from lamina.kvstore import KVStoreBase


def filled(value: float) -> nd.NDArray:
    return nd.full((2, 3), value)


def pulled(store, key):
    out = nd.zeros((2, 3))
    store.pull(key, out=out)
    return out.asnumpy()


@pytest.mark.parametrize("name", ["local", "device"])
def test_sums_replace_what_is_stored(name):
    store = mx.kv.create(name)
    assert (store.type, store.rank, store.num_workers) == (name, 0, 1)
    store.init(3, filled(1))
    store.init(["a", "b"], [filled(2), filled(3)])
    assert (pulled(store, 3) == 1).all()
    store.push(3, [filled(1), filled(5)])
    store.push(["a", "b"], [[filled(1), filled(2)], [filled(4), filled(4)]])
    assert (pulled(store, 3) == 6).all() and (pulled(store, "a") == 3).all()
    both = [nd.zeros((2, 3)), nd.zeros((2, 3))]
    store.pull("b", out=both)
    assert (both[0].asnumpy() == 8).all() and (both[1].asnumpy() == 8).all()
    values = [filled(1), filled(2)]
    store.pushpull(3, values)
    assert [x.asnumpy()[0, 0] for x in values] == [3, 3]
    out = filled(0)
    store.broadcast("c", filled(9), out=out)
    assert (out.asnumpy() == 9).all()


def test_an_updater_changes_what_is_stored():
    store = mx.kv.create()

    def update(key, pushed, stored):
        stored += pushed * 2

    store.set_updater(update)
    store.init("a", filled(4))
    store.push("a", [filled(1)] * 4)
    assert (pulled(store, "a") == 12).all()


def test_an_optimizer_and_its_states(tmp_path):
    def stored(states=None):
        store = mx.kv.create()
        store.set_optimizer(mx.optimizer.create("adam", learning_rate=0.5))
        store.init([0, "b"], [filled(1), filled(2)])
        if states:
            store.load_optimizer_states(states)
        return store

    first, file = stored(), tmp_path / "states"
    first.push([0, "b"], [filled(1), filled(-1)])
    first.save_optimizer_states(file, dump_optimizer=True)
    again = stored(file)
    for key in (0, "b"):
        again._stored[key][:] = first._stored[key]
    for store in (first, again):
        store.push([0, "b"], [filled(3), filled(3)])
    np.testing.assert_array_equal(pulled(first, 0), pulled(again, 0))
    np.testing.assert_array_equal(pulled(first, "b"), pulled(again, "b"))
    with pytest.raises(DataError, match="the optimizer is SGD"):
        other = mx.kv.create()
        other.set_optimizer(mx.optimizer.create("sgd"))
        other.load_optimizer_states(file)
    file.write_bytes(b"\x80\x04N.")
    with pytest.raises(DataError, match="not an optimizer's states"):
        stored(file)


def test_errors():
    store = mx.kv.create()
    store.init("a", filled(1))
    with pytest.raises(ParameterError, match="'a' has been initialized already"):
        store.init("a", filled(1))
    with pytest.raises(ParameterError, match="'b' has not been initialized"):
        store.push("b", filled(1))
    with pytest.raises(ParameterError, match="2 keys for 3 values"):
        store.push(["a", "b"], [filled(1)] * 3)
    with pytest.raises(TypeError, match="whole numbers or strings"):
        store.init(1.5, filled(1))
    with pytest.raises(TypeError, match="is an NDArray"):
        store.init("c", np.zeros(2))
    with pytest.raises(ParameterError, match="set_optimizer first"):
        store.save_optimizer_states("x")
    with pytest.raises(OutsideError, match="dense"):
        store.row_sparse_pull("a")
    with pytest.raises(OutsideError, match="exact"):
        store.set_gradient_compression({"type": "2bit"})
    with pytest.raises(ContextError, match="spans machines"):
        mx.kv.create("dist_async")
    with pytest.raises(ValueError, match=r"unknown KVStore 'locl'\. Did you mean 'local'"):
        mx.kv.create("locl")
    with pytest.raises(TypeError, match="is a string"):
        mx.kv.create(3)
    with pytest.raises(ValueError, match="unknown capability"):
        store.is_capable("swim")


class Doubling(mx.kv.KVStoreBase):
    """Stands for a store that spans machines: as if a second worker had the same gradients."""

    type = "doubling"

    def broadcast(self, key, value, out, priority=0):
        for x in out:
            x[:] = value

    def pushpull(self, key, value, out=None, priority=0):
        for x in value:
            x *= 2


def trained(kvstore, contexts, update=None, steps=3):
    net = nn.Dense(2, in_units=3, weight_initializer="ones")
    net.initialize(ctx=contexts)
    trainer = gluon.Trainer(
        net.collect_params(), "adam", {"learning_rate": 0.1}, kvstore, update_on_kvstore=update
    )
    for _ in range(steps):
        with autograd.record():
            losses = [net(nd.ones((2, 3), ctx=ctx)).square() for ctx in contexts]
        autograd.backward(losses)
        trainer.step(4)
    return [x.asnumpy() for x in net.weight.list_data()], trainer


def test_a_trainer_updates_in_the_store_or_beside_it():
    alone = trained("device", [mx.cpu()])[0][0]
    devices = [mx.cpu(0), mx.cpu(1)]
    for kvstore in ("local", mx.kv.create("device")):
        for update in (True, False, None):
            (first, second), trainer = trained(kvstore, devices, update)
            np.testing.assert_array_equal(first, second)
            np.testing.assert_allclose(first, alone, rtol=1e-6)
            assert trainer._update_on_kvstore is (update is not False)
            if not isinstance(kvstore, str):
                break
    with pytest.raises(AssertionError, match=r"not supported. Try setting `update_on_kvstore`"):
        trainer.allreduce_grads()
    with pytest.raises(ParameterError, match=r"update\(\) when parameters are updated on kvstore"):
        trainer.update(1)


def test_a_store_of_ones_own_serves_a_trainer():
    assert KVStoreBase.register(Doubling) is Doubling
    try:
        assert isinstance(mx.kv.create("doubling"), Doubling)
    finally:
        del KVStoreBase.kv_registry["doubling"]
    (weight,), trainer = trained(Doubling(), [mx.cpu()], steps=1)
    assert trainer._update_on_kvstore is False
    np.testing.assert_allclose(weight, 0.9, rtol=1e-5)
    with pytest.raises(ParameterError, match="must be False with a Doubling"):
        trained(Doubling(), [mx.cpu()], update=True)


def test_states_of_a_trainer_that_updates_in_a_store(tmp_path):
    devices = [mx.cpu(0), mx.cpu(1)]
    _, trainer = trained("device", devices)
    trainer.set_learning_rate(0.7)
    trainer.save_states(tmp_path / "states")
    _, other = trained("device", devices, steps=1)
    other.load_states(tmp_path / "states")
    assert other.learning_rate == 0.7
    for one, two in zip(other._updater.states[0], trainer._updater.states[0], strict=True):
        np.testing.assert_array_equal(one.asnumpy(), two.asnumpy())


def test_parameters_that_are_loaded_between_steps_are_what_is_updated(tmp_path):
    net = nn.Dense(1, in_units=2, use_bias=False, weight_initializer="zeros")
    devices = [mx.cpu(0), mx.cpu(1)]
    net.initialize(ctx=devices)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    net.save_parameters(tmp_path / "zeros")
    for _ in range(2):
        net.load_parameters(tmp_path / "zeros")
        with autograd.record():
            losses = [net(nd.ones((1, 2), ctx=ctx)) for ctx in devices]
        autograd.backward(losses)
        trainer.step(1)
        for x in net.weight.list_data():
            np.testing.assert_allclose(x.asnumpy(), -0.2)
    with pytest.raises(ParameterError, match="can't take new values"):
        Doubling().replace(0, nd.ones(1))


def test_float16_by_way_of_float32():
    def after(multi_precision):
        net = nn.Dense(1, in_units=2, use_bias=False, weight_initializer="ones", dtype="float16")
        net.initialize()
        settings = {"learning_rate": 1e-4, "multi_precision": multi_precision}
        trainer = gluon.Trainer(net.collect_params(), "sgd", settings)
        for _ in range(20):
            with autograd.record():
                loss = net(nd.ones((1, 2), dtype="float16"))
            loss.backward()
            trainer.step(1)
        return net.weight.data()

    precise = after(True)
    assert precise.dtype == np.float16
    np.testing.assert_allclose(precise.asnumpy(), 1 - 20e-4, atol=5e-4)
    with pytest.warns(UserWarning, match="multi_precision=True"):
        coarse = after(False)
    assert (coarse.asnumpy() == 1).all()  # each step alone is too small for float16
