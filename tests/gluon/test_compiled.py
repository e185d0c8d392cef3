"""Layers, losses and the trainer inside `lamina.compile` and under `hybridize` do what they do eagerly."""

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.compiler import compile as compiled
from lamina.gluon import loss as losses
from lamina.gluon import nn

rng = np.random.default_rng(3)
X = rng.normal(size=(8, 6)).astype(np.float32)
REAL = rng.normal(size=(8, 4)).astype(np.float32)
CLASSES = rng.integers(0, 4, size=8).astype(np.float32)


def layer_cases():
    yield nn.Dense(4, activation="relu")
    yield nn.Dense(4, use_bias=False, flatten=False)
    yield nn.BatchNorm()
    yield nn.LayerNorm()
    yield nn.Flatten()
    yield nn.PReLU()
    for kind in (nn.ELU, nn.SELU, nn.GELU, nn.Swish, nn.SiLU, nn.Mish):
        yield kind()
    yield nn.LeakyReLU(0.1)
    for name in ("sigmoid", "tanh", "softrelu", "softsign"):
        yield nn.Activation(name)


def loss_cases():
    yield losses.L2Loss(), REAL
    yield losses.L1Loss(), REAL
    yield losses.HuberLoss(), REAL
    yield losses.SigmoidBCELoss(), (REAL > 0).astype(np.float32)
    yield losses.LogisticLoss(), np.sign(REAL)
    yield losses.HingeLoss(), np.sign(REAL)
    yield losses.SquaredHingeLoss(), np.sign(REAL)
    yield losses.SoftmaxCELoss(), CLASSES
    yield losses.SoftmaxCELoss(sparse_label=False), np.eye(4, dtype=np.float32)[CLASSES.astype(int)]
    yield losses.KLDivLoss(from_logits=False), np.full((8, 4), 0.25, np.float32)
    yield losses.PoissonNLLLoss(), np.abs(REAL).round()


def close(a, b):
    np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=2e-5, atol=2e-6)


def gradients(function, *arrays):
    """The value of a function and its gradients by all arrays, as one function."""

    def run(*arrays):
        for x in arrays:
            x.attach_grad()
        with autograd.record():
            y = function(*arrays)
        y.backward()
        return [y, *(x.grad for x in arrays)]

    return [x.copy() for x in run(*(x.copy() for x in arrays))]


@pytest.mark.parametrize("layer", list(layer_cases()), ids=repr)
def test_layers(layer):
    layer.initialize()
    x = nd.array(X)
    eager = layer(x)
    step = compiled(layer)
    close(step(x), eager)
    expected = gradients(layer, x)
    layer.hybridize()
    for a, b in zip(gradients(layer, x), expected, strict=True):
        close(a, b)
    close(layer(x), layer.forward(x))


@pytest.mark.parametrize(
    ("loss", "label"), list(loss_cases()), ids=lambda x: repr(x) if isinstance(x, losses.Loss) else ""
)
def test_losses(loss, label):
    pred, label = nd.array(rng.normal(size=(8, 4))), nd.array(label)
    expected = gradients(lambda p: loss(p, label), pred)
    close(compiled(lambda p: loss(p, label))(pred), expected[0])
    loss.hybridize()
    for a, b in zip(gradients(lambda p: loss(p, label), pred), expected, strict=True):
        close(a, b)
    weight = nd.array(np.arange(8).reshape(8, 1))
    close(loss(pred, label, weight), loss.forward(pred, label, weight))


def network(inputs=0):
    """A net of which all shapes are known if `inputs` is.

    Without a bias before BatchNorm, which would take it away again: its gradient would be rounding errors,
    and Adam would blow them up.
    """
    net = nn.HybridSequential()
    net.add(
        nn.Dense(16, activation="relu", in_units=inputs, use_bias=False),
        nn.BatchNorm(in_channels=inputs and 16),
        nn.Dropout(0.5),
        nn.Dense(4, in_units=inputs and 16),
    )
    net.initialize(mx.init.Xavier())
    return net


def training_step(net, trainer):
    loss = losses.SoftmaxCrossEntropyLoss()

    def step(x, y):
        with autograd.record():
            value = loss(net(x), y)
        value.backward()
        trainer.step(x.shape[0])
        return nd.mean(value)

    return step


def train(net, trainer, compile_step, steps):
    step = training_step(net, trainer)
    run = compiled(step) if compile_step else step
    return [run(nd.array(X), nd.array(CLASSES)).asscalar() for _ in range(steps)]


OPTIMIZERS = [
    ("sgd", {"learning_rate": 0.1}),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01, "clip_gradient": 0.01}),
    ("adam", {"learning_rate": 0.01}),
    ("rmsprop", {"learning_rate": 0.01}),
]


@pytest.mark.few(2)
@pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS, ids=str)
def test_a_compiled_training_step_is_the_eager_one(optimizer, settings):
    runs = []
    for compile_step in (False, True):
        mx.random.seed(7)
        net = network(6)
        trainer = gluon.Trainer(net.collect_params(), optimizer, settings)
        runs.append((train(net, trainer, compile_step, 6), net))
    (eager, eager_net), (fast, fast_net) = runs
    np.testing.assert_allclose(fast, eager, rtol=1e-4)
    for a, b in zip(eager_net.collect_params().values(), fast_net.collect_params().values(), strict=True):
        np.testing.assert_allclose(b.data().asnumpy(), a.data().asnumpy(), rtol=1e-3, atol=1e-5)


def test_many_batches_in_one_call_are_the_eager_steps():
    index = rng.permutation(40).reshape(5, 8)
    data, label = nd.array(rng.normal(size=(40, 6))), nd.array(rng.integers(0, 4, size=40))
    runs = []
    for many in (False, True):
        mx.random.seed(5)
        net = network(6)
        schedule = mx.lr_scheduler.CosineScheduler(max_update=10, base_lr=0.05)
        settings = {"learning_rate": 0.05, "lr_scheduler": schedule, "wd": 0.01}
        trainer = gluon.Trainer(net.collect_params(), "adam", settings)
        step = training_step(net, trainer)
        if many:
            values = compiled(step).run_batches(index, data, label).asnumpy().ravel()
        else:
            values = [step(data[nd.array(rows)], label[nd.array(rows)]).asscalar() for rows in index]
        runs.append(values)
        assert trainer.optimizer.num_update == 5
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-4)


def test_deferred_parameters_are_initialized_inside_the_first_compiled_step():
    net = network()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    values = train(net, trainer, True, 30)
    assert values[-1] < values[0]
    assert net[0].weight.shape == (16, 6)


@pytest.mark.compiles
def test_a_changed_learning_rate_and_a_schedule_reach_the_compiled_step():
    net = nn.Dense(1, weight_initializer="ones", use_bias=False)
    net.initialize()
    schedule = mx.lr_scheduler.FactorScheduler(step=1, factor=0.5, base_lr=1.0)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": schedule})

    @compiled
    def step(x):
        with autograd.record():
            y = net(x)
        y.backward()
        trainer.step(1)

    seen = []
    for _ in range(4):
        before = net.weight.data().asnumpy() if net.weight.shape[1] else np.ones((1, 2), np.float32)
        step(nd.ones((1, 2)))
        seen.append((before - net.weight.data().asnumpy())[0, 0])
    np.testing.assert_allclose(seen, [1, 0.5, 0.25, 0.125])
    assert len(step._entries) == 1


def test_a_replaced_parameter_is_noticed():
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize("ones")
    net.hybridize()
    x = nd.ones((1, 2))
    assert net(x).asscalar() == 2
    net.initialize("zeros", force_reinit=True)
    assert net(x).asscalar() == 0
    net.weight._data[0] = nd.array([[3, 4]])
    assert net(x).asscalar() == 7
    net.weight.set_data(nd.array([[1, 5]]))
    assert net(x).asscalar() == 6


def test_batch_norm_updates_its_running_statistics_in_compiled_code():
    layer = nn.BatchNorm()
    layer.initialize()
    layer.hybridize()
    with autograd.record():
        layer(nd.array(X))
    np.testing.assert_allclose(layer.running_mean.data().asnumpy(), 0.1 * X.mean(0), rtol=1e-5)
    before = layer.running_mean.data().asnumpy()
    layer(nd.array(X))
    assert np.array_equal(layer.running_mean.data().asnumpy(), before)


def test_gradients_of_a_compiled_backward_are_fresh_for_a_trainer_outside():
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize("ones")
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.25})

    @compiled
    def gradient(x):
        with autograd.record():
            y = net(x)
        y.backward()

    for expected in (0.75, 0.5):
        gradient(nd.ones((1, 2)))
        trainer.step(1)
        np.testing.assert_allclose(net.weight.data().asnumpy(), [[expected, expected]])
    with pytest.warns(UserWarning, match="have not been written by backward"):
        trainer.step(1)


def test_hybridized_training_through_a_loop_in_python():
    runs = []
    for active in (False, True):
        mx.random.seed(3)
        net = network(6)
        net.hybridize(active)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        runs.append(train(net, trainer, False, 5))
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-4)
