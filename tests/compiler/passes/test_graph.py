"""The graph: order, printing, and a verifier that finds wrong types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import capture, operators, verify

from lamina import nd
from lamina.compiler.front.graphs import compilable_graph, with_known_values
from lamina.compiler.passes.graph import Graph, Node, topological, users_of
from lamina.core.primitive import REGISTRY

X, Y = nd.zeros((2, 3)), nd.ones((2, 3))


def body(x: Any, y: Any) -> Any:
    z = x + y
    x[:] = z * 2
    return z


def test_every_node_comes_after_its_inputs() -> None:
    nodes = capture(body, X, Y).nodes()
    for i, node in enumerate(nodes):
        assert all(x in nodes[:i] for x in node.inputs)


def test_users() -> None:
    graph = capture(body, X, Y)
    (total,) = graph.results
    assert [u.op.name for u in users_of(graph.nodes())[total]] == ["multiply"]


def test_the_text_is_the_same_for_the_same_graph() -> None:
    first, second = capture(body, X, Y).text(), capture(body, X, Y).text()
    assert first == second
    assert first.splitlines()[0] == "   %0 float32[2x3] = input 0"
    assert first.splitlines()[-2:] == ["return %2", "write input 0 <- %4"]


def test_the_verifier_finds_wrong_types() -> None:
    graph = capture(body, X, Y)
    (good,) = graph.results
    wrong = Node(REGISTRY["add"], good.inputs, {}, (3, 2), np.dtype(np.float32))
    with pytest.raises(AssertionError):
        verify(Graph([wrong], {}, graph.inputs, graph.scalars))
    with pytest.raises(AssertionError):
        verify(Graph([good], {0: good}, [((9,), np.dtype(np.float32)), graph.inputs[1]], graph.scalars))


def test_deep_graphs_need_no_recursion() -> None:
    def deep(x: Any, y: Any) -> Any:
        for _ in range(3000):
            x = x + y
        return x

    graph = capture(deep, X, Y)
    assert len(operators(graph)) == 3000
    assert len(topological(graph.roots)) == 3002


def test_a_concatenation_of_zeros_and_a_weight_is_known_beforehand() -> None:
    weight = nd.array([[1, 2], [3, 4]])

    def network(x: Any) -> Any:
        before = nd.concat(nd.zeros((1, 2)), nd.slice_axis(weight, axis=0, begin=0, end=1), dim=0)
        return nd.dot(x, weight - before) + nd.zeros((5, 2))

    found = with_known_values(compilable_graph(network, [nd.zeros((5, 2))]))
    assert [x.tolist() for x in found.contents.values()] == [[[1, 2], [2, 2]]]  # and no zeros for the sum
    assert sum(node.is_op("matmul") for node in found.graph.nodes()) == 1
    assert not any(node.is_op("concat") for node in found.graph.nodes())
