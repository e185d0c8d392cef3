"""The training step: what happens to a parameter that has no gradient."""

import numpy as np
import pytest

from lamina import nd
from lamina.estimators.engine import Data, Optimization, Trainer
from lamina.estimators.initialize import build_network
from lamina.estimators.network import Architecture, Ensemble


def test_weight_decay_counts_the_factor_on_the_learning_rate_twice():
    """pytabkit 1.7: w ← w · (1 − lr · wd · factor²), and nothing for biases."""
    numeric = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    data = Data(numeric, None, np.zeros((8, 1), np.float32))
    parts = Architecture(numbers=2, inputs=2, cardinalities=(), outputs=1, hidden=(3,), dropout=0.0)
    network = build_network(parts, data, np.random.default_rng(0))
    before = network.state()
    plan = Optimization(epochs=1, batch_size=8, rate=0.1, schedule="constant", decay=0.02)
    nothing = lambda outputs, target: nd.sum(outputs * 0.0, axis=1)  # noqa: E731
    trainer = Trainer(Ensemble([network]), nothing, plan, np.random.default_rng(0))
    list(trainer.run(data))
    factors = {"scale": 6.0, "alpha0": 0.1, "weight0": 1.0, "frequency": 0.1, "bias0": 0.0}
    for name, factor in factors.items():
        shrunk = before[name] * (1 - 0.1 * 0.02 * factor**2)
        assert network[name].asnumpy() == pytest.approx(shrunk, rel=1e-6)
