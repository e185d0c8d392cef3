"""Networks and operators as MXNet 1.9.1 wrote and computed them (tools/compare_mxnet/exports.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamina import gluon, nd
from lamina.gluon import nn
from lamina.symbol import load_json, var

FIXTURES = Path(__file__).parent / "fixtures"
NETWORKS = sorted(path.name.removesuffix("-symbol.json") for path in FIXTURES.glob("*-symbol.json"))
OPERATORS = json.loads((FIXTURES / "operators.json").read_text())


def read(name):
    data = nd.load(FIXTURES / f"{name}-data.params")
    inputs = [data[f"input{i}"] for i in range(len(data)) if f"input{i}" in data]
    outputs = [data[f"output{i}"] for i in range(len(data)) if f"output{i}" in data]
    names = ["data"] if len(inputs) == 1 else [f"data{i}" for i in range(len(inputs))]
    if name == "module":
        names = ["data", "softmax_label"]
    net = gluon.SymbolBlock.imports(FIXTURES / f"{name}-symbol.json", names, FIXTURES / f"{name}-0000.params")
    return net, inputs, outputs


def as_list(found):
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_mxnet_predict_what_mxnet_did(name):
    net, inputs, outputs = read(name)
    found = as_list(net(*inputs))
    assert len(found) == len(outputs)
    for one, other in zip(found, outputs, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("case", range(len(OPERATORS["cases"])))
def test_operators_compute_what_they_did_in_mxnet(case):
    written, outputs = OPERATORS["cases"][case]
    symbol = load_json(json.dumps(written))
    names = symbol.list_inputs()
    arrays = {
        name: nd.array(np.array(values).reshape(shape), dtype=dtype)
        for name, (dtype, shape, values) in OPERATORS["inputs"].items()
    }
    found = as_list(gluon.SymbolBlock(symbol, [var(name) for name in names])(*[arrays[n] for n in names]))
    assert len(found) == len(outputs)
    for one, (dtype, shape, values) in zip(found, outputs, strict=True):
        assert (np.dtype(one.dtype).name, list(one.shape)) == (dtype, shape)
        tolerance = 2e-3 if dtype == "float16" else 2e-5
        np.testing.assert_allclose(one.asnumpy().ravel(), values, rtol=tolerance, atol=2e-6)


def test_every_operator_is_covered():
    from lamina.symbol._operator import OPERATORS as KNOWN

    known = {operator.name for operator in KNOWN.values()}
    files = [case for case, _ in OPERATORS["cases"]]
    files += [json.loads((FIXTURES / f"{name}-symbol.json").read_text()) for name in NETWORKS]
    covered = {node["op"] for file in files for node in file["nodes"]}
    assert {name for name in known - covered if not name.startswith(("_random", "_sample"))} == {"_shuffle"}


def saved_network():
    net = nn.HybridSequential(prefix="own_")
    with net.name_scope():
        net.add(nn.Dense(3, activation="relu"), nn.Dense(2))
    return net


def places_and_names(blocks):
    """Of what `Block.save` writes, all but the graphs."""
    kept = {key: value for key, value in blocks.items() if key in ("orig_name", "children")}
    return kept | {key: places_and_names(value) for key, value in blocks.items() if key[-1].isdigit()}


def test_what_block_save_of_mxnet_wrote_loads_and_is_written_alike(tmp_path):
    data = nd.load(FIXTURES / "saved-data.params")
    net = saved_network()
    net.load(FIXTURES / "saved")
    np.testing.assert_allclose(net(data["input0"]).asnumpy(), data["output0"].asnumpy(), rtol=2e-5, atol=1e-6)
    net.save(tmp_path / "again")
    for name in ("saved", "again"):
        assert nd.load((FIXTURES if name == "saved" else tmp_path) / f"{name}-model.params").keys() == {
            "0.weight", "0.bias", "1.weight", "1.bias"
        }  # fmt: skip
    theirs = json.loads((FIXTURES / "saved-model.json").read_text())
    ours = json.loads((tmp_path / "again-model.json").read_text())
    assert places_and_names(ours) == places_and_names(theirs)
