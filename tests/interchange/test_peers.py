"""Files that PyTorch, Keras and scikit-learn wrote (fixtures/make.py) predict what ONNX Runtime made of them."""

from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import autograd, gluon, nd
from lamina.errors import DataError

FIXTURES = Path(__file__).parent / "fixtures"
PEERS = sorted(path.stem for path in FIXTURES.glob("*.onnx") if not path.stem.startswith("refused"))


def wanted(name):
    """The inputs, and the outputs by name."""
    content = np.load(FIXTURES / f"{name}.npz")
    inputs = [content[key] for key in content if key.startswith("in.")]
    return (
        inputs,
        {key.removeprefix("out."): content[key] for key in content if key.startswith("out.")},
        content,
    )


@pytest.mark.parametrize("name", PEERS)
def test_a_file_of_a_peer_predicts_the_same(name):
    net = lamina.import_onnx(FIXTURES / f"{name}.onnx")
    inputs, outputs, content = wanted(name)
    for compiled in (False, True):
        net.hybridize(compiled)
        predicted = net.predict(*inputs)
        assert list(predicted) == list(outputs)
        for key, values in outputs.items():
            assert predicted[key].shape == values.shape
            if values.dtype.kind == "f":
                np.testing.assert_allclose(predicted[key], values, rtol=1e-5, atol=1e-6)
            else:
                assert predicted[key].dtype.kind == values.dtype.kind
                assert (predicted[key] == values).all()
    if "peer" in content and name != "sklearn_outputs":  # of which skl2onnx makes one column of two
        [first, *_] = outputs
        theirs = content["peer"].reshape(outputs[first].shape)
        mine = net.predict(*inputs)[first]
        if theirs.dtype.kind == "f":
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
        else:
            assert (mine == theirs).all()


@pytest.mark.parametrize("name", PEERS)
def test_any_number_of_rows(name):
    net = lamina.import_onnx(FIXTURES / f"{name}.onnx")
    [rows], *_ = wanted(name)
    [first, *_] = net.predict(rows).values()
    for count in (1, 3):
        [some, *_] = net.predict(rows[:count]).values()
        assert some.shape[0] == count * len(first) // len(rows)
        np.testing.assert_array_equal(some, first[: len(some)]) if some.dtype.kind != "f" else (
            np.testing.assert_allclose(some, first[: len(some)], rtol=1e-5, atol=1e-6)
        )


@pytest.mark.few(1)
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "name", ["dynamo_normalized", "torchscript_residual", "keras_rich", "keras_functional"]
)
def test_a_network_trains_on(name, compiled, tmp_path):
    net = lamina.import_onnx(FIXTURES / f"{name}.onnx")
    net.hybridize(compiled)
    [rows], outputs, _ = wanted(name)
    [values] = outputs.values()
    x, goal = nd.array(rows), nd.array(values[::-1] + 0.3 * rows[:, :1] * (name == "keras_rich"))
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    before = {key: p.data().asnumpy() for key, p in net.collect_params().items()}
    losses = []
    for _ in range(30):
        with autograd.record():
            loss = ((net(x) - goal) ** 2).mean()
        loss.backward()
        trainer.step(1)
        losses.append(loss.asscalar())
    assert losses[-1] < 0.7 * losses[0]
    for key, p in net.collect_params().items():
        changed = bool((p.data().asnumpy() != before[key]).any())
        assert changed == (p.grad_req == "write"), key
    net.save_parameters(tmp_path / "net.safetensors")
    other = lamina.import_onnx(FIXTURES / f"{name}.onnx")
    other.load_parameters(tmp_path / "net.safetensors")
    other.hybridize(compiled)
    with lamina.eager():  # both computed the same way, for the same bits
        np.testing.assert_array_equal(other(x).asnumpy(), net(x).asnumpy())


def test_the_statistics_of_batch_normalization_follow_the_training():
    net = lamina.import_onnx(FIXTURES / "torchscript_normalized.onnx")
    [rows], *_ = wanted("torchscript_normalized")
    mean = net.collect_params(".*running_mean")
    [statistic] = mean.values()
    assert statistic.grad_req == "null"
    before = statistic.data().asnumpy()
    with autograd.record():
        net(nd.array(rows * 3 + 1))
    assert (statistic.data().asnumpy() != before).all()


def test_what_scales_inputs_is_not_trained():
    net = lamina.import_onnx(FIXTURES / "dynamo_shaped.onnx")
    kinds = {name: p.grad_req for name, p in net._collect_params_with_prefix().items()}
    assert kinds.pop("center") == "null"
    assert set(kinds.values()) == {"write"}


def test_the_logits_before_a_softmax_can_be_asked_for():
    path = FIXTURES / "keras_plain.onnx"
    import onnx

    [softmax] = [node for node in onnx.load(path).graph.node if node.op_type == "Softmax"]
    whole, logits = lamina.import_onnx(path), lamina.import_onnx(path, outputs=[softmax.input[0]])
    [rows], *_ = wanted("keras_plain")
    x = nd.array(rows)
    np.testing.assert_allclose(nd.softmax(logits(x)).asnumpy(), whole(x).asnumpy(), rtol=1e-6)
    with pytest.raises(DataError, match="no node computes a value 'Softmx'"):
        lamina.import_onnx(path, outputs=["Softmx"])


def test_labels_come_as_positions_in_the_classes():
    net = lamina.import_onnx(FIXTURES / "sklearn_words.onnx")
    [rows], outputs, _ = wanted("sklearn_words")
    label, probabilities = net(nd.array(rows))
    assert net.output_names == ("label", "probabilities")
    assert net.classes["label"].tolist() == ["high", "low", "middle"]
    assert (net.classes["label"][label.asnumpy()] == outputs["label"]).all()
    assert (probabilities.asnumpy().argmax(axis=1) == label.asnumpy()).all()


@pytest.mark.parametrize(("name", "node"), [
    ("refused_conv", r"node 0 '/0/Conv' \(Conv\): the operator is unsupported"),
    ("refused_lstm", r"node 20 '/cell/LSTM' \(LSTM\): the operator is unsupported"),
])  # fmt: skip
def test_what_is_not_dense_is_refused_by_the_name_of_the_node(name, node):
    with pytest.raises(DataError, match=rf"{name}\.onnx: {node}"):
        lamina.import_onnx(FIXTURES / f"{name}.onnx")


def test_other_arrays_than_a_network_takes():
    net = lamina.import_onnx(FIXTURES / "torchscript_plain.onnx")
    with pytest.raises(lamina.errors.ShapeError, match=r"input 'input' of shape \(\?, 6\).*\(2, 5\)"):
        net(nd.ones((2, 5)))
    with pytest.raises(TypeError, match=r"takes 1 arrays, 'input' of shape \(\?, 6\); got 2"):
        net(nd.ones((2, 6)), nd.ones((2, 6)))
    with pytest.raises(TypeError, match=r"needs an NDArray, got ndarray"):
        net(np.ones((2, 6)))
    assert repr(net) == "ImportedNetwork('input' of shape (?, 6) -> 'output': 2 Gemm, 1 Relu)"
