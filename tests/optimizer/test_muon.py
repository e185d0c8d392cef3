"""Muon: against its formula in NumPy's float64, NumPy's singular values, and what it says of a trainer's matrices."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina as mx
from lamina import nd, optimizer
from lamina.gluon import nn
from lamina.optimizer.muon import orthogonalized

Array = np.ndarray


def newton_schulz(g: Array, rounds: int = 5) -> Array:
    """The formula of Jordan et al. (2024) by singular values, each of which becomes as + bs³ + cs⁵ in a round."""
    u, s, v = np.linalg.svd(g, full_matrices=False)
    s = s / np.linalg.norm(g)
    for _ in range(rounds):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (u * s) @ v


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 6), (6, 1)], ids=str)
@pytest.mark.parametrize("rounds", [0, 1, 5])
def test_products_do_to_the_singular_values_what_the_polynomial_does(shape: Any, rounds: int) -> None:
    g = np.random.default_rng(0).normal(size=shape)
    found = orthogonalized(nd.array(g, dtype=np.float64), rounds).asnumpy()
    np.testing.assert_allclose(found, newton_schulz(g, rounds), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@settings(max_examples=30)
@given(rows=st.integers(1, 6), columns=st.integers(1, 6), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_singular_values_become_about_one_whatever_the_scale(
    rows: int, columns: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    side = min(rows, columns)
    u = np.linalg.qr(rng.normal(size=(rows, rows)))[0][:, :side]
    v = np.linalg.qr(rng.normal(size=(columns, columns)))[0][:side]
    g = (u * rng.uniform(0.1, 1.0, side)) @ v * scale
    values = np.linalg.svd(orthogonalized(nd.array(g, dtype=np.float64)).asnumpy(), compute_uv=False)
    assert ((values > 0.65) & (values < 1.25)).all()


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("nesterov", [True, False], ids=["nesterov", "heavy ball"])
@pytest.mark.parametrize("shape", [(5, 3), (3, 4)], ids=str)
def test_formula(shape: tuple[int, int], nesterov: bool, compiled: bool) -> None:
    made = optimizer.create(
        "muon", learning_rate=0.05, nesterov=nesterov, wd=0.1, rescale_grad=0.5, clip_gradient=0.7
    )
    rng = np.random.default_rng(1)
    w, m = rng.normal(size=shape), np.zeros(shape)
    weight = nd.array(w, dtype=np.float64)
    state = made.create_state(0, weight)

    def update(grad: nd.NDArray) -> None:
        made.update(0, weight, grad, state)

    run = mx.compile(update) if compiled else update
    for t in range(1, 7):
        if t == 4:
            made.set_learning_rate(0.02)
        lr = 0.02 if t >= 4 else 0.05
        gradient = rng.normal(size=shape)
        run(nd.array(gradient, dtype=np.float64))
        g = np.clip(0.5 * gradient, -0.7, 0.7)
        m = 0.95 * m + 0.05 * g
        u = 0.95 * m + 0.05 * g if nesterov else m
        w = (1 - lr * 0.1) * w - lr * 0.2 * np.sqrt(max(shape)) * newton_schulz(u)
        np.testing.assert_allclose(weight.asnumpy(), w, rtol=1e-9, atol=1e-12, err_msg=f"step {t}")


def test_what_is_no_matrix_has_adamws_steps() -> None:
    rng = np.random.default_rng(2)
    first = rng.normal(size=(2, 3, 4))
    moved = []
    for name in ("muon", "adamw"):
        made = optimizer.create(name, learning_rate=0.05, wd=0.1)
        weight = nd.array(first, dtype=np.float64)
        state = made.create_state(0, weight)
        for seed in range(4):
            gradient = np.random.default_rng(seed).normal(size=first.shape)
            made.update(0, weight, nd.array(gradient, dtype=np.float64), state)
        moved.append(weight.asnumpy())
    np.testing.assert_allclose(
        *moved, rtol=1e-6
    )  # adamw has both corrections in the rate, so that ε weighs otherwise


def test_a_gradient_of_zeros_moves_nothing() -> None:
    made = optimizer.create("muon")
    weight = nd.ones((2, 3))
    made.update(0, weight, nd.zeros((2, 3)), made.create_state(0, weight))
    assert weight.asnumpy().tolist() == [[1.0] * 3] * 2


def network() -> nn.Sequential:
    net = nn.Sequential()
    net.add(nn.Dense(6, activation="relu", in_units=4), nn.Dense(5, activation="relu", in_units=6))
    net.add(nn.Dense(4, activation="relu", in_units=5), nn.Dense(2, in_units=4))
    net.initialize(mx.init.Xavier())
    return net


def kept_by(trainer: mx.gluon.Trainer, net: nn.Sequential) -> list[int]:
    """How many arrays the optimizer keeps of each matrix."""
    made = trainer.optimizer
    parameters = list(net.collect_params().values())
    states = [len(made.create_state(i, one.data())) for i, one in enumerate(parameters)]
    return [count for count, one in zip(states, parameters, strict=True) if len(one.data().shape) == 2]


def test_a_trainers_first_and_last_matrices_are_adams_unless_it_is_said_otherwise() -> None:
    net = network()
    names = [name for name in net.collect_params() if name.endswith("weight")]
    for chosen, expected in [
        ({}, [2, 1, 1, 2]),
        ({"adam_for": ()}, [1, 1, 1, 1]),
        ({"adam_for": names[3:]}, [1, 1, 1, 2]),
        ({"adam_for": [2]}, [1, 2, 1, 1]),
    ]:
        trainer = mx.gluon.Trainer(net.collect_params(), "muon", chosen)
        assert kept_by(trainer, net) == expected, chosen


@pytest.mark.parametrize("asked", ["output", 99])
def test_a_name_or_index_that_no_parameter_has_is_an_error(asked: str | int) -> None:
    net = network()
    trainer = mx.gluon.Trainer(net.collect_params(), "muon", {"adam_for": [asked]})
    with pytest.raises(
        mx.errors.ParameterError, match=rf"adam_for has {asked!r}, but the parameters are 0: "
    ):
        kept_by(trainer, net)


@pytest.mark.parametrize("rounds", [-1, 0, 2.5, True, "5"], ids=repr)
def test_rounds_that_cannot_be_are_told_at_once(rounds: Any) -> None:
    with pytest.raises(
        mx.errors.ParameterError, match=f"rounds must be a whole number of at least 1, not {rounds!r}"
    ):
        optimizer.Muon(rounds=rounds)


def test_one_name_is_no_list_of_names() -> None:
    with pytest.raises(
        mx.errors.ParameterError, match=r"adam_for must be a list .*, such as \['dense0_weight'\]"
    ):
        optimizer.Muon(adam_for="dense0_weight")


@pytest.mark.compiles
def test_a_compiled_trainer_learns() -> None:
    net = network()
    trainer = mx.gluon.Trainer(net.collect_params(), "muon", {"learning_rate": 0.02})
    loss_of = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    rng = np.random.default_rng(0)
    X = nd.array(rng.normal(size=(64, 4)).astype(np.float32))
    y = nd.array((X.asnumpy()[:, 0] * X.asnumpy()[:, 1] > 0).astype(np.float32))

    @mx.compile
    def step(X: nd.NDArray, y: nd.NDArray) -> nd.NDArray:
        with mx.autograd.record():
            loss = loss_of(net(X), y)
        loss.backward()
        trainer.step(64)
        return nd.mean(loss)

    losses = [step(X, y).asscalar() for _ in range(150)]
    assert losses[-1] < 0.5 * losses[0]
