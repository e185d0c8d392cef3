"""The pure steps: they write into nothing, and agree with scikit-learn's optimizers and the papers' algorithms."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

import lamina as mx
from lamina import nd
from lamina.estimators._solvers import SOLVERS
from lamina.estimators.settings import Settings
from lamina.optimizer import adam, adaptive, momentum, muon
from lamina.optimizer.adam import adam_step, adamw_step, bias_correction
from lamina.optimizer.momentum import momentum_step, nesterov_step

ADAM: dict[str, Any] = {"rate": 0.1, "betas": (0.9, 0.99), "epsilon": 1e-8}
CORRECTION = (10.0, 100.0)

STEPS: dict[str, tuple[Callable[..., Any], int, dict[str, Any]]] = {
    "sgd_step": (momentum.sgd_step, 0, {"rate": 0.1}),
    "momentum_step": (momentum.momentum_step, 1, {"rate": 0.1, "momentum": 0.9}),
    "nesterov_step": (momentum.nesterov_step, 1, {"rate": 0.1, "momentum": 0.9}),
    "signsgd_step": (momentum.signsgd_step, 0, {"rate": 0.1, "decay": 0.1}),
    "signum_step": (momentum.signum_step, 1, {"rate": 0.1, "momentum": 0.9, "decay": 0.1}),
    "adam_step": (adam.adam_step, 2, {**ADAM, "correction": CORRECTION}),
    "adamw_step": (adam.adamw_step, 2, {**ADAM, "decay": 0.1}),
    "adamax_step": (adam.adamax_step, 2, ADAM),
    "nadam_step": (adam.nadam_step, 2, {**ADAM, "shares": (0.5, 0.5), "correction": 100.0}),
    "lamb_step": (adam.lamb_step, 2, {**ADAM, "decay": 0.1, "correction": CORRECTION, "bounds": (1.0, 2.0)}),
    "adagrad_step": (adaptive.adagrad_step, 1, {"rate": 0.1, "epsilon": 1e-7, "decay": 0.1}),
    "adadelta_step": (adaptive.adadelta_step, 2, {"rho": 0.9, "epsilon": 1e-5, "decay": 0.1}),
    "rmsprop_step": (adaptive.rmsprop_step, 1, {"rate": 0.1, "beta": 0.9, "epsilon": 1e-8}),
    "centered_rmsprop_step": (
        adaptive.centered_rmsprop_step,
        3,
        {"rate": 0.1, "beta": 0.9, "momentum": 0.9, "epsilon": 1e-8},
    ),
    "muon_step": (muon.muon_step, 1, {"rate": 0.1, "momentum": 0.9, "decay": 0.1}),
    "dcasgd_step": (momentum.dcasgd_step, 2, {"rate": 0.1, "lamda": 0.04, "decay": 0.1, "momentum": 0.9}),
    "ftml_step": (
        adaptive.ftml_step,
        3,
        {"beta1": 0.6, "beta2": 0.99, "epsilon": 1e-8, "correction": 100.0, "scale": 4.0},
    ),
    "ftrl_step": (adaptive.ftrl_step, 2, {"rate": 0.1, "l1": 0.3, "beta": 1.0, "decay": 0.1}),
}


def test_every_step_is_listed_here() -> None:
    modules = (adam, adaptive, momentum, muon)
    written = {
        name
        for module in modules
        for name, value in vars(module).items()
        if name.endswith("_step") and value.__module__ == module.__name__
    }
    assert written == set(STEPS)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", STEPS)
def test_a_step_changes_nothing_that_it_is_given(name: str, compiled: bool) -> None:
    function, count, settings = STEPS[name]
    random = np.random.default_rng(0)
    weight, gradient, *state = (nd.array(random.uniform(0.1, 1.0, (3, 4))) for _ in range(2 + count))
    before = [x.asnumpy().copy() for x in (weight, gradient, *state)]

    def step(weight: nd.NDArray, gradient: nd.NDArray, *state: nd.NDArray) -> list[nd.NDArray]:
        new, values = function(weight, gradient, state, **settings)
        assert len(values) == count
        return [new, *values]

    new, *values = (mx.compile(step) if compiled else step)(weight, gradient, *state)
    for x, old in zip((weight, gradient, *state), before, strict=True):
        np.testing.assert_array_equal(x.asnumpy(), old)
    assert all(x.shape == (3, 4) and x.dtype == np.float32 for x in (new, *values))
    assert not np.array_equal(new.asnumpy(), before[0])


def trained(step: Callable[..., Any], count: int, numbers: Callable[[int], dict[str, Any]]) -> np.ndarray:
    """The weights, in float64, after five steps along the gradients that `by_sklearn` takes too."""
    weight = nd.array(START, dtype=np.float64)
    state = tuple(nd.zeros(START.shape, dtype=np.float64) for _ in range(count))
    for t, gradient in enumerate(GRADIENTS, 1):
        weight, state = step(weight, nd.array(gradient, dtype=np.float64), state, **numbers(t))
    return weight.asnumpy()


START = np.random.default_rng(1).normal(size=(4, 3))
GRADIENTS = np.random.default_rng(2).normal(size=(5, 4, 3))


def by_sklearn(made: Any) -> np.ndarray:
    weights = [START.copy()]
    for gradient in GRADIENTS:
        made.update_params(weights, [gradient])
    return weights[0]


@pytest.mark.parametrize(("step", "nesterov"), [(momentum_step, False), (nesterov_step, True)])
def test_momentum_beside_scikit_learn(step: Callable[..., Any], nesterov: bool) -> None:
    found = trained(step, 1, lambda t: {"rate": 0.1, "momentum": 0.8})
    expected = by_sklearn(SGDOptimizer([START], 0.1, momentum=0.8, nesterov=nesterov))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_adam_with_the_corrections_in_the_rate_beside_scikit_learn() -> None:
    def numbers(t: int) -> dict[str, Any]:
        return {**ADAM, "rate": 0.1 * np.sqrt(1 - 0.99**t) / (1 - 0.9**t)}

    found = trained(adam_step, 2, numbers)
    np.testing.assert_allclose(found, by_sklearn(AdamOptimizer([START], 0.1, 0.9, 0.99, 1e-8)), rtol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_adam_with_its_corrections_is_algorithm_1_of_the_paper(decay: float) -> None:
    """Kingma and Ba, 2015; with decay, algorithm 2 of Loshchilov and Hutter, 2019. A large ε shows where it stands."""

    def numbers(t: int) -> dict[str, Any]:
        correction = bias_correction(0.9, t), bias_correction(0.99, t)
        return {**ADAM, "epsilon": 0.3, "correction": correction}

    w, m, v = START.copy(), np.zeros_like(START), np.zeros_like(START)
    for t, g in enumerate(GRADIENTS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        w = w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 0.3) - decay * w
    step = partial(adamw_step, decay=decay) if decay else adam_step
    np.testing.assert_allclose(trained(step, 2, numbers), w, rtol=1e-12)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_of_the_estimators_has_as_many_arrays_as_it_says(name: str) -> None:
    count = SOLVERS[name].arrays
    step = SOLVERS[name].step(Settings(solver=name), lambda: 1)
    _, state = step(nd.ones(2), nd.ones(2), tuple(nd.zeros(2) for _ in range(count)), rate=0.1)
    assert len(state) == count
