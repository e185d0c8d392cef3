"""PyTorch's state_dict in safetensors into Gluon networks."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import lamina
from lamina import nd
from lamina.errors import DataError, ParameterError
from lamina.gluon import nn

FIXTURES = Path(__file__).parent / "fixtures"
FILE = FIXTURES / "torch_state.safetensors"


def network(*layers):
    net = nn.HybridSequential()
    net.add(*layers)
    return net


def layers(**settings):
    return [
        nn.Dense(5, **settings),
        nn.BatchNorm(),
        nn.Dense(4, activation="relu"),
        nn.LayerNorm(),
        nn.PReLU(),
        nn.Dense(2),
    ]


def test_what_pytorch_saved_predicts_the_same():
    net = network(
        nn.Dense(5),
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.Dense(4),
        nn.LayerNorm(),
        nn.PReLU(),
        nn.Dense(2),
    )
    lamina.load_state_dict(net, FILE)
    content = np.load(FIXTURES / "torch_state.npz")
    found = net(nd.array(content["in.input"])).asnumpy()
    np.testing.assert_allclose(found, content["peer"], rtol=1e-5, atol=1e-6)


def test_places_that_differ_by_numbers_go_in_order():
    net = network(*layers())
    lamina.load_state_dict(net, FILE)
    weight = net[5].weight.data().asnumpy()
    lamina.load_state_dict(
        other := network(*layers()), FILE, names=dict(zip("012345", "013456", strict=True))
    )
    np.testing.assert_array_equal(other[5].weight.data().asnumpy(), weight)


def test_what_does_not_fit_is_listed_and_nothing_is_taken():
    net = network(*layers(in_units=7))
    net.initialize()
    before = net[0].bias.data().asnumpy()
    with pytest.raises(
        ParameterError, match=r"'0\.weight' has the shape \(5, 7\), but '0\.weight' has \(5, 6\)"
    ):
        lamina.load_state_dict(net, FILE)
    np.testing.assert_array_equal(net[0].bias.data().asnumpy(), before)
    with pytest.raises(ParameterError, match=r"has 7 layers with parameters, but .* has 6: '0' "):
        lamina.load_state_dict(network(*layers(), nn.Dense(3)), FILE)
    with pytest.raises(
        ParameterError, match=r"'1' \(.*has other parameters than '1' .*running_mean.* in the file"
    ):
        lamina.load_state_dict(network(nn.Dense(5), nn.LayerNorm(), *layers()[2:]), FILE)
    with pytest.raises(ParameterError, match=r"names=.* pairs '0' .* with 'first', which isn't there"):
        lamina.load_state_dict(network(*layers()), FILE, names={"0": "first"})


class Named(nn.HybridBlock):
    """A network whose layers have words for names."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.body = nn.Dense(4, in_units=3)
            self.embedding = nn.Embedding(7, 3)
            self.head = nn.Dense(2, in_units=4)


def arrays(*names, turned=False):
    rng = np.random.default_rng(1)
    shapes = {"embedding": (7, 3), "body": (4, 3), "head": (2, 4)}
    found = {}
    for name, place in zip(shapes, names, strict=True):
        weight = rng.normal(size=shapes[name]).astype(np.float32)
        found[f"{place}.weight"] = np.ascontiguousarray(weight.T) if turned else weight
        if name != "embedding":
            found[f"{place}.bias"] = rng.normal(size=shapes[name][0]).astype(np.float32)
    return found


@pytest.mark.parametrize("names", [("embedding", "body", "head"), ("module.embedding", "module.body", "module.head"),
                                   ("emb", "encoder.linear", "out")])  # fmt: skip
def test_places_of_words(names, tmp_path):
    saved = arrays(*names)
    save_file(saved, tmp_path / "model.safetensors")
    lamina.load_state_dict(net := Named(), tmp_path / "model.safetensors")
    for layer, place in zip((net.embedding, net.body, net.head), names, strict=True):
        np.testing.assert_array_equal(layer.weight.data().asnumpy(), saved[f"{place}.weight"])


def test_weights_that_are_stored_the_other_way(tmp_path):
    saved = arrays("embedding", "body", "head", turned=True)
    save_file(saved, tmp_path / "model.safetensors")
    lamina.load_state_dict(net := Named(), tmp_path / "model.safetensors")
    np.testing.assert_array_equal(net.head.weight.data().asnumpy(), saved["head.weight"].T)


def test_layers_that_could_be_either(tmp_path):
    one = np.zeros((3, 3), np.float32)
    save_file({"left.weight": one, "right.weight": one}, tmp_path / "model.safetensors")
    net = network(nn.Dense(3, use_bias=False), nn.Dense(3, use_bias=False))
    with pytest.raises(ParameterError, match=r"layers of .* can't be paired .*: 'left' .* against '0'"):
        lamina.load_state_dict(net, tmp_path / "model.safetensors")
    lamina.load_state_dict(net, tmp_path / "model.safetensors", names={"0": "right", "1": "left"})


def test_other_files(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match="is not a readable safetensors file"):
        lamina.load_state_dict(Named(), tmp_path / "model.safetensors")
    save_file({"body.weight": np.zeros((4, 3), np.int32)}, tmp_path / "model.safetensors")
    with pytest.raises(ParameterError, match="would be of int32"):
        lamina.load_state_dict(network(nn.Dense(4, use_bias=False)), tmp_path / "model.safetensors")
