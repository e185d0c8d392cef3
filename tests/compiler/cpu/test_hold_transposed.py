"""Parameters held transposed: which ones. What it is worth to users is in test_holding.py."""

from __future__ import annotations

from typing import Any

import pytest
from graphs import capture, verify

from lamina import autograd, nd
from lamina.compiler.cpu._hold_transposed import hold_transposed
from lamina.compiler.passes.graph import Graph
from lamina.compiler.passes.simplify import simplify

INPUTS, BATCH = 12, 8


def held(function: Any, *arrays: Any) -> list[tuple[int, ...]]:
    """The shapes, as the user knows them, of what is held transposed."""
    graph = hold_transposed(simplify(capture(function, *arrays)))
    verify(graph)
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
