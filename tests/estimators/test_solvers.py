"""The solver Muon: which parameters it steps on, by how much, and what it refuses."""

import numpy as np
import pytest

import lamina
from lamina import nd
from lamina.estimators._initialize import build_network
from lamina.estimators.architecture import Architecture
from lamina.estimators.data import Data
from lamina.estimators.network import Ensemble
from lamina.estimators.settings import Settings
from lamina.estimators.training import EnsembleTraining

RNG = np.random.default_rng(3)
ROWS = Data(
    RNG.normal(size=(64, 6)).astype(np.float32),
    RNG.integers(0, 5, (64, 1)).astype(np.int32),
    RNG.normal(size=(64, 4)).astype(np.float32),
)
PARTS = Architecture(numbers=0, inputs=6, cardinalities=(5,), outputs=4, hidden=(7, 8), dropout=0.0)


def moved(solver, decay=0.0):
    """By how much one step moves each parameter, and where it was."""
    network = Ensemble([build_network(PARTS, ROWS, np.random.default_rng(0))])
    before = network.members[0].state()
    plan = Settings(
        max_iter=1,
        batch_size=64,
        learning_rate_init=0.1,
        learning_rate="constant",
        weight_decay=decay,
        regularization_schedule="constant",
        solver=solver,
    )
    loss = lambda outputs, target: nd.sum((outputs - target) ** 2, axis=1)  # noqa: E731
    list(EnsembleTraining(network, loss, plan, np.random.default_rng(0), [ROWS]).run())
    return {name: array - before[name] for name, array in network.members[0].state().items()}, before


def orthogonalized(g):
    """Three rounds of Jordan's polynomial on the singular values."""
    u, s, v = np.linalg.svd(g.astype(np.float64), full_matrices=False)
    s = s / np.linalg.norm(s)
    for _ in range(3):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (u * s) @ v


@pytest.mark.slow
def test_muon_makes_hidden_layers_steps_orthogonal_and_leaves_all_else_to_adam():
    (adam, _), (muon, _), (sgd, _) = moved("adam"), moved("muon"), moved("sgd")
    hidden = {"weight0", "weight1"}
    assert {name for name in adam if not np.allclose(adam[name], muon[name], rtol=1e-4, atol=1e-6)} == hidden
    assert adam.keys() > hidden | {"weight2", "embedding0", "scale", "bias0"}
    for name in hidden:  # the first step of SGD is along the gradient
        expected = 0.1 * 2 * 0.2 * np.sqrt(max(sgd[name].shape)) * orthogonalized(sgd[name])
        np.testing.assert_allclose(muon[name], expected, rtol=1e-3, atol=1e-5)


def test_muons_matrices_decay_as_all_do():
    (plain, before), (decayed, _) = moved("muon"), moved("muon", decay=0.5)
    difference = decayed["weight1"] - plain["weight1"]
    np.testing.assert_allclose(difference, -0.1 * 0.5 * before["weight1"], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_muon_learns_a_product_of_columns_and_gives_the_same_bits_again():
    X = np.random.default_rng(0).normal(size=(400, 4))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    settings = {"preset": "fast", "solver": "muon", "random_state": 0, "max_iter": 60, "members": 1}
    first, again = (lamina.MLPRegressor(**settings).fit(X[:300], y[:300]) for _ in range(2))
    assert first.score(X[300:], y[300:]) > 0.8
    np.testing.assert_array_equal(first.predict(X), again.predict(X))


def test_shards_cut_the_matrices_that_muon_needs_whole():
    with pytest.raises(ValueError, match="solver='muon' needs whole matrices, which shards split"):
        lamina.MLPRegressor(solver="muon", shards=2).fit(np.ones((20, 2)), np.arange(20.0))
