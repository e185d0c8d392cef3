"""Short integers are multiplied before they are scaled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import capture, verify

import lamina
from lamina import nd
from lamina.compiler.passes.graph import Graph, Node
from lamina.compiler.passes.simplify import is_short, scale_products, simplify

PIXELS = nd.array(np.random.default_rng(0).integers(0, 256, (6, 12)), dtype="uint8")
W = nd.array(np.random.default_rng(1).normal(size=(12, 5)))


def scaled(function: Any, *arrays: Any) -> Graph:
    graph = scale_products(simplify(capture(function, *arrays)))
    verify(graph)
    return graph


def left_of(graph: Graph) -> Node:
    (product,) = [node for node in graph.nodes() if node.is_op("matmul")]
    return product.inputs[0]


PROGRAMS = {
    "divided": lambda x, w: nd.dot(x.astype("float32") / 255, w),
    "multiplied": lambda x, w: nd.dot(x.astype("float32") * 0.25, w),
    "reshaped": lambda x, w: nd.dot((x.reshape((6, 3, 4)).astype("float32") / 255).reshape((-1, 12)), w),
    "negative": lambda x, w: nd.dot(x.astype("float32") / -3, w),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_scale_comes_after_the_product(name: str) -> None:
    program = PROGRAMS[name]
    assert is_short(left_of(scaled(program, PIXELS, W)))
    compiled = lamina.compile(program)(PIXELS, W).asnumpy()
    expected = program(PIXELS, W).asnumpy()
    np.testing.assert_allclose(compiled, expected, rtol=1e-5, atol=1e-5)


def test_gradients_too() -> None:
    """The gradient of a weight is a product with the transposed pixels."""

    def gradient(x: Any, g: Any) -> Any:
        return nd.dot((x.astype("float32") / 255).T, g)

    g = nd.array(np.random.default_rng(2).normal(size=(6, 5)))
    assert is_short(left_of(scaled(gradient, PIXELS, g)))
    np.testing.assert_allclose(
        lamina.compile(gradient)(PIXELS, g).asnumpy(), gradient(PIXELS, g).asnumpy(), rtol=1e-5, atol=1e-5
    )


def test_both_operands() -> None:
    def program(x: Any, y: Any) -> Any:
        return nd.dot(x.astype("float32") / 255, y.astype("float32").T / 100)

    (product,) = [n for n in scaled(program, PIXELS, PIXELS).nodes() if n.is_op("matmul")]
    assert all(is_short(x) for x in product.inputs)
    np.testing.assert_allclose(
        lamina.compile(program)(PIXELS, PIXELS).asnumpy(), program(PIXELS, PIXELS).asnumpy(), rtol=1e-5
    )


@pytest.mark.parametrize(
    "program",
    [
        lambda x, w: nd.dot(
            x.astype("float32") / 1e-38, w
        ),  # sums could overflow where the scaled ones don't
        lambda x, w: nd.dot(x.astype("int32").astype("float32") / 255, w),  # too long to be exact
        lambda x, w: nd.dot((x.astype("float32") - 30) / 255, w),
        lambda x, w: nd.dot(255 / (x.astype("float32") + 1), w),
    ],
)
def test_other_operands_stay(program: Any) -> None:
    graph = simplify(capture(program, PIXELS, W))
    assert scale_products(graph).text() == graph.text()


def test_what_is_not_multiplied_stays_scaled() -> None:
    def program(x: Any, w: Any) -> Any:
        y = x.astype("float32") / 255
        return nd.dot(y, w), y

    compiled, expected = lamina.compile(program)(PIXELS, W), program(PIXELS, W)
    np.testing.assert_array_equal(compiled[1].asnumpy(), expected[1].asnumpy())
