"""`HybridBlock.export` and `SymbolBlock`: what is written is read again, here and, where it is installed, by MXNet."""

import copy
import json
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest

import lamina as mx
from lamina import autograd, gluon, nd
from lamina.errors import LaminaError, ParameterError
from lamina.gluon import nn
from lamina.gluon.block import _flatten
from lamina.nd.activation import ACTIVATIONS
from lamina.symbol import Group, load, load_json, var

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parent / "fixtures"


class Residual(gluon.HybridBlock):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.first = nn.Dense(4, flatten=False, activation="tanh")
            self.scale = self.params.get_constant("scale", nd.array([[0.5, 1, 2, 1, 0]]))

    def hybrid_forward(self, F, x, pair, scale):
        y, z = pair
        hidden = F.concat(self.first(x), y * 2, dim=-1) / 3 + 1
        out = F.broadcast_mul(F.Dropout(hidden, p=0.5), scale) - z
        parts = F.split(out, 5, axis=1)
        chosen = F.where(out > 0.5, out, F.maximum(-out, 0.1)).reshape((-1, 5)).sum(axis=1)
        return F.softmax(out), [chosen**2, parts[1] * parts[0].astype("float32").mean(axis=1, keepdims=True)]


def layers():
    net = nn.HybridSequential(prefix="layers_")
    with net.name_scope():
        net.add(
            nn.Dense(5, activation="relu"), nn.BatchNorm(), nn.Dropout(0.5), nn.LayerNorm(), nn.PReLU(), nn.Swish(2),
            nn.GELU(), nn.SELU(), nn.ELU(), nn.LeakyReLU(0.1), nn.Flatten(), nn.HybridLambda("tanh"), nn.SiLU(),
            nn.Mish(), nn.Dense(3, use_bias=False),
        )  # fmt: skip
    return net


def activations():
    net = nn.HybridSequential(prefix="activations_")
    for name in ACTIVATIONS:
        net.add(nn.Dense(3, activation=name, prefix=f"{name}_"))
    return net


def words():
    net = nn.HybridSequential(prefix="words_")
    first = nn.Dense(4, in_units=4)
    net.add(
        nn.Embedding(7, 4),
        nn.HybridLambda(lambda F, x: F.mean(x, axis=1)),
        first,
        nn.Dense(4, params=first.params),
    )
    return net


def normal(*shape):
    return nd.array(np.random.default_rng(0).normal(size=shape))


def normalized():
    net = nn.HybridSequential(prefix="normalized_")
    with net.name_scope():
        net.add(
            nn.InstanceNorm(scale=True), nn.GroupNorm(num_groups=2), nn.InstanceNorm(axis=2), nn.Dense(2),
        )  # fmt: skip
    return net


NETWORKS = {
    "normalized": (normalized, [normal(3, 4, 5, 2)]),
    "layers": (layers, [normal(4, 2, 3)]),
    "activations": (activations, [normal(2, 3)]),
    "words": (words, [nd.array([[0, 6], [1, 5]])]),
    "residual": (lambda: Residual(prefix="residual_"), [normal(4, 3), [normal(4, 1), normal(4, 1)]]),
}


def flat(values):
    return [x for value in values for x in flat(value)] if isinstance(values, list | tuple) else [values]


def exported(name, folder):
    make, inputs = NETWORKS[name]
    net = make()
    net.initialize(mx.init.Normal(0.5))
    net.hybridize()
    with autograd.record():
        net(*inputs)
    net.export(f"{folder}/{name}")
    found = net(*inputs)
    return flat(inputs), flat(found if isinstance(found, list | tuple) else [found])


def names_of(inputs):
    return ["data"] if len(inputs) == 1 else [f"data{i}" for i in range(len(inputs))]


@pytest.mark.parametrize("name", NETWORKS)
def test_an_exported_network_comes_back(name, tmp_path):
    inputs, outputs = exported(name, tmp_path)
    net = gluon.SymbolBlock.imports(
        f"{tmp_path}/{name}-symbol.json", names_of(inputs), f"{tmp_path}/{name}-0000.params"
    )
    for one in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        for y, other in zip(flat([one(*inputs)]), outputs, strict=True):
            np.testing.assert_allclose(y.asnumpy(), other.asnumpy(), rtol=1e-5, atol=1e-6)
    again = load(f"{tmp_path}/{name}-symbol.json")
    assert again.tojson() == Path(f"{tmp_path}/{name}-symbol.json").read_text()


def mxnet_python():
    own = ROOT / "tools/compare_mxnet/.venv/bin/python"
    return os.environ.get("MXNET_PYTHON") or (str(own) if own.exists() else None)


@pytest.mark.skipif(
    mxnet_python() is None,
    reason="NOT TESTED: loading in MXNet 1.9.1 (MXNET_PYTHON)",
)
def test_mxnet_computes_exported_networks(tmp_path):
    for name in NETWORKS:
        inputs, outputs = exported(name, tmp_path)
        named = {f"input{i}": x for i, x in enumerate(inputs)}
        nd.save(
            f"{tmp_path}/{name}-data.params", {**named, **{f"output{i}": y for i, y in enumerate(outputs)}}
        )
    command = [mxnet_python(), str(ROOT / "tools/compare_mxnet/exports.py"), "compute", str(tmp_path)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    found = dict(json.loads(line) for line in said.splitlines() if line.startswith("["))
    assert found.keys() == NETWORKS.keys()
    assert max(found.values()) < 2e-6


@pytest.mark.skipif(mxnet_python() is None, reason="MXNET_PYTHON names no interpreter with MXNet 1.9.1")
def test_mxnet_loads_what_block_save_writes(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, activation="relu"), nn.HybridSequential())
    net[1].add(nn.Dense(2))
    net.initialize()
    x = normal(2, 4)
    nd.save(tmp_path / "data.params", {"x": x, "y": net(x)})
    net.save(tmp_path / "net")
    code = """if True:
        import mxnet as mx
        from mxnet.gluon import nn
        net = nn.HybridSequential()
        net.add(nn.Dense(3, activation="relu"), nn.HybridSequential())
        net[1].add(nn.Dense(2))
        net.load("net")
        data = mx.nd.load("data.params")
        print(float(abs(net(data["x"]) - data["y"]).max().asscalar()) < 1e-5)
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run(
        [mxnet_python(), "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )
    assert run.stdout == "True\n"


def test_names_are_those_of_mxnet(tmp_path):
    net = nn.HybridSequential(prefix="layers_")
    with net.name_scope():
        net.add(nn.Dense(5, activation="relu"), nn.BatchNorm(), nn.Dropout(0.5), nn.LayerNorm(), nn.PReLU())
    net.initialize()
    net(normal(4, 2, 3))
    net.export(tmp_path / "net", epoch=12)
    own = json.loads((tmp_path / "net-symbol.json").read_text())["nodes"]
    theirs = json.loads((FIXTURES / "layers-symbol.json").read_text())["nodes"][: len(own)]
    told = [[(node["op"], node["name"], node["inputs"]) for node in nodes] for nodes in (own, theirs)]
    assert told[0] == told[1]
    assert nd.load(tmp_path / "net-0012.params").keys() == {
        key for key in nd.load(FIXTURES / "layers-0000.params") if "dense1" not in key
    }


class Nested(gluon.HybridBlock):
    """A network with lists of inputs and outputs, and an optional input."""

    def __init__(self):
        super().__init__(prefix="nested_")
        with self.name_scope():
            self.dense = gluon.nn.Dense(2)

    def hybrid_forward(self, F, x, others, mask):
        y = self.dense(x) if mask is None else F.broadcast_mul(self.dense(x), mask)
        return y + others[0], [others[1] - y]


@pytest.mark.parametrize("mask", [None, nd.array([[2]])])
def test_inputs_and_outputs_may_be_nested_and_absent(mask, tmp_path):
    """MXNet 1.9.1 has the same nestings, names of inputs and results; GluonTS sets the formats of what it imports."""
    x, others = nd.array([[1, 2]]), [nd.array([[3, 4]]), nd.array([[5, 6]])]
    net = Nested()
    net.initialize("one")
    net.hybridize()
    net(x, others, mask)
    net.export(str(tmp_path / "nested"))
    assert net._in_format == [0, [0, 0], -1 if mask is None else 0]
    assert net._out_format == [0, [0]]
    arguments = load(tmp_path / "nested-symbol.json").list_arguments()
    names = sorted(name for name in arguments if name.startswith("data"))
    assert names == ["data0", "data1", "data2", "data3"][: 3 if mask is None else 4]
    loaded = gluon.SymbolBlock.imports(
        tmp_path / "nested-symbol.json", names, tmp_path / "nested-0000.params"
    )
    loaded._in_format, loaded._out_format = net._in_format, net._out_format
    y, [z] = loaded(x, others, mask)
    factor = 1 if mask is None else 2
    assert y.asnumpy().tolist() == [[3 * factor + 3, 3 * factor + 4]]
    assert z.asnumpy().tolist() == [[5 - 3 * factor, 6 - 3 * factor]]


def test_a_layer_s_inputs_are_flattened_as_in_mxnet():
    x = nd.ones((1,))
    flat, form = _flatten([x, (x, None), [[x]]], "input")
    assert ([one is x for one in flat], form) == ([True, True, False, True], [0, [0, -1], [[0]]])
    assert _flatten(None, "input") == ([None], -1)


def test_an_imported_network_trains_on():
    mx.random.seed(1)
    net = gluon.SymbolBlock.imports(FIXTURES / "layers-symbol.json", "data", FIXTURES / "layers-0000.params")
    x, y = nd.load(FIXTURES / "layers-data.params")["input0"], nd.array([0, 1, 2, 0])
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
    mean = net.collect_params()["layers_batchnorm0_running_mean"]
    assert mean.grad_req == "null"
    loss_of, before = gluon.loss.SoftmaxCrossEntropyLoss(), mean.data().asnumpy().copy()
    first = loss_of(net(x), y).mean().asscalar()
    with mx.eager():
        for _ in range(30):
            with autograd.record():
                loss = loss_of(net(x), y)
            loss.backward()
            trainer.step(4)
    assert loss_of(net(x), y).mean().asscalar() < 0.6 * first
    assert not np.array_equal(mean.data().asnumpy(), before)


def test_a_part_of_a_network_is_a_network(tmp_path):
    symbol = load(FIXTURES / "module-symbol.json")
    features = symbol.get_internals()["relu1_output"]
    net = gluon.SymbolBlock(features, var("data"))
    net.load_parameters(FIXTURES / "module-0000.params", ignore_extra=True)
    assert net(normal(2, 5)).shape == (2, 4)
    stacked = nn.HybridSequential()
    stacked.add(net, nn.Dense(2, prefix="top_"))
    stacked[1].initialize()
    out = stacked(normal(2, 5)).asnumpy()
    stacked.export(tmp_path / "net")
    again = gluon.SymbolBlock.imports(tmp_path / "net-symbol.json", "data", tmp_path / "net-0000.params")
    np.testing.assert_array_equal(again(normal(2, 5)).asnumpy(), out)
    assert list(again.collect_params()) == ["fc1_weight", "fc1_bias", "top_weight", "top_bias"]


def test_sizes_that_are_not_known_are_told_by_the_first_input():
    net = gluon.SymbolBlock.imports(FIXTURES / "layers-symbol.json", ["data"])
    net.initialize()
    assert net(normal(4, 2, 3)).shape == (4, 3)
    assert net.collect_params()["layers_dense0_weight"].shape == (5, 6)


def test_float16_leaves_statistics_as_they_are():
    net = gluon.SymbolBlock.imports(
        FIXTURES / "layers-symbol.json", ["data"], FIXTURES / "layers-0000.params"
    )
    net.cast("float16")
    types = {name: np.dtype(p.dtype).name for name, p in net.collect_params().items()}
    assert types["layers_dense0_weight"] == "float16"
    assert types["layers_batchnorm0_running_var"] == types["layers_batchnorm0_gamma"] == "float32"


def test_symbols_tell_what_they_consist_of():
    x = var("x", shape=(2, 0), dtype="float32", init="zeros", lr_mult=2)
    y = mx.sym.FullyConnected(x, num_hidden=3, name="fc")
    both = Group([mx.sym.relu(y, name="act"), mx.sym.split(y, 3, name="parts")])
    assert both.list_outputs() == ["act_output", "parts_output0", "parts_output1", "parts_output2"]
    assert both.list_arguments() == ["x", "fc_weight", "fc_bias"]
    assert both["act_output"].name == "act" and both[1:3].list_outputs() == ["parts_output0", "parts_output1"]
    assert y.list_attr() == {"num_hidden": "3"} and y.attr("num_hidden") == "3"
    assert x.attr("__shape__") == "(2, 0)" and x.attr("__dtype__") == "0" and x.attr("__lr_mult__") == "2"
    assert y.get_children().list_outputs() == ["x", "fc_weight", "fc_bias"]
    assert repr(y) == "<Symbol fc>" and x.get_children() is None
    assert load_json(both.tojson()).list_outputs() == both.list_outputs()
    assert copy.deepcopy(both).tojson() == both.tojson()


class Looks(gluon.HybridBlock):
    def __init__(self, look):
        super().__init__(prefix="looks_")
        self.look = look

    def hybrid_forward(self, F, x):
        return self.look(F, x)


@pytest.mark.parametrize(("look", "match"), [
    (lambda F, x: x.reshape((x.shape[0], -1)), r"looks can't be exported: .shape: a Symbol .* codes in F.reshape"),
    (lambda F, x: x[:, 0], "F.slice_axis"),
    (lambda F, x: F.relu(x) if x.sum() > 0 else x, "F.where"),
    (lambda F, x: nd.relu(x), r"looks can't be exported: .*export_onnx"),
    (lambda F, x: F.relu(x) + nd.ones((1,)), "get_constant"),
    (lambda F, x: F.relu(nd.ones((1,))), "get_constant"),
    (lambda F, x: nd.ones((1,)), "an output is a NDArray"),
])  # fmt: skip
def test_what_needs_values_says_so(look, match, tmp_path):
    net = Looks(look)
    net(nd.ones((2, 3)))
    with pytest.raises(LaminaError, match=match):
        net.export(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_errors(tmp_path):
    net = nn.Dense(2)
    net.initialize()
    with pytest.raises(RuntimeError, match="first forward"):
        net.export(tmp_path / "net")
    symbol = FIXTURES / "layers-symbol.json"
    with pytest.raises(ParameterError, match=r"no input 'dta'\. Did you mean 'data'"):
        gluon.SymbolBlock.imports(symbol, "dta")
    with pytest.raises(ParameterError, match="is missing in '"):
        gluon.SymbolBlock.imports(symbol, "data", FIXTURES / "words-0000.params", ignore_extra=True)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone"):
        gluon.SymbolBlock.imports(tmp_path / "gone", "data")
    with pytest.raises(IsADirectoryError):
        gluon.SymbolBlock.imports(tmp_path, "data")
    with pytest.raises(TypeError, match="takes data; it got 2 inputs"):
        gluon.SymbolBlock.imports(symbol, "data")(nd.ones(1), nd.ones(1))
    with pytest.raises(TypeError, match="are variables"):
        gluon.SymbolBlock(mx.sym.relu(var("x")), mx.sym.relu(var("x")))
    with pytest.raises(AttributeError, match="no operator 'Convolutoin'"):
        mx.sym.Convolutoin(var("x"))
    with pytest.raises(TypeError, match=r"no argument 'axes'\. Did you mean 'axis'"):
        mx.sym.softmax(var("x"), axes=1)
    with pytest.raises(ValueError, match="'many' is not a whole"):
        mx.sym.FullyConnected(var("x"), num_hidden="many")


def test_a_module_s_network_trains_by_its_own_loss():
    net = gluon.SymbolBlock.imports(
        FIXTURES / "module-symbol.json", ["data", "softmax_label"], FIXTURES / "module-0000.params"
    )
    with autograd.record():
        shares = net(normal(2, 5), nd.array([0, 1]))
    shares.backward()
    *_, bias = net.collect_params(".*bias").values()
    expected = shares.asnumpy().sum(axis=0) - np.eye(shares.shape[1])[:2].sum(axis=0)
    np.testing.assert_allclose(bias.grad().asnumpy(), expected, rtol=1e-5, atol=1e-6)


def test_shapes_are_inferred_without_computing():
    symbol = load(FIXTURES / "layers-symbol.json")
    arguments, outputs, auxiliary = symbol.infer_shape(data=(10**9, 2, 3))
    assert outputs == [(10**9, 3)]
    assert dict(zip(symbol.list_arguments(), arguments, strict=True))["layers_dense0_weight"] == (5, 6)
    assert auxiliary == [(5,), (5,)]
    assert nn.GroupNorm(num_groups=2, prefix="g_")(var("x")).infer_shape((3, 4, 5)) == (
        [(3, 4, 5), (2,), (2,)],
        [(3, 4, 5)],
        [],
    )
    with pytest.warns(
        UserWarning, match="data, layers_dense0_weight, .* do not follow from the shapes of nothing"
    ):
        assert symbol.infer_shape() == (None, None, None)
    with pytest.raises(ValueError, match="'dta' is no input"):
        symbol.infer_shape(dta=(2, 3))
    with pytest.raises(LaminaError, match="FullyConnected"):
        mx.sym.FullyConnected(var("x"), var("w"), no_bias=True, num_hidden=2).infer_shape(x=(2, 3), w=(2, 4))


def test_parameters_have_the_type_of_their_variables_or_of_the_input(tmp_path):
    net = nn.HybridSequential(prefix="double_")
    with net.name_scope():
        net.add(nn.Dense(3), nn.BatchNorm())
    net.initialize()
    net.cast("float64")
    net.hybridize()
    net(nd.ones((2, 4), dtype="float64"))
    net.export(tmp_path / "net")
    again = gluon.SymbolBlock(load(tmp_path / "net-symbol.json"), var("data", dtype="float64"))
    again.collect_params().load(tmp_path / "net-0000.params")  # with no cast_dtype
    assert again(nd.ones((2, 4), dtype="float64")).dtype == np.float64
    x = var("x", dtype="float64")
    plain = gluon.SymbolBlock(mx.sym.FullyConnected(x, num_hidden=2, name="fc"), x)
    assert {np.dtype(p.dtype).name for p in plain.collect_params().values()} == {"float64"}


def test_names_and_attributes_of_scopes():
    with mx.name.Prefix("pre_"):
        net = mx.sym.FullyConnected(num_hidden=2)
        assert net.list_arguments()[0] == f"{net.name}_data"
        assert net.name.startswith("pre_fullyconnected")
        assert mx.sym.relu(net, name="act").name == "pre_act"
    with mx.AttrScope(group="4"):
        x, y = var("x", attr={"group": "1", "force_mirroring": "True"}, lr_mult=1), var("y")
    assert (x.attr("group"), y.attr("group")) == ("1", "4")
    assert (x.attr("lr_mult"), x.attr("__force_mirroring__")) == ("1", "True")


@pytest.mark.parametrize(
    ("loss", "data", "label"),
    [
        ("SoftmaxOutput", (4, 5), (4,)),
        ("SoftmaxOutput", (4, 5, 2), (4, 5)),
        ("LinearRegressionOutput", (4, 1), (4,)),
        ("LogisticRegressionOutput", (4, 3), (4, 3)),
    ],
)
def test_labels_of_old_losses_have_mxnet_s_shapes(loss, data, label):
    shapes, outputs, _ = getattr(mx.sym, loss)(var("x"), name="out").infer_shape(x=data)
    assert shapes == [data, label] and outputs == [data]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_made_of_operators_of_mxnet(name):
    x = mx.nd.array([[-3.0, -0.5, 0.0, 0.5, 3.0]])
    symbol = mx.sym.Activation(mx.sym.var("x"), act_type=name)
    again = mx.sym.load_json(symbol.tojson())
    np.testing.assert_allclose(
        again.eval(x=x)[0].asnumpy(), ACTIVATIONS[name](x).asnumpy(), rtol=1e-6, atol=1e-7
    )


def test_an_activation_that_mxnet_lacks_is_an_error_of_its_use():
    with pytest.raises(ValueError, match="'hard_swish' is none of"):
        mx.sym.Activation(mx.sym.var("x"), act_type="hard_swish")
