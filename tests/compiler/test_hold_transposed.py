"""Parameters held transposed during a run: which ones, and that nobody can tell from the results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import capture

import lamina
from lamina import autograd, gluon, nd
from lamina.compiler.graph import Graph
from lamina.compiler.hold_transposed import hold_transposed
from lamina.compiler.simplify import simplify

ROWS, INPUTS, BATCH, STEPS = 40, 12, 8, 9


def held(function: Any, *arrays: Any) -> list[tuple[int, ...]]:
    """The shapes, as the user knows them, of what is held transposed."""
    graph = hold_transposed(simplify(capture(function, *arrays)))
    graph.verify()
    return [graph.inputs[slot][0] for slot in sorted(graph.transposed)]


def passed(function: Any, *arrays: Any) -> Graph:
    return hold_transposed(simplify(capture(function, *arrays)))


def trained(forward: Any, *params: Any, momentum: Any = None) -> Any:
    """A step of SGD on the parameters of a network."""

    def step(x: Any) -> Any:
        with autograd.record():
            loss = nd.sum(nd.square(forward(x)), axis=1)
        loss.backward()
        for p in params:
            change = p.grad
            if momentum is not None:
                momentum[:] = 0.9 * momentum + p.grad
                change = momentum
            p[:] = p - 0.1 * change
        return nd.mean(loss)

    return step


def parameter(*shape: int) -> Any:
    p = nd.ones(shape)
    p.attach_grad()
    return p


X = nd.ones((BATCH, INPUTS))


def test_a_weight_whose_first_product_transposes_it_is_held_transposed() -> None:
    w = parameter(7, INPUTS)
    assert held(trained(lambda x: nd.dot(x, w, transpose_b=True), w), X) == [(7, INPUTS)]


def test_a_weight_that_is_read_as_it_lies_stays() -> None:
    w = parameter(INPUTS, 7)
    assert held(trained(lambda x: nd.dot(x, w), w), X) == []


def test_momentum_is_held_as_its_weight_is() -> None:
    w, m = parameter(7, INPUTS), nd.zeros((7, INPUTS))
    step = trained(lambda x: nd.dot(x, w, transpose_b=True), w, momentum=m)
    assert held(step, X) == [(7, INPUTS), (7, INPUTS)]


def test_no_product_of_held_weights_is_transposed_in_the_first_layer() -> None:
    w = parameter(7, INPUTS)
    graph = passed(trained(lambda x: nd.dot(x, w, transpose_b=True), w), X)
    flags = [(n.params["transpose_a"], n.params["transpose_b"]) for n in graph.nodes() if n.is_op("matmul")]
    assert flags == [(False, False), (True, False)]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(nd.norm, id="a reduction"),
        pytest.param(lambda w: nd.sum(w[0]), id="a row"),
        pytest.param(lambda w: nd.sum(w + nd.ones((INPUTS,)).reshape((1, -1))), id="a broadcast"),
    ],
)
def test_a_weight_that_something_else_reads_stays(other: Any) -> None:
    w = parameter(7, INPUTS)
    step = trained(lambda x: nd.dot(x, w, transpose_b=True), w)
    assert held(lambda x: (step(x), other(w)), X) == []


def test_a_weight_that_is_returned_stays() -> None:
    w = parameter(7, INPUTS)
    step = trained(lambda x: nd.dot(x, w, transpose_b=True), w)
    assert held(lambda x: (step(x), w * 1), X) == []


def test_a_weight_that_does_not_change_stays() -> None:
    w = nd.ones((7, INPUTS))
    assert held(lambda x: nd.dot(x, w, transpose_b=True), X) == []


# --- whole runs --------------------------------------------------------------------------------------------------


def network(dtype: Any = np.float32) -> Any:
    random = np.random.default_rng(3)
    net = gluon.nn.HybridSequential()
    for units, inputs in ((12, INPUTS), (17, 12), (3, 17)):  # the first weight is square
        net.add(
            gluon.nn.Dense(units, in_units=inputs, activation="relu" if units != 3 else None, dtype=dtype)
        )
    net.initialize()
    for p in net.collect_params().values():
        p.set_data(nd.array(random.normal(scale=0.4, size=p.shape), dtype=dtype))
    return net


def training_step(net: Any, optimizer: str = "sgd", **settings: Any) -> Any:
    trainer = gluon.Trainer(net.collect_params(), optimizer, settings)
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        with autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(BATCH)
        return nd.mean(loss)

    return lamina.compile(step)


def data(dtype: Any = np.float32) -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, INPUTS))
    return nd.array(x, dtype=dtype), nd.array(x[:, :3].argmax(1), dtype=dtype)


def weights(net: Any) -> list[np.ndarray]:
    return [p.data().asnumpy() for p in net.collect_params().values()]


INDICES = np.random.default_rng(1).integers(0, ROWS, (STEPS, BATCH))

OPTIMIZERS = [
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}),
    ("adam", {"learning_rate": 0.01}),
    ("lamb", {"learning_rate": 0.01}),
]


@pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS, ids=[name for name, _ in OPTIMIZERS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_run_is_the_loop_of_single_steps(optimizer: str, settings: Any, dtype: Any) -> None:
    x, y = data(dtype)
    one, other = network(dtype), network(dtype)
    step = training_step(one, optimizer, **settings)
    losses = [step(nd.take(x, nd.array(i)), nd.take(y, nd.array(i))).asscalar() for i in INDICES]
    found = training_step(other, optimizer, **settings).run_batches(INDICES, x, y)
    np.testing.assert_array_equal(found.asnumpy().ravel(), losses)
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    x, y = data()
    found = []
    for count in (1, 2, 3, 8):
        lamina.set_num_threads(count)
        net = network()
        training_step(net, "sgd", learning_rate=0.1).run_batches(INDICES, x, y)
        found.append(weights(net))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_the_user_changes_between_runs_counts() -> None:
    x, y = data()
    one, other = network(), network()
    for net in (one, other):
        step = training_step(net, "sgd", learning_rate=0.1)
        for part in (INDICES[:4], INDICES[4:]):
            if net is one:
                step.run_batches(part, x, y)
            else:
                for i in part:
                    step(nd.take(x, nd.array(i)), nd.take(y, nd.array(i)))
            weight = net[1].weight.data()
            weight[:] = weight * 0.5
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)
