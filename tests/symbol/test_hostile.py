"""Symbol files that are damaged, or claim what no dense network has: one line that names the node."""

import json

import pytest

from lamina import gluon
from lamina.errors import DataError
from lamina.symbol import load_json

X = {"op": "null", "name": "x", "inputs": []}


def file(*nodes, heads=None, **more):
    return json.dumps(
        {"nodes": list(nodes), "arg_nodes": [0], "heads": heads or [[len(nodes) - 1, 0, 0]], **more}
    )


def node(op, *inputs, name="n", **attrs):
    return {"op": op, "name": name, "inputs": [[i, 0, 0] for i in inputs], "attrs": attrs}


@pytest.mark.parametrize(("text", "match"), [
    ("", "not a symbol file"),
    ("[1, 2]", "not a symbol file: Expected `object`"),
    ('{"nodes": []}', "missing required field `heads`"),
    (file(X, extra=1), "unknown field `extra`"),
    (file({**X, "inputs": ["a"]}), "Expected `array`"),
    (file(X, heads=[[1, 0, 0]]), "its outputs: node 1 does not come earlier in the file"),
    (file(X, heads=[[-1, 0, 0]]), "node -1 does not come earlier"),
    (file(X, heads=[[0, 1, 0]]), "no output 1 of node 0, which has 1"),
    (file(X, heads=[[0]]), "not \\[0\\]"),
    (file(node("relu", 0)), "node 0 does not come earlier in the file"),
    (file(X, X), "node 1 'x' \\(null\\): node 0 is a variable of the same name"),
    (file(X, {**X, "name": "y", "inputs": [[0, 0, 0]]}), "a variable takes no inputs"),
    (file(X, node("Convolution", 0, kernel="(3, 3)")), "node 1 'n' \\(Convolution\\): lamina has no convolutions"),
    (file(X, node("RNN", 0)), "no fused recurrent layers"),
    (file(X, node("_npi_add", 0, 0)), "export the network without npx.set_np"),
    (file(X, node("__import__", 0)), "no such operator"),
    (file(X, node("relu", 0, 0)), "it has 2 inputs, but needs 1: data"),
    (file(X, node("FullyConnected", 0, num_hidden="3")), "it has 1 inputs, but needs 3: data, weight, bias"),
    (file(X, node("relu", 0, slope="1")), "it has no attribute 'slope'"),
    (file(X, node("expand_dims", 0)), "its attribute axis is missing"),
    (file(X, node("expand_dims", 0, axis="__import__('os')")), "is not a whole number"),
    (file(X, node("transpose", 0, axes="(1, f())")), "is not a whole number"),
    (file(X, node("transpose", 0, axes="(1, 0]")), "is not a shape"),
    (file(X, node("transpose", 0, axes=str(tuple(range(2000))))), "a shape of 2,000 numbers; at most 1,024"),
    (file(X, node("Cast", 0, dtype="object")), "its attribute dtype: 'object' is none of"),
    (file(X, node("Activation", 0, act_type="rleu")), "none of relu.*Did you mean 'relu'"),
    (file(X, node("clip", 0, a_min="0", a_max="1e")), "its attribute a_max: '1e' is not a number"),
    (file(X, node("SliceChannel", 0, num_outputs="1000000000")), "too large for a dense network"),
    (file(X, node("tile", 0, reps="(1000000, 1000000)")), "too large for a dense network"),
    (file(X, node("_zeros", shape="(9999999999999,)")), "too large for a dense network"),
    (file(X, node("_arange", start="0", stop="1e300")), "too many elements for a dense network"),
    (file(X, node("_arange", start="0", stop="inf")), "too many elements for a dense network"),
    (file(X, {**node("add_n", 0), "attrs": {"num_args": "7"}}), "it has 1 inputs, but num_args is 7"),
    (file(X, {**node("relu", 0), "subgraphs": [{}]}), "without control flow"),
    (file(X, node("relu", 0, name="a\x1b[2J\n" * 99, y="")), "no attribute"),
])  # fmt: skip
def test_what_no_dense_network_has_is_told_in_one_line(text, match):
    with pytest.raises(DataError, match=match) as caught:
        load_json(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_more_nodes_than_dense_networks_have():
    with pytest.raises(DataError, match="it has 10,001 nodes; at most 10,000"):
        load_json(file(*[{**X, "name": f"x{i}"} for i in range(10_001)]))


@pytest.mark.slow
def test_a_deep_network_is_read_and_computed():
    nodes = [X] + [node("_plus_scalar", i, name=f"n{i}", scalar="1") for i in range(1200)]
    symbol = load_json(file(*nodes))
    assert symbol.list_arguments() == ["x"]
    assert len(gluon.SymbolBlock(symbol, symbol.get_internals()["x"])._steps) == 1200
    assert load_json(symbol.tojson()).tojson() == symbol.tojson()


def test_forms_of_old_versions_are_read():
    """MXNet 0.8: ``param``, pairs, a source of gradients, batch normalization without its statistics."""
    old = {
        "nodes": [
            {"op": "null", "param": {}, "name": "data", "inputs": [], "backward_source_id": -1},
            *({"op": "null", "param": {}, "name": f"bn_{n}", "inputs": []} for n in ("gamma", "beta")),
            {
                "op": "BatchNorm", "param": {"eps": "0.001", "fix_gamma": "True", "momentum": "0.9"}, "name": "bn",
                "inputs": [[0, 0], [1, 0], [2, 0]], "attr": {"ctx_group": "a", "lr_mult": "2"},
            },
        ],
        "arg_nodes": [0, 1, 2],
        "heads": [[3, 0]],
    }  # fmt: skip
    symbol = load_json(json.dumps(old))
    assert symbol.list_arguments() == ["data", "bn_gamma", "bn_beta"]
    assert symbol.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
