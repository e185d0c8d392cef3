"""Modules, `FeedForward`, executors and monitors, as programs for MXNet use them.

Results are compared with MXNet's own by `tools/compare_mxnet` (part ``modules``); here programs run as a whole.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.errors import AutogradError, DataError, LaminaError, OutsideError, ParameterError, ShapeError

ROWS = np.random.RandomState(0).randn(600, 12).astype("float32")
CLASSES = ROWS[:, :3].argmax(axis=1).astype("float32")


def network(classes: int = 3, last: str = "fc2") -> Any:
    hidden = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=16, name="fc1")
    hidden = mx.sym.Activation(hidden, act_type="relu", name="relu1")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(hidden, num_hidden=classes, name=last), name="softmax")


def batches(size: int = 50, **settings: Any) -> Any:
    return mx.io.NDArrayIter(ROWS, CLASSES, size, **settings)


def trained(net: Any = None, **settings: Any) -> Any:
    module = mx.mod.Module(network() if net is None else net)
    given = {"num_epoch": 8, "optimizer": "adam", "optimizer_params": {"learning_rate": 0.02}}
    module.fit(batches(), **{**given, "initializer": mx.init.Xavier(), **settings})
    return module


def accuracy(module: Any) -> float:
    return dict(module.score(batches(), "acc"))["accuracy"]


def test_a_module_learns_what_a_loop_of_gluon_does() -> None:
    module = mx.mod.Module(network())
    module.bind(batches().provide_data, batches().provide_label)
    module.init_params(mx.init.Xavier())
    first, _ = module.get_params()
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(16, activation="relu", in_units=12), gluon.nn.Dense(3, in_units=16))
    net.initialize()
    for own, name in zip(
        net.collect_params().values(), ("fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"), strict=True
    ):
        own.set_data(first[name])
    module.fit(batches(), num_epoch=3, optimizer_params={"learning_rate": 0.3, "momentum": 0.9})
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.3, "momentum": 0.9})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for _ in range(3):
        for batch in batches():
            with autograd.record():
                value = loss(net(batch.data[0]), batch.label[0])
            value.backward()
            trainer.step(50)
    for own, x in zip(net.collect_params().values(), module.get_params()[0].values(), strict=True):
        np.testing.assert_allclose(own.data().asnumpy(), x.asnumpy(), rtol=2e-4, atol=2e-5)


def test_the_same_bits_whenever_it_is_computed() -> None:
    found = []
    for mode in (mx.eager, pytest.MonkeyPatch.context):
        with mode():
            mx.random.seed(3)
            found.append({name: x.asnumpy() for name, x in trained().get_params()[0].items()})
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_it_is_logged_and_callbacks_see_it(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    def after_batch(param: Any) -> None:
        arguments, _ = param.locals["self"].get_params()
        seen.append((param.epoch, param.nbatch, len(arguments)))

    with caplog.at_level(logging.INFO):
        trained(
            eval_data=batches(), eval_metric=["acc", mx.metric.create("top_k_accuracy", top_k=2)], num_epoch=2,
            batch_end_callback=[mx.callback.Speedometer(50, 5), after_batch],
            epoch_end_callback=lambda epoch, symbol, arguments, states: seen.append((epoch, sorted(arguments))),
            eval_end_callback=lambda param: seen.append(param.nbatch),
        )  # fmt: skip
    said = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("Epoch[1] Train-accuracy=0.") for line in said)
    assert any(line.startswith("Epoch[0] Validation-top_k_accuracy_2=0.") for line in said)
    assert any("samples/sec" in line for line in said)
    assert seen[11] == (0, 11, 4) and seen[12] == (0, ["fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"])
    assert seen[13] == 12


def test_files_continue_a_training(tmp_path: Path) -> None:
    prefix = str(tmp_path / "model")
    module = trained(num_epoch=2, epoch_end_callback=mx.callback.do_checkpoint(prefix))
    module.save_checkpoint(prefix, 2, save_optimizer_states=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model-0001.params", "model-0002.params", "model-0002.states", "model-symbol.json",
    ]  # fmt: skip
    other = mx.mod.Module.load(prefix, 2, load_optimizer_states=True)
    given = {"learning_rate": 0.02, "begin_num_update": 2 * 12}
    for each in (module, other):
        each.fit(
            batches(), num_epoch=4, begin_epoch=2, optimizer="adam", optimizer_params=given, force_rebind=True
        )
    for x, y in zip(module.get_params()[0].values(), other.get_params()[0].values(), strict=True):
        assert np.array_equal(x.asnumpy(), y.asnumpy())
    path = str(tmp_path / "weights")
    module.save_params(path)
    fresh = mx.mod.Module(network())
    fresh.bind(batches().provide_data, for_training=False)
    fresh.load_params(path)
    assert np.array_equal(fresh.predict(ROWS).asnumpy(), module.predict(ROWS).asnumpy())
    assert fresh.predict(batches(64)).shape == (600, 3)


def test_modules_share_parameters() -> None:
    first = trained(network(5, "of_five"))
    second = mx.mod.Module(network(3, "of_three"))
    second.bind(batches().provide_data, batches().provide_label, shared_module=first)
    second.init_params(mx.init.Xavier(), force_init=True)
    second.init_optimizer(optimizer_params={"learning_rate": 0.1}, force_init=True)
    second.forward_backward(batches().next())
    second.update()
    assert np.array_equal(
        first.get_params()[0]["fc1_weight"].asnumpy(), second.get_params()[0]["fc1_weight"].asnumpy()
    )


def test_two_losses_and_a_network_that_follows() -> None:
    """Double Q-learning with a target network: two outputs, two labels, `init_params` for soft updates."""

    def of(train: bool) -> Any:
        hidden = mx.sym.FullyConnected(mx.sym.Variable("state"), num_hidden=8, name="fc1")
        value = mx.sym.FullyConnected(mx.sym.Activation(hidden, act_type="relu"), num_hidden=4, name="q")
        if not train:
            return value
        error = mx.sym.Variable("target") - mx.sym.sum(value * mx.sym.Variable("action"), axis=1)
        return mx.sym.Group([mx.sym.BlockGrad(value), mx.sym.MakeLoss(mx.sym.square(error))])

    learner = mx.module.Module(of(True), data_names=("state",), label_names=("action", "target"))
    learner.bind([("state", (32, 5))], [("action", (32, 4)), ("target", (32,))])
    learner.init_params(mx.init.Normal(0.3))
    learner.init_optimizer(optimizer="RMSProp", optimizer_params={"learning_rate": 0.01})
    follower = mx.module.Module(of(False), data_names=("state",), label_names=None)
    follower.bind([("state", (32, 5))], for_training=False)
    follower.init_params(mx.init.Normal(0.3))
    random = np.random.RandomState(1)
    one = mx.io.DataBatch([nd.array(random.randn(1, 5))], [nd.zeros((1, 4)), nd.array([1.0])])
    learner.forward(one, is_train=False)
    assert learner.get_outputs()[0].shape == (1, 4)
    action, target = nd.array(np.eye(4)[random.randint(0, 4, 32)]), nd.array(random.randn(32))
    batch = mx.io.DataBatch([nd.array(random.randn(32, 5))], [action, target])
    losses = []
    for _ in range(60):
        learner.forward_backward(batch)
        learner.update()
        losses.append(learner.get_outputs()[1].mean().item())
        new, (old, _) = learner.get_params()[0], follower.get_params()
        mixed = {name: old[name] * 0.9 + new[name] * 0.1 for name in new}
        follower.init_params(None, mixed, force_init=True)
    assert losses[-1] < losses[0] / 2
    follower.forward(mx.io.DataBatch(batch.data), is_train=False)
    distance = (follower.get_outputs()[0] - learner.get_outputs()[0]).abs().mean().item()
    assert distance < 0.2


def test_inputs_and_labels_are_known_by_their_names() -> None:
    """An iterator sorts the names of a dict; the module has them in another order."""
    random = np.random.RandomState(2)
    rows = {"za": random.randn(60, 3), "ab": random.randn(60, 2)}
    labels = {
        "number_label": rows["za"] @ np.array([[1.0], [2], [3]]),
        "class_label": (rows["ab"][:, 0] > 0).astype("f4"),
    }
    number = mx.sym.FullyConnected(mx.sym.Variable("za"), num_hidden=1, name="number")
    chosen = mx.sym.FullyConnected(mx.sym.Variable("ab"), weight=None, num_hidden=2, name="class")
    net = mx.sym.Group(
        [mx.sym.LinearRegressionOutput(number, name="number"), mx.sym.SoftmaxOutput(chosen, name="class")]
    )
    metric = mx.metric.CompositeEvalMetric()
    metric.add(mx.metric.MSE(output_names=["number_output"], label_names=["number_label"]))
    metric.add(mx.metric.Accuracy(output_names=["class_output"], label_names=["class_label"]))
    module = mx.mod.Module(net, ["za", "ab"], ["number_label", "class_label"])
    train = mx.io.NDArrayIter(rows, labels, 20)
    module.fit(train, num_epoch=40, eval_metric=metric, optimizer_params={"learning_rate": 0.3})
    found = dict(module.score(train, metric))
    assert found["mse"] < 1e-3 and found["accuracy"] > 0.9
    assert [x.shape for x in module.predict(train)] == [(60, 1), (60, 2)]


def test_executors_share_arrays_after_a_reshape() -> None:
    executor = network().simple_bind(mx.cpu(), data=(4, 12))
    executor.arg_dict["fc1_bias"][:] = 3
    other = executor.reshape(data=(1, 12), softmax_label=(1,))
    other.arg_dict["fc1_bias"][:] = 5
    assert executor.arg_dict["fc1_bias"].asnumpy().tolist() == [5] * 16
    assert other.forward(data=nd.ones((1, 12)))[0].shape == (1, 3)
    other.forward(is_train=True)
    other.backward()
    assert np.array_equal(executor.grad_dict["fc2_bias"].asnumpy(), other.grad_dict["fc2_bias"].asnumpy())


def test_weights_that_are_computed_from_random_numbers() -> None:
    def weight(name: str, shape: tuple[int, int]) -> Any:
        mean = mx.sym.Variable(f"{name}_mean", shape=shape, init=mx.init.Normal(0.1))
        spread = mx.sym.Variable(f"{name}_spread", shape=shape, init=mx.init.Constant(-3))
        noise = mx.sym.random_normal(loc=0, scale=1, shape=shape)
        return mean + mx.sym.log(mx.sym.exp(spread) + 1) * noise

    hidden = mx.sym.Activation(
        mx.sym.dot(mx.sym.Variable("data"), weight("first", (12, 16))), act_type="relu"
    )
    net = mx.sym.SoftmaxOutput(mx.sym.dot(hidden, weight("second", (16, 3))), name="softmax")
    assert accuracy(trained(net, num_epoch=12)) > 0.8


def test_a_loss_written_with_numpy() -> None:
    class Softmax(mx.operator.CustomOp):
        def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
            x = in_data[0].asnumpy()
            y = np.exp(x - x.max(axis=1, keepdims=True))
            self.assign(out_data[0], req[0], nd.array(y / y.sum(axis=1, keepdims=True)))

        def backward(
            self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any
        ) -> None:
            y, label = out_data[0].asnumpy(), in_data[1].asnumpy().astype(int)
            y[np.arange(len(label)), label] -= 1
            self.assign(in_grad[0], req[0], nd.array(y))

    @mx.operator.register("softmax_of_modules")
    class _SoftmaxProp(mx.operator.CustomOpProp):
        def __init__(self) -> None:
            super().__init__(need_top_grad=False)

        def list_arguments(self) -> list[str]:
            return ["data", "label"]

        def infer_shape(self, in_shape: Any) -> Any:
            return [in_shape[0], (in_shape[0][0],)], [in_shape[0]], []

        def create_operator(self, ctx: Any, in_shapes: Any, in_dtypes: Any) -> Softmax:
            return Softmax()

    scores = network().get_internals()["fc2_output"]
    net = mx.sym.Custom(data=scores, name="softmax", op_type="softmax_of_modules")
    assert net.list_arguments()[-1] == "softmax_label"
    given = {name: x.copy() for name, x in trained(num_epoch=1).get_params()[0].items()}
    found = [
        trained(one, num_epoch=3, arg_params=given, aux_params={}).get_params()[0] for one in (net, network())
    ]
    for name, x in found[0].items():
        np.testing.assert_allclose(x.asnumpy(), found[1][name].asnumpy(), rtol=2e-3, atol=1e-4)
    again = mx.sym.load_json(net.tojson())
    assert again.list_arguments() == net.list_arguments()
    with pytest.raises(DataError, match="no custom operator is registered as 'nosuch'"):
        mx.sym.load_json(net.tojson().replace("softmax_of_modules", "nosuch"))


def test_arrays_without_iterators(tmp_path: Path) -> None:
    model = mx.model.FeedForward.create(
        network(), ROWS, CLASSES, num_epoch=8, optimizer="adam", learning_rate=0.02, numpy_batch_size=50,
        eval_data=(ROWS, CLASSES), initializer=mx.init.Xavier(), epoch_size=12,
    )  # fmt: skip
    predicted = model.predict(ROWS)
    assert isinstance(predicted, np.ndarray) and (predicted.argmax(axis=1) == CLASSES).mean() > 0.9
    assert model.score(batches()) > 0.9
    outputs, data, labels = model.predict(batches(), return_data=True, num_batch=2)
    assert (
        outputs.shape == (100, 3)
        and np.array_equal(data, ROWS[:100])
        and np.array_equal(labels, CLASSES[:100])
    )
    model.save(str(tmp_path / "model"))
    again = mx.model.FeedForward.load(str(tmp_path / "model"), 8, numpy_batch_size=50)
    assert np.array_equal(again.predict(ROWS), predicted)


def test_a_monitor_sees_outputs_gradients_and_parameters(caplog: pytest.LogCaptureFixture) -> None:
    monitor = mx.mon.Monitor(6, nd.norm, ".*fc1.*", sort=True)
    with caplog.at_level(logging.INFO):
        trained(num_epoch=1, monitor=monitor)
    lines = [record.getMessage().split() for record in caplog.records if "Batch:" in record.getMessage()]
    expected = ["fc1_backward_bias", "fc1_backward_weight", "fc1_bias", "fc1_output", "fc1_weight"]
    assert [(line[1], line[2]) for line in lines] == [(n, name) for n in ("1", "7") for name in expected]
    assert all(float(line[3]) > 0 for line in lines if line[2] != "fc1_bias")


def _fitted_at_the_end() -> None:
    given = batches()
    list(given)
    mx.mod.Module(network()).fit(given, num_epoch=1)


WRONG: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "input": (ValueError, "has no input 'dota'. Did you mean 'data'", lambda: mx.mod.Module(network(), ["dota"])),
    "unbound": (AssertionError, "call bind first", lambda: mx.mod.Module(network()).forward(batches().next())),
    "epochs": (TypeError, "num_epoch, the number of epochs, is missing", lambda: trained(num_epoch=None)),
    "shapes": (
        ValueError, r"data_shapes describes \['x'\], but the module's data_names are \['data'\]",
        lambda: mx.mod.Module(network()).bind([("x", (2, 12))]),
    ),
    "missing": (
        ParameterError, "fc1_weight is not presented: pass its values, or allow_missing=True",
        lambda: trained(num_epoch=1).set_params({"fc1_bias": nd.zeros(16)}, {}),
    ),
    "extra": (
        ParameterError, "no parameter 'fc1_wight'. Did you mean 'fc1_weight'",
        lambda: trained(num_epoch=1).set_params({"fc1_wight": nd.zeros(1)}, {}, allow_missing=True),
    ),
    "symbol": (TypeError, "symbol is a Symbol, such as mx.sym.SoftmaxOutput", lambda: mx.mod.Module(None)),  # pyright: ignore[reportArgumentType]
    "contexts": (TypeError, r"context is a device such as mx.cpu", lambda: mx.mod.Module(network(), context=[])),
    "names": (TypeError, r"data_names is a list .*, such as \['data'\]", lambda: mx.mod.Module(network(), "data")),
    "fixed": (ValueError, "no input 'fc1'", lambda: mx.mod.Module(network(), fixed_param_names=["fc1"])),
    "optimizer": (TypeError, "optimizer is a name such as 'sgd', or an Optimizer, not 3", lambda: trained(optimizer=3)),
    "optimizer's": (TypeError, "optimizer_params is a dict of arguments, not 3", lambda: trained(optimizer_params=3)),
    "store": (TypeError, "kvstore is a name such as 'local', a KVStore or None, not 3", lambda: trained(kvstore=3)),
    "initializer": (TypeError, "initializer is an Initializer such as mx.init.Xavier", lambda: trained(initializer=3)),
    "monitor": (ValueError, "interval is a number of batches, 1 or more, not 0", lambda: mx.mon.Monitor(0)),
    "iterator": (TypeError, "train_data is a DataIter", lambda: mx.mod.Module(network()).fit(ROWS, num_epoch=1)),  # pyright: ignore[reportArgumentType]
    "at its end": (ValueError, r"no batch left; call its reset\(\)", _fitted_at_the_end),
    "evaluated": (TypeError, "eval_data is a DataIter", lambda: trained(num_epoch=1).score(None, "acc")),
    "slices": (
        ShapeError, "a batch of 1 rows can't be divided among 2 devices",
        lambda: mx.mod.Module(network(), context=[mx.cpu(0), mx.cpu(1)]).bind([("data", (1, 12))]),
    ),
    "abstract": (NotImplementedError, "Own must define bind, init_params", lambda: _own().forward(None)),
    "composed": (TypeError, r"its inputs by name, as in net\(data=x\)", lambda: network()(mx.sym.var("x"))),
    "composed of": (ValueError, "no input 'dota'. Did you mean 'data'", lambda: network()(dota=mx.sym.var("x"))),
    "types": (
        TypeError, "_plus.* needs arrays of one dtype, not float32 and float64",
        lambda: (mx.sym.var("a") + mx.sym.var("b")).infer_type(a="float32", b="float64"),
    ),
    "states": (LaminaError, "pass states as data", lambda: mx.mod.Module(network(), state_names=["s"])),
    "buckets": (OutsideError, "need mx.mod.Module alone", lambda: mx.mod.SequentialModule),
    "untrained": (ParameterError, "call fit, or pass arg_params", lambda: _forward_fed().predict(ROWS)),
    "lists": (TypeError, "a DataIter, or arrays X and y; X is a list", lambda: _forward_fed().fit([1], [2])),
    "rows": (ShapeError, "X has 600 rows, and y 3", lambda: _forward_fed().fit(ROWS, CLASSES[:3])),
    "no loss": (
        AutogradError, "output 'fc1' is not a loss; pass its gradient",
        lambda: _stepped(network().get_internals()["fc1_output"], True),
    ),
    "not recorded": (AutogradError, r"call forward\(is_train=True\) first", lambda: _stepped(network(), False)),
    "argument": (TypeError, "unknown argument 'dato'. Did you mean 'data'", lambda: _bound().forward(dato=nd.zeros(1))),
    "size": (ShapeError, r"data has shape \(3, 12\), not \(2, 12\)", lambda: _bound().forward(data=nd.zeros((3, 12)))),
    "kind": (ValueError, "NDArray or numpy.ndarray, not int", lambda: _bound().forward(data=3)),
    "arrays": (
        ParameterError, "there is no array for fc1_weight, fc1_bias",
        lambda: network().get_internals()["fc1_output"].bind(mx.cpu(), {"data": nd.zeros((2, 12))}),
    ),
    "numpy": (TypeError, "a is an NDArray, not ndarray", lambda: mx.sym.Variable("a").bind(mx.cpu(), [ROWS])),
    "request": (
        ValueError, "'write', 'add' or 'null', not 'sum'",
        lambda: network().simple_bind(mx.cpu(), "sum", data=(2, 12)),
    ),
}  # fmt: skip


def _own() -> Any:
    class Own(mx.mod.BaseModule):
        pass

    return Own()


def _bound(net: Any = None) -> Any:
    return (network() if net is None else net).simple_bind(mx.cpu(), data=(2, 12))


def _forward_fed() -> Any:
    return mx.model.FeedForward(network())


def _stepped(net: Any, is_train: bool) -> None:
    executor = _bound(net)
    executor.forward(is_train=is_train)
    executor.backward()


@pytest.mark.parametrize("name", WRONG)
def test_errors_say_what_to_do(name: str) -> None:
    kind, said, call = WRONG[name]
    with pytest.raises(kind, match=said):
        call()


def test_files_of_numbers_and_of_pictures(tmp_path: Path) -> None:
    data, labels = str(tmp_path / "x.csv"), str(tmp_path / "y.csv")
    np.savetxt(data, np.arange(35).reshape(7, 5), delimiter=",")
    np.savetxt(labels, np.arange(7), delimiter=",")
    rows: Any = mx.io.CSVIter(data_csv=data, data_shape=(5,), batch_size=3, label_csv=labels)
    found = [(x.data[0][:, 0].asnumpy().tolist(), x.label[0].asnumpy().tolist(), x.pad) for x in rows]
    assert found == [([0, 5, 10], [0, 1, 2], 0), ([15, 20, 25], [3, 4, 5], 0), ([30, 0, 5], [6, 0, 1], 2)]
    unlabelled: Any = mx.io.CSVIter(data, (5,), 7).next()
    assert unlabelled.label[0].asnumpy().tolist() == [0] * 7
    pixels = np.arange(10 * 28 * 28, dtype=np.uint8).reshape(10, 28, 28)
    (tmp_path / "images").write_bytes(
        bytes([0, 0, 8, 3]) + np.array([10, 28, 28], ">i4").tobytes() + pixels.tobytes()
    )
    (tmp_path / "labels").write_bytes(
        bytes([0, 0, 8, 1]) + np.array([10], ">i4").tobytes() + bytes(range(10))
    )
    files = str(tmp_path / "images"), str(tmp_path / "labels")
    pictures = list(mx.io.MNISTIter(*files, batch_size=4, shuffle=False))
    assert [x.data[0].shape for x in pictures] == [(4, 1, 28, 28)] * 2
    assert np.array_equal(pictures[1].data[0].asnumpy()[:, 0], pixels[4:8].astype("float32") / 256)
    assert mx.io.MNISTIter(*files, batch_size=4, flat=True).provide_data[0].shape == (4, 784)


def test_a_generator_learns_from_the_gradients_of_a_discriminator() -> None:
    def of(data: str, hidden: int, name: str) -> Any:
        return mx.sym.FullyConnected(mx.sym.Variable(data), num_hidden=hidden, name=name)

    generator = mx.mod.Module(of("noise", 12, "made"), ("noise",), None)
    generator.bind([("noise", (4, 3))])
    net = mx.sym.LogisticRegressionOutput(of("data", 1, "judged"), mx.sym.Variable("label"), name="loss")
    judge = mx.mod.Module(net, label_names=("label",))
    judge.bind([("data", (4, 12))], [("label", (4,))], inputs_need_grad=True)
    for module in (generator, judge):
        module.init_params(mx.init.Constant(0.1))
        module.init_optimizer()
    noise, made = np.arange(12, dtype="float32").reshape(4, 3), []
    for _ in range(2):  # the second time, the made rows have been an input before
        generator.forward(mx.io.DataBatch([nd.array(noise)]), is_train=True)
        made = generator.get_outputs()
        for label in (nd.zeros(4), nd.ones(4)):
            judge.forward_backward(mx.io.DataBatch(made, [label]))
        assert not generator._exec_group.grad_arrays[0][0].asnumpy().any()
    (slopes,) = judge.get_input_grads()
    generator.backward([slopes])
    ((weight,), (bias,)) = generator._exec_group.grad_arrays
    np.testing.assert_allclose(weight.asnumpy(), slopes.asnumpy().T @ noise, rtol=1e-5)
    np.testing.assert_allclose(bias.asnumpy(), slopes.asnumpy().sum(axis=0), rtol=1e-5)
    assert made[0].grad is None
    generator._optimizer.lr = 0.5
    before = generator.get_params()[0]["made_bias"].asnumpy()
    generator.update()
    np.testing.assert_allclose(
        generator.get_params()[0]["made_bias"].asnumpy(), before - 0.5 / 4 * bias.asnumpy(), rtol=1e-5
    )


def test_a_batch_with_labels_of_other_names() -> None:
    net = mx.sym.SoftmaxOutput(
        mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3),
        mx.sym.Variable("target"),
        name="softmax",
    )
    module = mx.mod.Module(net, label_names=("target",))
    module.bind([("data", (50, 12))], [("target", (50,))])
    module.init_params()
    module.forward_backward(next(batches()))  # whose label is called softmax_label
    probabilities = module.get_outputs()[0].asnumpy()
    expected = (probabilities - np.eye(3)[CLASSES[:50].astype(int)]).sum(axis=0)
    np.testing.assert_allclose(module._exec_group.grad_arrays[1][0].asnumpy(), expected, rtol=1e-4)


def test_an_iterator_with_pairs_as_descriptions_is_prefetched() -> None:
    class Own(mx.io.DataIter):
        provide_data, provide_label = [("data", (50, 12))], [("softmax_label", (50,))]
        found = iter(batches())

        def next(self) -> Any:
            return next(self.found)

        def reset(self) -> None:
            self.found = iter(batches())

    own: Any = Own()
    model = mx.model.FeedForward(network(), num_epoch=1)
    model.fit(own)
    assert model.predict(own).shape == (600, 3)
    own.reset()
    module = mx.mod.Module(network())
    module.fit(mx.io.PrefetchingIter(own), num_epoch=1)
    assert module.predict(mx.io.PrefetchingIter(own)).shape == (600, 3)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_parameters_have_the_dtype_of_the_data(dtype: str) -> None:
    executor = network().simple_bind(mx.cpu(), type_dict={"data": dtype}, data=(2, 12))
    assert {np.dtype(x.dtype) for x in executor.arg_arrays} == {np.dtype(dtype)}
    assert {np.dtype(x.dtype) for x in executor.reshape(data=(3, 12)).arg_arrays} == {np.dtype(dtype)}
    module = mx.mod.Module(network())
    module.bind([mx.io.DataDesc("data", (50, 12), dtype)], [("softmax_label", (50,))])
    module.init_params()
    module.forward_backward(next(batches()))  # of float32
    assert module.get_outputs()[0].dtype == np.dtype(dtype)


def test_factors_on_rates_as_attributes_without_underscores() -> None:
    weight = mx.sym.Variable("w", attr={"lr_mult": "0.5"})
    with mx.AttrScope(wd_mult="3"):
        x = mx.sym.FullyConnected(
            mx.sym.Variable("data"), weight, num_hidden=2, attr={"lr_mult": "2"}, name="f"
        )
    noted = mx.sym.load_json(x.tojson()).attr_dict()
    assert (noted["w"], noted["f_bias"]) == (
        {"__lr_mult__": "0.5"}, {"__wd_mult__": "3", "__lr_mult__": "2"},
    )  # fmt: skip
    optimizer = mx.optimizer.SGD(sym=x, param_idx2name={0: "w", 1: "f_bias"})
    assert (optimizer.lr_mult["w"], optimizer.lr_mult["f_bias"], optimizer.wd_mult["f_bias"]) == (0.5, 2, 3)


def test_a_monitor_sees_the_batch() -> None:
    module, monitor = mx.mod.Module(network()), mx.mon.Monitor(1, lambda x: x.sum(), "data|softmax_label")
    module.bind(batches().provide_data, batches().provide_label)
    module.init_params()
    module.install_monitor(monitor)
    monitor.tic()
    module.forward_backward(next(batches()))
    found = {name: float(text) for _, name, text in monitor.toc()}
    expected = {"data": ROWS[:50].sum(), "softmax_label": CLASSES[:50].sum()}
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_summary_counts_no_labels(capsys: pytest.CaptureFixture[str]) -> None:
    mx.viz.print_summary(network(), {"data": (1, 12)})
    assert f"Total params: {12 * 16 + 16 + 16 * 3 + 3}\n" in capsys.readouterr().out


def test_two_executors_with_other_requests_on_the_same_arrays() -> None:
    product = mx.sym.Variable("a") * 3
    arrays, slopes = {"a": nd.array([1.0, 2.0])}, {"a": nd.zeros(2)}
    for request, expected in (("write", 3), ("add", 6), ("write", 3)):
        executor = product.bind(mx.cpu(), arrays, slopes, request)
        executor.forward(is_train=True)
        executor.backward(nd.ones(2))
        assert slopes["a"].asnumpy().tolist() == [expected] * 2


def test_an_executor_bound_to_the_output_of_another() -> None:
    first = (mx.sym.Variable("a") * 3).simple_bind(mx.cpu(), a=(2,))
    (middle,) = first.forward(is_train=True, a=nd.ones(2))
    slope = nd.zeros(2)
    second = (mx.sym.Variable("b") * 5).bind(mx.cpu(), {"b": middle}, {"b": slope})
    second.forward(is_train=True)
    second.backward(nd.ones(2))
    assert first.grad_dict["a"].asnumpy().tolist() == [0, 0]
    first.backward(slope)
    assert first.grad_dict["a"].asnumpy().tolist() == [15, 15]


def test_a_module_of_ones_own() -> None:
    class Majority(mx.mod.BaseModule):
        """The class that most labels of the last batches have."""

        def bind(self, *_args: Any, **_kwargs: Any) -> None:
            self.counts, self.binded = nd.zeros(3), True

        def init_params(self, *_args: Any, **_kwargs: Any) -> None:
            self.params_initialized = True

        def init_optimizer(self, *_args: Any) -> None:
            self.optimizer_initialized = True

        def get_params(self) -> Any:
            return {"counts": self.counts}, {}

        def forward(self, data_batch: Any, is_train: bool = True) -> None:
            self.batch = data_batch
            self.outputs = [nd.tile(self.counts, reps=(len(data_batch.data[0]), 1))]

        def backward(self) -> None:
            self.found = nd.sum(nd.one_hot(self.batch.label[0], 3), axis=0)

        def update(self) -> None:
            self.counts += self.found

        def get_outputs(self) -> Any:
            return self.outputs

        def update_metric(self, eval_metric: Any, labels: Any) -> None:
            eval_metric.update(labels, self.outputs)

    module = Majority()
    module.fit(batches(), num_epoch=2)
    expected = np.bincount(CLASSES.astype(int))
    assert module.get_params()[0]["counts"].asnumpy().tolist() == (2 * expected).tolist()
    assert dict(module.score(batches(), "acc"))["accuracy"] == pytest.approx(float(expected.max()) / 600)
    assert module.predict(batches(64)).shape == (600, 3)


def test_modules_on_several_devices_share_parameters() -> None:
    contexts = [mx.cpu(0), mx.cpu(1)]
    first, second = (mx.mod.Module(network(), context=contexts) for _ in range(2))
    first.bind(batches().provide_data, batches().provide_label)
    first.init_params(mx.init.Xavier())
    second.bind(batches().provide_data, batches().provide_label, shared_module=first)
    second.init_optimizer(optimizer_params={"learning_rate": 0.5})
    second.forward_backward(next(batches()))
    second.update()
    weights = [array.asnumpy() for module in (first, second) for array in module._exec_group.param_arrays[0]]
    assert all(np.array_equal(weights[0], x) for x in weights[1:])


def test_a_part_of_a_network_gets_all_parameters() -> None:
    first, _ = trained(num_epoch=1).get_params()
    part = mx.mod.Module(network().get_internals()["fc1_output"], label_names=None)
    part.bind([("data", (4, 12))], part._label_shapes, for_training=False)
    part.set_params(first, {})  # those of fc2, too, as in MXNet's tutorial of feature extraction
    part.forward(mx.io.DataBatch([nd.array(ROWS[:4])]))
    expected = ROWS[:4] @ first["fc1_weight"].asnumpy().T + first["fc1_bias"].asnumpy()
    np.testing.assert_allclose(part.get_outputs()[0].asnumpy(), expected, rtol=1e-5, atol=1e-5)


def test_backward_without_anything_to_learn() -> None:
    module = mx.mod.Module(mx.sym.relu(mx.sym.var("data")), label_names=None)
    module.bind([("data", (2, 3))])
    module.init_params()
    module.forward(mx.io.DataBatch([nd.ones((2, 3))]))
    module.backward([nd.ones((2, 3))])
    assert module.get_outputs()[0].asnumpy().tolist() == [[1, 1, 1]] * 2


def test_a_variable_that_is_an_output_is_replaced_too() -> None:
    x = mx.sym.var("x")
    both = mx.sym.Group([x, mx.sym.tanh(x, name="t")])(x=mx.sym.var("y"))
    assert (both.list_arguments(), both.list_outputs()) == (["y"], ["y", "t_output"])


@pytest.mark.parametrize(
    "use",
    [
        lambda module, _: module.output_shapes,
        lambda module, _: module.get_params(),
        lambda module, path: module.save_params(path),
        lambda module, path: module.save_checkpoint(path, 0),
        lambda module, path: module.save_optimizer_states(path),
        lambda module, path: module.load_optimizer_states(path),
        lambda module, _: module.borrow_optimizer(module),
    ],
)
def test_a_module_without_values_has_nothing_to_show_or_save(use: Callable[..., Any], tmp_path: Path) -> None:
    """MXNet's AssertionError; before, files without parameters were written, as after `bind` alone."""
    module = mx.mod.Module(network())
    with pytest.raises(AssertionError, match="call "):
        use(module, str(tmp_path / "module"))
    assert not list(tmp_path.glob("*[0-9].params"))


def test_a_bound_module_without_values_has_nothing_to_save(tmp_path: Path) -> None:
    module = mx.mod.Module(network())
    module.bind([("data", (50, 12))], [("softmax_label", (50,))])
    assert module.output_shapes == [("softmax_output", (50, 3))]
    with pytest.raises(AssertionError, match="call bind and init_params first"):
        module.save_checkpoint(str(tmp_path / "module"), 0)
    module.bind([("data", (20, 12))], [("softmax_label", (20,))], force_rebind=True)
    assert module.output_shapes == [("softmax_output", (20, 3))]


def _of_phase(phase: str) -> tuple[Any, list[str], list[str] | None]:
    """As in Keras for MXNet: one network with a loss, one without."""
    hidden = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    if phase == "train":
        return (
            mx.sym.LinearRegressionOutput(hidden, mx.sym.Variable("label"), name="out"),
            ["data"],
            ["label"],
        )
    return hidden, ["data"], None


def test_modules_of_several_keys_share_parameters_and_optimizer() -> None:
    """Numbers are MXNet 1.9.1's."""
    module = mx.mod.BucketingModule(_of_phase, default_bucket_key="predict")
    with pytest.raises(AssertionError, match="call bind first"):
        module.get_params()
    assert (module.data_names, module.output_names) == (["data"], ["fc_output"])
    module.bind([("data", (2, 3))])
    with pytest.raises(ValueError, match="the batch has no bucket_key"):
        module.forward(mx.io.DataBatch([nd.ones((2, 3))]))
    module.init_params(mx.init.One())
    module.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    x = nd.array([[1, 2, 3], [0, 1, -1]])
    data, label = [("data", (2, 3))], [("label", (2, 2))]
    train = mx.io.DataBatch([x], [nd.ones((2, 2))], None, None, "train", data, label)
    for _ in range(2):
        module.forward_backward(train)
        module.update()
    assert module._curr_bucket_key == "train"
    module.forward(mx.io.DataBatch([x[:1]], None, None, None, "predict", [("data", (1, 3))]), is_train=False)
    assert module.get_outputs()[0].asnumpy() == pytest.approx(np.array([[1.265625, 1.265625]]), abs=1e-5)
    weight = module.get_params()[0]["fc_weight"].asnumpy()
    assert weight == pytest.approx(np.array([[0.684375, 0.439375, -0.0175]] * 2), abs=1e-5)
    module._curr_module.reshape([("data", (5, 3))])
    assert module._curr_module._exec_group.batch_size == 5
    module.bind([("data", (2, 3))], force_rebind=True)
    module.init_optimizer()
    assert module.optimizer_initialized


def test_a_bucketing_module_fits_batches_with_keys() -> None:
    class Keyed(mx.io.NDArrayIter):
        def next(self) -> Any:
            batch = super().next()
            batch.bucket_key = "any"
            batch.provide_data, batch.provide_label = self.provide_data, self.provide_label
            return batch

    module = mx.mod.BucketingModule(
        lambda _: (network(), ["data"], ["softmax_label"]), default_bucket_key="any"
    )
    module.fit(
        Keyed(ROWS, CLASSES, 50), num_epoch=8, optimizer="adam", optimizer_params={"learning_rate": 0.02}
    )
    assert dict(module.score(Keyed(ROWS, CLASSES, 50), "acc"))["accuracy"] > 0.9
