"""Gluon after ``npx.set_np()``: what goes in and comes out, of layers of its own and of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as onp
import pytest

import lamina as mx
from lamina import autograd, gluon, init, nd, np, npx
from lamina.gluon import nn


@pytest.fixture(autouse=True)
def numpys_arrays() -> Iterator[None]:
    npx.set_np()
    yield
    npx.reset_np()


def _net() -> nn.Sequential:
    net = nn.Sequential()
    net.add(nn.Dense(4, activation="relu"), nn.BatchNorm(), nn.Dropout(0.2), nn.LayerNorm(), nn.Dense(1))
    net.initialize(init.Normal(0.1))
    return net


def test_layers_losses_and_parameters_hand_out_arrays_of_their_kind() -> None:
    net, loss = _net(), gluon.loss.L2Loss()
    x, y = np.ones((5, 3)), np.zeros(5)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
    with autograd.record():
        found = loss(net(x), y)
    found.backward()
    trainer.step(5)
    for array in (net(x), found, net[0].weight.data(), net[0].weight.grad(), net[0].weight.list_data()[0]):
        assert isinstance(array, np.ndarray)
    assert found.shape == (5,)
    assert found.mean().shape == ()


def test_training_is_that_of_nd() -> None:
    def trained(arrays: Any) -> onp.ndarray:
        mx.random.seed(2)
        net = nn.Sequential()
        net.add(nn.Dense(4, activation="tanh", in_units=3), nn.Dense(2, in_units=4))
        net.initialize(init.Xavier())
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        x, y = arrays.array(onp.arange(12.0).reshape(4, 3) / 12, dtype="float32"), arrays.array([0, 1, 1, 0])
        for _ in range(5):
            with autograd.record():
                found = loss(net(x), y)
            found.backward()
            trainer.step(4)
        return net[0].weight.data().asnumpy()

    with mx.eager():
        ours = trained(np)
        npx.reset_np()
        onp.testing.assert_array_equal(ours, trained(nd))


def test_loaders_give_them_of_any_data() -> None:
    x, y = np.arange(12).reshape(6, 2), np.arange(6)
    for data in (gluon.data.ArrayDataset(x, y), gluon.data.ArrayDataset(onp.ones((6, 2)), onp.arange(6))):
        for rows, numbers in gluon.data.DataLoader(data, 4):
            assert isinstance(rows, np.ndarray)
            assert isinstance(numbers, np.ndarray)
            assert rows.shape[1:] == (2,)
    assert gluon.data.ArrayDataset(x, y)[1][0].tolist() == [2, 3]
    scaled = gluon.data.ArrayDataset(x, y).transform_first(lambda row: np.exp(row) / 2)
    assert isinstance(next(iter(gluon.data.DataLoader(scaled, 3)))[0], np.ndarray)


class _Half(init.Initializer):
    def _init_weight(self, name, data):
        assert isinstance(data, np.ndarray)
        data[:] = np.random.uniform(-10, 10, data.shape)
        data *= np.abs(data) >= 5


def test_initializers_of_ones_own_fill_them() -> None:
    net = nn.Dense(20, in_units=30)
    net.initialize(_Half())
    size = np.abs(net.weight.data())
    assert (((size >= 5) + (size == 0)) > 0).all()
    net.weight.set_data(np.ones((20, 30)))
    net.weight.data()[0, 0] = 42
    assert net.weight.data()[0, :2].tolist() == [42, 1]


class _Fixed(nn.HybridBlock):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.weight = self.params.get_constant("weight", np.random.uniform(size=(20, 20)))
        self.dense = nn.Dense(20, activation="relu")

    def hybrid_forward(self, F, x, weight):
        x = F.npx.relu(F.np.dot(self.dense(x), weight) + 1)
        return self.dense(x).sum()


@pytest.mark.parametrize("eagerly", [True, False], ids=["eager", "deferred"])
def test_blocks_of_ones_own_get_them(eagerly: bool) -> None:
    net = _Fixed()
    net.initialize()
    x = np.ones((2, 20))
    wanted = net(x)
    net.hybridize()
    with mx.eager() if eagerly else autograd.predict_mode():
        assert net(x).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert wanted.shape == ()


def test_metrics_and_utilities_take_them() -> None:
    accuracy = mx.metric.Accuracy()
    accuracy.update(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    assert accuracy.get()[1] == 0.5
    (part,) = gluon.utils.split_and_load(np.ones((4, 2)), [mx.cpu()])
    assert isinstance(part, np.ndarray)
    x = np.array([3, 4])
    assert gluon.utils.clip_global_norm([x], 1) == pytest.approx(5)
    onp.testing.assert_allclose(x.asnumpy(), [0.6, 0.8])


def test_the_switch_is_for_what_it_encloses() -> None:
    npx.reset_np()
    layer = nn.Dense(1, in_units=1)
    layer.initialize()
    assert isinstance(layer.weight.data(), nd.NDArray)

    @npx.use_np
    def weight():
        assert npx.is_np_array()
        return layer.weight.data()

    assert isinstance(weight(), np.ndarray)
    assert not npx.is_np_array()
    with mx.np_array(True):
        assert npx.is_np_array()
    with pytest.raises(ValueError, match="shape=True"):
        npx.set_np(shape=False)


def test_a_parameter_of_one_number_has_no_axes(tmp_path: Path) -> None:
    class Scaled(gluon.HybridBlock):
        def __init__(self) -> None:
            super().__init__()
            self.scale = self.params.get("scale", shape=(), init=init.Constant(2))

        def hybrid_forward(self, F: Any, x: Any, scale: Any) -> Any:
            return x * scale

    net, other = Scaled(), Scaled()
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.25})
    with autograd.record():
        loss = (net(np.array(3.0)) - 1) ** 2
    assert loss.shape == ()
    loss.backward()
    trainer.step(1)
    assert (net.scale.data().shape, net.scale.grad().shape) == ((), ())
    assert net.scale.data().item() == 2 - 0.25 * 30
    net.save_parameters(str(tmp_path / "net"))
    other.load_parameters(str(tmp_path / "net"))
    assert other.scale.data().shape == ()
    other.scale.set_data(np.array(7))
    assert other(np.ones(2)).tolist() == [7, 7]


def test_a_network_of_a_symbol_takes_them(tmp_path: Path) -> None:
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3))
    net.initialize(init.One())
    net.hybridize()
    before = net(np.ones((1, 3)))
    net.export(str(tmp_path / "net"))
    read = gluon.SymbolBlock.imports(
        str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
    )
    found = read(np.ones((1, 3)))
    assert isinstance(found, np.ndarray)
    assert found.tolist() == before.tolist()


def test_stores_and_updaters_take_them() -> None:
    store, out = mx.kv.create("local"), np.zeros(2)
    store.init("a", np.ones(2))
    store.push("a", [np.array([3, 4]), np.ones(2)])
    store.pull("a", out=out)
    assert out.tolist() == [4, 5]
    weight = np.ones(2)
    update = mx.optimizer.get_updater(mx.optimizer.SGD(learning_rate=0.5, momentum=0.5))
    update(0, np.ones(2), weight)
    update([0], [np.ones(2)], [weight])
    assert weight.tolist() == [-0.25, -0.25]
