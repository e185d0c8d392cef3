"""A joint graph is split into the forward pass and the pullback: what is kept between the two."""

from __future__ import annotations

from typing import Any

from graphs import capture

from lamina import autograd, nd
from lamina.compiler.front._differentiate import split
from lamina.compiler.passes.graph import Graph, Input
from lamina.compiler.passes.simplify import simplify

X, W, B = nd.ones((5, 4)), nd.ones((4, 3)), nd.ones((3,))


def parts(forward: Any, results: int = 1) -> tuple[Graph, Graph]:
    """A function of `X`, and its gradients by `W` and `B`, as two graphs."""
    W.attach_grad()
    B.attach_grad()

    def joint(x: Any) -> Any:
        with autograd.record():
            y = forward(x)
        return [y, *autograd.grad(y, [W, B], retain_graph=True)]

    forward_pass, pullback = split(simplify(capture(joint, X)), results)
    for graph in (forward_pass, pullback):
        graph.verify()
    return forward_pass, pullback


def operators(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes()]


def test_nothing_is_multiplied_twice() -> None:
    forward, pullback = parts(lambda x: nd.relu(nd.dot(x, W) + B))
    assert operators(forward).count("matmul") == 1
    assert operators(pullback).count("matmul") == 1  # of the gradient
    assert len(forward.results) == 2  # the output, and it again as a residual
    assert pullback.inputs[-1][0] == (5, 3)


def test_what_is_cheap_is_computed_again() -> None:
    forward, pullback = parts(lambda x: nd.dot((x / 255).reshape((5, 4)), W) + B)
    assert len(forward.results) == 1
    assert "divide" in operators(pullback) or "multiply" in operators(pullback)


def test_random_numbers_are_kept() -> None:
    with autograd.train_mode():
        forward, pullback = parts(lambda x: nd.Dropout(nd.dot(x, W) + B, p=0.5, mode="always"))
    assert "random_bits" in operators(forward)
    assert "random_bits" not in operators(pullback)


def test_an_input_that_is_overwritten_is_kept_as_it_was() -> None:
    state = nd.ones((3,))

    def joint(x: Any) -> Any:
        later = state * 3
        state[:] = state + 1
        return [x * 2, later]

    forward, pullback = split(simplify(capture(joint, X)), 1)
    (written,) = forward.writes
    assert [n.op.slot for n in forward.results if isinstance(n.op, Input)] == [written]
    assert [n.op.slot for n in pullback.nodes() if isinstance(n.op, Input)] == [len(forward.inputs)]
