"""What is computed again where it is read, and what is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import capture

import lamina
from lamina import autograd, nd
from lamina.compiler.passes.fuse import Kernel
from lamina.compiler.program import lower
from lamina.compiler.targets import target_of

X, W, V = nd.ones((8, 5)), nd.ones((5, 3)), nd.ones((3, 4))


def kernels(function: Any) -> list[Kernel]:
    return lower(capture(function, X), target_of()).kernels


def stored(function: Any) -> list[str]:
    """The operators whose values the first kernel stores."""
    return [n.op.name for n in kernels(function)[0].stores]


def reread(of_product: Any) -> Any:
    """A function that reads values of a first product in a second kernel, beside the product itself."""

    def function(x: Any) -> Any:
        z = nd.dot(x, W)
        later = nd.dot(z, V)  # the product itself lies in memory
        return later, [value * nd.sum(later) for value in of_product(z)]

    return function


def test_a_sum_of_what_lies_in_memory_is_computed_again() -> None:
    assert stored(reread(lambda z: [z + 2])) == ["matmul"]


def test_a_chain_of_a_few_operations_is_computed_again() -> None:
    assert stored(reread(lambda z: [(z + 2) * z - 1])) == ["matmul"]


def test_what_is_expensive_is_stored() -> None:
    assert stored(reread(lambda z: [nd.exp(z)])) == ["matmul", "exp"]


def test_what_would_need_more_from_memory_is_stored() -> None:
    """Its reader would have to load two arrays instead of one."""
    other = nd.ones((8, 3))
    assert stored(reread(lambda z: [z + other])) == ["matmul", "add"]


def test_what_a_product_reads_is_stored() -> None:
    def function(x: Any) -> Any:
        z = nd.dot(x, W)
        return nd.dot(z, V), nd.dot(z + 2, V)

    assert sorted(stored(function)) == ["add", "matmul"]


def test_results_are_stored() -> None:
    def function(x: Any) -> Any:
        z = nd.dot(x, W)
        return nd.dot(z, V), z + 2

    assert "add" in stored(function)


def test_a_parameter_that_changes_in_between_is_read_before() -> None:
    """The backward pass computes an activation again from a slope that the same step updates."""
    random = np.random.default_rng(0)
    x = nd.array(random.normal(size=(8, 5)))

    def trained(compiles: bool) -> list[np.ndarray]:
        params = [nd.array(random.normal(size=s)) for s in ((5, 6), (6,), (6, 6))]
        for p in params:
            p.attach_grad()
        w, slope, last = params

        def step(x: Any) -> Any:
            with autograd.record():
                z = nd.dot(x, w)
                loss = nd.square(nd.dot(z + slope * (nd.tanh(z) - z), last))
            loss.backward()
            for p in params:
                p[:] = p - 0.01 * p.grad
            return nd.mean(loss)

        compiled = lamina.compile(step) if compiles else step
        return [compiled(x).asnumpy() for _ in range(5)] + [p.asnumpy() for p in params]

    random = np.random.default_rng(1)
    eager = trained(False)
    random = np.random.default_rng(1)
    for a, b in zip(eager, trained(True), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("p", [0.15, 0.5])
def test_a_dropout_mask_joins_the_product_that_it_masks(p: float) -> None:
    def function(x: Any) -> Any:
        with autograd.train_mode():
            return nd.Dropout(nd.relu(nd.dot(x, W)), p=p)

    assert [k.kind for k in kernels(function)] == ["fill", "product"]
