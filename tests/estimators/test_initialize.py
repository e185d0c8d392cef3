"""Initial values: where the pieces of numbers are, and that they add nothing before training."""

import dataclasses

import numpy as np
import pytest

from lamina import nd
from lamina.estimators._initialize import build_network
from lamina.estimators._pieces import knots
from lamina.estimators.architecture import Architecture
from lamina.estimators.data import Data
from lamina.estimators.network import Network

PARTS = Architecture(numbers=2, inputs=3, cardinalities=(), outputs=1, hidden=(4,), pieces=6)
NUMERIC = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
DATA = Data(NUMERIC, None, np.zeros((50, 1), np.float32))


def test_the_piecewise_functions_are_linear_between_knots_and_constant_outside():
    network = build_network(PARTS, DATA, np.random.default_rng(0))
    for name in ("number", "number_bias"):
        network[name][:] = 0.0
    heights = np.random.default_rng(1).normal(size=(2, 6, 3)).astype(np.float32)
    network["pieces"][:] = heights
    inputs = np.linspace(-9, 9, 200, dtype=np.float32).repeat(3).reshape(-1, 3)
    embedded = network.embed(nd.array(inputs), None).asnumpy()[:, 3:].reshape(200, 2, 3)
    for j in range(2):
        places = knots(NUMERIC[:, j].astype(np.float64), 6)
        levels = np.vstack([np.zeros(3), np.cumsum(heights[j, : len(places) - 1], axis=0)])
        for k in range(3):
            expected = np.interp(inputs[:, j], places, levels[:, k])
            np.testing.assert_allclose(embedded[:, j, k], expected, rtol=1e-4, atol=1e-5)


def test_before_training_the_pieces_change_nothing():
    def outputs(pieces):
        parts = dataclasses.replace(PARTS, pieces=pieces)
        network = build_network(parts, DATA, np.random.default_rng(0))
        return network.forward(nd.array(NUMERIC), None).asnumpy()

    np.testing.assert_array_equal(outputs(6), outputs(0))


@pytest.mark.filterwarnings("error")
def test_values_that_are_next_to_the_same_have_no_piece_between_them():
    """One over a length below float32's normal numbers is none: it was infinite."""
    column = np.resize(np.float32([0, 1e-40, 2e-40, 1, 3]), 50)
    data = dataclasses.replace(DATA, numeric=np.stack([column, np.float32([0, 1e-44] * 25), column], axis=1))
    network = build_network(PARTS, data, np.random.default_rng(0))
    assert network.running["slope"].asnumpy()[:, 0].tolist() == [[1, 0.5, 0, 0, 0, 0], [0] * 6]


def test_a_constant_number_has_no_pieces():
    network = build_network(
        PARTS, Data(np.ones((20, 3), np.float32), None, np.zeros(20)), np.random.default_rng(0)
    )
    assert not network.running["slope"].asnumpy().any()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ntk": False, "normalization": "batch", "pieces": 0},
        {"normalization": "layer", "cardinalities": (9, 12), "learned_activation": False},
        {"hidden": (), "input_scale": False, "number_embedding": False},
    ],
)
def test_a_network_has_the_parameters_that_its_architecture_describes(changes):
    parts = dataclasses.replace(PARTS, **changes)
    codes = np.zeros((50, 2), np.int32) if parts.cardinalities else None
    network = build_network(parts, dataclasses.replace(DATA, codes=codes), np.random.default_rng(0))
    described = parts.parameters()
    state = network.state()
    assert {name: x.shape for name, x in state.items()} == {name: p.shape for name, p in described.items()}
    trained = {name: (p.rate, p.decay) for name, p in described.items() if p.trained}
    assert list(trained) == list(network.weights)
    assert trained == {name: (w.parameter.rate, w.parameter.decay) for name, w in network.weights.items()}
    again = Network.from_state(parts, state)
    assert list(again.weights) == list(network.weights)
    for name, values in again.state().items():
        np.testing.assert_array_equal(values, state[name])
